"""What a device can do at best, measured, and what a model's steps therefore cannot beat.

The floor of a decode step is the time of its matrix products alone (one CUDA graph) plus the bytes of its KV over the
read bandwidth. The floor of a prompt is the arithmetic of its products and of causal attention over the best rates
that torch's libraries reach here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch.nn.attention import SDPBackend, sdpa_kernel

from server.bench.timer import Timer
from server.models.config import ModelConfig

GRAPH_ROWS = (1, 8, 32, 64, 128, 256)
"""Numbers of rows whose products are timed; between them the time is interpolated."""
MATMUL_SIZE = 8192
ATTENTION_LEN = 8192
STREAM_BYTES = 1 << 32
TRANSFER_BYTES = 1 << 29


@dataclass(frozen=True, slots=True)
class Rates:
    """Best rates of a device; None where they were not measured.

    Args:
        read, copy: bytes per second; a copy counts what is read and what is written.
        matmul: FLOP per second of a square product in the activations' dtype.
        attention: FLOP per second of causal attention over 8,192 tokens.
        to_device, to_host: bytes per second from and to pinned memory.
    """

    read: float
    copy: float
    matmul: float
    attention: float | None = None
    to_device: float | None = None
    to_host: float | None = None

    @property
    def bandwidth(self) -> float:
        """Bytes per second of the device's memory, as fast as it was seen."""
        return max(self.read, self.copy)


def measure_rates(
    timer: Timer, dtype: torch.dtype, *, stream_bytes: int = STREAM_BYTES, matmul_size: int = MATMUL_SIZE
) -> Rates:
    """Measure the device of `timer`; transfers and attention on CUDA only."""
    read, copy = _stream_rates(timer, stream_bytes)
    matmul = _matmul_rate(timer, dtype, matmul_size)
    if timer.device.type != "cuda":
        return Rates(read, copy, matmul)
    pinned = torch.empty(TRANSFER_BYTES, dtype=torch.uint8, pin_memory=True)
    there = torch.empty_like(pinned, device=timer.device)
    to_device = pinned.nbytes / timer.time_eager_s(lambda: there.copy_(pinned, non_blocking=True))
    to_host = pinned.nbytes / timer.time_eager_s(lambda: pinned.copy_(there, non_blocking=True))
    return Rates(read, copy, matmul, _attention_rate(timer, dtype), to_device, to_host)


def _stream_rates(timer: Timer, num_bytes: int) -> tuple[float, float]:
    """Bytes per second of reading, and of copying, of `num_bytes` in all."""
    source = torch.zeros(num_bytes // 8, dtype=torch.float32, device=timer.device)
    target = torch.empty_like(source)
    return (
        source.nbytes / timer.time_s(lambda: source.sum()),
        2 * source.nbytes / timer.time_s(lambda: target.copy_(source)),
    )


def _matmul_rate(timer: Timer, dtype: torch.dtype, size: int) -> float:
    """FLOP per second of a square product. Random numbers: on zeros a device draws less power and runs faster."""
    left, right = (torch.randn(size, size, device=timer.device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / timer.time_s(lambda: left @ right)


def _attention_rate(timer: Timer, dtype: torch.dtype, num_heads: int = 32, head_dim: int = 128) -> float | None:
    """FLOP per second of the fastest of torch's attentions; None where none of them takes this."""
    shape = (1, num_heads, ATTENTION_LEN, head_dim)
    q, k, v = (torch.randn(shape, device=timer.device, dtype=dtype) for _ in range(3))
    rates = []
    for backend in (SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION):
        try:
            with sdpa_kernel(backend):
                time_s = timer.time_eager_s(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True))
        except RuntimeError:
            continue
        rates.append(2 * ATTENTION_LEN**2 * num_heads * head_dim / time_s)
    return max(rates, default=None)


def layer_products(config: ModelConfig) -> list[tuple[str, int, int]]:
    """(name, inputs, outputs) of the matrix products of one layer."""
    hidden, width = config.hidden_size, config.intermediate_size
    attention = config.num_heads * config.head_dim
    qkv = attention + 2 * config.num_kv_heads * config.head_dim
    mlp = (
        [("gate_up", hidden, 2 * width), ("down", width, hidden)]
        if config.opt is None
        else [("fc1", hidden, width), ("fc2", width, hidden)]
    )
    return [("qkv", hidden, qkv), ("out", attention, hidden), *mlp]


@torch.inference_mode()
def time_products(
    config: ModelConfig, dtype: torch.dtype, timer: Timer, rows: Sequence[int] = GRAPH_ROWS
) -> dict[int, float]:
    """Seconds of all products of one step of so many rows, head included, by torch in one CUDA graph."""
    shapes = layer_products(config) * config.num_layers + [("head", config.hidden_size, config.vocab_size)]
    weights = [
        torch.empty(out_features, in_features, dtype=dtype, device=timer.device).normal_(std=0.02)
        for _, in_features, out_features in shapes
    ]
    inputs = {in_features: torch.empty(0) for _, in_features, _ in shapes}

    def step() -> None:
        for weight in weights:
            F.linear(inputs[weight.shape[1]], weight)

    times_s = {}
    for num_rows in rows:
        for in_features in inputs:
            inputs[in_features] = torch.randn(num_rows, in_features, dtype=dtype, device=timer.device)
        times_s[num_rows] = timer.time_s(step)
    return times_s


@dataclass(frozen=True, slots=True)
class Floors:
    """What one model's steps take at least on one device.

    Args:
        rates: of the device.
        products_s: rows -> seconds of a decode step's products.
        kv_token_bytes: bytes of one position's keys and values, in all layers.
    """

    config: ModelConfig
    rates: Rates
    products_s: dict[int, float]
    kv_token_bytes: int

    def decode_s(self, num_rows: float, num_positions: float) -> float:
        """A step of `num_rows` rows that see `num_positions` positions in all."""
        counts = sorted(self.products_s)
        products_s = float(np.interp(num_rows, counts, [self.products_s[count] for count in counts]))
        return products_s + num_positions * self.kv_token_bytes / self.rates.bandwidth

    def prefill_s(self, num_tokens: int) -> float:
        """A prompt, of which only the last token's logits are computed."""
        config = self.config
        per_token = 2 * config.num_layers * sum(columns * rows for _, columns, rows in layer_products(config))
        head = 2 * config.hidden_size * config.vocab_size
        attention = 2 * num_tokens**2 * config.num_heads * config.head_dim * config.num_layers
        products_s = (num_tokens * per_token + head) / self.rates.matmul
        # Below the weights' own bytes a short prompt is as slow as a single token.
        return max(products_s, self.products_s[min(self.products_s)]) + attention / (
            self.rates.attention or self.rates.matmul
        )

    def requests_s(self, lengths: Sequence[tuple[int, int]], concurrency: int | None = None) -> float:
        """Requests of (prompt, output) tokens: each prompt at its floor, and decode steps of all that run together.

        Args:
            concurrency: how many run at once; the next one begins when one ends. None for all.
        """
        waiting = list(lengths)[::-1]
        running: list[tuple[int, int]] = []
        total_s = 0.0
        while waiting or running:
            while waiting and len(running) < (concurrency or len(lengths)):
                prompt, output = waiting.pop()
                total_s += self.prefill_s(prompt)
                if output > 1:
                    running.append((prompt + 1, output - 1))
            # Until the next one ends every step is like this one, but for a position more in each row.
            num_steps = min((left for _, left in running), default=0)
            if num_steps:
                positions = sum(position for position, _ in running) + len(running) * (num_steps - 1) / 2
                total_s += num_steps * self.decode_s(len(running), positions)
                running = [(position + num_steps, left - num_steps) for position, left in running if left > num_steps]
        return total_s


def measure_floors(
    config: ModelConfig,
    dtype: torch.dtype,
    timer: Timer,
    *,
    rows: Sequence[int] = GRAPH_ROWS,
    rates: Rates | None = None,
) -> Floors:
    """Measure everything, and leave no memory behind.

    Args:
        rates: of the device, where they are known already.
    """
    measured = rates or measure_rates(timer, dtype)
    products_s = time_products(config, dtype, timer, rows)
    if timer.device.type == "cuda":
        torch.cuda.empty_cache()
    kv_token_bytes = 2 * config.num_layers * config.num_kv_heads * config.head_dim * dtype.itemsize
    return Floors(config, measured, products_s, kv_token_bytes)
