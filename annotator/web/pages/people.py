"""Signing in, people, projects and their settings, administration."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
