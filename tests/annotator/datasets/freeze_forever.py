"""Freezes one version after another until it is killed, and says each when it is done.

Run as: python freeze_forever.py DATABASE_URL DATA_DIR
"""

import sys
from pathlib import Path

from annotator.datasets.freeze import freeze
from annotator.datasets.plan import FreezeRequest
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.library import MapLibrary
from annotator.people.local import local_actor
from annotator.people.projects import by_slug
from annotator.settings import Settings
from annotator.store.sessions import open_database
from annotator.store.times import utc_now


def main(url: str, data_dir: Path) -> None:
    """Never ends by itself."""
    database = open_database(url)
    catalogue = Catalogue(Settings(data_dir=data_dir, database_url=url), MapLibrary(data_dir), {})
    with database.reading() as connection:
        project = by_slug(connection, "harbour")
    number = 0
    while True:
        request = FreezeRequest(version=f"1.0.{number}")
        found = freeze(database, catalogue, local_actor(), project, "saltmere", request, now=utc_now())
        print(found.version, flush=True)
        number += 1


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
