"""Health, version and metrics."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from annotator import __version__
from annotator.cache.statistics import statistics
from annotator.web.access import AnyAccount
from annotator.web.state import Service, State

router = APIRouter(tags=["operation"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """Whether the process runs at all."""
    return {"status": "alive"}


@router.get("/health/ready")
async def ready(state: State) -> JSONResponse:
    """Whether tools can be asked; 503 with the reason while the first map is still being built."""
    if state.starting is not None:
        return JSONResponse({"status": "starting", "reason": state.starting}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/version")
async def version() -> dict[str, str]:
    """Which MapQaTor this is."""
    return {"version": __version__}


@router.get("/metrics")
async def metrics(state: State) -> Response:
    """Prometheus metrics: tool calls by tool, provider and outcome, and their latency."""
    return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/cache")
async def cache(service: Service, actor: AnyAccount) -> dict[str, Any]:
    """How much is recorded, and how often recordings answered."""
    return asdict(await asyncio.to_thread(statistics, service.store.database))
