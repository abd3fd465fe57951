"""Tool calls of a project: made, recent, saved; and places found by a pasted link."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}", tags=["tools"], responses=ERROR_RESPONSES)
