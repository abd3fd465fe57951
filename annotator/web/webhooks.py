"""Where a project's audit log is told to."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}/webhooks", tags=["projects"], responses=ERROR_RESPONSES)
