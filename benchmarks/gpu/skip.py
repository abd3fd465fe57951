"""SkipDecode beside full depth: aligned batches, and clients that ask all the time and may wait for each other.

    python -m benchmarks.gpu.skip --shape opt-6.7b                # about four minutes on an H200
    python -m benchmarks.gpu.skip --shape opt-1.3b --speedups 2 --only aligned
    python -m benchmarks.gpu.skip --shape tiny --layers 32 --only steady --count     # anywhere: what steps would read

Prompts of 128 tokens, answers of 128. `aligned` rows give the time between a batch's first and last tokens, over the
tokens between; all of the batch stand at one position. In `steady` rows each client asks again as soon as it is
answered, so positions are mixed, prompts are computed in between, and new rows may wait for the others (`--align-ms`).
Every variant has an engine of its own: `full` has no bands to leave. Speed depends on neither weights nor words, so
both are random. What a speed-up is held against: the layers of full depth over those that tokens ran on average, the
output projection, which always runs, left as it is.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.engine import Engine, parse_settings
from benchmarks.gpu.record import Mark, Record, Row, default_path
from benchmarks.gpu.shapes import SHAPES, build_shape
from server.bench.datasets import Lengths, Prompt, random_ids
from server.bench.latency import measure_latency
from server.bench.timer import Timer
from server.config import EngineConfig
from server.engine.core import EngineCore
from server.engine.executor import StepOutput
from server.engine.loop import Core
from server.engine.request import EngineRequest, EngineStats, SamplingParams
from server.engine.step import StepInputs
from server.errors import EngineStepError

LENGTH = 128
"""Tokens of prompts and of answers."""
BATCHES = (1, 16, 64, 256)
CLIENTS = (1, 16, 64)
ROUNDS = 3
"""Answers that each client gets while it is measured."""
WAITS_MS = "0,500,2000"

MARKS = {
    **{f"opt-6.7b, batch {batch}: skip2, speed-up": Mark(1.8) for batch in BATCHES},
    **{f"opt-6.7b, batch {batch}: skip5, speed-up": Mark(4.0) for batch in BATCHES},
    **{
        f"opt-6.7b, batch {batch}: full": Mark(peer=ms)
        for batch, ms in zip(BATCHES, (4.55, 5.34, 7.05, 15.94), strict=True)
    },
    **{
        f"{shape}, batch {batch}: skip{speedup}, share of what is to be had": Mark(0.9)
        for shape in SHAPES
        for batch in BATCHES
        for speedup in (2, 5)
    },
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured, smaller where the script is only tried."""

    length: int
    batches: tuple[int, ...]
    clients: tuple[int, ...]

    @classmethod
    def of(cls, shrink: int) -> "Sizes":
        def shrunk(numbers: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(sorted({max(number // shrink, 1) for number in numbers}))

        return cls(max(LENGTH // shrink, 4), shrunk(BATCHES), shrunk(CLIENTS))


def aligned(core: Core, row: Row, batch: int, length: int) -> None:
    """A batch whose rows begin together, their prompts all but computed; milliseconds a step, on average."""
    before = core.stats()
    result = measure_latency(
        core,
        variant=core.info.default_variant,
        batch_size=batch,
        input_len=length,
        output_len=length,
        num_iters=3,
        num_iters_warmup=1,
        seed=batch,
        cached_prompts=True,
    )
    row.value = 1e3 * float(result["avg_decode_step"])  # type: ignore[arg-type]
    row.details = result | _counted(before, core.stats())


def steady(core: Core, row: Row, num_clients: int, length: int) -> None:
    """Output tokens per second of clients that ask again as soon as they are answered, after one answer each."""
    vocab_size = core.info.vocab_size
    prompts = random_ids(num_clients * (ROUNDS + 2), Lengths(length, length), vocab_size, seed=num_clients)
    clients = Clients(core, prompts, num_clients)
    clients.run_until(num_clients)
    before, began_s, begun = core.stats(), time.perf_counter(), clients.num_tokens
    clients.run_until(num_clients * (1 + ROUNDS))
    seconds, num_tokens = time.perf_counter() - began_s, clients.num_tokens - begun
    counted = _counted(before, core.stats())
    row.value = num_tokens / seconds
    # Of weights read for each token, in layers: what the speed-up of small batches comes to, on any machine.
    row.details = counted | {"layers_read_per_token": counted["layers_read"] / num_tokens}
    clients.stop()


class Clients:
    """So many clients, each with one request at a time; the first ones end at different times.

    Attributes:
        num_tokens: that all have got.
    """

    def __init__(self, core: Core, prompts: list[Prompt], num_clients: int) -> None:
        self._core = core
        self._prompts = iter(prompts)
        self._numbers = itertools.count()
        self._num_done = 0
        self.num_tokens = 0
        for index in range(num_clients):
            prompt = next(self._prompts)
            self._ask(prompt.token_ids, max(prompt.output_len * (index + 1) // num_clients, 1))

    def _ask(self, token_ids: list[int], num_tokens: int) -> None:
        params = SamplingParams(max_tokens=num_tokens, temperature=0.0, ignore_eos=True)
        variant = self._core.info.default_variant
        self._core.add(EngineRequest(f"client-{next(self._numbers)}", token_ids, params, variant=variant))

    def run_until(self, num_done: int) -> None:
        """Go on until so many answers are there.

        Raises:
            EngineStepError: a request failed.
        """
        while self._num_done < num_done:
            for output in self._core.step():
                if output.error is not None:
                    raise EngineStepError(f"a request failed: {output.error}")
                self.num_tokens += len(output.token_ids)
                if output.finish_reason is not None:
                    self._num_done += 1
                    prompt = next(self._prompts, None)
                    if prompt is not None:
                        self._ask(prompt.token_ids, prompt.output_len)

    def stop(self) -> None:
        """End what still runs."""
        self._prompts = iter(())
        self._core.abort([info.request_id for info in self._core.inspect()])
        while self._core.has_work:
            self._core.step()


def _counted(before: EngineStats, after: EngineStats) -> dict[str, Any]:
    """What the engine counted in between."""
    steps = after.steps - before.steps
    waited = sum(after.cohort_wait_counts) - sum(before.cohort_wait_counts)
    return {
        "steps": steps,
        "layers_read": after.layers_read - before.layers_read,
        "layers_run": after.layers_run - before.layers_run,
        "layers_skipped": after.layers_skipped - before.layers_skipped,
        "held_back": waited,
        "mean_wait_s": (after.cohort_wait_s - before.cohort_wait_s) / waited if waited else 0.0,
    }


class Bench:
    """Loads an engine for each variant, and waiting time."""

    def __init__(
        self, record: Record, model: Path, shape: str, sizes: Sizes, settings: dict[str, Any], *, counts: bool
    ) -> None:
        self.record = record
        self.counts = counts
        self.shape = shape
        self.sizes = sizes
        self._model = model
        self._settings = settings

    @contextmanager
    def engine(self, variant: str, **settings: Any) -> Iterator[Core]:
        most = max(*self.sizes.batches, *self.sizes.clients)
        shared = {"load_format": "dummy", "max_model_len": 2 * self.sizes.length + 1, "max_rows": most}
        config = EngineConfig(
            str(self._model), variants=(variant,), force_skip=True, **(shared | self._settings | settings)
        )
        engine = Engine(config)
        try:
            if self.counts:
                compute_nothing(engine.core)
            yield engine.core
        finally:
            engine.drop()

    def variants(self, speedups: list[str]) -> dict[str, str]:
        """Name -> what to serve."""
        skips = {f"skip{speedup}": f"skip(speedup={speedup}, horizon={self.sizes.length})" for speedup in speedups}
        return {"full": "full"} | {name: f"{name}={spec}" for name, spec in skips.items()}

    @contextmanager
    def row(self, name: str, unit: str, *, is_rate: bool = False) -> Iterator[Row]:
        with self.record.row(f"{self.shape}, {name}", unit, is_rate=is_rate) as row:
            yield row


def compute_nothing(core: Core) -> None:
    """Have every step scheduled and none computed: all tokens are 0."""
    assert isinstance(core, EngineCore)
    vocab_size = core.info.vocab_size

    def execute(inputs: StepInputs) -> StepOutput:
        return StepOutput(torch.zeros(inputs.logit_tokens.size, vocab_size) if inputs.logit_tokens.size else None)

    core.runner.executor.execute = execute  # type: ignore[method-assign]


def head_ms(core: Core, batch: int) -> float:
    """Milliseconds of the output projection of so many rows, which no schedule leaves out."""
    model = core.model
    device = next(iter(model.parameters())).device
    x = torch.randn(batch, model.config.hidden_size, device=device, dtype=next(iter(model.parameters())).dtype)
    return 1e3 * Timer(device).time_s(lambda: model.head(x.clone(), None))


def aligned_rows(bench: Bench, speedups: list[str]) -> None:
    """Every batch under every variant, and how much of what could be had there is."""
    fulls: dict[int, Row] = {}
    heads_ms: dict[int, float] = {}
    for name, variant in bench.variants(speedups).items():
        with bench.engine(variant) as core:
            for batch in bench.sizes.batches:
                title = f"batch {batch}: {name}"
                with bench.row(title, "ms") as row:
                    aligned(core, row, batch, bench.sizes.length)
                if name == "full":
                    fulls[batch], heads_ms[batch] = row, head_ms(core, batch)
                    row.details["head_ms"] = heads_ms[batch]
                    continue
                with bench.row(f"{title}, speed-up", "times", is_rate=True) as out:
                    divide(out, fulls[batch].value, row.value)
                with bench.row(f"{title}, share of what is to be had", "of 1", is_rate=True) as out:
                    layers_ms = (fulls[batch].value or 0.0) - heads_ms[batch]
                    divide(out, heads_ms[batch] + layers_ms * mean_share(core, bench.sizes.length), row.value)


def mean_share(core: Core, length: int) -> float:
    """Of all layers, the share that the tokens of an answer run on average; its first one comes with the prompt."""
    stops = core.variants[core.info.default_variant].layer_stops(length, length)
    return float(np.mean(np.arange(length - 1)[:, None] < stops))


def steady_rows(bench: Bench, speedups: list[str], waits_ms: list[float]) -> None:
    """Clients under every variant; those with a schedule also wait for each other."""
    fulls: dict[int, Row] = {}
    for name, variant in bench.variants(speedups).items():
        for wait_ms in waits_ms if name != "full" else [0.0]:
            with bench.engine(variant, align_ms=wait_ms) as core:
                for clients in bench.sizes.clients:
                    title = f"{clients} clients: {name}" + ("" if name == "full" else f", waiting {wait_ms:g} ms")
                    with bench.row(title, "layers" if bench.counts else "tok/s", is_rate=not bench.counts) as row:
                        steady(core, row, clients, bench.sizes.length)
                        if bench.counts:
                            row.value = row.details["layers_read_per_token"]
                    if name == "full":
                        fulls[clients] = row
                        continue
                    if not bench.counts:
                        with bench.row(f"{title}, speed-up", "times", is_rate=True) as out:
                            divide(out, row.value, fulls[clients].value)
                    with bench.row(f"{title}, fewer layers read", "times", is_rate=True) as out:
                        reads = [each.details.get("layers_read_per_token") for each in (fulls[clients], row)]
                        divide(out, *reads)


def divide(row: Row, numerator: float | None, denominator: float | None) -> None:
    """Fill in the quotient of two measured figures."""
    if not numerator or not denominator:
        raise RuntimeError("one of the two was not measured")
    row.value = numerator / denominator


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="opt-6.7b")
    parser.add_argument("--layers", type=int, default=None, help="layers of the shape, if not its own")
    parser.add_argument("--speedups", default="2,5", help="of the presets to measure")
    parser.add_argument("--waits-ms", default=WAITS_MS, help="that steady clients are measured with")
    parser.add_argument("--only", default="", help="aligned or steady")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of EngineConfig")
    parser.add_argument("--count", action="store_true", help="of steady clients, only what steps would read")
    parser.add_argument("--shrink", type=int, default=1, help="divide lengths and crowds by this, to try the script")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    settings, sizes = parse_settings(options.set), Sizes.of(options.shrink)
    marks = MARKS if options.shrink == 1 else {}
    record = Record(
        options.output or default_path("skip"), marks, shape=options.shape, layers=options.layers, settings=settings,
        shrink=options.shrink,
    )  # fmt: skip
    changes = {} if options.layers is None else {"num_hidden_layers": options.layers}
    speedups = [speedup for speedup in options.speedups.split(",") if speedup]
    waits_ms = [float(wait) for wait in options.waits_ms.split(",") if wait]
    parts: dict[str, Callable[[Bench], None]] = {
        "aligned": lambda bench: aligned_rows(bench, speedups),
        "steady": lambda bench: steady_rows(bench, speedups, waits_ms),
    }
    with tempfile.TemporaryDirectory() as folder:
        model = build_shape(options.shape, Path(folder) / options.shape, **changes)
        bench = Bench(record, model, options.shape, sizes, settings, counts=options.count)
        for name in [name for name in options.only.split(",") if name] or list(parts):
            parts[name](bench)
    record.save()
    record.print_table()


if __name__ == "__main__":
    main()
