"""Where the time of the engine's steps goes on a GPU: device time, host time, and what each kernel takes.

    python -m benchmarks.gpu.check_engine [--points 1x128,32x1024,128x2048] [--prefill 2048,8192] [--profile]

A tool for tuning; the recorded figures come from `benchmarks.gpu.engine`.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.shapes import build_shape
from server.config import EngineConfig
from server.engine.core import EngineCore
from server.engine.request import EngineRequest, SamplingParams


def timed(owner: Any, name: str, times: list[float]) -> None:
    """Make `owner.name` record how long each call takes on the host, in seconds."""
    method: Callable = getattr(owner, name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            times.append(time.perf_counter() - start)

    setattr(owner, name, wrapper)


class Meter:
    """Steps a core and tells where its host time went."""

    def __init__(self, core: EngineCore) -> None:
        self.core = core
        self.times: dict[str, list[float]] = {name: [] for name in ("schedule", "launch", "collect", "execute")}
        timed(core.scheduler, "schedule", self.times["schedule"])
        timed(core.runner, "launch", self.times["launch"])
        timed(core, "_collect", self.times["collect"])
        timed(core.runner.executor, "execute", self.times["execute"])
        self._number = 0

    def add(self, prompt_len: int, max_tokens: int) -> None:
        self._number += 1
        ids = [(7 * self._number + 13 * i) % 1000 for i in range(prompt_len)]
        params = SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True)
        self.core.add(EngineRequest(f"r{self._number}", ids, params))

    def decode(self, batch: int, context: int, num_steps: int) -> dict[str, float]:
        """Median milliseconds of a step once all rows decode, and of its parts on the host."""
        for _ in range(batch):
            self.add(context, num_steps + 2)
        seen = 0
        while seen < batch:
            seen += sum(len(output.token_ids) for output in self.core.step())
        # Rows that began first are ahead; what is timed begins when all of them decode.
        for samples in self.times.values():
            samples.clear()
        steps = []
        while self.core.has_work:
            start = time.perf_counter()
            self.core.step()
            steps.append(time.perf_counter() - start)
        return {"step_ms": middle(steps[2:-3])} | {
            f"{name}_ms": middle(samples[2:-3]) for name, samples in self.times.items()
        }

    def prefill(self, length: int, repeats: int) -> float:
        """Median milliseconds from a request to its only token."""
        samples = []
        self.times["execute"].clear()
        for _ in range(repeats):
            self.add(length, 1)
            torch.cuda.synchronize()
            start = time.perf_counter()
            while self.core.has_work:
                self.core.step()
            samples.append(time.perf_counter() - start)
        return middle(samples[1:])

    def kernels(self, work: Callable[[], None], num_steps: int) -> list[tuple[str, float, float]]:
        """(name, microseconds a step, calls a step) of the kernels that take longest."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            work()
            torch.cuda.synchronize()
        rows = [
            (event.key[:90], event.self_device_time_total / num_steps, event.count / num_steps)
            for event in profile.key_averages()
        ]
        return sorted(rows, key=lambda row: -row[1])[:14]


def middle(samples: list[float]) -> float:
    return statistics.median(samples or [0.0]) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", default="1x128,32x1024,128x2048")
    parser.add_argument("--prefill", default="256,2048,8192")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--settings", default="{}", help="EngineConfig fields as JSON")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    started = time.perf_counter()
    settings = {"max_model_len": 140_000, "max_mixed_tokens": 8192} | json.loads(args.settings)
    folder = Path(tempfile.mkdtemp())
    build_shape("llama-3-8b", folder)
    core = EngineCore(EngineConfig(model=str(folder), load_format="dummy", prefix_caching=False, **settings))
    torch.cuda.synchronize()
    graphs = core.runner.executor.decode_graphs
    result: dict[str, Any] = {
        "load_s": time.perf_counter() - started,
        "stages_s": core.info.stages_s,
        "backend": core.info.attention_backend,
        "num_pages": core.info.num_pages,
        "graphs": [] if graphs is None else graphs.sizes,
    }
    print(result, flush=True)
    meter = Meter(core)
    for length in [int(part) for part in args.prefill.split(",") if part]:
        result[f"prefill {length}"] = meter.prefill(length, 4)
        host_ms = middle(meter.times["execute"][1:])
        print(f"prefill {length}: {result[f'prefill {length}']:.1f} ms, {host_ms:.1f} on the host", flush=True)
        if args.profile:
            rows = meter.kernels(lambda length=length: meter.prefill(length, 2), 2)
            for name, us, calls in rows:
                print(f"    {us:10.1f} us {calls:7.1f}x  {name}")
    for point in [part for part in args.points.split(",") if part]:
        batch, context = (int(number) for number in point.split("x"))
        result[point] = meter.decode(batch, context, args.steps)
        print(point, {name: round(value, 3) for name, value in result[point].items()}, flush=True)
        if args.profile:
            rows = meter.kernels(lambda batch=batch, context=context: meter.decode(batch, context, 10), 12)
            for name, us, calls in rows:
                print(f"    {us:10.1f} us {calls:7.1f}x  {name}")
    if "OUT" in os.environ:
        (Path(os.environ["OUT"]) / "check_engine.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
