"""The two-way forward of DuoAttention: a model as it is, and beside it one whose heads are mixed by gates.

Xiao et al., "DuoAttention" (2024), and its reference code. Every layer runs twice, on the reference's hidden states and
on the student's. The student's heads give `gate * full + (1 - gate) * streaming`, where the full attention is the
reference's own output and the streaming attention is computed from the student's queries, keys and values. So only the
gates and the student's hidden states carry gradients, and full attention is computed once.

The serving layers cannot be used for this: they overwrite their inputs and call kernels without a backward pass. This
runs plain torch operations over the same loaded weights, rotation table and norms.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch.utils.checkpoint import checkpoint

from server.calibrate.attention import BLOCK, StreamingAttention, attend
from server.calibrate.head_scores import one_row
from server.errors import ConfigError
from server.models.base import Model
from server.models.decoder import Decoder, DecoderBlock
from server.models.kernels import ACTIVATIONS, TorchKernels

MLP_ROWS = 8192
"""Rows whose MLP is computed together; bounds what lies between its two products."""


@dataclass(frozen=True, slots=True)
class TwoWayStates:
    """Hidden states after the last norm, [m, hidden] each; only the student's carry gradients."""

    reference: torch.Tensor
    student: torch.Tensor


class TwoWayForward:
    """Runs a model beside its gated twin.

    Args:
        model: of the Llama family, whole, its weights in a float dtype.
        sinks: leading positions that streaming attention sees.
        recent: trailing positions that it sees, the query's own included.
        block: see `attention.BLOCK`; changes nothing but speed, memory and rounding.
        is_checkpointed: keep only what goes into each of the student's layers, and compute the rest again backwards.

    Raises:
        ConfigError: the model is of another family.
    """

    def __init__(
        self, model: Model | Decoder, sinks: int, recent: int, block: int = BLOCK, *, is_checkpointed: bool = True
    ) -> None:
        if not isinstance(model, Decoder):
            raise ConfigError(
                f"gates are found for models of the Llama family only, not for {model.config.architecture}"
            )
        self.model = model
        self.device = model.embedding.weight.data.device
        self._sinks, self._recent = sinks, recent
        self._block = block
        self._is_checkpointed = is_checkpointed
        self._kernels = TorchKernels()

    @property
    def shape(self) -> tuple[int, int]:
        """Layers and KV heads: one gate each."""
        return self.model.config.num_layers, self.model.config.num_kv_heads

    def __call__(self, token_ids: torch.Tensor, gates: torch.Tensor, positions: torch.Tensor) -> TwoWayStates:
        """Run one sequence.

        Layers with a sliding window of the model's own keep it in both copies.

        Args:
            token_ids: int64 [n].
            gates: float [layers, kv_heads].
            positions: int64 [m], where hidden states are wanted.
        """
        model, length = self.model, token_ids.numel()
        rotation = self._rotation(token_ids)
        streaming = self._streaming(length, self._sinks, self._recent)
        reference = student = model.embedding(token_ids)
        for index, layer in enumerate(model.layers):
            window = model.config.sliding_windows[index]
            streams = streaming if window is None else self._streaming(length, 0, window)
            with torch.no_grad():
                q, k, v = self._heads(layer, reference, rotation)
                scale = model.config.attention_scale
                full = attend(q, k, v, scale) if window is None else streams(q, k, v, scale)
                reference = self._finish(layer, reference, full)
            inputs = (layer, student, full, gates[index], rotation, streams)
            if self._is_checkpointed:
                student = checkpoint(self._student, *inputs, use_reentrant=False, preserve_rng_state=False)
            else:
                student = self._student(*inputs)
        return TwoWayStates(self._norm(reference[positions]), self._norm(student[positions]))

    def _streaming(self, length: int, sinks: int, recent: int) -> StreamingAttention:
        return StreamingAttention(length, sinks, recent, self.device, self._block)

    def _student(
        self,
        layer: DecoderBlock,
        x: torch.Tensor,
        full: torch.Tensor,
        gates: torch.Tensor,
        rotation: torch.Tensor,
        streaming: StreamingAttention,
    ) -> torch.Tensor:
        q, k, v = self._heads(layer, x, rotation)
        streamed = streaming(q, k, v, self.model.config.attention_scale)
        gate = gates.to(x.dtype).repeat_interleave(full.shape[1] // gates.shape[0])[:, None]
        return self._finish(layer, x, gate * full + (1 - gate) * streamed)

    def _rotation(self, token_ids: torch.Tensor) -> torch.Tensor:
        """cos and sin of every position, float32 [n, 2, head_dim]."""
        rope, batch = self.model.layers[0].rope, one_row(token_ids)
        return rope.stretched(batch, batch.positions) if rope.stretches(batch) else rope.table[: token_ids.numel()]

    def _heads(
        self, layer: DecoderBlock, x: torch.Tensor, rotation: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rotated queries [n, heads, head_dim] and keys, and values, [n, kv_heads, head_dim]."""
        normed = torch.rms_norm(x, x.shape[-1:], layer.input_norm.weight.data, layer.input_norm.eps)
        bias = None if layer.qkv.bias is None else layer.qkv.bias.data
        qkv = F.linear(normed, layer.qkv.weight.data, bias).view(layer.qkv_shape)
        num_heads = layer.num_heads
        num_rotated = (qkv.shape[1] + num_heads) // 2
        rotated, values = qkv[:, :num_rotated], qkv[:, num_rotated:]
        if layer.qk_norm is not None:
            norm = layer.qk_norm
            rotated = torch.rms_norm(rotated, rotated.shape[-1:], None, norm.eps) * norm.spread
        rotated = self._kernels.rotate(rotated, num_rotated, rotation, None)
        return rotated[:, :num_heads], rotated[:, num_heads:], values

    def _finish(self, layer: DecoderBlock, x: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        """The layer's output [n, hidden] from its input and what attention gave, [n, heads, head_dim]."""
        bias = None if layer.out.bias is None else layer.out.bias.data
        x = x + F.linear(heads.flatten(1), layer.out.weight.data, bias)
        return torch.cat([part + self._mlp(layer, part) for part in x.split(MLP_ROWS)])

    def _mlp(self, layer: DecoderBlock, x: torch.Tensor) -> torch.Tensor:
        mlp = layer.mlp
        normed = torch.rms_norm(x, x.shape[-1:], layer.mlp_norm.weight.data, layer.mlp_norm.eps)
        gate_up_bias = None if mlp.gate_up.bias is None else mlp.gate_up.bias.data
        down_bias = None if mlp.down.bias is None else mlp.down.bias.data
        gate, up = F.linear(normed, mlp.gate_up.weight.data, gate_up_bias).chunk(2, -1)
        return F.linear(ACTIVATIONS[mlp.activation](gate) * up, mlp.down.weight.data, down_bias)

    def _norm(self, x: torch.Tensor) -> torch.Tensor:
        norm = self.model.norm
        return torch.rms_norm(x, x.shape[-1:], norm.weight.data, norm.eps)
