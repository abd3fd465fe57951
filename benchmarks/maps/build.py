"""How long a whole map takes to build from an extract, stage by stage, and how much memory and disk at most.

    python -m benchmarks.maps.build EXTRACT.osm.pbf

Every build runs in a process of its own, with a cold interpreter and an empty data folder. Its memory, and that of the
programs that it starts, is added up every few milliseconds from outside; resident pages that several of them share
count for each. Saves `benchmarks/maps/<date>-<machine>-build.json`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.maps.record import save_record
from server.bench.machine import describe_run

PACKAGES = ("osmium", "shapely", "numpy", "pyvalhalla", "pydantic")
SAMPLE_S = 0.01

# Prints the seconds of wall and processor time (children included, once they have ended) at the end of every stage.
PROGRAM = """
import json, os, sys, time
from pathlib import Path
from annotator.maps.embedded.build import build_map

def now():
    used = os.times()
    return time.perf_counter(), used.user + used.system + used.children_user + used.children_system

imported, begun, stages = now(), {}, {}

def progress(stage, share):
    begun.setdefault(stage, now())
    if share == 1.0:
        wall, cpu = now()
        stages[stage] = {"wall_s": wall - begun[stage][0], "cpu_s": cpu - begun[stage][1]}

manifest = build_map(sys.argv[1], data_dir=Path(sys.argv[2]), name="bench", progress=progress)
wall, cpu = now()
total = {"wall_s": wall - imported[0], "cpu_s": cpu - imported[1]}
print(json.dumps({"stages": stages, "total": total, "manifest": manifest.model_dump(mode="json")}))
"""


def main(
    extract: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An .osm.pbf.")],
    builds: Annotated[int, typer.Option(min=1, help="How often the map is built.")] = 5,
    kind: Annotated[str, typer.Option(help="Last part of the file's name.")] = "build",
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside this script.")] = None,
) -> None:
    """Measure the building of a map."""
    load_before = os.getloadavg()
    samples = [build(extract) for _ in range(builds)]
    manifest = samples[-1].pop("manifest")
    hashes = {sample.pop("manifest")["build_sha"] for sample in samples[:-1]} | {manifest["build_sha"]}
    record: dict[str, Any] = describe_run() | {
        "command": " ".join(["python -m benchmarks.maps.build", extract.name, *sys.argv[2:]]),
        "packages": {name: version(name) for name in PACKAGES},
        "extract": {"name": extract.name, "size_bytes": extract.stat().st_size},
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        "median_wall_s": statistics.median(sample["total"]["wall_s"] for sample in samples),
        "median_cpu_s": statistics.median(sample["total"]["cpu_s"] for sample in samples),
        "max_peak_bytes": max(sample["peak_bytes"] for sample in samples),
        "max_disk_bytes": max(sample["peak_disk_bytes"] for sample in samples),
        "num_different_builds": len(hashes),
        "manifest": manifest,
        "samples": samples,
    }
    show(record)
    save_record(kind, record, output)


def build(extract: Path) -> dict[str, Any]:
    """One build: what its program prints, and the most memory and disk that it took."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(extract), folder], stdout=subprocess.PIPE, text=True
        )
        watched = psutil.Process(process.pid)
        peak = peak_disk = 0
        while process.poll() is None:
            peak = max(peak, resident_bytes(watched))
            peak_disk = max(peak_disk, used_bytes(Path(folder)))
            time.sleep(SAMPLE_S)
        said = process.stdout.read() if process.stdout else ""
        if process.returncode != 0:
            raise typer.Exit(process.returncode)
    found: dict[str, Any] = json.loads(said)
    return found | {"peak_bytes": peak, "peak_disk_bytes": peak_disk}


def resident_bytes(process: psutil.Process) -> int:
    """Memory of a process and all that it started; those that end meanwhile count nothing."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total


def used_bytes(folder: Path) -> int:
    """Bytes of the files below a folder, some of which may vanish while they are counted."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return total


def show(record: dict[str, Any]) -> None:
    """A table for people."""
    table = Table("stage", "median s", "median s of processor")
    for stage in (*record["samples"][0]["stages"], "total"):
        found = [sample["total"] if stage == "total" else sample["stages"][stage] for sample in record["samples"]]
        cells = (statistics.median(sample[unit] for sample in found) for unit in ("wall_s", "cpu_s"))
        table.add_row(stage, *(f"{cell:.2f}" for cell in cells))
    console = Console()
    console.print(table)
    console.print(
        f"at most {record['max_peak_bytes'] / 2**20:.0f} MiB of memory and {record['max_disk_bytes'] / 1e6:.0f} MB of "
        f"disk; {record['num_different_builds']} different build of {len(record['samples'])}"
    )


if __name__ == "__main__":
    typer.run(main)
