"""Questions of a project: their revisions, evidence, lint and who has them open."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/projects/{project}", tags=["questions"], responses=ERROR_RESPONSES)
