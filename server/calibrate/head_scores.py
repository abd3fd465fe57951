"""Scores of KV heads without training: how far back a head looks, judged by position alone.

The scoring of kvpress's DuoAttentionPress (NVIDIA, 2025). Over a text, a head's mean query and mean key before RoPE
say what it looks for and what it finds on average. With this query at the last of 500 positions and this key at all of
them, the softmax over positions shows the head's own taste for distance. The area under its cumulative curve is low
where the weight lies near the end, which is a head that streams; 0.5 is a head that does not mind distance.

What a head looks for in the content is not seen, so a pattern made of these scores wants a test with `rhumb eval`.
"""

from collections.abc import Sequence

import torch

from server.attention.backend import AttentionBackend, AttentionSpec
from server.calibrate.attention import attend
from server.engine.batch import StepBatch
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.models.base import Model
from server.models.config import ModelConfig
from server.models.rope import RotaryEmbedding
from server.quality.filler import filler_sentences

NUM_POSITIONS = 500
CHUNK = 1024
"""Tokens that go through a layer together."""


@torch.inference_mode()
def score_heads(model: Model, token_ids: torch.Tensor | Sequence[torch.Tensor], chunk: int = CHUNK) -> torch.Tensor:
    """How much each KV head needs positions far back, by the areas described above.

    Layer by layer, so that the keys and values of one layer are in memory at a time, and `chunk` tokens of scores.

    Args:
        model: with RoPE; one rank of a team scores its own heads.
        token_ids: int64 [length], or [samples, length], or a sequence of samples of any lengths.
        chunk: changes nothing but memory and rounding.

    Returns:
        float32 [layers, kv_heads] on the CPU, in (0, 1]; 0 in layers that have a sliding window of the model's own.

    Raises:
        ConfigError: the model has no RoPE, or there is no text, or a sample is longer than the model.
    """
    config = model.config
    if config.rope is None:
        raise ConfigError(f"heads of {config.architecture} cannot be scored: the scores are about RoPE, it has none")
    samples = [token_ids] if isinstance(token_ids, torch.Tensor) and token_ids.ndim == 1 else list(token_ids)
    if not samples or any(sample.numel() == 0 for sample in samples):
        raise ConfigError("heads are scored on a text: give at least one token")
    longest = max(sample.numel() for sample in samples)
    if longest > config.max_model_len:
        raise ConfigError(f"a sample of {longest} tokens is longer than the model's {config.max_model_len}")
    total = torch.stack([_score(model, sample, chunk) for sample in samples]).mean(0)
    for layer, window in enumerate(config.sliding_windows):
        if window is not None:
            total[layer] = 0.0
    return total.to("cpu", torch.float32)


def builtin_samples(tokenizer: Tokenizer, length: int, count: int = 4) -> list[torch.Tensor]:
    """Made-up sentences to score heads on where no text is given: `count` samples, int64 [length] each."""
    samples = []
    for number in range(count):
        sentences, ids = filler_sentences(f"head scores {number}"), list[int]()
        while len(ids) < length:
            ids += tokenizer.encode(" ".join(next(sentences) for _ in range(64)), add_special_tokens=not ids)
        samples.append(torch.tensor(ids[:length]))
    return samples


def one_row(token_ids: torch.Tensor, first: int = 0) -> StepBatch:
    """A batch of one row whose new tokens begin at position `first`.

    Args:
        token_ids: int64 [n], on the device.
    """
    num_tokens, device = token_ids.numel(), token_ids.device
    end = first + num_tokens
    is_prefill = num_tokens > 1
    row = torch.zeros(num_tokens, dtype=torch.int64, device=device)
    return StepBatch(
        rows=row[:1],
        token_ids=token_ids,
        positions=torch.arange(first, end, device=device),
        token_rows=row,
        query_starts=torch.tensor([0, num_tokens], dtype=torch.int32, device=device),
        kv_lens=torch.tensor([end], dtype=torch.int32, device=device),
        query_lens=[num_tokens],
        host_kv_lens=[end],
        num_prefill_rows=int(is_prefill),
        num_prefill_tokens=num_tokens if is_prefill else 0,
        rows_in_band=[1],
        tokens_in_band=[num_tokens],
        counts=torch.tensor([1, int(is_prefill)], dtype=torch.int32, device=device),
    )


def _score(model: Model, token_ids: torch.Tensor, chunk: int) -> torch.Tensor:
    """Scores from one sample, float64 [layers, kv_heads]."""
    device = next(iter(model.weights())).data.device
    token_ids = token_ids.to(device)
    batches = [one_row(part, index * chunk) for index, part in enumerate(token_ids.split(chunk))]
    # Chunk by chunk, because a layer may overwrite what it is given.
    streams: list[tuple[torch.Tensor, torch.Tensor | None]] = [
        (model.embed(batch.token_ids, batch.positions), None) for batch in batches
    ]
    scores = []
    for run in model.layers:
        watch = _Watch(model.config)
        for index, batch in enumerate(batches):
            x, residual = streams[index]
            streams[index] = run(x, residual, batch, watch)
        scores.append(watch.score(token_ids.numel()))
    return torch.stack(scores)


class _Watch(AttentionBackend):
    """Attention of one layer over one sequence that comes in chunks; adds queries and keys up as they come by."""

    name = "watch"

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._sum: torch.Tensor | None = None
        self._num_heads = 0
        self._rope: RotaryEmbedding | None = None
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []

    @classmethod
    def supports(cls, spec: AttentionSpec) -> list[str]:
        return []

    def attend_rotating(
        self, layer: int, qkv: torch.Tensor, num_heads: int, rope: RotaryEmbedding, batch: StepBatch
    ) -> torch.Tensor:
        num_rotated = (qkv.shape[1] + num_heads) // 2
        added = qkv[:, :num_rotated].sum(0, dtype=torch.float64)
        self._sum = added if self._sum is None else self._sum + added
        self._num_heads, self._rope = num_heads, rope
        return super().attend_rotating(layer, qkv, num_heads, rope, batch)

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> None:
        # Copies, because they may be views of memory that the next chunk's projections take.
        self._keys.append(k.clone())
        self._values.append(v.clone())

    def prefill(self, layer: int, q: torch.Tensor, batch: StepBatch, num_rows: int) -> torch.Tensor:
        config = self._config
        window = config.sliding_windows[layer]
        return attend(q, torch.cat(self._keys), torch.cat(self._values), config.attention_scale, window)

    def decode(self, layer: int, q: torch.Tensor, batch: StepBatch, first_row: int) -> torch.Tensor:
        return self.prefill(layer, q, batch, 1)

    def score(self, num_tokens: int) -> torch.Tensor:
        """Areas of the KV heads, float64 [kv_heads]."""
        assert self._sum is not None
        assert self._rope is not None
        length = min(NUM_POSITIONS, self._config.max_model_len)
        mean = (self._sum / num_tokens).float()
        batch = one_row(torch.zeros(length, dtype=torch.int64, device=mean.device))
        # The kernels of rotation take rows of one dtype; float32 has room for means.
        heads = mean.expand(length, -1, -1).contiguous()
        rotated = self._rope(heads, heads.shape[1], batch).double()
        query, keys = rotated[-1, : self._num_heads], rotated[:, self._num_heads :]
        query = query.view(keys.shape[1], -1, keys.shape[2])
        logits = torch.einsum("hgd,phd->hgp", query, keys) * self._config.attention_scale
        return logits.softmax(-1).cumsum(-1).mean(-1).mean(-1)
