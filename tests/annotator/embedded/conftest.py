"""A small made-up island town as a real extract, maps built of it and of Monaco, and a web server on loopback."""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import osmium
import pytest
from osmium.osm.mutable import Node, Relation, Way

from annotator.maps.embedded.build import build_map
from annotator.maps.embedded.engine import EmbeddedMap

SOUTH, WEST = 50.0, 10.0
ROW_DEG, COLUMN_DEG = 0.0009, 0.0014
"""About a hundred metres each."""
SIDE = 12

Tags = Mapping[str, str]


@dataclass
class Sketchbook:
    """Objects of an extract, numbered as they are added.

    Args:
        generator: what the header says wrote the file.
        box: west, south, east, north of the header; None leaves it out.
    """

    generator: str = "test"
    box: tuple[float, float, float, float] | None = None
    nodes: list[Node] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)

    def node(self, lat: float, lon: float, tags: Tags | None = None) -> int:
        self.nodes.append(Node(id=len(self.nodes) + 1, version=1, location=(lon, lat), tags=dict(tags or {})))
        return len(self.nodes)

    def way(self, refs: list[int], tags: Tags) -> int:
        self.ways.append(Way(id=len(self.ways) + 1, version=1, nodes=refs, tags=dict(tags)))
        return len(self.ways)

    def area(self, corners: list[tuple[float, float]], tags: Tags) -> int:
        refs = [self.node(lat, lon) for lat, lon in corners]
        return self.way([*refs, refs[0]], tags)

    def relation(self, members: list[tuple[str, int, str]], tags: Tags) -> int:
        self.relations.append(Relation(id=len(self.relations) + 1, version=1, members=members, tags=dict(tags)))
        return len(self.relations)

    def grid(self, south: float, west: float, side: int, kinds: tuple[str, str], label: str) -> list[list[int]]:
        """Streets in rows and columns; gives the nodes of their crossings by row and column."""
        refs = [
            [self.node(south + row * ROW_DEG, west + column * COLUMN_DEG) for column in range(side)]
            for row in range(side)
        ]
        for row in range(side):
            self.way(refs[row], {"highway": kinds[0], "name": f"{label} Street {row + 1}"})
        for column in range(side):
            line = [refs[row][column] for row in range(side)]
            self.way(line, {"highway": kinds[1], "name": f"{label} Avenue {column + 1}"})
        return refs

    def write(self, path: Path) -> Path:
        header = osmium.io.Header()
        header.set("generator", self.generator)
        header.set("osmosis_replication_timestamp", "2026-01-02T03:04:05Z")
        if self.box is not None:
            west, south, east, north = self.box
            header.add_box(osmium.osm.Box(west, south, east, north))
        path.unlink(missing_ok=True)
        with osmium.SimpleWriter(osmium.io.File(str(path), "pbf"), header=header) as writer:
            for thing in (*self.nodes, *self.ways, *self.relations):
                writer.add(thing)
        return path


def _island_town() -> Sketchbook:
    """A town by the sea, a toll motorway past it, an island that only a ferry reaches, and one that nothing reaches."""
    book = Sketchbook(box=(WEST - 0.010, SOUTH - 0.004, WEST + 0.040, SOUTH + 0.020))
    town = book.grid(SOUTH, WEST, SIDE, ("residential", "tertiary"), "Main")
    island = book.grid(SOUTH, WEST + 0.026, 7, ("residential", "residential"), "Isle")
    # A motorway with a toll from the first row's end to the last's, twice as fast as the town's streets.
    east = WEST + (SIDE + 1) * COLUMN_DEG
    ramps = [book.node(SOUTH, east), book.node(SOUTH + (SIDE - 1) * ROW_DEG, east)]
    fast = {"highway": "motorway", "toll": "yes", "oneway": "no", "ref": "M 1", "maxspeed": "130"}
    book.way(ramps, fast)
    for ramp, row in ((ramps[0], 0), (ramps[1], SIDE - 1)):
        book.way([town[row][-1], ramp], {"highway": "trunk", "name": f"Ramp {row + 1}"})
    book.way([town[0][-1], island[0][0]], {"route": "ferry", "name": "Isle Ferry", "duration": "00:20"})
    one_way = [town[3][column] for column in range(SIDE)]
    book.way(one_way[:2], {"highway": "service", "oneway": "yes", "name": "Short Cut"})
    # Another island, to which no way leads at all.
    book.grid(SOUTH + 0.010, WEST + 0.027, 8, ("residential", "residential"), "Far")
    _add_places(book)
    _add_ground(book)
    return book


def _add_places(book: Sketchbook) -> None:
    book.node(
        SOUTH + 5.4 * ROW_DEG,
        WEST + 5.4 * COLUMN_DEG,
        {"place": "town", "name": "Probstadt", "name:en": "Sampleton", "population": "5000"},
    )
    for number in range(30):
        row, column = number * 7 % (SIDE - 1), number * 5 % (SIDE - 1)
        tags = {"amenity": "cafe", "name": f"Café {number + 1}", "addr:housenumber": str(number + 1)}
        if number % 5 == 0:
            tags["website"] = "https://cafe.example"
        book.node(SOUTH + (row + 0.1) * ROW_DEG, WEST + (column + 0.3) * COLUMN_DEG, tags)
    book.node(
        SOUTH + 2.05 * ROW_DEG,
        WEST + 7.3 * COLUMN_DEG,
        {"amenity": "pharmacy", "name": "Löwen-Apotheke", "opening_hours": "Mo-Fr 08:00-18:00"},
    )
    book.node(SOUTH + 8.1 * ROW_DEG, WEST + 2.2 * COLUMN_DEG, {"tourism": "museum", "name": "Town Museum"})
    # A café to which there is no way.
    book.node(SOUTH + 0.0101, WEST + 0.0271, {"amenity": "cafe", "name": "Lost Café"})


def _add_ground(book: Sketchbook) -> None:
    def box(row: float, column: float, height: float, width: float) -> list[tuple[float, float]]:
        south, west = SOUTH + row * ROW_DEG, WEST + column * COLUMN_DEG
        north, east = south + height * ROW_DEG, west + width * COLUMN_DEG
        return [(south, west), (south, east), (north, east), (north, west)]

    book.area(box(4.2, 4.2, 0.6, 0.6), {"leisure": "park", "name": "Stadtpark", "name:en": "Town Park"})
    book.area(box(4.3, 4.3, 0.1, 0.1), {"natural": "water", "water": "pond", "name": "Teich"})
    for number in range(20):
        book.area(
            box(6.2 + 0.2 * (number % 4), 6.1 + 0.15 * (number // 4), 0.1, 0.1), {"building": "yes", "height": "9"}
        )
    rail = [book.node(SOUTH - 0.002, WEST + column * COLUMN_DEG) for column in range(SIDE)]
    book.way(rail, {"railway": "rail"})
    river = [book.node(SOUTH + 7.5 * ROW_DEG, WEST + column * COLUMN_DEG) for column in range(-3, SIDE)]
    book.way(river[::-1], {"waterway": "river", "name": "Probe"})
    # Land is to the left of a coast: southwards along the west of the town, land lies in the east.
    coast = [book.node(SOUTH - 0.006 + step * 0.002, WEST - 0.003 - 0.0005 * (step % 2)) for step in range(15)]
    book.way(coast[::-1], {"natural": "coastline"})
    border = [book.node(SOUTH + 0.012, WEST - 0.009), book.node(SOUTH + 0.012, WEST + 0.039)]
    edge = book.way(border, {})
    book.relation([("w", edge, "outer")], {"type": "boundary", "boundary": "administrative", "admin_level": "8"})


@pytest.fixture(scope="session")
def sketchbook() -> type[Sketchbook]:
    """For extracts that a test writes itself."""
    return Sketchbook


@pytest.fixture(scope="session")
def island_extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The island town as an extract."""
    return _island_town().write(tmp_path_factory.mktemp("extract") / "island-town.osm.pbf")


@pytest.fixture(scope="session")
def island_data(island_extract: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the island town's map; tests only read it."""
    data_dir = tmp_path_factory.mktemp("data")
    build_map(str(island_extract), data_dir=data_dir, name="probstadt")
    return data_dir


@pytest.fixture(scope="session")
def island(island_data: Path) -> Iterator[EmbeddedMap]:
    """The island town, opened."""
    opened = EmbeddedMap(island_data / "maps" / "probstadt")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def monaco_data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with Monaco's map, built once for all test processes."""
    data_dir = tmp_path_factory.getbasetemp().parent / "monaco-map"
    data_dir.mkdir(exist_ok=True)
    with (data_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build_map(str(shared_data / "osm" / "monaco-2023-11-21.osm.pbf"), data_dir=data_dir, name="monaco")
    return data_dir


@pytest.fixture(scope="session")
def monaco(monaco_data: Path) -> Iterator[EmbeddedMap]:
    """Monaco, opened."""
    opened = EmbeddedMap(monaco_data / "maps" / "monaco")
    yield opened
    opened.close()


@dataclass
class Depot:
    """A web server of one file, which behaves as a test wants.

    Args:
        content: the file.
        answer: `(handler, request number from 1)` that answers instead of the plain way; None is the plain way.
    """

    content: bytes
    answer: Callable[[Any, int], None] | None = None
    etag: str | None = '"v1"'
    knows_ranges: bool = True
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def send(self, handler: BaseHTTPRequestHandler, *, cut_after: int | None = None, length: int | None = None) -> None:
        """The plain answer; `cut_after` bytes of it if given, or under another length."""
        wanted = handler.headers.get("range")
        start, status = 0, 200
        if wanted and self.knows_ranges and handler.headers.get("if-range") in (None, self.etag):
            start, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
        body = self.content[start:]
        handler.send_response(status)
        if self.etag:
            handler.send_header("etag", self.etag)
        if status == 206:
            handler.send_header("content-range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("content-length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body if cut_after is None else body[:cut_after])


@pytest.fixture
def depot(island_extract: Path) -> Iterator[Depot]:
    """A web server on loopback with the island town's extract."""
    shelf = Depot(island_extract.read_bytes())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.requests.append({name.lower(): value for name, value in self.headers.items()})
            if shelf.answer is None:
                shelf.send(self)
            else:
                shelf.answer(self, len(shelf.requests))

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}/island-town.osm.pbf"
    yield shelf
    server.shutdown()
    thread.join()
    server.server_close()
