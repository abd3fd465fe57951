"""Sweeps of `check_layers`: tiles of our products beside cuBLAS, for few rows, for whole steps, in weight formats."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from benchmarks.gpu.layers_timing import (
    BF16,
    DOWN,
    GATE_UP,
    HEAD,
    OUT,
    QKV,
    SHAPES,
    attempt,
    keep,
    random,
    time_us,
    weights,
)
from server.models.quantize import FP8, quantize_rows
from server.models.triton_matmul import TileConfig, VectorConfig, tiled_product, vector_product
from server.models.triton_products import Fp8Product, Int8Product, few_rows_config, invariant_config, prefers_tiles
from server.models.triton_quantize import dequantize

NUM_LAYERS = 32
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
