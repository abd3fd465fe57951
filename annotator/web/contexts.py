"""Contexts of a project: their items, revisions and renderings."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}/contexts", tags=["contexts"], responses=ERROR_RESPONSES)
