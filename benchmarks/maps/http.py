"""How long a whole annotator takes to answer over HTTP: tools that must be asked and recorded, recordings, tiles.

    python -m benchmarks.maps.http EXTRACT.osm.pbf

Builds a map of the extract, starts `mapqator serve` on it in a process of its own with a fresh SQLite file on disk, and
asks over one kept connection. A miss is answered by the map and synchronised to disk before it is given; a hit comes
from the recording and is checked against its hash. Saves `benchmarks/maps/<date>-<machine>-http.json`.
"""

import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from annotator.maps.embedded.build import build_map
from annotator.maps.embedded.manifest import Manifest
from benchmarks.maps.record import percentiles, save_record
from server.bench.machine import describe_run

SEED = 7
TYPES = ("cafe", "restaurant", "pharmacy", "hotel", "parking", "supermarket", "school", "bus_stop")
QUERIES = ("pharmacy", "restaurant near the harbour", "hotel", "museum", "supermarkt", "resturant", "park", "bus stop")
TILE_ZOOMS = (12, 14, 16)


def main(
    extract: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An .osm.pbf.")],
    requests: Annotated[int, typer.Option(min=20, help="Requests of each kind.")] = 200,
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside this script.")] = None,
) -> None:
    """Measure an annotator over HTTP."""
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        manifest = build_map(str(extract), data_dir=Path(folder), name="bench")
        with serving(Path(folder)) as client:
            samples = {
                name: [call() for call in calls] for name, calls in workloads(client, manifest, requests).items()
            }
    record: dict[str, Any] = describe_run() | {
        "command": f"python -m benchmarks.maps.http {extract.name}",
        "extract": {"name": extract.name, "size_bytes": extract.stat().st_size},
        "seed": SEED,
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        "summary_ms": {name: percentiles(found) for name, found in samples.items()},
        "samples_ms": {name: [round(value, 3) for value in found] for name, found in samples.items()},
    }
    save_record("http", record, output)
    table = Table("request", "median ms", "p99 ms")
    for name, figures in record["summary_ms"].items():
        table.add_row(name, f"{figures['median']:.2f}", f"{figures['p99']:.2f}")
    Console().print(table)


@contextmanager
def serving(data_dir: Path) -> Iterator[httpx.Client]:
    """A running annotator, asked over one kept connection."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "annotator.cli",
            "--data-dir",
            str(data_dir),
            "serve",
            "--port",
            "0",
            "--log-level",
            "error",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        with httpx.Client(base_url=found[0], transport=httpx.HTTPTransport(retries=20), timeout=60) as client:
            while client.get("/health/ready").status_code != 200:
                continue
            yield client
    finally:
        process.terminate()
        process.wait()


def workloads(client: httpx.Client, manifest: Manifest, num: int) -> dict[str, list[Callable[[], float]]]:
    """Timed requests by name; those called `hit` repeat those called `miss` before them."""
    pick = random.Random(SEED)
    box = manifest.bbox

    def somewhere() -> dict[str, float]:
        # The middle half of the map, where the places are.
        share_lat, share_lon = pick.uniform(0.25, 0.75), pick.uniform(0.25, 0.75)
        return {
            "lat": box.south + share_lat * (box.north - box.south),
            "lon": box.west + share_lon * (box.east - box.west),
        }

    nearby = [{**somewhere(), "type": pick.choice(TYPES), "radius_m": 500} for _ in range(num)]
    texts = [{"query": pick.choice(QUERIES), **somewhere()} for _ in range(num)]
    routes = [{"origin": somewhere(), "destination": somewhere(), "mode": "walk"} for _ in range(num)]
    tiles = []
    for index in range(num):
        place = somewhere()
        tiles.append(_tile(place["lat"], place["lon"], TILE_ZOOMS[index % len(TILE_ZOOMS)]))
    return {
        "nearby_search miss": [_post(client, "nearby_search", params) for params in nearby],
        "nearby_search hit": [_post(client, "nearby_search", params) for params in nearby],
        "text_search miss": [_post(client, "text_search", params) for params in texts],
        "text_search hit": [_post(client, "text_search", params) for params in texts],
        "compute_routes miss": [_post(client, "compute_routes", params) for params in routes],
        "compute_routes hit": [_post(client, "compute_routes", params) for params in routes],
        "tile": [_get(client, f"/tiles/bench/{tile}.mvt") for tile in tiles],
    }


def _post(client: httpx.Client, tool: str, params: dict[str, Any]) -> Callable[[], float]:
    return lambda: _timed(lambda: client.post(f"/api/tools/{tool}", json=params))


def _get(client: httpx.Client, path: str) -> Callable[[], float]:
    return lambda: _timed(lambda: client.get(path))


def _timed(request: Callable[[], httpx.Response]) -> float:
    started = time.perf_counter()
    request().raise_for_status()
    return (time.perf_counter() - started) * 1000


def _tile(lat: float, lon: float, zoom: int) -> str:
    """Zoom, column and row of the tile (Web Mercator) that holds a position."""

    count = 2**zoom
    row = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return f"{zoom}/{int((lon + 180) / 360 * count)}/{int(row * count)}"


if __name__ == "__main__":
    typer.run(main)
