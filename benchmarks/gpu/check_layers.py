"""Check the layers' Triton kernels on this GPU against plain torch, and time the ways to multiply.

    python -m benchmarks.gpu.check_layers [--parts check,small,few,chain,wide,invariant,mlp,error]

Prints a table and writes layers.json to the folder in $OUT, if set. Matrices are those of the Llama-3-8B shape; every
timing goes through several copies of a matrix, more bytes than L2 holds, in one CUDA graph. Kernels are compiled by
several processes beforehand: Triton keeps what it compiled on disk.
"""

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from benchmarks.gpu.layers_error import logit_errors
from server.config import WeightFormat
from server.models import triton_layers
from server.models.kernels import TorchKernels
from server.models.layers import GatedMLP
from server.models.quantize import FP8, dequantize_rows, quantize_rows
from server.models.triton_kernels import TritonKernels
from server.models.triton_matmul import TileConfig, VectorConfig, tiled_product, vector_product
from server.models.triton_products import Fp8Product, Int8Product, few_rows_config, invariant_config, prefers_tiles
from server.models.triton_quantize import dequantize, quantize_tokens

CUDA, BF16 = torch.device("cuda", 0), torch.bfloat16
QKV, OUT, GATE_UP, DOWN, HEAD = (6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336), (128256, 4096)
SHAPES = [QKV, OUT, GATE_UP, DOWN, HEAD]
NUM_LAYERS = 32
COPIES_BYTES = 1 << 30
"""Bytes that a timing reads before it comes back to the same ones."""

VECTOR_TILES = [(4, 1024, 4), (2, 2048, 4), (4, 2048, 8), (4, 512, 2), (2, 4096, 8)]
VECTOR_CONFIGS = [VectorConfig(*tile, True) for tile in VECTOR_TILES] + [VectorConfig(4, 2048, 8, False)]
TILE_CONFIGS = [
    *(TileConfig(64, 16, 128, splits, True, 4, 4, True) for splits in (1, 2, 4)),
    *(TileConfig(64, 32, 64, splits, True, 4, 6, True) for splits in (1, 2, 4)),
    *(TileConfig(128, 32, 64, splits, True, 4, 5, True) for splits in (1, 2, 4)),
    *(TileConfig(64, 64, 64, splits, True, 4, 6, True) for splits in (1, 2, 4)),
    *(TileConfig(128, 64, 64, splits, True, 8, 5, True) for splits in (1, 2, 4)),
]
INT8_CONFIGS = [
    TileConfig(64, 32, 128, 2, True, 4, 4, True),
    TileConfig(64, 64, 128, 2, True, 4, 4, True),
    TileConfig(128, 32, 128, 2, True, 8, 4, True),
    TileConfig(128, 64, 128, 4, True, 8, 3, True),
    TileConfig(128, 128, 64, 1, True, 8, 4, True),
    TileConfig(64, 128, 128, 2, True, 4, 3, True),
]
ROWS = [1, 32, 128, 2048, 8192, 32768]
CHECKS: list[tuple[torch.dtype, tuple[int, int], WeightFormat, bool]] = [
    (dtype, shape, weight_format, is_invariant)
    for dtype in (BF16, torch.float16)
    for shape in ((6144, 4096), (4096, 14336), (1000, 1040))
    for weight_format in get_args(WeightFormat)
    for is_invariant in (False, True)
]

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


# Compiling beforehand


def warm(kind: str, config: Any, num_in: int, dtype: torch.dtype) -> None:
    """Compile one kernel in this process; the file that Triton writes serves the others."""
    weight, scale = random(2 * config.block_n, num_in), None
    if dtype != BF16:
        weight, scale = quantize_rows(weight, dtype)
    if kind == "tile":
        arrivals = torch.zeros(4, dtype=torch.int32, device="cuda")
        tiled_product(random(16, num_in), weight, scale, None, config, arrivals)
    else:
        activation = None if kind == "vector" else "silu"
        vector_product(random(1, num_in), weight, scale, None, activation, config)


def warm_jobs(parts: Sequence[str]) -> list[tuple[Any, ...]]:
    jobs: list[tuple[Any, ...]] = []
    if "few" in parts:
        for num_in in (4096, 14336):
            for dtype in (BF16, torch.int8, FP8):
                jobs += [("vector", config, num_in, dtype) for config in VECTOR_CONFIGS]
                jobs += [("tile", config, num_in, dtype) for config in TILE_CONFIGS]
        jobs += [("gated", config, 4096, BF16) for config in VECTOR_CONFIGS]
    if "chain" in parts:
        for shape, rows, overlaps in itertools.product(SHAPES, (8, 32), (False, True)):
            config = tiles_of(torch.empty(shape, device="meta"), rows, overlaps)
            jobs.append(("tile", config, shape[1], BF16))
    if "wide" in parts:
        jobs += [("tile", config, num_in, torch.int8) for config in INT8_CONFIGS for num_in in (4096, 14336)]
    if "invariant" in parts:
        shapes = [(rows, shape) for rows in (1, 32, 2048) for shape in (OUT, HEAD, DOWN)]
        jobs += [("tile", invariant_config(rows, *shape), shape[1], BF16) for rows, shape in shapes]
    return jobs


# Parts


def error_of(result: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference relative to the largest number."""
    return ((result.float() - expected.float()).abs().max() / expected.float().abs().max()).item()


def check_products(
    dtype: torch.dtype, shape: tuple[int, int], weight_format: WeightFormat, is_invariant: bool
) -> float:
    """Largest error of products and gated products of any number of rows."""
    weight, bias = random(*shape, dtype=dtype, std=0.02), random(shape[0], dtype=dtype)
    kernels = TritonKernels(CUDA, weight_format, is_invariant)
    stored, product = kernels.product(weight, bias)
    _, gated = kernels.gated_product(weight, bias, "silu")
    exact = weight
    if stored.dtype != dtype:
        exact = dequantize_rows(*quantize_rows(weight, stored.dtype), torch.float32)
    worst = 0.0
    for rows in (1, 2, 16, 17, 65, 300):
        x = random(rows, shape[1], dtype=dtype)
        expected = F.linear(x.float(), exact.float(), bias.float())
        gate, up = expected.chunk(2, -1)
        worst = max(worst, error_of(product(x), expected), error_of(gated(x), F.silu(gate) * up))
    return worst


def run_check(product_errors: Sequence[float]) -> None:
    plain, fused = TorchKernels(), TritonKernels(CUDA)
    for dtype in (BF16, torch.float16):
        errors: dict[str, float] = {}
        for rows, hidden in [(1, 4096), (33, 4096), (5, 16384), (3, 5120), (7, 100)]:
            x, residual, weight = (random(*s, dtype=dtype) for s in [(rows, hidden), (rows, hidden), (hidden,)])
            expected, total = plain.add_rms_norm(x.float(), residual.float(), weight.float(), 1e-5)
            normed, kept = fused.add_rms_norm(x, residual, weight, 1e-5)
            errors["norm"] = max(errors.get("norm", 0), error_of(normed, expected), error_of(kept, total))
            gate_up = random(rows, 2 * hidden, dtype=dtype)
            for activation in triton_layers.ACTIVATION_CODES:
                expected = plain.gated(gate_up.float(), activation)
                errors["gated"] = max(errors.get("gated", 0), error_of(fused.gated(gate_up, activation), expected))
        qkv, weight = random(9, 48, 128, dtype=dtype), random(40, 128, dtype=dtype)
        expected = qkv.float()
        plain.norm_heads(expected, weight.float(), 1e-6)
        fused.norm_heads(qkv, weight, 1e-6)
        errors["heads"] = error_of(qkv, expected)
        for case, error in zip(CHECKS, product_errors, strict=True):
            if case[0] == dtype:
                name = f"{case[2]}{'/invariant' if case[3] else ''}"
                errors[name] = max(errors.get(name, 0), error)
        print(f"check {dtype}: " + " ".join(f"{name} {value:.1e}" for name, value in errors.items()))
        keep("check", dtype=str(dtype), errors=errors)
    stored, scale = quantize_rows(x := random(50, 4096), FP8)
    again, scales = quantize_tokens(x)
    differing = (stored.float() != again.float()).float().mean().item()
    same = torch.equal(dequantize(stored, scale, BF16), dequantize_rows(stored, scale, BF16))
    print(f"check fp8 tokens: {differing:.1e} differ, scales {error_of(scales, scale):.1e}, dequantised alike {same}")


def small_works(rows: int, copies: int, overlaps: bool) -> dict[str, tuple[Callable[[int], object], int]]:
    """Each kernel between products as a call on one of `copies` inputs, and the bytes that it moves for a row."""
    hidden, width = 4096, 14336
    weight, head_weight = random(hidden), random(40, 128)
    x, residual = ([random(rows, hidden) for _ in range(copies)] for _ in range(2))
    qkv = [random(rows, 48, 128) for _ in range(copies)]
    gate_up = [random(rows, 2 * width) for _ in range(copies)]
    return {
        "norm": (lambda i: triton_layers.add_rms_norm(x[i], residual[i], weight, 1e-5, overlaps), 8 * hidden),
        "heads": (lambda i: triton_layers.norm_heads(qkv[i], head_weight, 1e-5, overlaps), 40 * 128 * 4),
        "silu": (lambda i: triton_layers.gated(gate_up[i], "silu", overlaps), 6 * width),
        "fp8 tokens": (lambda i: quantize_tokens(x[i]), 3 * hidden),
    }


def run_small() -> None:
    for overlaps in (False, True):
        cells: dict[str, list[str]] = {"norm": [], "heads": [], "silu": [], "fp8 tokens": []}
        for rows in ROWS:
            copies = max(1, min(8, COPIES_BYTES // (rows * 57344)))
            works = small_works(rows, copies, overlaps)
            for name, (work, row_bytes) in works.items():
                us = attempt(f"{name} {rows}", lambda work=work, copies=copies: time_us(work, copies), 0.0)
                cells[name].append(f"{us:7.1f} {rows * row_bytes / us / 1e6 if us else 0:4.2f}")
                keep("small", name=name, rows=rows, us=us, overlaps=overlaps)
        for name, texts in cells.items():
            label = f"{name}{'+o' if overlaps else ''}"
            print(f"{label:<14} us, TB/s at {ROWS}: " + " | ".join(texts))


def sweep(shape: tuple[int, int], dtype: torch.dtype, rows: int, configs: Sequence[Any]) -> tuple[str, float]:
    """The best of `configs` for `rows` rows: its name and TB/s."""
    copies, scale = weights(shape, dtype)
    x = random(rows, shape[1])
    arrivals = torch.zeros(8192, dtype=torch.int32, device="cuda")
    best, best_us = "-", float("inf")
    for config in configs:
        products = [product_by(config, copy, scale, arrivals) for copy in copies]
        us = attempt(
            f"{shape} {config}",
            lambda products=products: time_us(lambda i: products[i](x), len(copies)),
            float("inf"),
        )
        keep("few", shape=shape, dtype=str(dtype), rows=rows, config=astuple(config), us=us)
        if us < best_us:
            best, best_us = short(config), us
    return best, copies[0].nbytes / best_us / 1e6


def few_of(shape: tuple[int, int]) -> None:
    copies, _ = weights(shape)
    cells = []
    for rows in (1, 2, 4, 8, 16, 32, 64):
        x = random(rows, shape[1])
        us = time_us(lambda i, x=x: F.linear(x, copies[i]), len(copies))
        keep("few", shape=shape, dtype=str(BF16), rows=rows, config="cublas", us=us)
        cells.append(f"{rows}: {copies[0].nbytes / us / 1e6:.2f}")
        if rows == 1:
            name, rate = sweep(shape, BF16, 1, VECTOR_CONFIGS)
            cells[-1] += f" vec {name} {rate:.2f}"
        if rows in (8, 16, 32, 64):
            name, rate = sweep(shape, BF16, rows, [c for c in TILE_CONFIGS if c.block_r == max(rows, 16)])
            cells[-1] += f" tile {name} {rate:.2f}"
    print(f"{shape[0]}x{shape[1]} TB/s cublas " + ", ".join(cells))
    for dtype in (torch.int8, FP8):
        name, rate = sweep(shape, dtype, 1, VECTOR_CONFIGS)
        print(f"    {str(dtype)[6:]:<14} 1: vec {name} {rate:.2f}")


def run_few() -> None:
    for shape in SHAPES:
        few_of(shape)


def chain_us(rows: int, choose: Callable[[torch.Tensor], Any]) -> float:
    """All products of a decode step in one graph, gates and norms left out; None stands for cuBLAS."""
    layers = [[random(*shape, std=0.02) for shape in (QKV, OUT, GATE_UP, DOWN)] for _ in range(NUM_LAYERS)]
    chain = [*(weight for layer in layers for weight in layer), random(*HEAD, std=0.02)]
    inputs = {width: random(rows, width) for width in (4096, 14336)}
    arrivals = torch.zeros(8192, dtype=torch.int32, device="cuda")
    products = [product_by(choose(weight), weight, None, arrivals) for weight in chain]

    def work(_: int) -> None:
        for weight, product in zip(chain, products, strict=True):
            product(inputs[weight.shape[1]])

    return time_us(work, 1, 1)


def product_by(
    config: Any, weight: torch.Tensor, scale: torch.Tensor | None, arrivals: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    if config is None:
        return lambda x: F.linear(x, weight)
    if isinstance(config, VectorConfig):
        return lambda x: vector_product(x, weight, scale, None, None, config)
    return lambda x: tiled_product(x, weight, scale, None, config, arrivals)


def run_chain() -> None:
    for rows in (1, 8, 16, 32, 128, 256):
        ways: dict[str, Callable[[torch.Tensor], Any]] = {"cublas": lambda _: None}
        if rows == 1:
            ways |= {short(config): lambda _, config=config: config for config in VECTOR_CONFIGS}
        elif rows <= 32:
            ways["tiles"] = lambda weight, rows=rows: tiles_of(weight, rows, False)
            ways["tiles, overlapping"] = lambda weight, rows=rows: tiles_of(weight, rows, True)
            ways["mix"] = lambda weight, rows=rows: tiles_of(weight, rows, True) if prefers_tiles(weight) else None
        cells = []
        for name, choose in ways.items():
            us = attempt(f"chain {rows} {name}", lambda rows=rows, choose=choose: chain_us(rows, choose), 0.0)
            cells.append(f"{name} {us / 1e3:.3f}")
            keep("chain", rows=rows, way=name, us=us)
        print(f"products of a step of {rows} rows, ms: " + ", ".join(cells))


def tiles_of(weight: torch.Tensor, rows: int, overlaps: bool) -> TileConfig:
    return replace(few_rows_config(weight), block_r=16 if rows <= 16 else 32, overlaps=overlaps)


def short(config: Any) -> str:
    return "/".join(str(int(value)) for value in astuple(config))


def wide_of(shape: tuple[int, int]) -> None:
    weight = random(*shape, std=0.02)
    stored, scale = quantize_rows(weight, torch.int8)
    arrivals = torch.zeros(8192, dtype=torch.int32, device="cuda")
    by_int8, by_fp8 = Int8Product(stored, scale, None), Fp8Product(*quantize_rows(weight, FP8), None)
    for rows in (8, 32, 64, 128, 256, 512, 2048, 8192):
        x = random(rows, shape[1])
        works: dict[str, Callable[[int], object]] = {
            "bf16": lambda _, x=x: F.linear(x, weight),
            "fp8": lambda _, x=x: by_fp8(x),
            "int8": lambda _, x=x: by_int8(x),
            "dequantised": lambda _, x=x: F.linear(x, dequantize(stored, scale, BF16)),
        }
        if rows <= 128:
            for config in [config for config in INT8_CONFIGS if rows <= config.block_r]:
                name = short(config)
                works[name] = lambda _, x=x, config=config: tiled_product(x, stored, scale, None, config, arrivals)
        cells = []
        for name, work in works.items():
            us = attempt(f"{shape} {rows} {name}", lambda work=work: time_us(work, 1, 4), float("inf"))
            cells.append(f"{name} {us:.0f} us {2 * rows * weight.numel() / us / 1e6:.0f}")
            keep("wide", shape=shape, rows=rows, name=name, us=us)
        print(f"{shape[0]}x{shape[1]} {rows} rows, TFLOP/s: " + ", ".join(cells))


def run_wide() -> None:
    for shape in (GATE_UP, DOWN):
        wide_of(shape)


def invariant_of(shape: tuple[int, int]) -> None:
    copies, _ = weights(shape)
    products = [TritonKernels(CUDA, "auto", True).product(copy, None)[1] for copy in copies]
    x = random(2048, shape[1])
    whole = products[0](x)
    alike = [rows for rows in (1, 2, 16, 17, 100, 128, 129, 1000) if torch.equal(products[0](x[:rows]), whole[:rows])]
    cells = []
    for rows in (1, 32, 128, 2048):
        us = time_us(lambda i, rows=rows: products[i](x[:rows]), len(copies), 4)
        plain_us = time_us(lambda i, rows=rows: F.linear(x[:rows], copies[i]), len(copies), 4)
        cells.append(f"{rows}: {us:.0f} / {plain_us:.0f}")
        keep("invariant", shape=shape, rows=rows, us=us, cublas_us=plain_us, alike=alike)
    print(f"invariant {shape[0]}x{shape[1]} us / cublas " + ", ".join(cells) + f"; bitwise alike at {alike}")


def run_invariant() -> None:
    for shape in SHAPES:
        invariant_of(shape)


def run_mlp() -> None:
    mlp = GatedMLP("mlp", 4096, 14336, "silu", False, TritonKernels(CUDA))
    for parameter in mlp.weights():
        parameter.data = random(*parameter.shape, std=0.02)
    mlp.prepare()
    for rows in (2048, 8192, 32768):
        x = random(rows, 4096)
        cells = []
        for size in (rows, 512, 1024, 2048, 4096):
            mlp.chunk_rows = size
            us = attempt(f"mlp {rows}/{size}", lambda x=x: time_us(lambda _: mlp(x), 1, 2), 0.0)
            cells.append(f"{'whole' if size == rows else size} {us / 1e3:.3f}")
            keep("mlp", rows=rows, chunk_rows=size, us=us)
        print(f"mlp of {rows} tokens, ms by rows at once: " + ", ".join(cells))


def run_error() -> None:
    for name, facts in logit_errors(torch.device("cuda")).items():
        print(f"logits {name}: " + ", ".join(f"{key} {value:.2e}" for key, value in facts.items()))
        keep("error", name=name, **facts)


PARTS: dict[str, Callable[[], None]] = {
    "small": run_small,
    "few": run_few,
    "chain": run_chain,
    "wide": run_wide,
    "invariant": run_invariant,
    "mlp": run_mlp,
    "error": run_error,
}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(["check", *PARTS]))
    parts = parser.parse_args().parts.split(",")
    started = time.perf_counter()
    with ProcessPoolExecutor(min(14, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(warm, *job) for job in warm_jobs(parts)]
        checks = [pool.submit(check_products, *case) for case in CHECKS] if "check" in parts else []
        for future in futures:
            future.exception()
        if checks:
            attempt("check", lambda: run_check([check.result() for check in checks]))
    print(f"compiled {len(futures)} after {time.perf_counter() - started:.0f} s; {torch.cuda.get_device_name()}")
    for name, run in PARTS.items():
        if name in parts:
            part_started = time.perf_counter()
            attempt(name, run)
            torch.cuda.empty_cache()
            keep("seconds", name=name, seconds=time.perf_counter() - part_started)
    print(", ".join(f"{r['name']} {r['seconds']:.0f} s" for r in RECORDS if r["part"] == "seconds"))
    if "OUT" in os.environ:
        report = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "records": RECORDS}
        Path(os.environ["OUT"], "layers.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
