"""How long the store takes to record an answer durably, to note a tool call, and to find and read a recording again.

    python -m benchmarks.maps.store

Answers are JSON of three sizes, made with a fixed seed, in a fresh SQLite file on disk, in the folder of `--folder`.
All samples are in the file as wall and as processor time: what else a machine does adds to the first only. After each
operation comes its floor, so that both meet the same disk: `record` beside one insert of the same bytes
through Python's sqlite3 with the same durability, `find_and_read` beside one select, inflating and hashing there.
Saves `benchmarks/maps/<date>-<machine>-store.json`.
"""

import hashlib
import json
import os
import random
import sqlite3
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from annotator.cache.exchanges import Exchange, ExchangeStore
from annotator.cache.keys import RequestKey, request_key
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import TextSearchParams
from annotator.maps.provider import ProviderInfo
from annotator.store.migrate import migrate
from annotator.store.sessions import open_database
from benchmarks.maps.record import percentiles, save_record
from server.bench.machine import describe_run

SEED = 20_261_125
PLACES_BY_SIZE = {"2 KB": 10, "20 KB": 100, "200 KB": 1000}
PACKAGES = ("sqlalchemy", "alembic", "rfc8785")

type Samples = dict[str, list[float]]

INFO = ProviderInfo(
    key="bench",
    title="Bench",
    family="bench",
    namespace="bench",
    version=1,
    base_url=None,
    licence="CC0-1.0",
    attribution="none",
)


def main(
    exchanges: Annotated[int, typer.Option(min=30, help="Recordings to make, of all sizes together.")] = 3000,
    reads: Annotated[int, typer.Option(min=100, help="Recordings to find and read again.")] = 6000,
    folder: Annotated[Path | None, typer.Option(file_okay=False, help="Where the database is made.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside this script.")] = None,
) -> None:
    """Measure the store."""
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory(dir=folder) as place:
        wall, cpu = measure(Path(place), exchanges, reads)
    record: dict[str, Any] = describe_run()
    record["versions"] |= {name: version(name) for name in PACKAGES} | {"sqlite": sqlite3.sqlite_version}
    record |= {
        "command": f"python -m benchmarks.maps.store --exchanges {exchanges} --reads {reads}",
        "seed": SEED,
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        "summary_ms": {name: percentiles(found) for name, found in wall.items()},
        "summary_cpu_ms": {name: percentiles(found) for name, found in cpu.items()},
        "samples_ms": {name: [round(value, 3) for value in found] for name, found in wall.items()},
        "samples_cpu_ms": {name: [round(value, 3) for value in found] for name, found in cpu.items()},
    }
    save_record("store", record, output)
    table = Table("operation", "median ms", "p99 ms", "median CPU ms", "p99 CPU ms")
    for name, figures in record["summary_ms"].items():
        both = (figures, record["summary_cpu_ms"][name])
        table.add_row(name, *(f"{found[key]:.3f}" for found in both for key in ("median", "p99")))
    Console().print(table)


def measure(folder: Path, num_exchanges: int, num_reads: int) -> tuple[Samples, Samples]:
    """Milliseconds on the clock and of the processor, by operation, size of the answer, and whether it is a floor."""
    pick = random.Random(SEED)
    wall, cpu = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)

    def timed[T](name: str, operation: Callable[[], T]) -> T:
        started, started_cpu = time.perf_counter(), time.process_time()
        result = operation()
        ended_cpu, ended = time.process_time(), time.perf_counter()
        wall[name].append((ended - started) * 1000)
        cpu[name].append((ended_cpu - started_cpu) * 1000)
        return result

    database = open_database(str(folder / "store.sqlite"))
    migrate(database)
    store = ExchangeStore(database)
    recorded: list[tuple[str, RequestKey, Exchange]] = []
    with closing(floor_database(folder / "floor.sqlite")) as floor:
        for number in range(num_exchanges):
            size = pick.choice(list(PLACES_BY_SIZE))
            key, body = question(number), answer(PLACES_BY_SIZE[size], pick)
            response = HttpResponse(200, body, {"content-type": "application/json"})
            made = timed(f"record, {size}", lambda: store.record("live", INFO, key, response, 12.5))  # noqa: B023
            timed(f"record, {size}, floor", lambda: insert(floor, body))  # noqa: B023
            params, result = TextSearchParams(query=f"cafe {number}"), f'{{"made of":"{made.body_sha}"}}'.encode()
            timed("record_tool_call", lambda: store.record_tool_call(INFO, params, result, [made], "miss", 1))  # noqa: B023
            recorded.append((size, key, made))
        for _ in range(num_reads):
            size, key, made = pick.choice(recorded)
            timed("find", lambda: store.find("live", key))  # noqa: B023
            timed(f"find_and_read, {size}", lambda: find_and_read(store, key))  # noqa: B023
            timed(f"find_and_read, {size}, floor", lambda: select(floor, made.body_sha))  # noqa: B023
    database.close()
    return dict(sorted(wall.items())), dict(sorted(cpu.items()))


def question(number: int) -> RequestKey:
    """The key of one request."""
    return request_key("bench", HttpCall("GET", "https://maps.example/search", query=(("q", f"cafe {number}"),)))


def answer(num_places: int, pick: random.Random) -> bytes:
    """JSON of places, some 200 bytes each, which compresses as providers' answers do."""
    places = [
        {
            "id": f"node/{pick.randrange(10**9)}",
            "name": f"Café {pick.choice(['du Port', 'Central', 'de la Gare'])} {pick.randrange(10**4)}",
            "lat": round(pick.uniform(43.7, 43.8), 6),
            "lon": round(pick.uniform(7.4, 7.5), 6),
            "tags": {
                "amenity": "cafe",
                "opening_hours": f"Mo-Fr 0{pick.randrange(6, 10)}:00-18:00",
                "wheelchair": "yes",
            },
        }
        for _ in range(num_places)
    ]
    return json.dumps({"places": places}, ensure_ascii=False).encode()


def find_and_read(store: ExchangeStore, key: RequestKey) -> HttpResponse:
    """What a hit costs: both look-ups, inflating, and the checks against both hashes."""
    found = store.find("live", key)
    assert found is not None
    return store.read(found)


def floor_database(path: Path) -> sqlite3.Connection:
    """An SQLite file with the same durability and one table."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE blob (sha256 TEXT PRIMARY KEY NOT NULL, bytes BLOB NOT NULL) STRICT")
    return connection


def insert(connection: sqlite3.Connection, body: bytes) -> None:
    """The least that recording can be: hash, compress, one row, on disk."""
    connection.execute("INSERT INTO blob VALUES (?, ?)", (hashlib.sha256(body).hexdigest(), zlib.compress(body)))


def select(connection: sqlite3.Connection, sha: str) -> bytes:
    """The least that reading can be: one row, inflate, hash."""
    body = zlib.decompress(connection.execute("SELECT bytes FROM blob WHERE sha256 = ?", (sha,)).fetchone()[0])
    assert hashlib.sha256(body).hexdigest() == sha
    return body


if __name__ == "__main__":
    typer.run(main)
