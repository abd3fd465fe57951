"""How long the embedded map's place index takes to build and to answer, on any extract.

    python -m benchmarks.maps.index EXTRACT.osm.pbf

The build runs in processes of its own, whose peak memory is taken beside that of a process that only imports the code.
The queries are made from what the index holds, with a fixed seed: names whole, cut short, misspelt and without accents,
kinds in five languages, kinds near places and in districts, addresses, corners, and nonsense. Every query is asked once
in every round, and all samples are in the file, as wall and as processor time. On a machine that is not quiet the first
holds the waiting for others too; `best_wall_ms` is over the best round of every query. Saves
`benchmarks/maps/<date>-<machine>-index.json`.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.params import NearbySearchParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.results import Place
from benchmarks.maps.record import percentiles, save_record
from server.bench.machine import describe_run

PACKAGES = ("osmium", "shapely", "numpy", "rapidfuzz", "opening-hours-py", "pydantic")
KIND_WORDS = (
    "pharmacy", "restaurants", "Apotheke", "café", "supermarché", "ristorante", "farmacia", "hotel", "train station",
    "museum", "parking", "bakery", "Bushaltestelle", "banque", "school", "église", "bar", "toilets", "playground",
)  # fmt: skip
NONSENSE = ("qwertzuiop", "12345", "the of and", "x", "§ ° *", "lorem ipsum dolor sit amet", "near near near")
TYPES = (None, "cafe", "restaurant", "pharmacy", "hotel", "parking", "supermarket", "bench", "park", "bus_stop")
SEED = 20_240_513


def main(
    extract: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An .osm.pbf.")],
    rounds: Annotated[int, typer.Option(min=1, help="How often every query is asked.")] = 5,
    builds: Annotated[int, typer.Option(min=1, help="How often the index is built.")] = 5,
    queries: Annotated[int, typer.Option(min=20, help="Queries of each tool.")] = 300,
    kind: Annotated[str, typer.Option(help="Last part of the file's name.")] = "index",
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside this script.")] = None,
) -> None:
    """Measure the place index on an extract."""
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "places"
        build = measure_build(extract, target, builds)
        with PlaceIndex(target) as index:
            answers = {name: measure(calls, rounds) for name, calls in workloads(index, queries).items()}
    record: dict[str, Any] = describe_run() | {
        "command": " ".join(["python -m benchmarks.maps.index", extract.name, *sys.argv[2:]]),
        "packages": {name: version(name) for name in PACKAGES},
        "extract": {"name": extract.name, "size_bytes": extract.stat().st_size},
        "rounds": rounds,
        "seed": SEED,
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        "build": build,
        **answers,
    }
    show(build, answers)
    save_record(kind, record, output)


def measure_build(extract: Path, target: Path, builds: int) -> dict[str, Any]:
    """Wall time, processor time and peak memory of builds, each in a fresh process; `target` holds the last one."""
    program = (
        "import json, resource, sys, time\n"
        "from dataclasses import asdict\n"
        "from pathlib import Path\n"
        "from annotator.maps.embedded.index import build_index\n"
        "bare = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "wall, cpu = time.perf_counter(), time.process_time()\n"
        "summary = build_index(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "said = {'wall_s': time.perf_counter() - wall, 'cpu_s': time.process_time() - cpu}\n"
        "said['peak_bytes'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "said |= {'import_bytes': bare * 1024, 'summary': asdict(summary)}\n"
        "print(json.dumps(said))\n"
    )
    samples = []
    for _ in range(builds):
        done = subprocess.run(
            [sys.executable, "-c", program, str(extract), str(target)], check=True, capture_output=True, text=True
        )
        samples.append(json.loads(done.stdout))
    summary = samples[-1]["summary"]
    return {
        "median_wall_s": statistics.median(sample["wall_s"] for sample in samples),
        "median_cpu_s": statistics.median(sample["cpu_s"] for sample in samples),
        "max_peak_bytes": max(sample["peak_bytes"] for sample in samples),
        "import_bytes": samples[0]["import_bytes"],
        "summary": summary,
        "samples": [{key: value for key, value in sample.items() if key != "summary"} for sample in samples],
    }


def workloads(index: PlaceIndex, num: int) -> dict[str, list[tuple[str, Callable[[], object]]]]:
    """Calls of every tool with a word on each."""
    pick = random.Random(SEED)
    places = _places(index)
    named = [place for place in places if len(place.name) > 3]

    def near() -> Place:
        return pick.choice(places)

    calls: dict[str, list[tuple[str, Callable[[], object]]]] = {}
    texts = [_query(pick, named) for _ in range(num)]
    searches = [TextSearchParams(query=text) for text in texts]
    # A third of them lean to a position.
    searches = [
        params.model_copy(update={"lat": place.lat, "lon": place.lon}) if pick.random() < 1 / 3 else params
        for params, place in ((params, near()) for params in searches)
    ]
    calls["text_search"] = [(params.query, partial(index.text_search, params)) for params in searches]
    nearby = [_nearby(pick, near()) for _ in range(num)]
    calls["nearby_search"] = [
        (json.dumps(params.canonical()), partial(index.nearby_search, params)) for params in nearby
    ]
    positions = [
        ReverseGeocodeParams(
            lat=near().lat + pick.gauss(0, 2e-4), lon=near().lon + pick.gauss(0, 2e-4), limit=pick.choice([1, 5])
        )
        for _ in range(num)
    ]
    calls["reverse_geocode"] = [
        (json.dumps(params.canonical()), partial(index.reverse_geocode, params)) for params in positions
    ]
    ways = [(_way(pick, near(), near()), pick.choice(TYPES[1:])) for _ in range(num)]
    calls["places_along"] = [
        (f"{type} along {len(way)} points", partial(index.places_along, way, 150.0, type=type)) for way, type in ways
    ]
    calls["place_details"] = [(place.pid, partial(index.places, [place.pid], "en")) for place in places[:num]]
    return calls


def _places(index: PlaceIndex) -> list[Place]:
    """Some thousand places from all over the index."""
    found: dict[str, Place] = {}
    for word in (*KIND_WORDS, "street", "rue", "strasse", "via", "avenue", "square", "house", "tower", "shop"):
        for place in index.text_search(TextSearchParams(query=word, limit=20)).places:
            found[place.pid] = place
    for place in list(found.values())[:60]:
        params = NearbySearchParams(lat=place.lat, lon=place.lon, radius_m=2_000, limit=50)
        found |= {other.pid: other for other in index.nearby_search(params).places}
    return [found[pid] for pid in sorted(found)]


def _query(pick: random.Random, named: Sequence[Place]) -> str:
    place, other = pick.choice(named), pick.choice(named)
    kind = pick.choice(KIND_WORDS)
    district = place.address_parts.get("district") or place.address_parts.get("city") or place.name
    street = place.address_parts.get("street", place.name)
    return pick.choice(
        [
            lambda: place.name,
            lambda: place.name.lower(),
            lambda: _plain(place.name),
            lambda: place.name[: max(3, len(place.name) * 2 // 3)],
            lambda: _misspelt(pick, place.name),
            lambda: kind,
            lambda: _misspelt(pick, kind),
            lambda: f"{kind} near {place.name}",
            lambda: f"{kind} {pick.choice(['près de', 'in der Nähe von', 'cerca de', 'vicino a'])} {place.name}",
            lambda: f"{_misspelt(pick, kind)} near {_misspelt(pick, place.name)}",
            lambda: f"{kind} in {district}",
            lambda: f"{kind} {place.name}",
            lambda: f"{place.address_parts.get('house_number', '5')} {street}",
            lambda: street,
            lambda: f"{street} & {other.address_parts.get('street', other.name)}",
            lambda: f"where is the nearest {kind}",
            lambda: f"{place.name} {other.name}",
            lambda: pick.choice(NONSENSE),
        ]
    )()[:200]


def _plain(text: str) -> str:
    return "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))


def _misspelt(pick: random.Random, text: str) -> str:
    """The text with a letter lost, doubled, changed or swapped with the next."""
    at = pick.randrange(1, max(2, len(text) - 1))
    changed = pick.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + text[at : at + 1] + text[at:],
            text[:at] + pick.choice("aeiounrst") + text[at + 1 :],
            text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
        ]
    )
    return changed.strip() or text


def _nearby(pick: random.Random, place: Place) -> NearbySearchParams:
    params: dict[str, Any] = {
        "lat": place.lat,
        "lon": place.lon,
        "radius_m": pick.choice([100, 300, 500, 1_000, 2_000, 5_000]),
        "type": pick.choice(TYPES),
        "rank": pick.choice(["distance", "distance", "prominence"]),
    }
    params |= pick.choice(
        [
            {},
            {},
            {"keyword": pick.choice(["pizza", "hotel", "bank", "rouge"])},
            {"wheelchair": True},
            {"cuisine": "italian"},
            {"open_at": "2024-05-13T11:00:00"},
        ]
    )
    return NearbySearchParams(**params)


def _way(pick: random.Random, start: Place, end: Place) -> list[tuple[float, float]]:
    """A crooked line of some two hundred points between two places, as a route's shape is."""
    num = 200
    return [
        (
            start.lat + (end.lat - start.lat) * step / num + pick.gauss(0, 5e-5),
            start.lon + (end.lon - start.lon) * step / num + pick.gauss(0, 5e-5),
        )
        for step in range(num + 1)
    ]


def measure(calls: Sequence[tuple[str, Callable[[], object]]], rounds: int) -> dict[str, Any]:
    """Milliseconds of every call in every round; the rounds go over all calls, so that no call has a warm place."""
    for _, call in calls[:20]:
        call()
    wall_ms: list[list[float]] = [[] for _ in calls]
    cpu_ms: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for number, (_, call) in enumerate(calls):
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            wall_ms[number].append(round((time.perf_counter() - wall) * 1e3, 3))
            cpu_ms[number].append(round((time.process_time() - cpu) * 1e3, 3))
    return {
        "num_calls": len(calls),
        "wall_ms": percentiles([ms for call in wall_ms for ms in call]),
        "best_wall_ms": percentiles([min(call) for call in wall_ms]),
        "cpu_ms": percentiles([ms for call in cpu_ms for ms in call]),
        "samples": [
            {"call": label, "wall_ms": wall, "cpu_ms": cpu}
            for (label, _), wall, cpu in zip(calls, wall_ms, cpu_ms, strict=True)
        ],
    }


def show(build: dict[str, Any], answers: dict[str, dict[str, Any]]) -> None:
    """A table for people."""
    table = Table("call", "median ms", "p99 ms", "best p99 ms", "processor median ms", "processor p99 ms")
    for name, found in answers.items():
        wall, cpu = found["wall_ms"], found["cpu_ms"]
        cells = (wall["median"], wall["p99"], found["best_wall_ms"]["p99"], cpu["median"], cpu["p99"])
        table.add_row(name, *(f"{cell:.2f}" for cell in cells))
    console = Console()
    console.print(
        f"build: {build['median_wall_s']:.2f} s ({build['median_cpu_s']:.2f} s of processor), at most "
        f"{build['max_peak_bytes'] / 2**20:.0f} MiB ({build['import_bytes'] / 2**20:.0f} MiB of them imports); "
        f"{build['summary']['num_pois']} places of interest, {build['summary']['size_bytes'] / 1e6:.1f} MB"
    )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
