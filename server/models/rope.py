"""Rotary position embedding (Su et al., "RoFormer", 2021) and its scaled forms.

Linear position interpolation (Chen et al., 2023), dynamic NTK (Reddit user emozilla, 2023), Llama 3's band-wise
scaling (Grattafiori et al., 2024) and YaRN (Peng et al., 2023), with the numbers of transformers.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch

from server.engine.batch import StepBatch
from server.errors import ModelLoadError
from server.models.kernels import Kernels

ROPE_TYPES = ("default", "linear", "dynamic", "llama3", "yarn")


@dataclass(frozen=True, slots=True)
class RopeConfig:
    """How angles follow from positions. Fields of other types than `rope_type` keep their defaults.

    Args:
        rope_type: one of `ROPE_TYPES`.
        dim: width that is rotated, the whole head.
        theta: base of the frequencies.
        max_positions: `max_position_embeddings` of the checkpoint.
        factor: how many times longer the scaled context is.
        original_max_positions: context of the pretraining (llama3, yarn).
        low_freq_factor, high_freq_factor: bounds of the smoothed band (llama3).
        attention_factor: multiplies cos and sin (yarn).
        beta_fast, beta_slow: rotations that bound the interpolated band (yarn).
        truncate: round that band outwards to whole dimensions (yarn).
    """

    rope_type: str
    dim: int
    theta: float
    max_positions: int
    factor: float = 1.0
    original_max_positions: int = 0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    attention_factor: float = 1.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True

    @property
    def max_model_len(self) -> int:
        """Longest sequence that the scaling is meant for, in tokens."""
        if self.rope_type in ("linear", "dynamic"):
            return int(self.max_positions * self.factor)
        if self.rope_type == "yarn":
            # Qwen's cards say to add YaRN to config.json without touching max_position_embeddings.
            return max(self.max_positions, int(self.original_max_positions * self.factor))
        return self.max_positions

    @classmethod
    def from_dict(cls, values: dict[str, Any], dim: int, max_positions: int) -> "RopeConfig":
        """Read `rope_theta` + `rope_scaling` (transformers 4) or `rope_parameters` (transformers 5).

        Raises:
            ModelLoadError: the scaling is unknown or lacks a value.
        """
        scaling = values.get("rope_scaling") or values.get("rope_parameters") or {}
        if not isinstance(scaling, dict) or any(isinstance(value, dict) for value in scaling.values()):
            raise ModelLoadError("rope_parameters in config.json differ by layer type, which is not supported")
        rope_type = scaling.get("rope_type") or scaling.get("type") or "default"
        if rope_type not in ROPE_TYPES:
            raise ModelLoadError(f"RoPE type {rope_type!r} is not supported; supported are {', '.join(ROPE_TYPES)}")
        partial = scaling.get("partial_rotary_factor", values.get("partial_rotary_factor"))
        if partial not in (None, 1, 1.0):
            raise ModelLoadError(f"partial_rotary_factor {partial} is not supported; only whole heads are rotated")
        theta = _number(scaling.get("rope_theta") or values.get("rope_theta") or 10000.0, "rope_theta")
        if rope_type == "default":
            return cls(rope_type, dim, theta, max_positions)
        original = values.get("original_max_position_embeddings") or scaling.get("original_max_position_embeddings")
        original_max_positions = int(_number(original or max_positions, "original_max_position_embeddings"))
        factor = scaling.get("factor")
        if factor is None and rope_type == "yarn":
            factor = max_positions / original_max_positions
        factor = _number(factor, f"factor of RoPE type {rope_type}")
        if rope_type in ("linear", "dynamic"):
            return cls(rope_type, dim, theta, max_positions, factor=factor)
        if rope_type == "llama3":
            return cls(
                rope_type,
                dim,
                theta,
                max_positions,
                factor=factor,
                original_max_positions=original_max_positions,
                low_freq_factor=_number(scaling.get("low_freq_factor"), "low_freq_factor"),
                high_freq_factor=_number(scaling.get("high_freq_factor"), "high_freq_factor"),
            )
        return cls(
            rope_type,
            dim,
            theta,
            max_positions,
            factor=factor,
            original_max_positions=original_max_positions,
            attention_factor=_yarn_attention_factor(scaling, factor),
            beta_fast=_number(scaling.get("beta_fast") or 32.0, "beta_fast"),
            beta_slow=_number(scaling.get("beta_slow") or 1.0, "beta_slow"),
            truncate=bool(scaling.get("truncate", True)),
        )


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        problem = "is missing" if value is None else f"is {value!r}"
        raise ModelLoadError(f"{name} in config.json {problem}; it must be a number above 0")
    return float(value)


def _yarn_attention_factor(scaling: dict[str, Any], factor: float) -> float:
    def growth(weight: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    if scaling.get("attention_factor") is not None:
        return float(scaling["attention_factor"])
    mscale, mscale_all_dim = scaling.get("mscale"), scaling.get("mscale_all_dim")
    if mscale and mscale_all_dim:
        return growth(mscale) / growth(mscale_all_dim)
    return growth(1.0)


def inverse_frequencies(config: RopeConfig) -> torch.Tensor:
    """Angle per position of every rotated pair: float32 [dim / 2].

    For `dynamic`, those of sequences up to `max_positions`.
    """
    exponents = torch.arange(0, config.dim, 2, dtype=torch.float32) / config.dim
    frequencies = 1.0 / (config.theta**exponents)
    if config.rope_type == "linear":
        return frequencies / config.factor
    if config.rope_type == "llama3":
        return _llama3_frequencies(config, frequencies)
    if config.rope_type == "yarn":
        return _yarn_frequencies(config, frequencies)
    return frequencies


def _llama3_frequencies(config: RopeConfig, frequencies: torch.Tensor) -> torch.Tensor:
    """Long wavelengths are divided by the factor, short ones kept, those between blended."""
    wavelengths = 2 * math.pi / frequencies
    rotations = config.original_max_positions / wavelengths
    blend = (rotations - config.low_freq_factor) / (config.high_freq_factor - config.low_freq_factor)
    blend = blend.clamp(0.0, 1.0)
    return (1 - blend) * frequencies / config.factor + blend * frequencies


def _yarn_frequencies(config: RopeConfig, frequencies: torch.Tensor) -> torch.Tensor:
    """Dimensions that turn often keep their frequency, those that turn rarely are interpolated."""

    def dimension(rotations: float) -> float:
        length = config.original_max_positions / (rotations * 2 * math.pi)
        return config.dim * math.log(length) / (2 * math.log(config.theta))

    low, high = dimension(config.beta_fast), dimension(config.beta_slow)
    if config.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, config.dim - 1)
    width = high - low if high != low else 0.001
    interpolated = ((torch.arange(config.dim // 2, dtype=torch.float32) - low) / width).clamp(0.0, 1.0)
    return frequencies / config.factor * interpolated + frequencies * (1 - interpolated)


def rotation_table(angles: torch.Tensor, scale: float) -> torch.Tensor:
    """Angles [n, dim / 2] -> float32 [n, 2, dim]: cos twice over, and sin with the first half negated."""
    cos, sin = angles.cos() * scale, angles.sin() * scale
    return torch.stack((torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)), 1)


class RotaryEmbedding:
    """Rotates queries and keys by their positions.

    All types but `dynamic` read a table of cos and sin, float32 [max_model_len, 2, dim].

    `dynamic` stretches the base with the length of the sequence. As in transformers, the new tokens of a step
    take the base of their row's length after that step, and cached keys stay as they are. So the numbers equal
    transformers' where a prompt is computed in one piece, and no neighbour in the batch changes them; beyond
    `max_positions` they do depend on how a prompt is cut into chunks.
    """

    def __init__(self, config: RopeConfig, kernels: Kernels, device: torch.device) -> None:
        self.config = config
        self.kernels = kernels
        length = config.max_positions if config.rope_type == "dynamic" else config.max_model_len
        angles = torch.outer(torch.arange(length, dtype=torch.float32), inverse_frequencies(config))
        self.table = rotation_table(angles, config.attention_factor).to(device)

    def __call__(self, qkv: torch.Tensor, num_heads: int, batch: StepBatch) -> torch.Tensor:
        """Rotate the first `num_heads` heads of qkv, [n, heads, dim], of the batch's first n tokens.

        Returns:
            [n, num_heads, dim]; may be a view of qkv, whose memory may be overwritten.
        """
        positions = batch.positions[: qkv.shape[0]]
        if self.stretches(batch):
            return self.kernels.rotate(qkv, num_heads, self.stretched(batch, positions), None)
        return self.kernels.rotate(qkv, num_heads, self.table, positions)

    def stretches(self, batch: StepBatch) -> bool:
        """Whether this step's tokens need a table of their own, made by `stretched`."""
        if self.config.rope_type != "dynamic":
            return False
        # A captured graph cannot branch on lengths of later replays, so GPUs always take the general way.
        return self.table.is_cuda or batch.is_static or max(batch.host_kv_lens) > self.config.max_positions

    def stretched(self, batch: StepBatch, positions: torch.Tensor) -> torch.Tensor:
        """One table row per token, as `dynamic` wants it: float32 [n, 2, dim].

        Args:
            positions: int64 [n], of the batch's first n tokens.
        """
        config = self.config
        tokens = torch.arange(positions.shape[0], device=positions.device, dtype=torch.int32)
        # Padding may follow the last row's tokens.
        rows = torch.searchsorted(batch.query_starts[1:], tokens, right=True).clamp(max=batch.num_rows - 1)
        lengths = batch.kv_lens[rows].clamp(min=config.max_positions).to(torch.float32)
        stretch = config.factor * lengths / config.max_positions - (config.factor - 1)
        bases = config.theta * stretch ** (config.dim / (config.dim - 2))
        exponents = torch.arange(0, config.dim, 2, dtype=torch.float32, device=positions.device) / config.dim
        angles = positions.to(torch.float32)[:, None] / bases[:, None] ** exponents
        return rotation_table(angles, config.attention_factor)
