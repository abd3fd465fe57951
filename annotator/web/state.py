"""What every route needs, held by the application."""

import os
import secrets
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request

from annotator.assist.endpoint import Endpoint
from annotator.datasets.runner import JobRunner
from annotator.maps.service import MapService
from annotator.people.oidc import OidcProvider
from annotator.people.secret_key import load_key
from annotator.settings import Settings
from annotator.store.sessions import Database
from annotator.web.metrics import Metrics


class AppState:
    """The running program.

    Args:
        settings: as it was started.
        service: answers tools.
        metrics: of this application.
    """

    def __init__(self, settings: Settings, service: MapService, metrics: Metrics) -> None:
        self.settings = settings
        self.service = service
        self.metrics = metrics
        self.starting: str | None = "opening the database"
        """What is still going on before the first answer; None when ready."""
        self.is_single_user = settings.is_single_user
        self.setup_code = secrets.token_hex(8)
        """What the log tells and `/setup` asks for when others than this machine can reach it."""
        self.jobs = JobRunner(service.store.database)
        self.evaluations = JobRunner(service.store.database)
        """Runs of models, which take long, so that nobody's import waits behind them."""
        self.assist = Endpoint(settings.assist_url, settings.assist_model)

    @cached_property
    def secret_key(self) -> bytes:
        """What signatures are made with; kept in the data folder, never in the database."""
        return load_key(self.settings.data_dir)

    @cached_property
    def oidc(self) -> OidcProvider | None:
        """Single sign-on, where it is set up."""
        issuer, client_id = self.settings.oidc_issuer, self.settings.oidc_client_id
        if issuer is None or client_id is None:
            return None
        return OidcProvider(issuer, client_id, os.environ.get("MAPQATOR_OIDC_CLIENT_SECRET") or None)

    @property
    def database(self) -> Database:
        """Where everything is kept."""
        return self.service.store.database


def _state(request: Request) -> AppState:
    state: AppState = request.app.state.mapqator
    return state


def _service(request: Request) -> MapService:
    return _state(request).service


State = Annotated[AppState, Depends(_state)]
Service = Annotated[MapService, Depends(_service)]
