"""What is typed and not sent yet, and how long people work."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}", tags=["questions"], responses=ERROR_RESPONSES)
