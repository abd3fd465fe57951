"""Routing tiles of an extract, made by Valhalla's own programs, and the settings with which Valhalla reads them.

The same extract and the same version of Valhalla give the same tiles, whatever the number of threads, the day and the
folder. They are kept in one tar file, which the router maps into memory.
"""

import copy
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import valhalla
from valhalla.config import get_config

from annotator.errors import MapBuildError
from annotator.maps.embedded import leash
from annotator.maps.embedded.stages import require_room, sync_file, write_safely
from annotator.maps.providers.valhalla_shapes import COSTINGS

ROUTER = "valhalla"
ROUTER_VERSION: str = valhalla.__version__

TILES_FILE = "valhalla/tiles.tar"
"""Inside a map's folder; absent where the extract has no roads."""

MAX_FROM_ROAD_M = 5_000
"""A stop farther than this from every road has no way to it."""

MAX_STOPS = 50
MAX_ALTERNATIVES = 3
MAX_MATRIX_PAIRS = 20_000

_POLL_S = 0.1
_ADMINS_SHARE, _TILES_SHARE = 0.1, 0.85
_BUILD_CACHE_BYTES = 128 * 1024**2
_ACTOR_CACHE_BYTES = 256 * 1024**2

_MILESTONES = (
    b"Parsing files for ways",
    b"Parsing files for relations",
    b"Parsing files for nodes",
    b"Creating graph edges",
    b"Building edge shapes",
    b"Reclassifying",
    b"Enhancing local graph",
    b"HierarchyBuilder",
    b"Creating shortcuts",
    b"Adding complex turn restrictions",
    b"Validating, finishing",
    b"Cleaning up",
)
"""What Valhalla's tile builder says as it goes along."""


@dataclass(frozen=True, slots=True)
class GraphSummary:
    """What the routing tiles are.

    Args:
        sha256: over the sorted names and the contents of all tiles.
    """

    sha256: str
    num_tiles: int
    num_bytes: int


NO_GRAPH = GraphSummary(hashlib.sha256().hexdigest(), 0, 0)
"""Of an extract without roads."""


def build_graph(extract: Path, folder: Path, progress: Callable[[float], None]) -> GraphSummary:
    """Writes `TILES_FILE` into a map's folder; nothing where there is no road to route on.

    Args:
        extract: `.osm.pbf`, sorted by type and id as extracts are.
        folder: of the map; a subfolder holds what comes up on the way.
        progress: is told the share that is done, from 0 to 1.

    Raises:
        MapBuildError: Valhalla cannot make tiles of the extract.
        StorageError: the disk is full.
    """
    work, target = folder / "graph", folder / TILES_FILE
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(target.parent, ignore_errors=True)
    tiles = work / "tiles"
    tiles.mkdir(parents=True)
    config = work / "config.json"
    write_safely(config, json.dumps(_build_config(work, tiles), indent=1).encode())
    programs = Path(valhalla.__file__).parent / "bin"
    _run([str(programs / "valhalla_build_admins"), "-c", str(config), str(extract)], work, extract.name)
    progress(_ADMINS_SHARE)
    num_threads = len(os.sched_getaffinity(0))
    _run(
        [str(programs / "valhalla_build_tiles"), "-c", str(config), "-j", str(num_threads), str(extract)],
        work,
        extract.name,
        lambda share: progress(_ADMINS_SHARE + _TILES_SHARE * share),
    )
    summary = _pack(tiles, target)
    shutil.rmtree(work)
    progress(1.0)
    return summary


def actor_config(tiles: Path) -> dict[str, Any]:
    """Settings with which Valhalla answers from a tar file of tiles."""
    config = copy.deepcopy(_defaults())
    config["mjolnir"] |= {"tile_extract": str(tiles), "tile_dir": "", "max_cache_size": _ACTOR_CACHE_BYTES}
    config["service_limits"]["max_alternates"] = MAX_ALTERNATIVES
    config["loki"]["service_defaults"]["search_cutoff"] = MAX_FROM_ROAD_M
    # The quicker of its two matrix algorithms; neither always agrees with routes.
    config["thor"]["source_to_target_algorithm"] = "timedistancematrix"
    for costing in COSTINGS.values():
        config["service_limits"][costing] |= {
            "max_locations": MAX_STOPS,
            "max_matrix_location_pairs": MAX_MATRIX_PAIRS,
        }
    return config


@cache
def _defaults() -> dict[str, Any]:
    """Valhalla's default settings, without paths."""
    config: dict[str, Any] = copy.deepcopy(get_config(tile_extract="", tile_dir=""))
    for name in ("traffic_extract", "landmarks", "transit_dir", "transit_feeds_dir", "admin", "timezone"):
        config["mjolnir"].pop(name, None)
    config["additional_data"]["elevation"] = ""
    config["logging"]["type"] = ""
    return config


def _build_config(work: Path, tiles: Path) -> dict[str, Any]:
    config = copy.deepcopy(_defaults())
    config["mjolnir"] |= {
        "tile_dir": str(tiles),
        "admin": str(work / "admins.sqlite"),
        # The defaults are for planets: they take half a gigabyte for a village.
        "id_table_size": 1_000,
        "max_cache_size": _BUILD_CACHE_BYTES,
        "logging": {"type": "std_out", "color": False},
    }
    return config


def _run(
    command: list[str], work: Path, extract_name: str, progress: Callable[[float], None] = lambda _share: None
) -> None:
    """Runs a program to its end, its output in a file; ends it if this is interrupted."""
    log_path = work / "log.txt"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches this process alone, which ends the program below.
            start_new_session=True,
        )
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_S)
                break
            said = log_path.read_bytes()
            progress(sum(milestone in said for milestone in _MILESTONES) / len(_MILESTONES))
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        _explain(Path(command[0]).name, process.returncode, log_path, extract_name)


def unsorted(extract_name: str) -> MapBuildError:
    """What to say of an extract whose objects are not in the order of their types and ids."""
    return MapBuildError(f"{extract_name} is not sorted; sort it with `osmium sort {extract_name} -o sorted.osm.pbf`")


def _explain(program: str, status: int, log_path: Path, extract_name: str) -> None:
    said = log_path.read_text(encoding="utf-8", errors="replace")
    require_room(log_path.parent)
    if "unsorted input" in said:
        raise unsorted(extract_name)
    if status == -signal.SIGKILL:
        raise MapBuildError(
            f"{program} was ended from outside, perhaps because memory ran out; free some and build again"
        )
    lines = [line for line in said.splitlines() if "[ERROR]" in line or "what():" in line] or said.splitlines()
    last = lines[-1].partition("[ERROR]")[2].strip() or lines[-1].strip() if lines else "it said nothing"
    raise MapBuildError(f"{program} cannot make routing tiles of {extract_name} (status {status}: {last[:200]})")


def _pack(tiles: Path, target: Path) -> GraphSummary:
    """Puts the tiles into one tar file that is the same whenever and wherever it is made."""
    paths = sorted(tiles.rglob("*.gph"), key=lambda path: path.relative_to(tiles).as_posix())
    if not paths:
        return NO_GRAPH
    target.parent.mkdir()
    digest = hashlib.sha256()
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in paths:
            info = tarfile.TarInfo(path.relative_to(tiles).as_posix())
            info.size = path.stat().st_size
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                tar.addfile(info, file)
            digest.update(f"{info.name} {info.size} {content}\n".encode())
    sync_file(target)
    return GraphSummary(digest.hexdigest(), len(paths), target.stat().st_size)
