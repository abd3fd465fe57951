"""What the installation's administrators do: accounts and the audit log."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api/admin", tags=["people"], responses=ERROR_RESPONSES)
