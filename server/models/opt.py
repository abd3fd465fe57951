"""OPT (Zhang et al., 2022): learned positions, LayerNorm, ReLU, and two places for the norms."""

from collections.abc import Iterator

import torch

from server.attention.backend import AttentionBackend
from server.engine.batch import StepBatch
from server.models.config import ModelConfig
from server.models.kernels import ACTIVATIONS, Kernels
from server.models.layers import Embedding, Head, LayerNorm, Linear
from server.models.parameter import Parameter
from server.parallel.shards import cut_attention, cut_head, cut_mlp
from server.parallel.team import ALONE, Team


class OPTBlock:
    """Attention and MLP with the norms before (all sizes but 350M) or after each."""

    def __init__(self, index: int, config: ModelConfig, kernels: Kernels, team: Team = ALONE) -> None:
        if config.opt is None:
            raise ValueError(f"{config.architecture} is not OPT")
        prefix = f"layers.{index}"
        attention = f"{prefix}.self_attn"
        hidden = config.hidden_size
        self.index = index
        self.team = team
        self.qkv_shape = (-1, 3, config.num_heads // team.size, config.head_dim)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.is_pre_norm = config.opt.do_layer_norm_before
        has_norm_weights = config.opt.has_norm_weights
        self.attention_norm = LayerNorm(f"{prefix}.self_attn_layer_norm", hidden, config.norm_eps, has_norm_weights)
        self.qkv = Linear(
            [f"{attention}.q_proj", f"{attention}.k_proj", f"{attention}.v_proj"],
            hidden,
            [hidden, hidden, hidden],
            config.qkv_bias,
            kernels,
        )
        self.out = Linear([f"{attention}.out_proj"], hidden, [hidden], config.attention_out_bias, kernels)
        cut_attention(self.qkv, self.out, config.num_heads, config.num_kv_heads, config.head_dim, team)
        self.mlp_norm = LayerNorm(f"{prefix}.final_layer_norm", hidden, config.norm_eps, has_norm_weights)
        self.up = Linear([f"{prefix}.fc1"], hidden, [config.intermediate_size], config.mlp_bias, kernels)
        self.down = Linear([f"{prefix}.fc2"], config.intermediate_size, [hidden], config.mlp_bias, kernels)
        cut_mlp(self.up, self.down, config.intermediate_size, team)

    def __call__(
        self, x: torch.Tensor, residual: torch.Tensor | None, batch: StepBatch, attention: AttentionBackend
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        stream = x if residual is None else x + residual
        if self.is_pre_norm:
            stream = stream + self._attend(self.attention_norm(stream), batch, attention)
            return self._mlp(self.mlp_norm(stream)), stream
        stream = self.attention_norm(stream + self._attend(stream, batch, attention))
        return self.mlp_norm(stream + self._mlp(stream)), None

    def prepare(self) -> None:
        for linear in (self.qkv, self.out, self.up, self.down):
            linear.prepare()

    def _attend(self, x: torch.Tensor, batch: StepBatch, attention: AttentionBackend) -> torch.Tensor:
        q, k, v = self.qkv(x).view(self.qkv_shape).unbind(1)
        return self.team.sum(self.out(attention.attend(self.index, q, k, v, batch)))

    def _mlp(self, x: torch.Tensor) -> torch.Tensor:
        return self.team.sum(self.down(self.activation(self.up(x))))

    def weights(self) -> Iterator[Parameter]:
        for part in (self.attention_norm, self.qkv, self.out, self.mlp_norm, self.up, self.down):
            yield from part.weights()


class OPT:
    """An OPT model, or one rank's part of it; see `models.base.Model`."""

    def __init__(self, config: ModelConfig, kernels: Kernels, device: torch.device, team: Team = ALONE) -> None:
        if config.opt is None:
            raise ValueError(f"{config.architecture} is not OPT")
        self.config = config
        self.team = team
        self.facts = config.opt
        hidden, width = config.hidden_size, config.opt.word_embed_proj_dim
        num_positions = config.max_model_len + config.opt.position_offset
        self.embedding = Embedding("embed_tokens", config.vocab_size, width)
        self.positions = Embedding("embed_positions", num_positions, hidden)
        has_projection = width != hidden
        self.project_in = (
            Linear(["project_in"], width, [hidden], has_bias=False, kernels=kernels) if has_projection else None
        )
        self.project_out = (
            Linear(["project_out"], hidden, [width], has_bias=False, kernels=kernels) if has_projection else None
        )
        self.layers = [OPTBlock(index, config, kernels, team) for index in range(config.num_layers)]
        self.norm = (
            LayerNorm("final_layer_norm", hidden, config.norm_eps, config.opt.has_norm_weights)
            if config.opt.has_final_norm
            else None
        )
        tied_to = self.embedding if config.tie_word_embeddings else None
        self.lm_head = Head(tied_to, width, config.vocab_size, kernels)
        cut_head(self.lm_head, config.vocab_size, team)

    def embed(self, token_ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        x = self.embedding(token_ids)
        if self.project_in is not None:
            x = self.project_in(x)
        return x + self.positions(positions + self.facts.position_offset)

    def head(self, x: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor:
        if residual is not None:
            x = x + residual
        if self.norm is not None:
            x = self.norm(x)
        if self.project_out is not None:
            x = self.project_out(x)
        # Only the last ranks' columns are padding.
        return self.team.join_columns(self.lm_head(x))[:, : self.config.vocab_size]

    def prepare(self) -> None:
        """Lay the weights out for computing; call once, when they are in."""
        for part in (self.project_in, self.project_out, *self.layers, self.lm_head):
            if part is not None:
                part.prepare()

    def weights(self) -> Iterator[Parameter]:
        """Every parameter once; a tied output projection has none of its own."""
        parts = [self.embedding, self.positions, self.project_in, *self.layers]
        for part in [*parts, self.norm, self.project_out, self.lm_head]:
            if part is not None:
                yield from part.weights()

    def parameters(self) -> Iterator[torch.Tensor]:
        return (parameter.data for parameter in self.weights())
