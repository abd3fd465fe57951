"""Projects, their settings and their members."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects", tags=["projects"], responses=ERROR_RESPONSES)
