"""How far a project is, and how well its people agree."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}", tags=["review"], responses=ERROR_RESPONSES)
