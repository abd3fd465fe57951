"""The engine alone, in one process with one load of the model: decode steps, prompts, and a crowd of requests.

    python -m benchmarks.gpu.engine                      # the Llama-3-8B shape
    python -m benchmarks.gpu.engine --shape opt-6.7b --set weight_format=fp8 --only decode

The floors are measured first, in the same process. Takes about three minutes on an H200.
"""

import argparse
import gc
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.floors import floors_of
from benchmarks.gpu.record import Mark, Record, Row, default_path
from benchmarks.gpu.shapes import SHAPES, build_shape
from server.bench.datasets import Lengths, random_ids
from server.bench.floors import Floors
from server.bench.latency import measure_latency
from server.bench.throughput import measure_throughput
from server.bench.timer import Timer
from server.config import EngineConfig
from server.engine.loop import Core, load_core
from server.models.config import ModelConfig
from server.models.registry import choose_device, choose_dtype

DECODE = ((1, 128), (32, 1024), (128, 2048))
LONG_DECODE = (1, 131072)
PREFILL = (2048, 8192, 32768)
CROWD, CROWD_LENGTHS = 256, Lengths(562, 562, 0.822)
"""Prompt and output lengths uniform in [100, 1024]."""
DECODE_STEPS = 96

MARKS = {
    "decode 1 x 128": Mark(4.35, 4.91),
    "decode 32 x 1024": Mark(5.6, 6.51),
    "decode 128 x 2048": Mark(13.8, 15.08),
    "decode 1 x 131072": Mark(8.7, 9.01),
    "prefill 2048": Mark(45, 47.2),
    "prefill 8192": Mark(200, 212),
    "prefill 32768": Mark(1120, 1176),
    "256 requests": Mark(11500, 10074),
}
"""Of the Llama-3-8B shape; times in ms, the requests in output tokens per second."""


class Engine:
    """A core that is loaded when it is first needed, and again after something went wrong with it."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._core: Core | None = None
        self.loads_s: list[float] = []

    @property
    def core(self) -> Core:
        if self._core is None:
            self._core = load_core(self._config)
            self.loads_s.append(self._core.info.load_s)
            info = self._core.info
            print(
                f"loaded in {info.load_s:.1f} s: {info.attention_backend} attention, {info.num_pages} pages, "
                f"{info.max_rows} rows; refused: {info.backend_refusals}",
                flush=True,
            )
        return self._core

    def drop(self) -> None:
        if self._core is not None:
            self._core.close()
            self._core = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def decode(engine: Engine, floors: Floors | None, row: Row, batch: int, context: int, iterations: int) -> None:
    """Steps of `batch` rows whose contexts pass through `context` in the middle of the measurement.

    The prompts are computed before, into the prefix cache. Otherwise the rows that are done first would have long
    contexts by the time that the last ones begin.
    """
    steps = min(DECODE_STEPS, max(context // 2, 2))
    core = engine.core
    result = measure_latency(
        core,
        variant=core.info.default_variant,
        batch_size=batch,
        input_len=max(context - steps // 2, 1),
        # A few more, for what a batch takes to get going.
        output_len=steps + 6,
        num_iters=iterations,
        num_iters_warmup=0,
        seed=batch + context,
        cached_prompts=True,
    )
    row.value = _ms(result["median_decode_step"])
    row.floor = None if floors is None else 1e3 * floors.decode_s(batch, batch * context)
    row.details = result


def prefill(engine: Engine, floors: Floors, row: Row, num_tokens: int, iterations: int) -> None:
    """A lone prompt, from its arrival to its first token."""
    core = engine.core
    result = measure_latency(
        core,
        variant=core.info.default_variant,
        batch_size=1,
        input_len=num_tokens,
        output_len=1,
        num_iters=iterations,
        num_iters_warmup=1,
        seed=num_tokens,
    )
    row.value = _ms(result["median_first_token"])
    row.samples = [1e3 * time_s for time_s in result["first_tokens"]]  # type: ignore[attr-defined]
    row.floor = 1e3 * floors.prefill_s(num_tokens)
    row.details = result


def crowd(engine: Engine, floors: Floors, row: Row, num_requests: int, lengths: Lengths, repeats: int) -> None:
    """Requests that arrive together; the median of several crowds with other prompts of the same lengths."""
    core = engine.core
    vocab_size, variant = core.info.vocab_size, core.info.default_variant
    # Compiles what only steps of prompts and decoding rows together need.
    measure_throughput(core, random_ids(max(num_requests // 8, 1), lengths, vocab_size, seed=1), variant=variant)
    results = []
    for repeat in range(repeats):
        prompts = random_ids(num_requests, lengths, vocab_size, seed=100 + repeat)
        results.append(measure_throughput(core, prompts, variant=variant))
    row.samples = [float(result["output_throughput"]) for result in results]  # type: ignore[arg-type]
    row.value = sorted(row.samples)[len(row.samples) // 2]
    output_len = sum(prompt.output_len for prompt in prompts)
    pairs = [(prompt.num_tokens, prompt.output_len) for prompt in prompts]
    row.floor = output_len / floors.requests_s(pairs)
    row.details = {"runs": results, "floor_note": Floors.requests_s.__doc__}


def _ms(seconds: object) -> float:
    if not isinstance(seconds, float):
        raise RuntimeError("no step had all rows in it: give the measurement more steps")
    return 1e3 * seconds


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`name=value` pairs of `EngineConfig`; a value that is no JSON is text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure the engine on one device.")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3-8b")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of EngineConfig")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--shrink", type=int, default=1, help="divide lengths and crowds by this, to try the script")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run(options, build_shape(options.shape, Path(folder) / options.shape))


def run(options: argparse.Namespace, model: Path) -> None:
    shrink = options.shrink
    facts = ModelConfig.from_directory(model)
    limit = min(facts.max_model_len, LONG_DECODE[1] + 1024)
    settings: dict[str, Any] = {"load_format": "dummy", "max_model_len": limit} | parse_settings(options.set)
    config = EngineConfig(str(model), **settings)
    device = choose_device(config.device)
    dtype = choose_dtype(config.dtype, facts, device)
    record = Record(
        options.output or default_path("engine"),
        MARKS if options.shape == "llama-3-8b" and shrink == 1 else {},
        shape=options.shape,
        dtype=str(dtype),
        settings=settings,
        shrink=shrink,
    )
    floors = floors_of(record, facts, dtype, Timer(device), is_small=shrink > 1)
    engine = Engine(config)
    rows: list[tuple[str, str, bool, Callable[[Row], None]]] = []

    def add_decode(batch: int, context: int, iterations: int) -> None:
        batch, context = max(batch // shrink, 1), max(context // shrink, 1)
        name = f"decode {batch} x {context}"
        rows.append((name, "ms", False, lambda row: decode(engine, floors, row, batch, context, iterations)))

    def add_prefill(num_tokens: int, iterations: int) -> None:
        name = f"prefill {num_tokens}"
        rows.append((name, "ms", False, lambda row: prefill(engine, floors, row, num_tokens, iterations)))

    for batch, context in DECODE:
        add_decode(batch, context, 3 if batch == 1 else 1)
    for num_tokens in PREFILL:
        add_prefill(max(num_tokens // shrink, 1), 7 if num_tokens < 10000 else 3)
    num_requests = max(CROWD // shrink, 2)
    lengths = Lengths(max(CROWD_LENGTHS.input_len // shrink, 1), max(CROWD_LENGTHS.output_len // shrink, 2), 0.822)
    name = f"{num_requests} requests"
    rows.append((name, "tok/s", True, lambda row: crowd(engine, floors, row, num_requests, lengths, 2)))
    add_decode(*LONG_DECODE, 1)
    longest = limit - DECODE_STEPS
    for name, unit, is_rate, measure in rows:
        too_long = name.split()[0] in ("decode", "prefill") and int(name.split()[-1]) > longest
        if options.only in name and not too_long:
            with record.row(name, unit, is_rate=is_rate, on_error=engine.drop) as row:
                measure(row)
    record.facts |= {"loads_s": engine.loads_s}
    engine.drop()
    record.save()
    record.print_table()


if __name__ == "__main__":
    main()
