"""Where the annotator's benchmarks leave what they measured, and how they say it."""

import json
import re
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console


def save_record(
    kind: str, record: dict[str, Any], output: Path | None = None, *, folder: Path = Path(__file__).parent
) -> Path:
    """Writes a record as JSON, one line a field: indented samples would be a file of numbers one below the other.

    Args:
        kind: last part of the name, `<folder>/<date>-<machine>-<kind>.json`.
        record: begins with what `describe_run` gives.
        output: another path than that.
        folder: of the records.
    """
    machine = record["machine"]
    named = re.sub(r"[^a-z0-9]+", "-", f"{machine['cpu']} {machine['num_cores']}c".lower()).strip("-")
    path = output or folder / f"{datetime.now(UTC):%Y-%m-%d}-{named}-{kind}.json"
    lines = (f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in record.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    Console(stderr=True).print(f"Saved to {path}", highlight=False, soft_wrap=True)
    return path


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum."""
    ordered = sorted(samples)
    return {
        "median": round(statistics.median(ordered), 3),
        "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 3),
        "max": round(ordered[-1], 3),
    }
