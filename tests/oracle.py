"""The oracle: a plain, slow, dense Llama-family model with explicit masks.

Everything the engine does (paging, chunking, batching, preemption, cache hits, policies, schedules) must
reproduce what this file computes in one dense pass over the whole sequence:

    (layer mask per position) x (per-head window mask) x (selected-token mask)

A position that a layer mask leaves out keeps its residual stream unchanged at that layer: a query that
runs a layer then never sees a key that did not (algorithms.md, oracle 28).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

HeadMask = Callable[[int, int, int], torch.Tensor]
"""(layer, KV head, length) -> bool [length, length]: may query i (row) see key j (column)? Causality is added."""


KVTransform = Callable[[torch.Tensor], torch.Tensor]
"""K (after RoPE) or V, float64 [length, KV heads, head_dim] -> the same as a cache gives it back, per (token, head)."""


def window_mask(length: int, sinks: int, recent: int) -> torch.Tensor:
    """Key j is visible to query i iff j < sinks or j > i - recent."""
    query = torch.arange(length)[:, None]
    key = torch.arange(length)[None, :]
    return (key < sinks) | (key > query - recent)


@dataclass
class Oracle:
    """A checkpoint in float64. Llama, Mistral, Qwen2 and Qwen3 in their default RoPE.

    Args:
        kv_transform: what storing does to K and V; nothing by default.
    """

    config: dict
    weights: dict[str, torch.Tensor]
    kv_transform: KVTransform | None = None

    @classmethod
    def from_directory(cls, directory: Path) -> "Oracle":
        weights = {}
        for shard in sorted(directory.glob("*.safetensors")):
            weights |= {name: tensor.double() for name, tensor in load_file(shard).items()}
        return cls(json.loads((directory / "config.json").read_text()), weights)

    def logits(
        self,
        token_ids: Sequence[int],
        head_mask: HeadMask | None = None,
        layer_mask: torch.Tensor | None = None,
        selected: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits of every position, float64 [length, vocab].

        Args:
            head_mask: which keys each KV head sees; by default the model's own sliding window, if any.
            layer_mask: bool [layers, length], which positions run which layer; all by default.
            selected: bool [layers, length (query), length (key)], extra visibility; all by default.
        """
        length = len(token_ids)
        num_layers = self.config["num_hidden_layers"]
        embedding = self.weights["model.embed_tokens.weight"]
        x = embedding[torch.tensor(token_ids)]
        causal = torch.tril(torch.ones(length, length, dtype=torch.bool))
        for layer in range(num_layers):
            visible = causal if selected is None else causal & selected[layer]
            gate = torch.ones(length) if layer_mask is None else layer_mask[layer]
            x = x + gate[:, None] * self._attention(layer, x, visible, head_mask)
            x = x + gate[:, None] * self._mlp(layer, x)
        x = self._norm(x, "model.norm.weight")
        return x @ self.weights.get("lm_head.weight", embedding).T

    def greedy(self, prompt: Sequence[int], num_tokens: int, **masks) -> list[int]:
        """The most likely continuation, by a full pass for every token."""
        ids = list(prompt)
        for _ in range(num_tokens):
            ids.append(int(self.logits(ids, **masks)[-1].argmax()))
        return ids[len(prompt) :]

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"]) * self.weights[name]

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        y = x @ self.weights[f"{name}.weight"].T
        return y + self.weights[f"{name}.bias"] if f"{name}.bias" in self.weights else y

    def _rope(self, x: torch.Tensor) -> torch.Tensor:
        """Rotate [length, heads, head_dim], first half against second half."""
        length, _, head_dim = x.shape
        rope = self.config.get("rope_parameters") or {}
        theta = rope.get("rope_theta") or self.config.get("rope_theta", 10000.0)
        inverse = theta ** -(torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
        angle = torch.arange(length, dtype=torch.float64)[:, None] * inverse
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)

    def _attention(
        self, layer: int, x: torch.Tensor, visible: torch.Tensor, head_mask: HeadMask | None
    ) -> torch.Tensor:
        config = self.config
        prefix = f"model.layers.{layer}"
        num_heads, num_kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        head_dim = config.get("head_dim") or config["hidden_size"] // num_heads
        length = x.shape[0]
        h = self._norm(x, f"{prefix}.input_layernorm.weight")
        q = self._linear(h, f"{prefix}.self_attn.q_proj").view(length, num_heads, head_dim)
        k = self._linear(h, f"{prefix}.self_attn.k_proj").view(length, num_kv_heads, head_dim)
        v = self._linear(h, f"{prefix}.self_attn.v_proj").view(length, num_kv_heads, head_dim)
        if f"{prefix}.self_attn.q_norm.weight" in self.weights:
            q = self._norm(q, f"{prefix}.self_attn.q_norm.weight")
            k = self._norm(k, f"{prefix}.self_attn.k_norm.weight")
        q, k = self._rope(q), self._rope(k)
        if self.kv_transform is not None:
            k, v = self.kv_transform(k), self.kv_transform(v)
        outputs = []
        for head in range(num_heads):
            kv_head = head // (num_heads // num_kv_heads)
            mask = visible & self._own_window(layer, length)
            if head_mask is not None:
                mask = mask & head_mask(layer, kv_head, length)
            scores = (q[:, head] @ k[:, kv_head].T) * head_dim**-0.5
            outputs.append(scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v[:, kv_head])
        return self._linear(torch.cat(outputs, dim=-1), f"{prefix}.self_attn.o_proj")

    def _own_window(self, layer: int, length: int) -> torch.Tensor:
        """The model's own sliding window."""
        window = self.config.get("sliding_window")
        types = self.config.get("layer_types")
        slides = types[layer] == "sliding_attention" if types else self.config.get("model_type") == "mistral"
        return window_mask(length, 0, window if window and slides else length)

    def _mlp(self, layer: int, x: torch.Tensor) -> torch.Tensor:
        prefix = f"model.layers.{layer}"
        h = self._norm(x, f"{prefix}.post_attention_layernorm.weight")
        gate = torch.nn.functional.silu(self._linear(h, f"{prefix}.mlp.gate_proj"))
        return self._linear(gate * self._linear(h, f"{prefix}.mlp.up_proj"), f"{prefix}.mlp.down_proj")
