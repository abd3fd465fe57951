"""The exact bytes behind an answer, and the cache they lie in."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
