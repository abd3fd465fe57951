"""Attention of rows that decode at very different lengths: what the order of rows and the cuts of their keys change.

    python -m benchmarks.gpu.try_ragged [--rows 32,64,128,256]

Rows of a crowd, in the middle of their answers (Llama-3-8B shape), against as many rows of their mean length. A program
of the decode kernel reads one head of one row, or a part of it, so a long row that begins last keeps a layer waiting.
Every cut is checked against a dense answer first. Takes about half a minute.
"""

import argparse
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.attention_problem import PAGE_SIZE, Problem
from benchmarks.gpu.record import default_path, write_json
from server.attention.triton_configs import DecodeConfig, decode_config
from server.bench.machine import describe_run
from server.bench.timer import Timer

ROWS = (32, 64, 128, 192, 256)
SHORTEST, LONGEST = 100, 1024
"""Of prompts and of answers, in tokens."""
NUM_LAYERS = 8
"""More keys and values than a cache holds, whatever the rows."""
CHECKED_ROWS = 24
TOLERANCE = 1.5e-2
CONFIGS = [
    *(DecodeConfig(128, 4, 2, programs) for programs in (2, 8, 16, 32)),
    *(DecodeConfig(128, 4, 3, programs) for programs in (2, 16)),
    *(DecodeConfig(64, 4, 5, programs) for programs in (3, 16)),
    DecodeConfig(64, 4, 3, 16),
    DecodeConfig(128, 4, 5, 1),
]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is attended to, and by how much it is made smaller to try the script."""

    num_layers: int
    head_dim: int
    num_heads: int
    num_kv_heads: int
    dtype: torch.dtype
    shrink: int


FULL = Shape(NUM_LAYERS, 128, 32, 8, torch.bfloat16, 1)
SMALL = Shape(1, 16, 2, 1, torch.float16, 16)
"""Where there is no GPU."""


def crowd_lengths(num_rows: int, shrink: int, seed: int = 0) -> list[int]:
    """Positions of rows at some moment of their answers; a long answer is more likely to be met than a short one."""
    draw = np.random.default_rng(seed)
    answers = draw.integers(SHORTEST, LONGEST + 1, 4096)
    met = draw.choice(answers, num_rows, p=answers / answers.sum())
    prompts = draw.integers(SHORTEST, LONGEST + 1, num_rows)
    return [int(length) for length in (prompts + (draw.random(num_rows) * met).astype(np.int64)) // shrink + 1]


def orders(lengths: Sequence[int]) -> dict[str, list[int]]:
    """The same number of positions, as near as may be, in several orders."""
    mean = round(sum(lengths) / len(lengths))
    return {"even": [mean] * len(lengths), "as they came": list(lengths), "longest first": sorted(lengths)[::-1]}


class Trial:
    """One number of rows."""

    def __init__(self, shape: Shape, num_rows: int, is_quick: bool) -> None:
        self.shape = shape
        self.num_rows = num_rows
        self.lengths = crowd_lengths(num_rows, shape.shrink)
        blocks = sum(-(-length // PAGE_SIZE) + 1 for length in self.lengths)
        max_pages = 2 * LONGEST // shape.shrink // PAGE_SIZE + 2
        self.problem = Problem(
            shape.num_layers,
            blocks * shape.num_layers + 2,
            num_rows,
            max_pages,
            shape.dtype,
            head_dim=shape.head_dim,
            num_heads=shape.num_heads,
            num_kv_heads=shape.num_kv_heads,
        )
        self.problem.fill_pool()
        self.timer = Timer(self.problem.device, 1 if is_quick else 7)

    def use(self, config: DecodeConfig) -> int:
        """Cut like this from now on; returns into how many parts each row's keys are cut."""
        launcher = self.problem.backend.launcher
        launcher.decode_config = config
        launcher.make_scratch()
        return launcher.num_splits(self.num_rows)

    def measure(self, lengths: Sequence[int]) -> tuple[float, float]:
        """Largest error of some rows of the first layer, and microseconds of a layer."""
        problem, num_heads = self.problem, self.shape.num_heads
        problem.give_pages(lengths)
        rows = [(length - 1, 1) for length in lengths]
        batch = problem.batch(rows)
        q = problem.new_qkv(self.num_rows)[:, :num_heads]
        out = torch.empty(q.shape, dtype=q.dtype, device=q.device)

        def attend(layer: int) -> None:
            problem.backend.launcher.decode(layer, q, out, batch, 0, self.num_rows)

        def work() -> None:
            for layer in range(self.shape.num_layers):
                attend(layer)

        attend(0)
        checked = min(CHECKED_ROWS, self.num_rows)
        expected = problem.expected(0, q, rows[:checked])
        error = (out[:checked].flatten(1).double() - expected).abs().max().item()
        return error, 1e6 * self.timer.time_s(work) / self.shape.num_layers

    def run(self, configs: Sequence[DecodeConfig]) -> list[dict[str, Any]]:
        """Every cut in every order, the engine's own cut first."""
        own = decode_config(self.problem.spec, self.num_rows)
        records: list[dict[str, Any]] = []
        for config in [own, *(config for config in configs if config != own)]:
            try:
                num_splits = self.use(config)
                found = {name: self.measure(lengths) for name, lengths in orders(self.lengths).items()}
            except Exception as error:
                print(
                    f"{self.num_rows} rows, {astuple(config)}: {type(error).__name__}: {str(error)[:120]}", flush=True
                )
                continue
            cells = [f"{name} {us:.1f} us" for name, (_, us) in found.items()]
            wrong = [name for name, (error, _) in found.items() if not error < TOLERANCE]
            mark = "own " if config == own else ""
            print(
                f"{self.num_rows} rows, {mark}{'/'.join(map(str, astuple(config)))}, {num_splits} parts: "
                f"{', '.join(cells)}{' WRONG: ' + ', '.join(wrong) if wrong else ''}",
                flush=True,
            )
            records += [
                {
                    "rows": self.num_rows,
                    "positions": sum(orders(self.lengths)[name]),
                    "config": astuple(config),
                    "is_own": config == own,
                    "parts": num_splits,
                    "order": name,
                    "us": us,
                    "error": error,
                }
                for name, (error, us) in found.items()
            ]
        return records


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--quick", action="store_true", help="the engine's own cut alone, to try the script")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    shape = FULL if torch.cuda.is_available() else SMALL
    path = options.output or default_path("try-ragged")
    records: list[dict[str, Any]] = []
    for num_rows in [int(rows) for rows in options.rows.split(",")]:
        trial = Trial(shape, num_rows, options.quick)
        records += trial.run([] if options.quick else CONFIGS)
        write_json(path, describe_run() | {"records": records})
        del trial
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    print(f"saved to {path}")


if __name__ == "__main__":
    main()
