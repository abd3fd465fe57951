"""Where the time of long prompts goes, and what other step sizes or a captured graph would change.

    python -m benchmarks.gpu.try_prefill [--lengths 2048,8192,32768]

One load of the Llama-3-8B shape. For each length: the time with several `max_step_tokens` (those that are no multiple
of 1,024 keep later chunks from cuDNN), and after a rest, when the chip has not lowered its clock yet; the parts of the
best one's time from a profile, and what is left between kernels, before the first and after the last one; and, for
prompts of one step, a replay of all its kernels from one CUDA graph. Takes about a minute and a half.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.engine import parse_settings
from benchmarks.gpu.record import default_path, write_json
from benchmarks.gpu.shapes import SHAPES, build_shape
from server.bench.floors import layer_products
from server.bench.machine import describe_run
from server.bench.timer import Timer
from server.config import EngineConfig
from server.engine.core import EngineCore
from server.engine.executor import StepOutput
from server.engine.forward import run_bands
from server.engine.request import EngineRequest, SamplingParams
from server.engine.step import StepInputs

STEPS = (2000, 2048, 4096, 7000, 8192, 16384, 32768)
CAPTURED_TOKENS = 8192
"""Most tokens of a step that is captured, too."""
REPEATS = 3
REST_S = 1.0
PARTS = {
    "products": ("nvjet", "gemm", "cutlass", "xmma", "vector_kernel", "tiled_kernel", "stream_kernel"),
    "attention": ("sdpa", "fmha", "flash", "prefill_kernel", "decode_kernel", "merge_kernel", "gather_kernel"),
    "norms, gates": ("rms_norm", "gated_kernel", "norm_heads"),
    "RoPE, KV": ("write_kernel", "rotate"),
}
"""Part -> pieces of the names of its kernels; the rest is "other"."""


class Prompts:
    """Runs lone prompts through a core."""

    def __init__(self, core: EngineCore) -> None:
        self.core = core
        self.is_cuda = core.runner.executor.device.type == "cuda"
        self._number = 0

    def run(self, num_tokens: int) -> float:
        """Milliseconds from the arrival of a prompt to its only token."""
        self._number += 1
        vocab_size = self.core.info.vocab_size
        ids = [(7 * self._number + 13 * position) % vocab_size for position in range(num_tokens)]
        self._wait()
        began_s = time.perf_counter()
        params = SamplingParams(max_tokens=1, temperature=0.0, ignore_eos=True)
        self.core.add(EngineRequest(f"p{self._number}", ids, params, variant=self.core.info.default_variant))
        while self.core.has_work:
            self.core.step()
        return 1e3 * (time.perf_counter() - began_s)

    def median_ms(self, num_tokens: int, step_tokens: int) -> float:
        self.core.scheduler.max_step_tokens = step_tokens
        self.run(num_tokens)
        return statistics.median(self.run(num_tokens) for _ in range(REPEATS))

    def rested_ms(self, num_tokens: int) -> float:
        """The same with the current steps, each prompt after a rest."""
        times = []
        for _ in range(REPEATS):
            time.sleep(REST_S if self.is_cuda else 0)
            times.append(self.run(num_tokens))
        return statistics.median(times)

    def parts_ms(self, num_tokens: int) -> dict[str, float]:
        """Milliseconds of each part's kernels, and of the device's idle time between, before and after them."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            whole_ms = self.run(num_tokens)
            self._wait()
        spans = [
            (event.time_range.start, event.time_range.end, event.name)
            for event in profile.events()
            if event.device_type == torch.autograd.DeviceType.CUDA
        ]
        return parts_of(spans, whole_ms)

    def replayed_ms(self, num_tokens: int) -> float | None:
        """Milliseconds of the kernels of a prompt's one step, replayed from a CUDA graph; None without a GPU."""
        executor = self.core.runner.executor
        execute, found = executor.execute, []

        def executing(inputs: StepInputs) -> StepOutput:
            output = execute(inputs)
            found.append(self._replay_ms(inputs))
            return output

        executor.execute = executing  # type: ignore[method-assign]
        try:
            self.run(num_tokens)
        finally:
            executor.execute = execute  # type: ignore[method-assign]
        return found[0]

    def _replay_ms(self, inputs: StepInputs) -> float | None:
        if not self.is_cuda:
            return None
        executor = self.core.runner.executor
        batch = executor.batch(inputs)
        executor.attention.begin_step(batch)

        def work() -> torch.Tensor:
            x = executor.model.embed(batch.token_ids, batch.positions)
            x, residual = run_bands(executor.model, executor.attention, executor.bands, batch, x, None)
            return executor.model.head(x[-1:], None if residual is None else residual[-1:])

        return 1e3 * Timer(executor.device, 5).time_s(work)

    def _wait(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize()


def part_of(kernel: str) -> str:
    lowered = kernel.lower()
    return next((part for part, pieces in PARTS.items() if any(piece in lowered for piece in pieces)), "other")


def parts_of(spans: list[tuple[float, float, str]], whole_ms: float) -> dict[str, float]:
    """Milliseconds of each part, of "idle" moments between the first and the last span, and "before and after" these.

    Args:
        spans: beginnings and ends in microseconds, and names of kernels.
        whole_ms: how long all of it took.
    """
    parts = dict.fromkeys((*PARTS, "other", "idle"), 0.0)
    reached = first = min((start for start, _, _ in spans), default=0.0)
    for start, end, name in sorted(spans):
        parts[part_of(name)] += (end - start) / 1e3
        parts["idle"] += max(start - reached, 0.0) / 1e3
        reached = max(reached, end)
    return parts | {"before and after": whole_ms - (reached - first) / 1e3}


def attempt(name: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:150]}", flush=True)
        return None


def look_at(prompts: Prompts, length: int, sizes: Sequence[int]) -> dict[str, Any]:
    """Time prompts of one length with steps of several sizes, and take the best apart."""
    facts = prompts.core.model.config
    # From the first size on that takes the prompt whole, all are alike.
    whole = next((size for size in sizes if size >= length), sizes[-1])
    tried = [size for size in sizes if size <= whole]
    times = {size: attempt(f"step {size}", lambda size=size: prompts.median_ms(length, size)) for size in tried}
    measured = {size: ms for size, ms in times.items() if ms is not None}
    print(f"prefill {length}: " + ", ".join(f"{size}: {ms:.1f} ms" for size, ms in measured.items()), flush=True)
    best = min(measured, key=lambda size: measured[size], default=whole)
    prompts.core.scheduler.max_step_tokens = best
    rested = attempt("rested", lambda: prompts.rested_ms(length))
    parts = (attempt("profile", lambda: prompts.parts_ms(length)) if prompts.is_cuda else None) or {}
    per_token = 2 * facts.num_layers * sum(inputs * outputs for _, inputs, outputs in layer_products(facts))
    flop = {
        "products": length * per_token,
        "attention": 2 * length**2 * facts.num_heads * facts.head_dim * facts.num_layers,
    }
    rates = {part: flop[part] / parts[part] / 1e9 for part in flop if parts.get(part)}
    print(f"    steps of {best}: each after a rest {rested} ms; profiled: ", end="")
    print(", ".join(f"{part} {ms:.2f} ms" for part, ms in parts.items()))
    print("    " + ", ".join(f"{part} {rate:.0f} TFLOP/s" for part, rate in rates.items()), flush=True)
    replayed = None
    if length <= min(CAPTURED_TOKENS, whole):
        prompts.core.scheduler.max_step_tokens = whole
        replayed = attempt("graph", lambda: prompts.replayed_ms(length))
        print(f"    from one graph: {replayed} ms", flush=True)
    return {
        "length": length,
        "ms_by_step_tokens": measured,
        "best_step_tokens": best,
        "rested_ms": rested,
        "parts_ms": parts,
        "tflop_per_s": rates,
        "replayed_ms": replayed,
    }


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3-8b")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of EngineConfig")
    parser.add_argument("--lengths", default="2048,8192,32768")
    parser.add_argument("--steps", default=",".join(map(str, STEPS)), help="values of max_step_tokens")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    lengths = [int(length) for length in options.lengths.split(",")]
    sizes = [int(size) for size in options.steps.split(",")]
    path = options.output or default_path("try-prefill")
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        model = build_shape(options.shape, Path(folder))
        own = {
            "load_format": "dummy",
            "max_model_len": max(lengths) + 16,
            "max_step_tokens": max(sizes),
            "prefix_caching": False,
        } | parse_settings(options.set)
        prompts = Prompts(EngineCore(EngineConfig(str(model), **own)))
        for length in lengths:
            records.append(look_at(prompts, length, sizes))
            write_json(path, describe_run() | {"records": records})
        prompts.core.close()
    print(f"saved to {path}")


if __name__ == "__main__":
    main()
