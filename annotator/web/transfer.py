"""Imports and exports, and the jobs that do them."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}", tags=["datasets"], responses=ERROR_RESPONSES)
