"""Tile sizes of the Triton attention kernels: fixed by shapes, so that nothing is tuned while a server starts.

Measured on an H200 with `python -m benchmarks.gpu.check_attention`.
"""

from dataclasses import dataclass

import torch

from server.attention.backend import AttentionSpec

MAX_SPLITS = 128
"""Parts that the keys of a row are cut into at most, where all heads have as many."""

FEW_ROWS = 8
"""Rows up to which decode is cut for long contexts."""


@dataclass(frozen=True, slots=True)
class DecodeConfig:
    """How decode is cut up.

    Args:
        block_n: keys of a tile.
        num_stages: of Triton's pipeline. Looking up pages takes some: with 5 the next tile's keys are on their way
            while a tile is computed, with fewer only other programs of the multiprocessor fill that time.
        programs_per_sm: programs that a step should have for every multiprocessor, at least.
    """

    block_n: int
    num_warps: int
    num_stages: int
    programs_per_sm: int


@dataclass(frozen=True, slots=True)
class PrefillConfig:
    """How prefill is cut up.

    Args:
        block_m: rows of a tile: queries times packed heads.
        block_n: keys of a tile.
        is_packed: whether the query heads of a KV head share a tile.
    """

    block_m: int
    block_n: int
    num_warps: int
    num_stages: int
    is_packed: bool


def decode_config(spec: AttentionSpec, num_rows: int) -> DecodeConfig:
    """Tiles of decode, for so many rows in a step or a captured bucket."""
    if spec.device.type != "cuda":
        # The interpreter's time goes by calls, but several tiles and splits must be met.
        return DecodeConfig(16, 4, 1, 8)
    wide = 2 if spec.head_dim > 128 else 1
    if spec.dtype == torch.float32:
        return DecodeConfig(32 // wide, 4, 2, 2)
    if spec.kv_format.is_quantized:
        return DecodeConfig(128 // wide, 4, 5, 2)
    if num_rows <= FEW_ROWS:
        # Their contexts may be long: programs that fetch ahead reach more of the bandwidth (4.0 of 4.2 TB/s, not 3.7).
        return DecodeConfig(128 // wide, 4, 5, 1)
    return DecodeConfig(128 // wide, 4, 2, 2)


def prefill_config(spec: AttentionSpec, tokens_per_row: int) -> PrefillConfig:
    """Tiles of prefill.

    Args:
        tokens_per_row: new tokens of the longest row, or what they may be.
    """
    if spec.device.type != "cuda":
        return PrefillConfig(32, 16, 4, 1, True)
    wide = spec.head_dim > 128
    if spec.dtype == torch.float32:
        return PrefillConfig(32, 16 if wide else 32, 4, 2, True)
    if spec.kv_format.is_quantized:
        return PrefillConfig(128, 32 if wide else 64, 8, 2, True)
    if tokens_per_row * (spec.num_heads // spec.num_kv_heads) <= 64:
        return PrefillConfig(64, 32 if wide else 64, 4, 2, True)
    return PrefillConfig(128, 64 if wide else 128, 8, 2 if wide else 3, True)


def invariant_config(spec: AttentionSpec) -> PrefillConfig:
    """Tiles of the one kernel that computes all tokens in batch-invariant mode."""
    if spec.device.type != "cuda":
        return PrefillConfig(16, 16, 4, 1, True)
    block_n = 32 if spec.dtype == torch.float32 or spec.head_dim > 128 else 64
    return PrefillConfig(16, block_n, 4, 3 if spec.dtype != torch.float32 else 2, True)


def programs_per_row(config: DecodeConfig, num_rows: int, num_kv_heads: int, max_positions: int, num_sms: int) -> int:
    """Programs of a row that keep the device busy, from what a captured graph knows.

    They are a row's, not a head's: where only some heads of a layer read a whole context, these share them all.

    Args:
        num_rows: rows of the step, or of the captured bucket.
        max_positions: positions that a page table has room for.
    """
    wanted = num_sms * config.programs_per_sm // num_rows
    most_tiles = -(-max_positions // config.block_n)
    # The kernel multiplies programs by tiles in 32 bits.
    return max(1, min(wanted, num_kv_heads * min(MAX_SPLITS, most_tiles), (2**31 - 1) // most_tiles))
