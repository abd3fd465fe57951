"""Datasets and their frozen snapshots."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}/datasets", tags=["datasets"], responses=ERROR_RESPONSES)
