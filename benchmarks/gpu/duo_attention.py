"""The decode kernel alone, where streaming heads leave most of a row's keys to a few others; see `duo.py`.

What counts is bytes read a second: full attention and duo should read equally fast. Beside duo as it runs stands duo
with as many programs for each head, which is how it ran before programs were shared out by what heads read.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import torch

from benchmarks.gpu.attention_problem import PAGE_SIZE, Problem
from benchmarks.gpu.check_attention import time_ms
from benchmarks.gpu.record import Record, Row
from server.attention.triton_configs import FEW_ROWS, DecodeConfig
from server.kv.patterns import HeadPattern
from server.kv.plan import plan_by_layer, plan_by_patterns
from server.kv.policy import ALL, Retention, window

HEAD_DIM = 128
NUM_HEADS = 32
POOL_BYTES = 4 << 30
"""Far more than a GPU's caches hold. Page tables name its pages at random, so that long contexts need no more."""


@dataclass(frozen=True, slots=True)
class Case:
    """Decode rows of one context, of the shape that a pattern has."""

    family: str
    num_rows: int
    context: int


CASES = (
    Case("8B", 1, 517_000),
    Case("7B", 1, 134_000),
    Case("8B", 1, 1_000_000),
    Case("8B", 8, 65_536),
    Case("8B", 32, 32_768),
    Case("8B", 64, 8_192),
    # Where sharing out can only cost time.
    Case("8B", 32, 1_024),
    Case("8B", 1, 128),
)
FEW = (DecodeConfig(128, 4, 5, 2), DecodeConfig(128, 4, 3, 2), DecodeConfig(64, 4, 5, 2), DecodeConfig(64, 4, 5, 3))
MANY = (DecodeConfig(128, 4, 2, 4), DecodeConfig(128, 4, 2, 8), DecodeConfig(128, 4, 5, 2), DecodeConfig(64, 4, 5, 3))
"""Ways to cut up decode that duo may like better than what full attention has, for few rows and for many."""


def build(case: Case, streaming: torch.Tensor, streamed: Retention, fmt: str, is_by_layer: bool = False) -> Problem:
    """All layers of a model, with page tables as an engine would have them.

    Args:
        streaming: bool [layers, kv_heads], the heads that keep `streamed`.
        is_by_layer: with groups as a server has them without duo.
    """
    num_layers, num_kv_heads = streaming.shape
    windows: list[int | None] = [None] * num_layers
    plan = plan_by_patterns([range(num_kv_heads)], 0, windows, {"duo": streaming})
    if is_by_layer:
        plan = plan_by_layer(num_kv_heads, windows)
    max_pages = -(-case.context // PAGE_SIZE)
    page_bytes = 2 * 2 * PAGE_SIZE * num_kv_heads * HEAD_DIM
    problem = Problem(
        num_layers,
        min(POOL_BYTES // page_bytes, case.num_rows * plan.num_groups * max_pages) + 1,
        case.num_rows,
        max_pages,
        fmt=fmt,
        head_dim=HEAD_DIM,
        num_heads=NUM_HEADS,
        num_kv_heads=num_kv_heads,
        retentions=[streamed if group.streams else ALL for group in plan.groups],
        plan=plan,
    )
    problem.fill_pool()
    problem.tables.pages[: case.num_rows].random_(1, problem.pool.num_pages)
    return problem


def bytes_read(problem: Problem, case: Case) -> int:
    """Bytes of keys and values that the heads of all layers see."""
    seen = [case.context if kept.keeps_all else kept.sinks + kept.recent for kept in problem.retentions]
    per_position = problem.spec.kv_format.bytes_per_token(HEAD_DIM) * problem.plan.slots_per_group
    return case.num_rows * per_position * sum(min(positions, case.context) for positions in seen)


def measure(problem: Problem, case: Case, row: Row, is_even: bool = False, config: DecodeConfig | None = None) -> None:
    """The attention of all layers, of one token a row, into `row`: TB/s, and milliseconds in `details`.

    Args:
        is_even: give every head as many programs, whatever it reads.
    """
    launcher = problem.backend.launcher
    usual = launcher.is_even
    launcher.is_even = [True] * len(usual) if is_even else usual
    launcher.decode_config = config
    launcher.make_scratch()
    batch = problem.batch([(case.context - 1, 1)] * case.num_rows)
    q = problem.new_qkv(case.num_rows)[:, :NUM_HEADS]
    out = torch.empty(case.num_rows, NUM_HEADS, HEAD_DIM, dtype=q.dtype, device=q.device)

    def work() -> None:
        for layer in range(problem.spec.num_layers):
            launcher.decode(layer, q, out, batch, 0, case.num_rows)

    try:
        ms = time_ms(work)
    finally:
        launcher.is_even, launcher.decode_config = usual, None
        launcher.make_scratch()
    num_bytes = bytes_read(problem, case)
    row.value = num_bytes / ms / 1e9
    row.details = {"ms": ms, "bytes": num_bytes, "programs_per_row": launcher.programs_per_row(case.num_rows)}


def attention_rows(record: Record, streaming: Mapping[str, tuple[HeadPattern, float]], fmt: str = "auto") -> None:
    """Full attention and duo, for every case.

    Args:
        streaming: a pattern and its sparsity for each family.
    """
    for case in CASES:
        pattern, sparsity = streaming[case.family]
        heads, streamed = pattern.streaming(sparsity), window(pattern.sinks, pattern.recent)
        title = f"{case.family}, {case.num_rows} x {case.context:,}"
        others = FEW if case.num_rows <= FEW_ROWS else MANY
        candidates: list[dict[str, Any]] = [{"config": config} for config in others]
        runs: list[tuple[str, Retention, bool, list[dict[str, Any]]]] = [
            ("full", ALL, True, [{}]),
            ("full beside duo", ALL, False, [{}]),
            ("duo", streamed, False, [{}, {"is_even": True}, *candidates]),
        ]
        for name, kept, is_by_layer, ways in runs:
            problem = build(case, heads, kept, fmt, is_by_layer)
            for way in ways:
                suffix = ", evenly" if "is_even" in way else ""
                suffix += f", {'/'.join(map(str, astuple(way['config'])))}" if "config" in way else ""
                with record.row(f"{title}: {name}{suffix}", "TB/s", is_rate=True) as row:
                    measure(problem, case, row, **way)
            del problem
            torch.cuda.empty_cache()
