"""The embedded town, built once, and a real annotator that serves it over HTTP."""

import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotator.assembly import TOWN_NAME, TOWN_TITLE
from annotator.maps.embedded.build import build_map
from annotator.maps.embedded.library import MapLibrary
from annotator.paths import TOWN
from tests.annotator import postgresql
from tests.annotator.program import Annotator, serving


@pytest.fixture(scope="session")
def town_data(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A data folder that holds the embedded town; all workers share one, and nobody writes to it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "town-data"
    folder.mkdir(exist_ok=True)
    with (folder.parent / "town-data.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not MapLibrary(folder).manifests():
            build_map(str(TOWN), data_dir=folder, name=TOWN_NAME, title=TOWN_TITLE)
    return folder


@pytest.fixture
def data_dir(town_data: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own, with the embedded town in it."""
    folder = tmp_path / "data"
    shutil.copytree(town_data / "maps", folder / "maps")
    return folder


@pytest.fixture(scope="session")
def annotator_server(town_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Annotator]:
    """One annotator with the embedded town for all tests of a worker; tests only add to its recordings."""
    folder = tmp_path_factory.mktemp("annotator") / "data"
    shutil.copytree(town_data / "maps", folder / "maps")
    with serving(folder) as annotator:
        yield annotator


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server of our own."""
    with postgresql.running() as folder:
        yield folder


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """An empty database on the server."""
    with postgresql.new_database(postgresql_server) as url:
        yield url
