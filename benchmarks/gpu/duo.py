"""DuoAttention beside full attention: decode steps, memory, long prompts, the longest context, a crowd short of pages.

    python -m benchmarks.gpu.duo                  # all rows, about a quarter of an hour on an H200
    python -m benchmarks.gpu.duo --only decode    # the kernel alone, then whole steps
    python -m benchmarks.gpu.duo --only kernel

`--patterns` names the folder of the published patterns `Llama-3-8B-Instruct-Gradient-1048k` and
`Llama-2-7B-32K-Instruct`. The workloads are those of Xiao et al., "DuoAttention" (2024): batch 1, one-token steps at a
fixed context, prompts in chunks of 32,000; 50 % streaming heads for the 8B shape with grouped queries, 75 % for the 7B
shape without. Weights are random, and contexts that only serve to be read are random numbers (`pretend.py`), because
speed depends on neither.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.duo_attention import attention_rows
from benchmarks.gpu.engine import Engine
from benchmarks.gpu.pretend import cache_of, fill_with_noise
from benchmarks.gpu.record import Mark, Record, Row, default_path
from benchmarks.gpu.shapes import build_shape
from server.bench.datasets import Lengths, random_ids
from server.bench.latency import measure_latency
from server.bench.throughput import measure_throughput
from server.config import EngineConfig
from server.engine.loop import Core
from server.errors import ConfigError
from server.kv.patterns import HeadPattern, read_pattern

GIB = 1 << 30
PATTERNS = Path(__file__).parent / ".carry" / "duo-patterns"
STEPS = 100
CHUNK = 32_000
DECODE_CHUNK = 2048
"""Step tokens of an engine that is there to decode. Streaming heads need room for a chunk of a strict prompt, and with
the 8,192 that are usual on a GPU that is a seventh of what the 7B shape has at 134,000 positions."""
SERVING = "sinks=16, recent=64"
"""The window that servers of reasoning models take (RLKV, 2026)."""

MARKS = {
    "8B, 517,000: speed-up": Mark(1.6),
    "7B, 134,000: speed-up": Mark(2.4),
    "8B, 517,000: memory saved": Mark(1.67),
    "7B, 134,000: memory saved": Mark(2.55),
    "8B, 1,000,000: duo": Mark(22),
    "8B, prompt of 320,000: speed-up": Mark(1.7),
    "8B, int4: longest context": Mark(6e6),
    "crowd: speed-up": Mark(1.8),
}
"""Ratios duo against full in this run; the step at 1,000,000 in ms; the longest context in tokens."""


@dataclass(frozen=True, slots=True)
class Family:
    """A model's shape and its published pattern.

    Args:
        sparsity: share of streaming KV heads that the paper recommends for it.
    """

    name: str
    shape: str
    pattern: str
    sparsity: float

    def duo(self, patterns: Path, arguments: str = "") -> str:
        """The variant that drops what streaming heads do not see during the prompt as well."""
        # Relative, because what is printed and recorded goes to places where no such folder is.
        pattern = os.path.relpath(patterns / self.pattern)
        more = f", {arguments}" if arguments else ""
        return f"duo=duo(pattern={pattern}, sparsity={self.sparsity}, prefill=strict{more})"

    def streaming(self, patterns: Path) -> tuple[HeadPattern, float]:
        return read_pattern(patterns / self.pattern), self.sparsity


FAMILIES = (
    Family("8B", "llama-3-8b", "Llama-3-8B-Instruct-Gradient-1048k", 0.5),
    Family("7B", "llama-2-7b", "Llama-2-7B-32K-Instruct", 0.75),
)


class Bench:
    """Loads an engine for each measurement, with a pool for exactly what is measured."""

    def __init__(self, record: Record, patterns: Path, folder: Path, shape: str | None, shrink: int) -> None:
        self.record = record
        self.patterns = patterns
        self._folder = folder
        self._shape = shape
        self.shrink = shrink

    @contextmanager
    def engine(self, family: Family, variant: str, context: int, **settings: Any) -> Iterator[Core]:
        """An engine with one variant, whose requests may have `context` positions.

        Raises:
            ConfigError: the memory does not hold such a request.
        """
        shape = self._shape or family.shape
        model = self._folder / f"{shape}-{context}"
        if not model.exists():
            build_shape(shape, model, max_position_embeddings=context)
        config = EngineConfig(
            str(model), load_format="dummy", max_model_len=context, variants=(variant,), **({"max_rows": 1} | settings)
        )
        engine = Engine(config)
        # The last measurement's frames may have held its engine until they ended.
        engine.drop()
        try:
            limit = engine.core.info.max_model_len
            print(f"{variant}: contexts up to {limit:,}", flush=True)
            if limit < context:
                raise ConfigError(f"the memory holds contexts of up to {limit:,} positions, not {context:,}")
            yield engine.core
        finally:
            engine.drop()

    def decode(self, row: Row, family: Family, variant: str, context: int, **settings: Any) -> None:
        """The median step of one row around `context` positions; bytes of pages and of the device are in `details`."""
        context = context // self.shrink
        steps = min(STEPS, context // 4)
        with self.engine(family, variant, context + steps, max_step_tokens=DECODE_CHUNK, **settings) as core:
            name = core.info.default_variant
            fill_with_noise(core.manager.pool)
            result = measure_latency(
                core,
                variant=name,
                batch_size=1,
                input_len=context - steps // 2,
                output_len=steps,
                num_iters=1,
                num_iters_warmup=0,
                seed=context,
                cached_prompts=True,
                fill_cache=cache_of(core, name),
            )
            if core.stats().prefix_hits < context - steps:
                raise RuntimeError("the context was computed, not found: the steps may have been those of a prompt")
            row.value = result["median_decode_step_ms"]  # type: ignore[assignment]
            row.details = result | self._memory(core)

    def _memory(self, core: Core) -> dict[str, object]:
        pool = core.manager.pool
        weights = sum(parameter.nbytes for parameter in core.model.parameters())
        used = 0
        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            used = total - free
        counted = weights + pool.num_pages * pool.page_bytes
        return {"weight_bytes": weights, "num_pages": pool.num_pages, "counted_bytes": counted, "device_bytes": used}

    def prefill(self, row: Row, family: Family, variant: str, num_tokens: int) -> None:
        """A lone prompt in chunks of 32,000, to its first token."""
        num_tokens = num_tokens // self.shrink
        chunk = CHUNK // self.shrink
        with self.engine(family, variant, num_tokens + 1, max_step_tokens=chunk) as core:
            # The first prompt compiles kernels; chunks are alike, so two of them do.
            for length in (2 * chunk, num_tokens):
                result = measure_latency(
                    core,
                    variant=core.info.default_variant,
                    batch_size=1,
                    input_len=length,
                    output_len=1,
                    num_iters=1,
                    num_iters_warmup=0,
                    seed=length,
                )
            row.value = result["median_first_token"]  # type: ignore[assignment]
            row.details = result

    def crowd(self, row: Row, family: Family, variant: str, num_requests: int, pool_gib: float) -> None:
        """Requests that arrive together and may write 8K tokens each, in a pool that holds few of them."""
        lengths = Lengths(256 // self.shrink, 4608 // self.shrink, 0.75)
        settings = {"max_rows": num_requests, "kv_memory_bytes": int(pool_gib * GIB / self.shrink)}
        with self.engine(family, variant, 8704 // self.shrink, **settings) as core:
            name = core.info.default_variant
            vocab_size = core.info.vocab_size
            warm = Lengths(max(32 // self.shrink, 1), 8)
            measure_throughput(core, random_ids(num_requests // 2, warm, vocab_size, seed=1), variant=name)
            prompts = random_ids(num_requests, lengths, vocab_size, seed=2)
            result = measure_throughput(core, prompts, variant=name)
            row.value = result["output_throughput"]  # type: ignore[assignment]
            row.details = result | {"pool_gib": pool_gib}


def ratio(record: Record, name: str, numerator: Row, denominator: Row, figure: str | None = None) -> None:
    """A row that divides two others, by their values or by a figure of their details."""

    def value(row: Row) -> float:
        found = row.value if figure is None else row.details[figure]
        if not found:
            raise RuntimeError(f"{row.name} was not measured")
        return float(found)

    with record.row(name, "times", is_rate=True) as row:
        row.value = value(numerator) / value(denominator)


def decode_rows(bench: Bench) -> None:
    """Steps at the paper's two points, and at a million tokens; then what the kernel has to do with them."""
    record = bench.record
    for family, context in zip(FAMILIES, (517_000, 134_000), strict=True):
        rows = {}
        for name, variant in (("full", "full"), ("duo", family.duo(bench.patterns))):
            with record.row(f"{family.name}, {context:,}: {name}", "ms") as rows[name]:
                bench.decode(rows[name], family, variant, context)
        ratio(record, f"{family.name}, {context:,}: speed-up", rows["full"], rows["duo"])
        ratio(record, f"{family.name}, {context:,}: memory saved", rows["full"], rows["duo"], "counted_bytes")
        if torch.cuda.is_available():
            ratio(record, f"{family.name}, {context:,}: device saved", rows["full"], rows["duo"], "device_bytes")
    with record.row("8B, 1,000,000: duo", "ms") as row:
        bench.decode(row, FAMILIES[0], FAMILIES[0].duo(bench.patterns), 1_000_000)
    kernel_rows(bench)


def kernel_rows(bench: Bench) -> None:
    """The decode kernel alone, on a GPU."""
    if torch.cuda.is_available():
        attention_rows(bench.record, {family.name: family.streaming(bench.patterns) for family in FAMILIES})


def longest_rows(bench: Bench) -> None:
    """As long a context as the memory holds with 4-bit KV; every step's time tells that it was decoded at."""
    with bench.record.row("8B, int4: longest context", "tokens", is_rate=True) as row:
        for context in (7_000_000, 6_500_000, 6_000_000, 4_000_000):
            try:
                # Large pages: the tables of millions of positions stay small.
                bench.decode(row, FAMILIES[0], FAMILIES[0].duo(bench.patterns), context, kv_format="int4", page_size=64)
            except (torch.OutOfMemoryError, ConfigError) as error:
                print(f"{context:,}: {error}", flush=True)
                continue
            row.details["decode_step_ms"] = row.value
            row.value = context // bench.shrink
            break


def prefill_rows(bench: Bench) -> None:
    """A prompt of 320,000 tokens under the streaming mask, against full attention."""
    family, rows = FAMILIES[0], {}
    for name, variant in (("duo", family.duo(bench.patterns)), ("full", "full")):
        with bench.record.row(f"8B, prompt of 320,000: {name}", "s") as rows[name]:
            bench.prefill(rows[name], family, variant, 320_000)
    ratio(bench.record, "8B, prompt of 320,000: speed-up", rows["full"], rows["duo"])


def crowd_rows(bench: Bench, num_requests: int, pool_gib: float) -> None:
    """Throughput where memory binds."""
    family, rows = FAMILIES[0], {}
    for name, variant in (("duo", family.duo(bench.patterns, SERVING)), ("full", "full")):
        with bench.record.row(f"crowd: {name}", "tok/s", is_rate=True) as rows[name]:
            bench.crowd(rows[name], family, variant, max(num_requests // bench.shrink, 4), pool_gib)
    ratio(bench.record, "crowd: speed-up", rows["duo"], rows["full"])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patterns", type=Path, default=PATTERNS, help="folder of the published patterns")
    parser.add_argument("--only", default="", help="kernel, decode, longest, prefill or crowd; several with commas")
    parser.add_argument("--requests", type=int, default=256, help="of the crowd")
    parser.add_argument("--pool-gib", type=float, default=8.0, help="KV memory of the crowd")
    parser.add_argument("--shape", default=None, help="another shape for both families, to try the script")
    parser.add_argument("--shrink", type=int, default=1, help="divide lengths and crowds by this, to try the script")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    record = Record(options.output or default_path("duo"), MARKS if options.shrink == 1 else {}, shrink=options.shrink)
    alone: dict[str, Callable[[Bench], None]] = {"kernel": kernel_rows}
    parts: dict[str, Callable[[Bench], None]] = {
        "decode": decode_rows,
        "longest": longest_rows,
        "prefill": prefill_rows,
        "crowd": lambda bench: crowd_rows(bench, options.requests, options.pool_gib),
    }
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(record, options.patterns, Path(folder), options.shape, options.shrink)
        for name in [name for name in options.only.split(",") if name] or list(parts):
            (parts | alone)[name](bench)
    record.save()
    record.print_table()


if __name__ == "__main__":
    main()
