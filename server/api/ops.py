"""Health, version, metrics, the live request table, the prefix cache."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from server import __version__
from server.api.errors import unavailable
from server.api.metrics import CONTENT_TYPE
from server.api.openapi import Responses, errors
from server.api.state import AppState, state_of
from server.engine.request import EngineInfo, RowInfo

router = APIRouter(tags=["operations"])


_TEXT: Responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


class Readiness(BaseModel):
    status: Literal["ready", "not ready"]
    reason: str | None = None


class Version(BaseModel):
    version: str


@router.get("/health/live")
async def live() -> dict[str, str]:
    """200 as long as the process answers at all."""
    return {"status": "live"}


@router.get("/health/ready", responses={503: {"model": Readiness}})
@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(response: Response, state: Annotated[AppState, Depends(state_of)]) -> Readiness:
    """200 while requests can be served, 503 with the reason otherwise."""
    reason = state.failure
    if reason is None:
        return Readiness(status="ready")
    response.status_code = 503
    return Readiness(status="not ready", reason=reason)


@router.get("/health", response_class=Response, responses=errors(503))
async def health(state: Annotated[AppState, Depends(state_of)]) -> Response:
    """An empty 200 while requests can be served, as load balancers like it."""
    reason = state.failure
    return Response() if reason is None else unavailable(f"Not ready: {reason}.").response()


@router.get("/ping", response_class=Response)
@router.post("/ping", response_class=Response)
async def ping() -> Response:
    """An empty 200."""
    return Response()


@router.get("/version", responses=errors(401))
async def version() -> Version:
    """The version to put into a bug report."""
    return Version(version=__version__)


@router.get(
    "/metrics",
    response_class=Response,
    responses=_TEXT | errors(401),
)
async def metrics(state: Annotated[AppState, Depends(state_of)]) -> Response:
    """Prometheus' text format."""
    text = state.metrics.render(state.engine.stats, is_ready=state.failure is None)
    return Response(text, headers={"content-type": CONTENT_TYPE})


@router.get("/slots", responses=errors(401, 503))
async def slots(state: Annotated[AppState, Depends(state_of)]) -> list[RowInfo]:
    """The requests that wait or run now."""
    return await state.serving.engine.inspect()


dev_router = APIRouter(tags=["development"])


@dev_router.post("/reset_prefix_cache", response_class=Response, responses=errors(401, 503))
async def reset_prefix_cache(state: Annotated[AppState, Depends(state_of)]) -> Response:
    """Forget all cached prompts, for honest benchmarks. Only with --dev."""
    await state.serving.engine.reset_prefix_cache()
    return Response()


class ProfileTrace(BaseModel):
    """Where the engine wrote its trace, on its own machine."""

    path: str


@dev_router.post("/start_profile", response_class=Response, responses=errors(400, 401, 503))
async def start_profile(state: Annotated[AppState, Depends(state_of)]) -> Response:
    """Record the engine's next steps with torch's profiler. Only with --dev and --profile-dir."""
    await state.serving.engine.start_profile()
    return Response()


@dev_router.post("/stop_profile", responses=errors(400, 401, 503))
async def stop_profile(state: Annotated[AppState, Depends(state_of)]) -> ProfileTrace:
    """End the recording and say where its trace is."""
    return ProfileTrace(path=await state.serving.engine.stop_profile())


@dev_router.get("/engine", responses=errors(401, 503))
async def engine(state: Annotated[AppState, Depends(state_of)]) -> EngineInfo:
    """What was loaded, how, and how long each part took. Only with --dev."""
    return state.serving.info
