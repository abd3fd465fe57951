"""What rate products keep up: TFLOP/s of every second under load, beside the chip's clock, power and temperature.

    python -m benchmarks.gpu.try_sustained [--seconds 20]

A floor from a burst of some milliseconds is not one that a long prompt can reach, if the chip lowers its clock. Each
workload begins after a rest, so the first samples are such a burst. Takes under a minute.
"""

import argparse
import itertools
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.record import default_path, write_json
from server.bench.machine import describe_run

FIELDS = ("clocks.sm", "power.draw", "temperature.gpu", "clocks_event_reasons.active")
REST_S = 2.0
BURST_S = 0.05
"""The beginning of a load that counts as a burst."""
SHAPES = ((6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336))
"""Of a layer with the Llama-3-8B shape."""

Work = Callable[[], object]


class Watch:
    """What nvidia-smi says of the first GPU, twice a second."""

    def __init__(self) -> None:
        query = f"--query-gpu={','.join(FIELDS)}"
        command = ["nvidia-smi", "-i", "0", query, "--format=csv,noheader,nounits", "-lms", "500"]
        try:
            self._process: subprocess.Popen[str] | None = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        except FileNotFoundError:
            self._process = None

    def stop(self) -> list[dict[str, str]]:
        """One record a sample."""
        if self._process is None:
            return []
        self._process.terminate()
        lines, _ = self._process.communicate()
        rows = [[cell.strip() for cell in line.split(",")] for line in lines.splitlines()]
        return [dict(zip(FIELDS, row, strict=True)) for row in rows if len(row) == len(FIELDS)]


def square(device: torch.device, dtype: torch.dtype, size: int) -> tuple[Work, int]:
    """A square product, and its FLOP."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out), 2 * size**3


def layer(device: torch.device, dtype: torch.dtype, num_tokens: int, shrink: int) -> tuple[Work, int]:
    """The products of one layer for a prompt, and their FLOP."""
    shapes = [(rows // shrink, columns // shrink) for rows, columns in SHAPES]
    weights = [torch.randn(shape, device=device, dtype=dtype) * 0.02 for shape in shapes]
    inputs = [torch.randn(num_tokens, columns, device=device, dtype=dtype) for _, columns in shapes]
    outs = [torch.empty(num_tokens, rows, device=device, dtype=dtype) for rows, _ in shapes]

    def work() -> None:
        for weight, x, out in zip(weights, inputs, outs, strict=True):
            torch.mm(x, weight.t(), out=out)

    return work, sum(2 * num_tokens * rows * columns for rows, columns in shapes)


def sustain(work: Work, num_flops: int, seconds: float, device: torch.device) -> list[tuple[float, float]]:
    """(seconds since the start, TFLOP/s) of pieces of about 25 ms, without a gap between them."""
    work()
    wait(device)
    began_s = time.perf_counter()
    work()
    wait(device)
    calls = max(1, round(0.025 / (time.perf_counter() - began_s)))
    time.sleep(REST_S if device.type == "cuda" else 0)
    marks = [mark(device)]
    samples: list[tuple[float, float]] = []
    ends_s = time.perf_counter() + seconds
    while time.perf_counter() < ends_s:
        for _ in range(calls):
            work()
        marks.append(mark(device))
        if len(marks) > 4 and device.type == "cuda":
            # So far ahead of the device and no further.
            marks[-4].synchronize()
    wait(device)
    for before, after in itertools.pairwise(marks):
        samples.append((between_s(marks[0], after), calls * num_flops / between_s(before, after) / 1e12))
    return samples


def mark(device: torch.device) -> Any:
    """A moment in the device's work."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def between_s(before: Any, after: Any) -> float:
    return after - before if isinstance(after, float) else before.elapsed_time(after) / 1e3


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def by_second(samples: list[tuple[float, float]]) -> list[float]:
    """Median TFLOP/s of every second."""
    seconds: dict[int, list[float]] = {}
    for at_s, rate in samples:
        seconds.setdefault(int(at_s), []).append(rate)
    return [statistics.median(rates) for _, rates in sorted(seconds.items())]


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    is_cuda = torch.cuda.is_available()
    device = torch.device("cuda", 0) if is_cuda else torch.device("cpu")
    dtype = torch.bfloat16 if is_cuda else torch.float32
    loads = {
        "square of 8192": square(device, dtype, 8192 if is_cuda else 64),
        "layer, 8192 tokens": layer(device, dtype, 8192 if is_cuda else 8, 1 if is_cuda else 64),
    }
    path = options.output or default_path("try-sustained")
    records: list[dict[str, Any]] = []
    for name, (work, num_flops) in loads.items():
        watch = Watch()
        samples = sustain(work, num_flops, options.seconds, device)
        states = watch.stop()
        burst = max((rate for at_s, rate in samples if at_s <= BURST_S), default=samples[0][1])
        rates = by_second(samples)
        records.append(
            {
                "load": name,
                "burst_tflop_per_s": burst,
                "tflop_per_s_by_second": rates,
                "chip": states,
                "samples": samples,
            }
        )
        write_json(path, describe_run() | {"records": records})
        print(f"{name}: burst {burst:.0f}, by second {' '.join(f'{rate:.0f}' for rate in rates)} TFLOP/s")
        for state in states[:: max(1, len(states) // 6)]:
            print(f"    {', '.join(f'{field} {value}' for field, value in state.items())}")
    print(f"saved to {path}")


if __name__ == "__main__":
    main()
