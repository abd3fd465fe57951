"""What every route needs, held by the application."""

from typing import Annotated

from fastapi import Depends, Request

from annotator.assist.endpoint import Endpoint
from annotator.maps.service import MapService
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
        self.assist = Endpoint(settings.assist_url, settings.assist_model)

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
