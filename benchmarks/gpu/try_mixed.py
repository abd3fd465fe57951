"""How large steps with prompts in them should be: one load of the model, one crowd of requests for each setting.

    python -m benchmarks.gpu.try_mixed [--clients 256] [--settings 768x3,768x3u,1536x1,2304x1g]

A setting is `MixedBudget`'s tokens x most; with a g, steps up to that size are captured as CUDA graphs too; with a u,
rows that decode are not ordered by their lengths. Requests are those of `rhumb bench serve` in `benchmarks.gpu.serve`,
each client asking for the next as soon as it has its answer, but without HTTP. Besides rates it prints which step sizes
occur and what each takes, and for how long the device waited for the host between them. A crowd of 256 requests takes
about 15 s, from 64 clients 23 s.
"""

import argparse
import gc
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.engine import CROWD, CROWD_LENGTHS, parse_settings
from benchmarks.gpu.record import default_path, write_json
from benchmarks.gpu.shapes import SHAPES, build_shape
from server.bench.datasets import Lengths, Prompt, random_ids
from server.bench.machine import describe_run
from server.config import EngineConfig
from server.engine.core import EngineCore
from server.engine.executor import StepOutput
from server.engine.mixed_budget import MixedBudget
from server.engine.mixed_graphs import MixedGraphs, mixed_sizes
from server.engine.request import EngineRequest, SamplingParams
from server.engine.runner import PendingStep
from server.engine.scheduler import Schedule
from server.engine.step import StepInputs
from server.errors import EngineStepError

SETTINGS = "768x3,768x3u,1536x2,768x3"
GRAPH_STEP = 256
"""Distance of the captured sizes above the usual ones."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to budget steps.

    Args:
        has_graphs: steps of all sizes that the budget gives are captured.
        is_ordered: rows that see most come first in a step, as usual.
    """

    name: str
    budget: MixedBudget
    has_graphs: bool
    is_ordered: bool

    @staticmethod
    def parse(text: str) -> "Setting":
        numbers = text.rstrip("gu")
        tokens, _, most = numbers.partition("x")
        marks = text[len(numbers) :]
        return Setting(text, MixedBudget(int(tokens), most=int(most or 1)), "g" in marks, "u" not in marks)

    @property
    def largest(self) -> int:
        return self.budget.tokens * self.budget.most


@dataclass(slots=True)
class Steps:
    """What the steps of a run were.

    Args:
        prompt_tokens, decoding: of each step, in order.
        seconds: of the calls of `EngineCore.step` that read them.
        marks: CUDA events before and after the work of each.
    """

    prompt_tokens: list[int] = field(default_factory=list)
    decoding: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    marks: list[tuple[torch.cuda.Event, torch.cuda.Event]] = field(default_factory=list)

    def waits_ms(self) -> list[float]:
        """Milliseconds between each step's work and the next one's, on the device."""
        return [before.elapsed_time(after) for (_, before), (after, _) in itertools.pairwise(self.marks)]

    def gaps_ms(self) -> dict[str, float]:
        """Milliseconds between a row's tokens, over all tokens but the first ones."""
        num = min(len(self.seconds), len(self.decoding))
        seconds, weights = np.array(self.seconds[:num]), np.array(self.decoding[:num])
        order = np.argsort(seconds)
        shares = np.cumsum(weights[order]) / max(weights.sum(), 1)
        at = [min(int(np.searchsorted(shares, share)), num - 1) for share in (0.5, 0.99)]
        return {name: 1e3 * float(seconds[order[index]]) for name, index in zip(("p50", "p99"), at, strict=True)}

    def sizes(self) -> list[dict[str, float]]:
        """Steps by their prompt tokens, to 256: how many, and the median milliseconds of one."""
        classes: dict[int, list[float]] = {}
        for prompt_tokens, seconds in zip(self.prompt_tokens, self.seconds, strict=False):
            classes.setdefault(-(-prompt_tokens // 256) * 256, []).append(seconds)
        return [
            {"prompt_tokens_to": size, "steps": len(times), "ms": 1e3 * statistics.median(times), "s": sum(times)}
            for size, times in sorted(classes.items())
        ]


class Bench:
    """A core whose budgets and graphs can be exchanged between runs."""

    def __init__(self, core: EngineCore) -> None:
        self.core = core
        self.steps = Steps()
        self._usual = core.runner.executor.mixed_graphs
        self._large: dict[int, MixedGraphs] = {}
        self._in_order = core.runner._in_order
        launch = core.runner.launch

        def noting(schedule: Schedule) -> PendingStep:
            self.steps.prompt_tokens.append(sum(chunk.num_tokens for chunk in schedule.chunks))
            self.steps.decoding.append(int(schedule.decoding.size))
            return launch(schedule)

        core.runner.launch = noting  # type: ignore[method-assign]
        executor = core.runner.executor
        execute = executor.execute

        def marking(inputs: StepInputs) -> StepOutput:
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            before.record()
            output = execute(inputs)
            after.record()
            self.steps.marks.append((before, after))
            return output

        if executor.device.type == "cuda":
            executor.execute = marking  # type: ignore[method-assign]

    def use(self, setting: Setting) -> None:
        """Schedule by this setting from now on."""
        self.core.scheduler.mixed_budget = setting.budget
        as_usual = self._in_order if setting.is_ordered else by_number
        self.core.runner._in_order = as_usual  # type: ignore[method-assign]
        self.core.runner.executor.mixed_graphs = self._graphs(setting.largest) if setting.has_graphs else self._usual

    def _graphs(self, largest: int) -> MixedGraphs | None:
        """Graphs of the usual sizes and on to `largest`; None where there are none."""
        if self._usual is None:
            return None
        if largest not in self._large:
            executor, max_rows = self.core.runner.executor, self.core.info.max_rows
            usual = mixed_sizes(largest)
            sizes = [*usual, *range(usual[-1] + GRAPH_STEP, largest + 1, GRAPH_STEP), largest]
            graphs = MixedGraphs(executor.graph_parts(self.core.runner.sampler.greedy, max_rows), largest)
            graphs.capture(sorted(set(sizes)))
            self._large[largest] = graphs
        return self._large[largest]

    def run(self, prompts: Sequence[Prompt], num_clients: int) -> dict[str, Any]:
        """All prompts, `num_clients` at a time."""
        self.steps = Steps()
        waiting = self._requests(prompts)
        began_s: dict[str, float] = {}
        first_s: dict[str, float] = {}
        start_s = last_s = time.perf_counter()

        def ask() -> None:
            request = next(waiting, None)
            if request is not None:
                began_s[request.request_id] = time.perf_counter()
                self.core.add(request)

        for _ in range(num_clients):
            ask()
        num_tokens, is_late = 0, self.core.runner.executor.device.type == "cuda"
        while self.core.has_work:
            outputs = self.core.step()
            now_s = time.perf_counter()
            # With overlap, a call reads the step that the call before launched.
            if not (is_late and not outputs and not self.steps.seconds):
                self.steps.seconds.append(now_s - last_s)
            last_s = now_s
            for output in outputs:
                if output.error is not None:
                    raise EngineStepError(output.error)
                num_tokens += len(output.token_ids)
                first_s.setdefault(output.request_id, now_s - began_s[output.request_id])
                if output.finish_reason is not None:
                    ask()
        seconds = time.perf_counter() - start_s
        if is_late:
            torch.cuda.synchronize()
        waits_ms = self.steps.waits_ms()
        return {
            "tokens_per_s": num_tokens / seconds,
            "seconds": seconds,
            "gaps_ms": self.steps.gaps_ms(),
            "first_token_p50_ms": 1e3 * statistics.median(first_s.values()),
            "num_steps": len(self.steps.seconds),
            "device_waits_s": sum(waits_ms) / 1e3,
            "device_wait_p50_ms": statistics.median(waits_ms) if waits_ms else None,
            "sizes": self.steps.sizes(),
        }

    def _requests(self, prompts: Sequence[Prompt]) -> Iterator[EngineRequest]:
        for index, prompt in enumerate(prompts):
            params = SamplingParams(max_tokens=prompt.output_len, temperature=0.0, seed=index, ignore_eos=True)
            yield EngineRequest(f"r{index}", prompt.token_ids, params, variant=self.core.info.default_variant)


def by_number(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows that decode, as the scheduler names them; for models that run all their layers."""
    return rows, None


def show(name: str, num_clients: int, result: dict[str, Any]) -> None:
    gaps = result["gaps_ms"]
    print(
        f"{num_clients} clients, {name:<8} {result['tokens_per_s']:7.0f} tok/s, gaps p50 {gaps['p50']:.2f} "
        f"p99 {gaps['p99']:.1f} ms, first token p50 {result['first_token_p50_ms']:.0f} ms, {result['num_steps']} steps"
    )
    if result["device_wait_p50_ms"] is not None:
        waits_s, p50_ms = result["device_waits_s"], result["device_wait_p50_ms"]
        print(f"    the device waited {waits_s:.2f} s of {result['seconds']:.2f}, {p50_ms:.3f} ms a step at the median")
    cells = [f"<={one['prompt_tokens_to']}: {one['steps']} x {one['ms']:.1f}" for one in result["sizes"]]
    print(f"    prompt tokens a step: steps x ms  {', '.join(cells)}", flush=True)


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3-8b")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of EngineConfig")
    parser.add_argument("--clients", default="256")
    parser.add_argument("--settings", default=SETTINGS)
    parser.add_argument("--shrink", type=int, default=1, help="divide lengths and crowds by this, to try the script")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    settings = [Setting.parse(text) for text in options.settings.split(",")]
    shrink = options.shrink
    lengths = Lengths(max(CROWD_LENGTHS.input_len // shrink, 2), max(CROWD_LENGTHS.output_len // shrink, 2), 0.822)
    path = options.output or default_path("try-mixed")
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        model = build_shape(options.shape, Path(folder))
        own = {"load_format": "dummy", "max_model_len": 4096, "prefix_caching": False} | parse_settings(options.set)
        bench = Bench(EngineCore(EngineConfig(str(model), **own)))
        vocab_size = bench.core.info.vocab_size
        for num_clients in [int(number) for number in options.clients.split(",")]:
            for index, setting in enumerate(settings):
                bench.use(setting)
                # A small crowd first, so that no run pays for kernels that it is the first to need.
                bench.run(random_ids(max(CROWD // shrink // 16, 2), lengths, vocab_size, seed=1), num_clients)
                prompts = random_ids(max(CROWD // shrink, 2), lengths, vocab_size, seed=100)
                result = bench.run(prompts, num_clients)
                show(setting.name, num_clients, result)
                records.append({"setting": setting.name, "clients": num_clients, "order": index} | result)
                write_json(path, describe_run() | {"records": records})
        bench.core.close()
        del bench
        gc.collect()
    print(f"saved to {path}")


if __name__ == "__main__":
    main()
