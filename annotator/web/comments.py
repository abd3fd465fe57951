"""What people say about contexts, questions and datasets."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}", tags=["review"], responses=ERROR_RESPONSES)
