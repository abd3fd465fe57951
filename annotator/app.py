"""build_app: the whole web program around one service."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from annotator import __version__
from annotator.assembly import TOWN_NAME, open_service, prepare_town
from annotator.demo.project.build import build_demo
from annotator.errors import MapqatorError, StorageError
from annotator.evaluate.interrupted import Interrupted
from annotator.maps.service import MapService
from annotator.people.webhook_worker import WebhookWorker
from annotator.settings import Settings
from annotator.web import (
    admin,
    assets,
    assignments,
    assist,
    auth,
    calls,
    catalogue,
    comments,
    contexts,
    datasets,
    drafts,
    evaluation_files,
    evaluation_variants,
    evaluations,
    exchanges,
    me,
    members,
    ops,
    progress,
    projects,
    questions,
    review,
    sso,
    tiles,
    tools,
    transfer,
    webhooks,
)
from annotator.web.auth import announce_setup
from annotator.web.errors import install_handlers
from annotator.web.metrics import Metrics
from annotator.web.middleware import BodyLimit, SameOrigin, SecurityHeaders
from annotator.web.pages import admin as admin_pages
from annotator.web.pages import datasets as dataset_pages
from annotator.web.pages import evaluation_compare as evaluation_compare_pages
from annotator.web.pages import evaluation_runs as evaluation_run_pages
from annotator.web.pages import evidence as evidence_pages
from annotator.web.pages import home as home_pages
from annotator.web.pages import people as people_pages
from annotator.web.pages import review as review_pages
from annotator.web.pages import transfer as transfer_pages
from annotator.web.pages import workbench as workbench_pages
from annotator.web.state import AppState

logger = logging.getLogger("mapqator")

DESCRIPTION = "Map tools whose every answer is recorded, reproducible and traceable."
SWEEP_INTERVAL_S = 3600.0
"""How often content whose storage has expired is removed; reading never gives it, swept or not."""


_ROUTED = (
    tools,
    catalogue,
    exchanges,
    tiles,
    ops,
    auth,
    sso,
    me,
    projects,
    members,
    admin,
    webhooks,
    calls,
    contexts,
    questions,
    drafts,
    assist,
    review,
    assignments,
    comments,
    progress,
    datasets,
    transfer,
    evaluations,
    evaluation_variants,
    evaluation_files,
    home_pages,
    people_pages,
    admin_pages,
    workbench_pages,
    review_pages,
    dataset_pages,
    transfer_pages,
    evaluation_compare_pages,
    # Last of evaluation's pages, since any name may be the beginning of a run's id.
    evaluation_run_pages,
    evidence_pages,
)


def build_app(settings: Settings) -> FastAPI:
    """The ASGI application. It answers at once; `/health/ready` says 503 until the first map is built."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_service(settings) as service:
            app.state.mapqator = state = AppState(settings, service, Metrics())
            announce_setup(state)
            webhook_worker = WebhookWorker(
                service.store.database,
                lambda: state.secret_key,
                private_hosts=settings.webhook_private_hosts,
            )
            tasks = (
                asyncio.create_task(_prepare(state)),
                asyncio.create_task(_sweep(service)),
                asyncio.create_task(webhook_worker.run()),
                asyncio.create_task(_take_up(state)),
            )
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.to_thread(state.evaluations.close)
                await asyncio.to_thread(state.jobs.close)
                state.assist.close()

    app = FastAPI(
        title="MapQaTor",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={"logs": False},
    )
    app.state.is_stopping = False
    for module in _ROUTED:
        app.include_router(module.router)
    assets.mount(app)
    install_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, max_upload_bytes=settings.max_upload_bytes)
    app.add_middleware(SameOrigin)
    if hosts := _hosts(settings):
        # A page elsewhere may give its own name this machine's address; only the Host header tells it from ours.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_middleware(SecurityHeaders)
    return app


def _hosts(settings: Settings) -> list[str]:
    """Host names to answer to; none means all, for addresses that others reach by names unknown here."""
    if not settings.allowed_hosts and not settings.is_loopback:
        return []
    public = [] if settings.public_url is None else [urlsplit(settings.public_url).hostname or ""]
    return [*settings.allowed_hosts, *public, "127.0.0.1", "localhost", "[::1]"]


async def _prepare(state: AppState) -> None:
    """What takes longer than a start may: the first map."""
    state.starting = "building the embedded town"
    try:
        await asyncio.to_thread(prepare_town, state.settings)
        if state.settings.town and state.settings.demo and state.is_single_user:
            state.starting = "writing the demo project"
            await build_demo(state.service, TOWN_NAME)
    except MapqatorError as error:
        # Recordings and other providers work without it, so the program goes on and says why it has no map.
        logger.error("the embedded town cannot be had: %s", error)
    state.starting = None


async def _take_up(state: AppState) -> None:
    """Goes on with runs of models that were cut off when the program ended."""
    if not state.settings.resume_runs:
        return
    try:
        await Interrupted(state.service, state.settings, state.evaluations).take_up()
    except StorageError as error:
        logger.warning("runs that were cut off do not go on by themselves: %s", error)


async def _sweep(service: MapService) -> None:
    while True:
        try:
            await asyncio.to_thread(service.sweep)
        except StorageError as error:
            logger.warning("expired content could not be removed: %s", error)
        await asyncio.sleep(SWEEP_INTERVAL_S)
