"""What a figure was measured on: processor, memory, accelerators, versions and source revision."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("rhumb", "torch", "transformers", "tokenizers", "numpy", "triton", "httpx", "numba")
GPU_FIELDS = "name,driver_version,memory.total,power.limit,clocks.max.sm"


def describe_machine() -> dict[str, object]:
    """Facts about this machine, ready for JSON. Unknown facts are None, never guessed."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": _cpu_name(),
        "num_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        "gpus": _gpus(),
        "environment": {
            name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ
        },
    }


def describe_versions() -> dict[str, str | None]:
    """Python, the packages that decide speed, and the git revision of this source tree."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    versions["git_revision"] = _git_revision()
    return versions


def describe_run() -> dict[str, object]:
    """`date`, `command`, `machine` and `versions`: the part of a result file that all benchmarks share."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _gpus() -> list[dict[str, str]]:
    listing = _output_of(["nvidia-smi", f"--query-gpu={GPU_FIELDS}", "--format=csv,noheader"])
    if listing is None:
        return []
    names = GPU_FIELDS.split(",")
    return [dict(zip(names, (cell.strip() for cell in line.split(",")), strict=False)) for line in listing.splitlines()]


def _git_revision() -> str | None:
    """The commit, with `-dirty` when tracked files differ from it: such a figure cannot be reproduced."""
    here = str(Path(__file__).parent)
    revision = _output_of(["git", "-C", here, "rev-parse", "HEAD"])
    if revision is None:
        return None
    changes = _output_of(["git", "-C", here, "status", "--porcelain", "--untracked-files=no"])
    return f"{revision}-dirty" if changes else revision


def _output_of(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
