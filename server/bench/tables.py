"""Results on the terminal and in files."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from server.bench.report import METRICS, percentile_name
from server.errors import ConfigError

SERVE_ROWS = (
    ("Completed requests", "completed"),
    ("Failed requests", "failed"),
    ("Duration (s)", "duration"),
    ("Input tokens", "total_input_tokens"),
    ("Output tokens", "total_output_tokens"),
    ("Requests/s", "request_throughput"),
    ("Good requests/s", "request_goodput"),
    ("Output tokens/s", "output_throughput"),
    ("All tokens/s", "total_token_throughput"),
    ("Most requests at once", "max_concurrent_requests"),
    ("Tokens per chunk", "tokens_per_chunk"),
)
THROUGHPUT_ROWS = (
    ("Requests", "num_requests"),
    ("Duration (s)", "elapsed_time"),
    ("Input tokens", "total_input_tokens"),
    ("… from the prefix cache", "cached_input_tokens"),
    ("Output tokens", "total_output_tokens"),
    ("Requests/s", "requests_per_second"),
    ("Output tokens/s", "output_throughput"),
    ("All tokens/s", "tokens_per_second"),
    ("Steps", "num_steps"),
    ("Preemptions", "num_preemptions"),
)
LATENCY_ROWS = (
    ("Mean latency (s)", "avg_latency"),
    ("Standard deviation (s)", "std_latency"),
    ("First tokens after (s)", "median_first_token"),
    ("Decode step (ms)", "median_decode_step_ms"),
    ("Output tokens/s", "output_throughput"),
)


def shown(value: object) -> str:
    """A number for reading: thousands apart, three digits after the point below 100."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_rows(title: str, rows: Sequence[tuple[str, str]], result: Mapping[str, object]) -> None:
    """One line per key of the result that holds something."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for label, key in rows:
        if result.get(key) is not None:
            table.add_row(label, shown(result[key]))
    console = Console()
    console.print(title, style="bold", highlight=False, soft_wrap=True)
    console.print(table)


def print_latencies(result: Mapping[str, object], metrics: Sequence[str], percentiles: Sequence[float]) -> None:
    """One line per metric, in milliseconds."""
    columns = ("mean", "median", "std", *(percentile_name(percentile) for percentile in percentiles))
    table = Table()
    table.add_column("milliseconds")
    for column in columns:
        table.add_column(column, justify="right")
    for metric in metrics:
        table.add_row(METRICS[metric], *(shown(result[f"{column}_{metric}_ms"]) for column in columns))
    Console().print(table)


def print_kernels(title: str, result: Mapping[str, Any]) -> None:
    """One line per kernel and size, then what whole steps cannot beat."""
    table = Table()
    for column in ("kernel", "tokens", "context", "µs", "MB", "TB/s", "TFLOP/s", "of the floor"):
        table.add_column(column, justify="left" if column == "kernel" else "right")
    for kernel in result["kernels"]:
        table.add_row(
            kernel["name"],
            shown(kernel["num_tokens"]),
            shown(kernel["context"] or None),
            f"{kernel['time_us']:,.1f}",
            f"{kernel['bytes'] / 1e6:,.1f}",
            f"{kernel['tb_per_s']:.2f}",
            f"{kernel['tflop_per_s']:,.0f}" if kernel["tflop_per_s"] else "-",
            f"{kernel['share_of_floor']:.0%}",
        )
    console, rates = Console(), result["rates"]
    console.print(title, style="bold", highlight=False, soft_wrap=True)
    console.print(table)
    for name, value in rates.items():
        if value is not None:
            unit = "TFLOP/s" if name in ("matmul", "attention") else "TB/s"
            console.print(f"measured rate, {name}: {value / 1e12:.3g} {unit}", highlight=False)
    kinds = {"products_floor_s": "products of a step", "decode_floor_s": "decode step", "prefill_floor_s": "prompt"}
    for floors, kind in kinds.items():
        for size, time_s in result[floors].items():
            console.print(f"floor of a {kind}, {size}: {1e3 * time_s:,.3f} ms", highlight=False)


def print_parts(title: str, parts_s: Mapping[str, float], total_s: float) -> None:
    """One line per part of a start, in seconds."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, part_s in (*parts_s.items(), ("start to first token", total_s)):
        table.add_row(name, f"{part_s:.2f} s")
    console = Console()
    console.print(title, style="bold", highlight=False)
    console.print(table)


def result_path(folder: Path | None, filename: str | None, *parts: str) -> Path:
    """Where a result goes: the given name, or one made of `parts` and the date."""
    if filename is None:
        stem = "-".join(re.sub(r"[^\w.]+", "_", part) for part in parts if part)
        filename = f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    return (folder or Path()) / filename


def save(path: Path, result: Mapping[str, object]) -> None:
    """Write a result as JSON; raises `ConfigError` where that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write the result to {path}: {error}") from None
    Console(stderr=True).print(f"Result saved to {path}", highlight=False, soft_wrap=True)
