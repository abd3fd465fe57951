"""The network that is trained: a plain Llama in as few, as large operations as PyTorch offers.

Weights of all layers lie in one tensor a kind, so that casts and the optimizer take a handful of kernels for the whole
network. `export.py` writes it as a Hugging Face checkpoint, which the tests compare with `LlamaForCausalLM`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a Llama with grouped queries, SwiGLU and tied embeddings.

    The defaults are the embedded model's: 11,762,240 parameters, 23.5 MB in bfloat16.

    Args:
        vocab_size: tokens.
        hidden_size: width of the residual stream.
        num_layers, num_heads, num_kv_heads, head_dim: of attention; query heads are a multiple of KV heads.
        intermediate_size: width of the feed-forward part.
        rope_theta: base of the rotary frequencies.
        norm_eps: added to the mean square in RMSNorm.
        max_positions: longest context, in tokens.
    """

    vocab_size: int = 4096
    hidden_size: int = 320
    num_layers: int = 10
    num_heads: int = 10
    num_kv_heads: int = 5
    head_dim: int = 32
    intermediate_size: int = 768
    rope_theta: float = 500_000.0
    norm_eps: float = 1e-6
    max_positions: int = 20_480

    @property
    def query_size(self) -> int:
        return self.num_heads * self.head_dim

    @property
    def kv_size(self) -> int:
        return self.num_kv_heads * self.head_dim


class Network(nn.Module):
    """A Llama whose forward pass gives hidden states; `logits` is applied only where a token is to be predicted.

    Parameters, float32, with `layers` first where there is one a layer:
        embedding: [vocab, hidden], also the head.
        qkv: [layers, (heads + 2 * kv_heads) * head_dim, hidden].
        out: [layers, hidden, heads * head_dim].
        gate_up: [layers, 2 * intermediate, hidden].
        down: [layers, hidden, intermediate].
        norms: [layers, 2, hidden], before attention and before the feed-forward part.
        final_norm: [hidden].

    Args:
        shape: the sizes.
        seed: of the initial weights; the same on every device.
        compute_dtype: of activations and matrix products; weights are cast to it in every pass.
        embedding_std: of the initial embedding. As the embedding is the head as well, words that do not occur are all
            pushed the same way by every step, and small ones soon become alike.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(
        self, shape: Shape, *, seed: int, compute_dtype: torch.dtype = torch.float32, embedding_std: float = 0.05
    ) -> None:
        super().__init__()
        self.shape = shape
        self.compute_dtype = compute_dtype
        generator = torch.Generator().manual_seed(seed)

        def drawn(*sizes: int, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*sizes, generator=generator) * std)

        layers, hidden, inner = shape.num_layers, shape.hidden_size, shape.intermediate_size
        # What a layer adds starts small, so that the sum of many layers is no larger than one.
        added = 1 / math.sqrt(2 * layers)
        self.embedding = drawn(shape.vocab_size, hidden, std=embedding_std)
        self.qkv = drawn(layers, shape.query_size + 2 * shape.kv_size, hidden, std=hidden**-0.5)
        self.out = drawn(layers, hidden, shape.query_size, std=added * shape.query_size**-0.5)
        self.gate_up = drawn(layers, 2 * inner, hidden, std=hidden**-0.5)
        self.down = drawn(layers, hidden, inner, std=added * inner**-0.5)
        self.norms = nn.Parameter(torch.ones(layers, 2, hidden))
        self.final_norm = nn.Parameter(torch.ones(hidden))
        cosines, sines = rotary_tables(shape)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, ids: Tensor) -> Tensor:
        """Hidden states after the last norm, [rows, length, hidden], for `ids` of [rows, length] int64.

        A row is one text from position 0 on; padding belongs at its end, where causal attention keeps it out of sight.
        """
        dtype = self.compute_dtype
        length = ids.shape[1]
        cosines = self.cosines[:length, None].to(dtype)
        sines = self.sines[:length, None].to(dtype)
        x = functional.embedding(ids, self.embedding).to(dtype)
        weights = zip(
            self.norms.to(dtype).unbind(),
            self.qkv.to(dtype).unbind(),
            self.out.to(dtype).unbind(),
            self.gate_up.to(dtype).unbind(),
            self.down.to(dtype).unbind(),
            strict=True,
        )
        for norms, qkv, out, gate_up, down in weights:
            x = x + functional.linear(self._attend(self._norm(x, norms[0]), qkv, cosines, sines), out)
            gate, up = functional.linear(self._norm(x, norms[1]), gate_up).chunk(2, dim=-1)
            x = x + functional.linear(functional.silu(gate) * up, down)
        return self._norm(x, self.final_norm.to(dtype))

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token, [..., vocab], for hidden states of [..., hidden]."""
        return functional.linear(hidden, self.embedding.to(hidden.dtype))

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (self.shape.hidden_size,), weight, self.shape.norm_eps)

    def _attend(self, x: Tensor, weight: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        shape = self.shape
        heads = functional.linear(x, weight).unflatten(-1, (-1, shape.head_dim))
        num_turned = shape.num_heads + shape.num_kv_heads
        first, second = heads[..., :num_turned, :].chunk(2, dim=-1)
        turned = torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)
        attended = functional.scaled_dot_product_attention(
            turned[..., : shape.num_heads, :].transpose(1, 2),
            turned[..., shape.num_heads :, :].transpose(1, 2),
            heads[..., num_turned:, :].transpose(1, 2),
            is_causal=True,
            enable_gqa=True,
        )
        return attended.transpose(1, 2).flatten(2)


def rotary_tables(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position and frequency, each [max_positions, head_dim / 2] float32.

    Su et al., "RoFormer" (2021), in the layout that pairs element i with element i + head_dim / 2.
    """
    exponents = torch.arange(0, shape.head_dim, 2).float() / shape.head_dim
    angles = torch.outer(torch.arange(shape.max_positions).float(), 1.0 / shape.rope_theta**exponents)
    return angles.cos(), angles.sin()
