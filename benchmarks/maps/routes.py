"""How long a built map takes for routes, matrices, places along a route, and vector tiles, on any extract.

    python -m benchmarks.maps.routes EXTRACT.osm.pbf

Stops are places of the map, drawn with a fixed seed. Every call is made once in every round, in this process, and gives
the canonical bytes that a provider would record; all samples are in the file, as wall and as processor time, for a
machine that is not quiet adds to the first only. Tiles are drawn anew each time. Saves
`benchmarks/maps/<date>-<machine>-routes.json`.
"""

import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from annotator.geo import LatLon
from annotator.maps.embedded.build import build_map
from annotator.maps.embedded.engine import EmbeddedMap
from annotator.maps.params import PARAMS, ToolName
from benchmarks.maps.record import percentiles, save_record
from server.bench.machine import describe_run

PACKAGES = ("pyvalhalla", "shapely", "numpy", "protobuf", "rfc8785", "pydantic")
MODES = ("drive", "walk", "bicycle", "motorcycle")
ALONG_TYPES = ("restaurant", "cafe", "pharmacy", "supermarket")
TILE_ZOOMS = (12, 13, 14, 15, 16)
MATRIX_SIDE = 5
SEED = 11

type Calls = Sequence[Callable[[], object]]


def main(
    extract: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An .osm.pbf.")],
    rounds: Annotated[int, typer.Option(min=1, help="How often every call is made.")] = 5,
    calls: Annotated[int, typer.Option(min=4, help="Calls of each kind.")] = 60,
    kind: Annotated[str, typer.Option(help="Last part of the file's name.")] = "routes",
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside this script.")] = None,
) -> None:
    """Measure a map's router and its tiles."""
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        manifest = build_map(str(extract), data_dir=Path(folder), name="bench")
        opened = EmbeddedMap(Path(folder) / "maps" / "bench")
        found = {name: measure(some, rounds) for name, some in workloads(opened, calls).items()}
        opened.close()
    record: dict[str, Any] = describe_run() | {
        "command": " ".join(["python -m benchmarks.maps.routes", extract.name, *sys.argv[2:]]),
        "packages": {name: version(name) for name in PACKAGES},
        "extract": {"name": extract.name, "size_bytes": extract.stat().st_size},
        "build_sha": manifest.build_sha,
        "rounds": rounds,
        "seed": SEED,
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        **found,
    }
    show(found)
    save_record(kind, record, output)


def workloads(opened: EmbeddedMap, num: int) -> dict[str, Calls]:
    """Calls by what they ask for."""
    pick = random.Random(SEED)
    places = _places(opened)
    found: dict[str, Calls] = {}
    for mode in MODES:
        found[f"route {mode}"] = [
            _ask(opened, "compute_routes", {**_ends(pick, places), "mode": mode}) for _ in range(num)
        ]
    found["route with 2 alternatives"] = [
        _ask(opened, "compute_routes", {**_ends(pick, places), "alternatives": 2}) for _ in range(num)
    ]
    found["route through 5 stops in the best order"] = [
        _ask(
            opened,
            "compute_routes",
            {**_ends(pick, places), "intermediates": _stops(pick, places, 5), "optimize_order": True},
        )
        for _ in range(max(1, num // 4))
    ]
    found[f"matrix {MATRIX_SIDE} by {MATRIX_SIDE}"] = [
        _ask(
            opened,
            "travel_matrix",
            {"origins": _stops(pick, places, MATRIX_SIDE), "destinations": _stops(pick, places, MATRIX_SIDE)},
        )
        for _ in range(max(1, num // 2))
    ]
    found["along a route"] = [
        _ask(opened, "search_along_route", {**_ends(pick, places), "type": pick.choice(ALONG_TYPES)})
        for _ in range(max(1, num // 2))
    ]
    for zoom in TILE_ZOOMS:
        tiles = sorted({_tile(point, zoom) for point in places})
        some = pick.sample(tiles, min(num, len(tiles)))
        found[f"tile z{zoom}"] = [partial(_draw, opened, *tile) for tile in some]
    return found


def _places(opened: EmbeddedMap) -> list[LatLon]:
    """Positions of all kinds of places inside the map's box."""
    box = opened.manifest.bbox
    found = [
        place.point
        for kind in (*ALONG_TYPES, "hotel", "school", "bank", "museum", "bus_stop", "parking")
        for place in opened.index.places_along([box.center], 50_000, type=kind)
    ]
    return sorted({point for point in found if box.contains(point)})


def _ends(pick: random.Random, places: Sequence[LatLon]) -> dict[str, Any]:
    origin, destination = _stops(pick, places, 2)
    return {"origin": origin, "destination": destination}


def _stops(pick: random.Random, places: Sequence[LatLon], num: int) -> list[dict[str, float]]:
    return [{"lat": lat, "lon": lon} for lat, lon in pick.sample(places, num)]


def _ask(opened: EmbeddedMap, tool: ToolName, asked: dict[str, Any]) -> Callable[[], object]:
    return partial(opened.answer_bytes, tool, PARAMS[tool].model_validate(asked))


def _draw(opened: EmbeddedMap, z: int, x: int, y: int) -> bytes:
    opened.tiles.forget()
    return opened.tiles.tile(z, x, y)


def _tile(point: LatLon, zoom: int) -> tuple[int, int, int]:
    """The tile of the Web Mercator projection that a position is in."""
    x = (point[1] + 180) / 360
    y = (1 - math.asinh(math.tan(math.radians(point[0]))) / math.pi) / 2
    return zoom, int(x * 2**zoom), int(y * 2**zoom)


def measure(calls: Calls, rounds: int) -> dict[str, Any]:
    """Milliseconds of every call in every round; the rounds go over all calls, so that no call has a warm place."""
    for call in calls[:4]:
        call()
    wall_ms: list[list[float]] = [[] for _ in calls]
    cpu_ms: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for number, call in enumerate(calls):
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            wall_ms[number].append(round((time.perf_counter() - wall) * 1e3, 3))
            cpu_ms[number].append(round((time.process_time() - cpu) * 1e3, 3))
    return {
        "num_calls": len(calls),
        "wall_ms": percentiles([ms for call in wall_ms for ms in call]),
        "cpu_ms": percentiles([ms for call in cpu_ms for ms in call]),
        "samples": {"wall_ms": wall_ms, "cpu_ms": cpu_ms},
    }


def show(found: dict[str, dict[str, Any]]) -> None:
    """A table for people."""
    table = Table("call", "median ms", "p99 ms", "median ms of processor", "p99 ms of processor")
    for name, measured in found.items():
        wall, cpu = measured["wall_ms"], measured["cpu_ms"]
        table.add_row(name, *(f"{cell:.2f}" for cell in (wall["median"], wall["p99"], cpu["median"], cpu["p99"])))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
