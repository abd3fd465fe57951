"""What the checks of layers share: the shapes, random matrices, the timer, and the list of what was measured."""

import statistics
from collections.abc import Callable
from typing import Any

import torch

from server.models.quantize import quantize_rows

CUDA, BF16 = torch.device("cuda", 0), torch.bfloat16
QKV, OUT, GATE_UP, DOWN, HEAD = (6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336), (128256, 4096)
SHAPES = [QKV, OUT, GATE_UP, DOWN, HEAD]
COPIES_BYTES = 1 << 30
"""Bytes that a timing reads before it comes back to the same ones."""

Record = dict[str, Any]
RECORDS: list[Record] = []


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:100] if lines else ''}"


def time_us(work: Callable[[int], object], copies: int = 1, calls: int = 16) -> float:
    """Median microseconds of one call of `work(copy)` among many in a CUDA graph."""
    calls = max(calls, copies)
    work(0)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in range(calls):
            work(call % copies)
    graph.replay()
    samples = []
    for _ in range(5):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        samples.append(start.elapsed_time(end) * 1e3 / calls)
    return statistics.median(samples)


def random(*shape: int, dtype: torch.dtype = BF16, std: float = 1.0) -> torch.Tensor:
    return torch.randn(shape, device="cuda", dtype=dtype) * std


def weights(shape: tuple[int, int], dtype: torch.dtype = BF16) -> tuple[list[torch.Tensor], torch.Tensor | None]:
    """Copies of a random matrix in a weight format, and its scales."""
    weight, scale = random(*shape, std=0.02), None
    if dtype != BF16:
        weight, scale = quantize_rows(weight, dtype)
    num_copies = max(2, min(24, COPIES_BYTES // weight.nbytes))
    return [weight, *(weight.clone() for _ in range(num_copies - 1))], scale


def attempt(name: str, work: Callable[[], Any], fallback: Any = None) -> Any:
    try:
        return work()
    except Exception as error:
        torch.cuda.synchronize()
        print(f"{name}: FAILED {first_line(error)}")
        return fallback


def keep(part: str, **facts: Any) -> None:
    RECORDS.append({"part": part, **facts})


def error_of(result: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference relative to the largest number."""
    return ((result.float() - expected.float()).abs().max() / expected.float().abs().max()).item()
