"""Llama, Mistral, Qwen2 and Qwen3: one decoder, told apart by flags of `ModelConfig`.

Touvron et al. (2023), Jiang et al. (2023), Yang et al. (2024, 2025).
"""

from collections.abc import Iterator

import torch

from server.attention.backend import AttentionBackend
from server.engine.batch import StepBatch
from server.models.config import ModelConfig
from server.models.kernels import Kernels
from server.models.layers import Embedding, GatedMLP, Head, Linear, QKNorm, RMSNorm
from server.models.parameter import Parameter
from server.models.rope import RotaryEmbedding
from server.parallel.shards import cut_attention, cut_head, cut_mlp
from server.parallel.team import ALONE, Team


class DecoderBlock:
    """Pre-norm attention and gated MLP. Overwrites the memory of `residual` (of `x`, where that is None)."""

    def __init__(
        self, index: int, config: ModelConfig, rope: RotaryEmbedding, kernels: Kernels, team: Team = ALONE
    ) -> None:
        prefix = f"layers.{index}"
        attention = f"{prefix}.self_attn"
        hidden, dim = config.hidden_size, config.head_dim
        num_heads, num_kv_heads = config.num_heads, config.num_kv_heads
        self.index = index
        self.rope = rope
        self.team = team
        self.num_heads = num_heads // team.size
        self.qkv_shape = (-1, (num_heads + 2 * num_kv_heads) // team.size, dim)
        self.input_norm = RMSNorm(f"{prefix}.input_layernorm", hidden, config.norm_eps, kernels)
        self.qkv = Linear(
            [f"{attention}.q_proj", f"{attention}.k_proj", f"{attention}.v_proj"],
            hidden,
            [num_heads * dim, num_kv_heads * dim, num_kv_heads * dim],
            config.qkv_bias,
            kernels,
        )
        self.out = Linear([f"{attention}.o_proj"], num_heads * dim, [hidden], config.attention_out_bias, kernels)
        cut_attention(self.qkv, self.out, num_heads, num_kv_heads, dim, team)
        self.qk_norm = (
            QKNorm(attention, self.num_heads, num_kv_heads // team.size, dim, config.norm_eps, kernels)
            if config.qk_norm
            else None
        )
        self.mlp_norm = RMSNorm(f"{prefix}.post_attention_layernorm", hidden, config.norm_eps, kernels)
        self.mlp = GatedMLP(
            f"{prefix}.mlp", hidden, config.intermediate_size, config.hidden_act, config.mlp_bias, kernels
        )
        cut_mlp(self.mlp.gate_up, self.mlp.down, config.intermediate_size, team)

    def __call__(
        self, x: torch.Tensor, residual: torch.Tensor | None, batch: StepBatch, attention: AttentionBackend
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        x, residual = self.input_norm(x, residual)
        qkv = self.qkv(x).view(self.qkv_shape)
        if self.qk_norm is not None:
            self.qk_norm(qkv)
        x = self.team.sum(self.out(attention.attend_rotating(self.index, qkv, self.num_heads, self.rope, batch)))
        x, residual = self.mlp_norm(x, residual)
        return self.team.sum(self.mlp(x)), residual

    def prepare(self) -> None:
        self.qkv.prepare()
        if self.qk_norm is not None:
            self.qk_norm.prepare()
        self.out.prepare()
        self.mlp.prepare()

    def weights(self) -> Iterator[Parameter]:
        yield from self.input_norm.weights()
        yield from self.qkv.weights()
        if self.qk_norm is not None:
            yield from self.qk_norm.weights()
        yield from self.out.weights()
        yield from self.mlp_norm.weights()
        yield from self.mlp.weights()


class Decoder:
    """A decoder-only model of the Llama family, or one rank's part of it; see `models.base.Model`."""

    def __init__(self, config: ModelConfig, kernels: Kernels, device: torch.device, team: Team = ALONE) -> None:
        if config.rope is None:
            raise ValueError(f"{config.architecture} has no RoPE and is not of the Llama family")
        self.config = config
        self.team = team
        rope = RotaryEmbedding(config.rope, kernels, device)
        self.embedding = Embedding("embed_tokens", config.vocab_size, config.hidden_size)
        self.layers = [DecoderBlock(index, config, rope, kernels, team) for index in range(config.num_layers)]
        self.norm = RMSNorm("norm", config.hidden_size, config.norm_eps, kernels)
        tied_to = self.embedding if config.tie_word_embeddings else None
        self.lm_head = Head(tied_to, config.hidden_size, config.vocab_size, kernels)
        cut_head(self.lm_head, config.vocab_size, team)

    def embed(self, token_ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return self.embedding(token_ids)

    def head(self, x: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor:
        x, _ = self.norm(x, residual)
        # Only the last ranks' columns are padding.
        return self.team.join_columns(self.lm_head(x))[:, : self.config.vocab_size]

    def prepare(self) -> None:
        """Lay the weights out for computing; call once, when they are in."""
        for layer in self.layers:
            layer.prepare()
        self.lm_head.prepare()

    def weights(self) -> Iterator[Parameter]:
        """Every parameter once; a tied output projection has none of its own."""
        yield from self.embedding.weights()
        for layer in self.layers:
            yield from layer.weights()
        yield from self.norm.weights()
        yield from self.lm_head.weights()

    def parameters(self) -> Iterator[torch.Tensor]:
        return (parameter.data for parameter in self.weights())
