"""The workbench: tools, map, context and questions."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
