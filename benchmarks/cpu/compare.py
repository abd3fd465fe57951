"""Rhumb against transformers on one CPU: same checkpoint, same prompts, same machine, same run.

    python -m benchmarks.cpu.compare

Measures output tokens per second, greedy and to full length, for crowds of 1, 8 and 32 requests that arrive
together. Every system has a process of its own, and they take turns within every repeat, so that a machine
that slows down slows all of them. Prompts are new in every repeat, so that no prefix cache helps. Saves
`benchmarks/cpu/<date>-<machine>.json`.
"""

import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.cpu.checkpoint import SHAPE, SPECIAL_TOKENS, VOCAB_SIZE, build_checkpoint
from benchmarks.cpu.systems import (
    Crowd,
    RhumbHttp,
    RhumbOffline,
    System,
    TransformersContinuous,
    TransformersGenerate,
)
from benchmarks.cpu.worker import Isolated, quieten_transformers
from server.bench.flags import progress
from server.bench.machine import describe_machine, describe_run
from server.errors import ConfigError, RhumbError
from server.threads import limit_spinning

# vLLM's CPU build on two cores of another day and the same kind of machine: for orientation, not from this run.
ORIENTATION = {1: 318.0, 8: 1930.0, 32: 4559.0}
ORIENTATION_NAME = "vLLM CPU build (not this run)"

SYSTEMS: dict[str, Callable[[Path, int], System]] = {
    "rhumb": lambda checkpoint, threads: RhumbOffline(checkpoint, threads),
    "rhumb-http": lambda checkpoint, threads: RhumbHttp(checkpoint, threads),
    "generate": lambda checkpoint, threads: TransformersGenerate(checkpoint),
    "continuous": lambda checkpoint, threads: TransformersContinuous(checkpoint),
}
WARM_UP_TOKENS = 16
# A lone request is over in a moment, so several are asked one after another.
MIN_REQUESTS = 4


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Samples per system and crowd.")] = 5,
    crowds: Annotated[str, typer.Option(help="How many requests at once.")] = "1,8,32",
    systems: Annotated[str, typer.Option(help="Which systems.")] = ",".join(SYSTEMS),
    input_len: Annotated[int, typer.Option(min=2, help="Tokens of a prompt.")] = 128,
    output_len: Annotated[int, typer.Option(min=2, help="Tokens to generate.")] = 128,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of every system; 0 takes all cores.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the prompts.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside this script.")] = None,
) -> None:
    """Compare Rhumb with transformers on this machine's CPU."""
    # For every system alike, in the processes that they get: spinning workers would also slow whoever comes next.
    limit_spinning()
    sizes = _numbers(crowds)
    names = _names(systems)
    num_threads = threads or len(os.sched_getaffinity(0))
    description = describe_run() | {"command": " ".join(["python -m benchmarks.cpu.compare", *sys.argv[1:]])}
    load_before = os.getloadavg()
    quieten_transformers()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = build_checkpoint(Path(folder) / "llama-7m")
        compared: list[System] = [Isolated(SYSTEMS[name](checkpoint, num_threads), num_threads) for name in names]
        samples, agreement = measure(compared, sizes, repeats, input_len, output_len, seed)
    results = summarise(samples)
    record = description | {
        "model": {**SHAPE, "vocab_size": VOCAB_SIZE, "dtype": "float32", "num_parameters": _num_parameters()},
        "input_len": input_len,
        "output_len": output_len,
        "repeats": repeats,
        "seed": seed,
        "num_threads": num_threads,
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        "orientation": {"name": ORIENTATION_NAME, "output_tokens_per_s": ORIENTATION},
        "equal_tokens": agreement,
        "results": [asdict(result) for result in results],
    }
    path = output or _default_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    show(results, [system.name for system in compared], sizes, agreement)
    Console(stderr=True).print(f"Saved to {path}", highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """One system's answer to one crowd size in one repeat."""

    system: str
    concurrency: int
    repeat: int
    num_requests: int
    duration_s: float
    output_tokens: int
    output_tokens_per_s: float
    median_first_token_s: float | None

    @classmethod
    def of(cls, system: str, concurrency: int, repeat: int, crowds: list[Crowd]) -> "Sample":
        duration_s = sum(crowd.duration_s for crowd in crowds)
        output_tokens = sum(len(ids) for crowd in crowds for ids in crowd.token_ids)
        first_tokens_s = [first_token_s for crowd in crowds for first_token_s in crowd.first_token_s]
        return cls(
            system,
            concurrency,
            repeat,
            num_requests=sum(len(crowd.token_ids) for crowd in crowds),
            duration_s=duration_s,
            output_tokens=output_tokens,
            output_tokens_per_s=output_tokens / duration_s,
            median_first_token_s=statistics.median(first_tokens_s) if first_tokens_s else None,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """All samples of one system at one crowd size."""

    system: str
    concurrency: int
    median_output_tokens_per_s: float
    min_output_tokens_per_s: float
    max_output_tokens_per_s: float
    samples: list[Sample]


def measure(
    systems: list[System], sizes: list[int], repeats: int, input_len: int, output_len: int, seed: int
) -> tuple[list[Sample], dict[str, float]]:
    """Every sample in the order taken, and per system the share of tokens equal to the reference's.

    The reference is `generate` of transformers where it takes part: equal tokens show that all did the same work.
    """
    samples: list[Sample] = []
    judge = next((s.name for s in systems if s.name == TransformersGenerate.name), systems[0].name)
    equal: dict[str, list[bool]] = {system.name: [] for system in systems}
    opened: list[System] = []
    try:
        for system in systems:
            opened.append(system)
            system.open()
        with progress("Measuring", (repeats + 1) * len(sizes) * len(systems), is_hidden=False) as on_done:
            for system in systems:
                for size in sizes:
                    system.run(_prompts(size, input_len, seed, 0, size), WARM_UP_TOKENS)
                    on_done()
            for repeat in range(1, repeats + 1):
                for size in sizes:
                    num_rounds = max(1, MIN_REQUESTS // size)
                    rounds = [_prompts(size, input_len, seed, repeat, size, i) for i in range(num_rounds)]
                    answers: dict[str, list[int]] = {}
                    for system in _rotated(systems, repeat):
                        crowds = [system.run(prompts, output_len) for prompts in rounds]
                        samples.append(Sample.of(system.name, size, repeat, crowds))
                        answers[system.name] = [i for crowd in crowds for ids in crowd.token_ids for i in ids]
                        on_done()
                    for name, token_ids in answers.items():
                        equal[name] += [a == b for a, b in zip(token_ids, answers[judge], strict=True)]
    finally:
        for system in opened:
            system.close()
    return samples, {name: sum(flags) / len(flags) for name, flags in equal.items()}


def summarise(samples: list[Sample]) -> list[Result]:
    """Per system and crowd size, in the order first measured: median, extremes and the raw samples."""
    groups: dict[tuple[str, int], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.system, sample.concurrency), []).append(sample)
    results = []
    for (system, concurrency), group in groups.items():
        rates = [sample.output_tokens_per_s for sample in group]
        results.append(Result(system, concurrency, statistics.median(rates), min(rates), max(rates), group))
    return results


def show(results: list[Result], names: list[str], sizes: list[int], agreement: dict[str, float]) -> None:
    """Medians with their extremes, and below them ours as multiples of the others."""
    by_key = {(result.system, result.concurrency): result for result in results}
    table = Table(title="Output tokens/s: median (least-most)", title_justify="left")
    table.add_column("system")
    for size in sizes:
        table.add_column(f"{size} at once", justify="right")
    table.add_column("equal tokens", justify="right")
    for name in names:
        table.add_row(name, *(_cell(by_key[name, size]) for size in sizes), f"{agreement[name]:.2%}")
    known = [size for size in sizes if size in ORIENTATION]
    table.add_row(ORIENTATION_NAME, *(f"{ORIENTATION[size]:,.0f}" if size in known else "" for size in sizes))
    table.add_section()
    ours = [name for name in names if name.startswith("rhumb")]
    for name in ours:
        medians = {size: by_key[name, size].median_output_tokens_per_s for size in sizes}
        for peer in (peer for peer in names if peer not in ours):
            ratios = [medians[size] / by_key[peer, size].median_output_tokens_per_s for size in sizes]
            table.add_row(f"{name} / {peer}", *(f"{ratio:.2f}" for ratio in ratios))
        cells = [f"{medians[size] / ORIENTATION[size]:.2f}" if size in known else "" for size in sizes]
        table.add_row(f"{name} / {ORIENTATION_NAME}", *cells)
    Console(width=140).print(table)


def _cell(result: Result) -> str:
    extremes = f"{result.min_output_tokens_per_s:,.0f}-{result.max_output_tokens_per_s:,.0f}"
    return f"{result.median_output_tokens_per_s:,.0f} ({extremes})"


def _prompts(count: int, input_len: int, *seeds: int) -> list[list[int]]:
    rng = np.random.default_rng(seeds)
    return rng.integers(len(SPECIAL_TOKENS), VOCAB_SIZE, size=(count, input_len)).tolist()


def _rotated(systems: list[System], repeat: int) -> list[System]:
    first = repeat % len(systems)
    return systems[first:] + systems[:first]


def _num_parameters() -> int:
    hidden, kv = SHAPE["hidden_size"], SHAPE["num_key_value_heads"] * SHAPE["head_dim"]
    layer = 2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * SHAPE["intermediate_size"] + 2 * hidden
    return 2 * VOCAB_SIZE * hidden + SHAPE["num_hidden_layers"] * layer + hidden


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        raise ConfigError(f"--crowds {text!r}: write numbers of requests, separated by commas")
    return numbers


def _names(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown:
        raise ConfigError(f"--systems {', '.join(unknown)}: choose from {', '.join(SYSTEMS)}")
    return names


def _default_path() -> Path:
    machine = re.sub(r"[^a-z0-9]+", "-", str(describe_machine()["cpu"]).lower()).strip("-")
    return Path(__file__).parent / f"{datetime.now(UTC):%Y-%m-%d}-{machine}-{len(os.sched_getaffinity(0))}c.json"


if __name__ == "__main__":
    try:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(main)
        app()
    except RhumbError as error:
        sys.exit(f"compare: {error}")
