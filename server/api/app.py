"""build_app: the whole HTTP side around one engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware

from server import __version__
from server.api import chat, completions, docs, models, ops, status, tokenize
from server.api.auth import Auth, KeyRing
from server.api.disconnect import cancel_and_wait
from server.api.errors import install_handlers
from server.api.metrics import Metrics
from server.api.middleware import BodyLimits, HeaderLimits, RequestScope
from server.api.openapi import install
from server.api.state import AppState
from server.engine.client import EngineClient
from server.paths import static_dir
from server.settings import ServerSettings

DESCRIPTION = "An OpenAI-compatible API. Models are served as `model` and `model:variant`; see /v1/models."


def build_app(engine: EngineClient, settings: ServerSettings, metrics: Metrics | None = None) -> FastAPI:
    """The ASGI application. It starts the engine when it starts, and stops it when it stops.

    It answers at once, with 503 until the model is loaded. If loading fails, `app.state.rhumb.load_error`
    says why and the answers stay 503.

    Args:
        engine: started here unless it is ready already.
        metrics: for an engine that reports to it from the beginning; a new one otherwise.

    Raises:
        ConfigError: the key file cannot be read.
    """
    keys = KeyRing(settings.all_api_keys())
    state = AppState(engine, settings, metrics or Metrics(), needs_key=bool(keys))
    # FastAPI's own telemetry would export stack traces and what failed validation, and with it pieces of prompts.
    app = FastAPI(
        title="Rhumb",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={"logs": False},
    )
    app.state.rhumb = state
    for module in (completions, chat, models, tokenize, ops, status, docs):
        app.include_router(module.router)
    if settings.dev:
        app.include_router(ops.dev_router)
    app.mount("/static", StaticFiles(directory=static_dir()), name="static")
    install_handlers(app)
    install(app, has_auth=bool(keys))
    _add_middleware(app, state, keys)
    return app


def _add_middleware(app: FastAPI, state: AppState, keys: KeyRing) -> None:
    """Innermost first: each one added wraps those before it."""
    settings = state.settings
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    app.add_middleware(Auth, keys=keys, public_metrics=settings.public_metrics)
    if settings.cors_origins:
        # Outside of auth, because a browser's preflight request brings no key.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-request-id", "x-rhumb-timings"],
            expose_headers=["x-request-id", "openai-processing-ms", "retry-after"],
        )
    app.add_middleware(HeaderLimits, max_headers=settings.max_headers, max_bytes=settings.max_header_bytes)
    app.add_middleware(RequestScope, state=state)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: AppState = app.state.rhumb
    tasks = (asyncio.create_task(state.load()), asyncio.create_task(state.sample_rate()))
    try:
        yield
    finally:
        await cancel_and_wait(*tasks)
        await state.engine.stop()
        state.close()
