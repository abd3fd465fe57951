"""Suggestions by a served model."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}", tags=["assist"], responses=ERROR_RESPONSES)
