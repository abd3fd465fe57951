"""Check the layers' Triton kernels on this GPU against plain torch, and time the ways to multiply.

    python -m benchmarks.gpu.check_layers [--parts check,small,few,chain,wide,invariant,mlp,error]

Prints a table and writes layers.json to the folder in $OUT, if set. Matrices are those of the Llama-3-8B shape; every
timing goes through several copies of a matrix, more bytes than L2 holds, in one CUDA graph. Kernels are compiled by
several processes beforehand: Triton keeps what it compiled on disk.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from benchmarks.gpu.layers_error import logit_errors
from benchmarks.gpu.layers_sweeps import run_chain, run_few, run_wide, warm, warm_jobs
from benchmarks.gpu.layers_timing import (
    BF16,
    COPIES_BYTES,
    CUDA,
    RECORDS,
    SHAPES,
    attempt,
    error_of,
    keep,
    random,
    time_us,
    weights,
)
from server.config import WeightFormat
from server.models import triton_layers
from server.models.kernels import TorchKernels
from server.models.layers import GatedMLP
from server.models.quantize import FP8, dequantize_rows, quantize_rows
from server.models.triton_kernels import TritonKernels
from server.models.triton_quantize import dequantize, quantize_tokens

ROWS = [1, 32, 128, 2048, 8192, 32768]
CHECKS: list[tuple[torch.dtype, tuple[int, int], WeightFormat, bool]] = [
    (dtype, shape, weight_format, is_invariant)
    for dtype in (BF16, torch.float16)
    for shape in ((6144, 4096), (4096, 14336), (1000, 1040))
    for weight_format in get_args(WeightFormat)
    for is_invariant in (False, True)
]


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
