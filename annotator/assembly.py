"""Puts the parts together: database, recordings, maps, providers, and the service on top."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from annotator import __version__
from annotator.cache.exchanges import ExchangeStore
from annotator.cache.fetch import Fetcher
from annotator.cache.flights import Flights
from annotator.cache.pace import Pace
from annotator.maps.access import user_agent
from annotator.maps.calls import Transport
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.engine import EmbeddedTransport
from annotator.maps.embedded.library import MapLibrary
from annotator.maps.providers.local import LocalTransport
from annotator.maps.service import MapService
from annotator.maps.transport import HttpTransport
from annotator.paths import TOWN
from annotator.people.local import ensure_local_account
from annotator.settings import Settings
from annotator.store.migrate import migrate
from annotator.store.sessions import open_database
from annotator.store.times import utc_now

TOWN_NAME = "town"
TOWN_TITLE = "Saltmere"
"""What the embedded town is called on its own map."""
FLIGHT_MARGIN_S = 10.0
"""What recording an answer may take on top of waiting and asking for it."""


@asynccontextmanager
async def open_service(settings: Settings, env: Mapping[str, str] | None = None) -> AsyncIterator[MapService]:
    """A service on the configured database and maps; closes everything when the block ends.

    Args:
        env: where providers' keys are looked up; the process's environment by default.

    Raises:
        ConfigError: a setting that cannot work.
        StorageError: the database cannot be opened.
    """
    env = os.environ if env is None else env
    library = MapLibrary(settings.data_dir)
    catalogue = Catalogue(settings, library, env)
    database = open_database(settings.resolved_database_url)
    http = HttpTransport(
        user_agent=user_agent(__version__, settings),
        timeout_s=settings.request_timeout_s,
        max_response_bytes=settings.max_response_bytes,
        env=env,
    )
    try:
        migrate(database)
        with database.writing() as connection:
            ensure_local_account(connection, utc_now())
        store = ExchangeStore(database)
        transports: dict[str, Transport] = {
            "http": http,
            "https": http,
            "osm": EmbeddedTransport(library),
            "local": LocalTransport(),
        }
        fetcher = Fetcher(
            store,
            Pace(database),
            Flights(database),
            transports,
            max_wait_s=settings.max_wait_s,
            flight_ttl_s=settings.request_timeout_s + settings.max_wait_s + FLIGHT_MARGIN_S,
        )
        yield MapService(catalogue, library, store, fetcher)
        store.flush_hits()
    finally:
        await http.close()
        library.close()
        database.close()


def prepare_town(settings: Settings) -> None:
    """Builds the embedded town when there is no map yet, so that a first start has something to show; or builds it
    again when this program's maps are of another make than the one that is there.

    Raises:
        MapBuildError: it cannot be built here.
        StorageError: the data folder cannot be written.
    """
    names = {manifest.name for manifest in MapLibrary(settings.data_dir).manifests()}
    if settings.town and (not names or TOWN_NAME in names):
        # Loaded where it is needed: the builder brings large libraries along.
        from annotator.maps.embedded.build import build_map

        build_map(str(TOWN), data_dir=settings.data_dir, name=TOWN_NAME, title=TOWN_TITLE)
