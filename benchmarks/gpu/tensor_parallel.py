"""One GPU against two that share every layer: decode steps, and whether they say the same.

    python -m benchmarks.gpu.tensor_parallel             # the Llama-3-8B shape on one and on two GPUs
    python -m benchmarks.gpu.tensor_parallel --gpus 1 2 4

Takes about two minutes on two H200s.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.gpu.engine import Engine, decode, parse_settings
from benchmarks.gpu.record import Mark, Record, default_path
from benchmarks.gpu.shapes import SHAPES, build_shape
from server.bench.datasets import Lengths, random_ids
from server.bench.local import LocalEngine
from server.config import EngineConfig

POINTS = ((1, 128), (1, 8192), (32, 1024))
MARKS = {"2 GPUs: speed-up at 1 x 128": Mark(goal=1.6)}
NUM_COMPARED, COMPARED_LENGTHS = 16, Lengths(100, 64)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare one GPU with several.")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3-8b")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of EngineConfig")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shrink", type=int, default=1, help="divide contexts by this, to try the script")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    settings: dict[str, Any] = {"load_format": "dummy", "max_rows": 64, "max_model_len": 16384 // options.shrink}
    settings |= parse_settings(options.set)
    record = Record(options.output or default_path("tensor_parallel"), MARKS, shape=options.shape, settings=settings)
    steps_ms: dict[tuple[int, int, int], float] = {}
    said: dict[int, list[list[int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = build_shape(options.shape, Path(folder) / options.shape)
        for num_gpus in options.gpus:
            measure(record, model, settings, num_gpus, options.shrink, steps_ms, said)
    first = options.gpus[0]
    for num_gpus in options.gpus[1:]:
        for batch, context in POINTS:
            with record.row(f"{num_gpus} GPUs: speed-up at {batch} x {context}", "times", is_rate=True) as row:
                row.value = steps_ms[first, batch, context] / steps_ms[num_gpus, batch, context]
        with record.row(f"{num_gpus} GPUs: requests with the same tokens", "of 1", is_rate=True) as row:
            pairs = list(zip(said[first], said[num_gpus], strict=True))
            row.value = sum(one == other for one, other in pairs) / len(pairs)
            row.details["same_tokens"] = [same_beginning(one, other) for one, other in pairs]
    record.print_table()


def measure(
    record: Record,
    model: Path,
    settings: dict[str, Any],
    num_gpus: int,
    shrink: int,
    steps_ms: dict[tuple[int, int, int], float],
    said: dict[int, list[list[int]]],
) -> None:
    """Rows of so many GPUs; fills in `steps_ms` by (GPUs, rows, context) and `said`, the tokens of some requests."""
    engine = Engine(EngineConfig(str(model), tensor_parallel=num_gpus, **settings))
    for batch, context in POINTS:
        with record.row(f"{num_gpus} GPUs: decode {batch} x {context}", "ms", on_error=engine.drop) as row:
            decode(engine, None, row, batch, max(context // shrink, 1), 2)
            assert row.value is not None
            steps_ms[num_gpus, batch, context] = row.value
    with record.row(f"{num_gpus} GPUs: greedy tokens", "tokens", is_rate=True, on_error=engine.drop) as row:
        core = engine.core
        prompts = random_ids(NUM_COMPARED, COMPARED_LENGTHS, core.info.vocab_size, seed=7)
        run = LocalEngine(core, core.info.default_variant).run(prompts)
        said[num_gpus] = run.token_ids
        row.value = float(run.num_output_tokens)
    engine.drop()


def same_beginning(one: list[int], other: list[int]) -> int:
    """How many tokens two answers share before they part."""
    for index, (left, right) in enumerate(zip(one, other, strict=True)):
        if left != right:
            return index
    return len(one)


if __name__ == "__main__":
    main()
