"""Tries to beat cuBLAS at the Llama-3-8B shape: by cuBLASLt, and by streams of a matrix with gates within the product.

    python -m benchmarks.gpu.try_products                        # cuBLAS and cuBLASLt in whole steps
    python -m benchmarks.gpu.try_products --streams 32,64        # our own candidates too, for these numbers of rows

For every matrix all ways are checked against torch in float32 and timed; then all layers of a decode step and its head,
but for attention, in one graph: by each library, by the better one of each matrix, with streams, and as the engine
does it now. At the end stands what `LT_ROWS` and `STREAMS` in `server/models/triton_products.py` should hold.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from benchmarks.gpu.record import default_path, write_json
from server.bench.machine import describe_run
from server.bench.timer import Timer
from server.engine.rehearsal import rehearsal
from server.models.blas import Library, multiplied_by
from server.models.triton_kernels import TritonKernels
from server.models.triton_layers import add_rms_norm, can_overlap, gated
from server.models.triton_matmul import TileConfig, tiled_product
from server.models.triton_products import num_parts
from server.models.triton_stream import StreamConfig, StreamProduct

Multiply = Callable[[torch.Tensor], torch.Tensor]

LAYER = ("qkv", "out", "gate_up", "down")
SHAPES = {
    **{"qkv": (6144, 4096), "out": (4096, 4096), "gate_up": (28672, 4096), "down": (4096, 14336)},
    "head": (128256, 4096),
}
SMALL_SHAPES = {"qkv": (96, 72), "out": (72, 72), "gate_up": (144, 72), "down": (72, 72), "head": (300, 72)}
"""For trying the script where there is no GPU."""
ROWS = (1, 8, 32, 64, 128, 160, 192, 256)
NUM_LAYERS = 32
COLD_BYTES = 1 << 29
SHARED_BYTES = 208 << 10
"""Of a multiprocessor, for tiles on their way; half of it where two programs share one."""
GAIN = 1.02
"""How many times faster a candidate must be to be worth a line in the table."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to multiply.

    Args:
        stream: of a candidate; None of what others wrote.
    """

    name: str
    stream: StreamConfig | None
    make: Callable[[torch.Tensor], Multiply]


def stream_configs(block_r: int, num_sms: int, is_gated: bool, overlaps: bool) -> list[StreamConfig]:
    """Tiles of several forms, with as many stages as fit."""
    configs = []
    for block_n, block_k, num_warps, per_sm in (
        *((64, 64, 4, 1), (64, 64, 4, 2), (64, 128, 4, 1), (64, 128, 4, 2)),
        *((128, 64, 4, 1), (128, 64, 8, 1), (128, 64, 8, 2), (128, 128, 8, 1)),
    ):
        stage_bytes = 2 * block_k * (block_n * (2 if is_gated else 1) + block_r)
        num_stages = min(SHARED_BYTES // per_sm // stage_bytes, 10)
        if num_stages >= 3:
            configs.append(StreamConfig(block_n, block_r, block_k, per_sm * num_sms, num_warps, num_stages, overlaps))
    return configs


def tile_configs(block_r: int, shape: tuple[int, int], overlaps: bool) -> list[TileConfig]:
    splits = num_parts(*shape)
    return [
        TileConfig(64, block_r, 128, splits, True, 4, 4, overlaps),
        TileConfig(64, block_r, 64, splits, True, 4, 6, overlaps),
        TileConfig(128, block_r, 64, 2 * splits, True, 8, 6, overlaps),
    ]


def by_library(name: Library) -> Callable[[torch.Tensor], Multiply]:
    def make(weight: torch.Tensor) -> Multiply:
        def multiply(x: torch.Tensor) -> torch.Tensor:
            with multiplied_by(name):
                return F.linear(x, weight)

        return multiply

    return make


def by_stream(config: StreamConfig, activation: str | None) -> Callable[[torch.Tensor], Multiply]:
    def make(weight: torch.Tensor) -> Multiply:
        product = StreamProduct(weight, None, config)
        return lambda x: product(x, activation=activation)

    return make


def by_tiles(config: TileConfig) -> Callable[[torch.Tensor], Multiply]:
    def make(weight: torch.Tensor) -> Multiply:
        arrivals = torch.zeros(4 * -(-weight.shape[0] // 64), dtype=torch.int32, device=weight.device)
        return lambda x: tiled_product(x, weight, None, None, config, arrivals)

    return make


def then_gated(make: Callable[[torch.Tensor], Multiply], overlaps: bool) -> Callable[[torch.Tensor], Multiply]:
    def make_both(weight: torch.Tensor) -> Multiply:
        multiply = make(weight)
        return lambda x: gated(multiply(x), "silu", overlaps)

    return make_both


def by_engine(activation: str | None) -> Callable[[torch.Tensor], Multiply]:
    """As `server/models/triton_kernels.py` has it."""

    def make(weight: torch.Tensor) -> Multiply:
        kernels = TritonKernels(weight.device)
        product = kernels.product(weight, None) if activation is None else kernels.gated_product(weight, None, "silu")
        return product[1]

    return make


class Trial:
    """Candidates for all matrices at one number of rows.

    Args:
        has_own: whether our own tiles and streams are among them, beside the libraries.
        is_quick: one candidate of each kind.
    """

    def __init__(self, device: torch.device, num_rows: int, has_own: bool, is_quick: bool) -> None:
        self.device = device
        self.num_rows = num_rows
        self.has_own = has_own
        self.is_quick = is_quick
        self.timer = Timer(device, 1 if is_quick else 7)
        self.is_cuda = device.type == "cuda"
        self.overlaps = can_overlap(device)
        self.dtype = torch.bfloat16 if self.is_cuda else torch.float16
        self.shapes = SHAPES if self.is_cuda else SMALL_SHAPES
        self.records: list[dict[str, Any]] = []
        self.best: dict[str, Way] = {}
        self.libraries: dict[str, dict[str, Way]] = {}
        self.is_lt_faster: dict[str, bool] = {}

    def ways(self, name: str) -> list[Way]:
        """All ways for one matrix; those of gate and up end with the gate."""
        is_gated = name == "gate_up"
        activation = "silu" if is_gated else None
        num_sms = torch.cuda.get_device_properties(self.device).multi_processor_count if self.is_cuda else 3
        block_r = max(16, 1 << (self.num_rows - 1).bit_length())
        plain = [Way("cublas", None, by_library("cublas")), Way("cublaslt", None, by_library("cublaslt"))]
        tiles = tile_configs(block_r, self.shapes[name], self.overlaps) if self.has_own else []
        for config in tiles[:1] if self.is_quick else tiles:
            plain.append(Way(f"tiles {short(config)}", None, by_tiles(config)))
        if is_gated:
            plain = [Way(way.name, None, then_gated(way.make, self.overlaps)) for way in plain]
        streams = [
            Way(f"stream {short(config)}", config, by_stream(config, activation))
            for config in stream_configs(block_r, num_sms, is_gated, self.overlaps)
            if self.has_own and name != "head"
        ]
        return [*plain, *(streams[:1] if self.is_quick else streams)]

    def matrix(self, name: str) -> torch.Tensor:
        return torch.randn(self.shapes[name], device=self.device, dtype=self.dtype) * 0.02

    def x(self, name: str) -> torch.Tensor:
        return torch.randn(self.num_rows, self.shapes[name][1], device=self.device, dtype=self.dtype)

    def compile(self) -> None:
        """All kernels at once, by several threads."""
        with rehearsal():
            for name in LAYER:
                weight, x = self.matrix(name), self.x(name)
                for way in self.ways(name):
                    self.attempt(way, lambda way=way, weight=weight, x=x: way.make(weight)(x))

    def attempt(self, way: Way, work: Callable[[], Any]) -> Any:
        """What `work` gives; None if this way fails."""
        try:
            return work()
        except Exception as error:
            said = (str(error).strip().splitlines() or [""])[0]
            print(f"{way.name}: {type(error).__name__}: {said[:100]}", flush=True)
            return None

    def sweep(self, name: str) -> None:
        """Check and time every way for one matrix, with copies of it that no cache holds together."""
        weight, x = self.matrix(name), self.x(name)
        expected = F.linear(x.float(), weight.float())
        if name == "gate_up":
            gate, up = expected.chunk(2, -1)
            expected = F.silu(gate) * up
        num_copies = max(2, COLD_BYTES // weight.nbytes) if self.is_cuda else 2
        copies = [weight, *(weight.clone() for _ in range(num_copies - 1))]
        times: dict[str, tuple[float, Way]] = {}
        for way in self.ways(name):
            facts = self.attempt(way, lambda way=way: self.measure(way, copies, x, expected))
            if facts is None:
                continue
            error, us = facts
            is_right = error < 0.02
            config = None if way.stream is None else astuple(way.stream)
            self.records.append(
                {"matrix": name, "rows": self.num_rows, "way": way.name, "stream": config, "us": us, "error": error}
            )
            if is_right:
                times[way.name] = (us, way)
            else:
                print(f"{name}, {self.num_rows} rows, {way.name}: WRONG by {error:.1e}", flush=True)
        ranked = sorted(times.values(), key=lambda timed: timed[0])
        libraries = [(us, way) for us, way in ranked if way.name.startswith("cublas")]
        streams = [(us, way) for us, way in ranked if way.stream is not None]
        cells = [f"{way.name} {us:.1f} us {weight.nbytes / us / 1e6:.2f} TB/s" for us, way in (*libraries, *ranked[:3])]
        print(f"{name} {self.num_rows} rows: {'; '.join(dict.fromkeys(cells))}", flush=True)
        self.libraries[name] = {way.name: way for _, way in libraries}
        if len(libraries) == 2:
            self.is_lt_faster[name] = times["cublas"][0] > GAIN * times["cublaslt"][0]
        if libraries and streams and libraries[0][0] > GAIN * streams[0][0]:
            self.best[name] = streams[0][1]

    def measure(
        self, way: Way, copies: Sequence[torch.Tensor], x: torch.Tensor, expected: torch.Tensor
    ) -> tuple[float, float]:
        """Largest error relative to the largest number, and microseconds of one product."""
        multiplies = [way.make(copy) for copy in copies]
        multiplies[0](x)
        # The second call finds what the first left in scratch memory.
        error = (multiplies[0](x).float() - expected).abs().max() / expected.abs().max()

        def work() -> None:
            for multiply in multiplies:
                multiply(x)

        return error.item(), 1e6 * self.timer.time_s(work) / len(multiplies)

    def choices(self) -> dict[str, dict[str, Way]]:
        """Name -> a way for each matrix, of the chains that are compared."""
        both = {name: ways for name, ways in self.libraries.items() if len(ways) == 2}
        if len(both) < len(self.shapes):
            return {}
        chosen = {library: {name: ways[library] for name, ways in both.items()} for library in ("cublas", "cublaslt")}
        chosen["better of both"] = {
            name: ways["cublaslt" if self.is_lt_faster[name] else "cublas"] for name, ways in both.items()
        }
        if self.best:
            chosen["with streams"] = chosen["better of both"] | self.best
        chosen["engine"] = {
            name: Way("engine", None, by_engine("silu" if name == "gate_up" else None)) for name in self.shapes
        }
        return chosen

    def chain(self, layers: Sequence[dict[str, torch.Tensor]], head: torch.Tensor) -> None:
        """A step but for attention and sampling, in one graph; all choices in turn, and each again."""
        attended, start = self.x("out"), self.x("qkv")
        norm = torch.ones(start.shape[1], dtype=self.dtype, device=self.device)

        def step(chosen: dict[str, Way]) -> Callable[[], torch.Tensor]:
            made = [{name: chosen[name].make(weight) for name, weight in layer.items()} for layer in layers]
            multiply_head = chosen["head"].make(head)

            def work() -> torch.Tensor:
                x, residual = start, torch.zeros_like(start)
                for layer in made:
                    x, residual = add_rms_norm(x, residual, norm, 1e-5, self.overlaps)
                    layer["qkv"](x)
                    x, residual = add_rms_norm(layer["out"](attended), residual, norm, 1e-5, self.overlaps)
                    x = layer["down"](layer["gate_up"](x))
                return multiply_head(add_rms_norm(x, residual, norm, 1e-5, self.overlaps)[0])

            return work

        steps = {label: step(chosen) for label, chosen in self.choices().items()}
        times: dict[str, list[float]] = {label: [] for label in steps}
        for _, (label, work) in itertools.product(range(1 if self.is_quick else 2), steps.items()):
            times[label].append(1e3 * self.timer.time_s(work))
        expected = next(iter(steps.values()))().float() if steps else None
        for label, work in steps.items():
            logits = work().float()
            error = ((logits - expected).abs().max() / expected.abs().max()).item()
            self.records.append({"chain": label, "rows": self.num_rows, "ms": times[label], "error": error})
            print(
                f"step without attention, {self.num_rows} rows, {label}: "
                f"{' and '.join(f'{ms:.3f}' for ms in times[label])} ms, {error:.1e} from cuBLAS's",
                flush=True,
            )


def stream_lines(trials: Sequence[Trial]) -> list[str]:
    """For `STREAMS`."""
    return [
        f"    (*{trial.shapes[name]}, {name == 'gate_up'}): {way.stream},"
        for trial in trials
        for name, way in trial.best.items()
    ]


def lt_lines(trials: Sequence[Trial]) -> list[str]:
    """For `LT_ROWS`: every number of rows counts like the next one that was measured."""
    lines, ordered = [], sorted(trials, key=lambda trial: trial.num_rows)
    for name in SHAPES:
        ranges: list[range] = []
        begin = 1
        for trial in ordered:
            if trial.is_lt_faster.get(name):
                is_next = bool(ranges) and ranges[-1].stop == begin
                first = ranges.pop().start if is_next else begin
                ranges.append(range(first, trial.num_rows + 1))
            begin = trial.num_rows + 1
        if ranges:
            lines.append(f"    {ordered[0].shapes[name]}: {tuple(ranges)},")
    return lines


def short(config: StreamConfig | TileConfig) -> str:
    return "/".join(str(int(value)) for value in astuple(config))


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(map(str, ROWS)), help="numbers of rows")
    parser.add_argument("--streams", default="", help="those of them for which our own candidates are tried, too")
    parser.add_argument("--quick", action="store_true", help="one candidate of each kind, to try the script")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    path = options.output or default_path("try-products")
    own = {int(rows) for rows in options.streams.split(",") if rows}
    counts = sorted({int(rows) for rows in options.rows.split(",")} | own)
    trials = [Trial(device, count, count in own, options.quick) for count in counts]
    began_s = time.perf_counter()

    def save(**facts: Any) -> None:
        write_json(path, describe_run() | {"records": [record for one in trials for record in one.records]} | facts)

    for trial in trials:
        trial.compile()
    print(f"compiled after {time.perf_counter() - began_s:.0f} s", flush=True)
    for trial, name in itertools.product(trials, SHAPES):
        trial.sweep(name)
        save()
    num_layers = NUM_LAYERS if trials[0].is_cuda else 1
    layers = [{name: trials[0].matrix(name) for name in LAYER} for _ in range(num_layers)]
    head = trials[0].matrix("head")
    for trial in trials:
        trial.chain(layers, head)
        save()
    found = {"lt_rows": lt_lines(trials), "streams": stream_lines(trials)}
    for table, lines in zip(("LT_ROWS", "STREAMS"), found.values(), strict=True):
        print("\n".join([f"faster than cuBLAS, for {table}:", *(lines or ["    none"])]))
    save(**found)
    print(f"saved to {path} after {time.perf_counter() - began_s:.0f} s")


if __name__ == "__main__":
    main()
