"""Queues: answers, reviews, adjudication; questions and progress."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
