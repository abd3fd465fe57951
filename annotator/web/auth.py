"""Signing in and out: sessions, accounts of their own, tokens, single sign-on."""

from fastapi import APIRouter

from annotator.web.errors import ERROR_RESPONSES

router = APIRouter(prefix="/api", tags=["people"], responses=ERROR_RESPONSES)
