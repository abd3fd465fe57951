"""A dense attention that is its own oracle, and helpers that drive a model step by step without an engine."""

from collections import defaultdict
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from server.attention.backend import AttentionBackend, AttentionSpec
from server.config import EngineConfig
from server.engine.batch import StepBatch
from server.models.base import Model
from server.models.config import ModelConfig
from server.models.registry import load_model


class DenseAttention(AttentionBackend):
    """Keeps every key and value in a list per (layer, row) and masks explicitly. No pages, no plan."""

    name = "dense"

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.keys: dict[tuple[int, int], list[torch.Tensor]] = defaultdict(list)
        self.values: dict[tuple[int, int], list[torch.Tensor]] = defaultdict(list)

    @classmethod
    def supports(cls, spec: AttentionSpec) -> list[str]:
        return []

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> None:
        for row, position, key, value in zip(batch.token_rows.tolist(), batch.positions.tolist(), k, v, strict=False):
            assert position == len(self.keys[layer, row]), "positions arrive in order"
            self.keys[layer, row].append(key.clone())
            self.values[layer, row].append(value.clone())

    def prefill(self, layer: int, q: torch.Tensor, batch: StepBatch, num_rows: int) -> torch.Tensor:
        return self._attend(layer, q, batch, 0)

    def decode(self, layer: int, q: torch.Tensor, batch: StepBatch, first_row: int) -> torch.Tensor:
        return self._attend(layer, q, batch, batch.num_prefill_tokens)

    def _attend(self, layer: int, q: torch.Tensor, batch: StepBatch, first_token: int) -> torch.Tensor:
        rows, positions = batch.token_rows.tolist(), batch.positions.tolist()
        window = self.config.sliding_windows[layer]
        outputs = []
        for index, query in enumerate(q, start=first_token):
            position = positions[index]
            first = 0 if window is None else max(0, position - window + 1)
            keys = torch.stack(self.keys[layer, rows[index]][first : position + 1])
            values = torch.stack(self.values[layer, rows[index]][first : position + 1])
            shared_by = self.config.num_heads // self.config.num_kv_heads
            keys = keys.repeat_interleave(shared_by, 1)
            values = values.repeat_interleave(shared_by, 1)
            scores = torch.einsum("hd,khd->hk", query, keys) * self.config.attention_scale
            outputs.append(torch.einsum("hk,khd->hd", scores.softmax(-1), values))
        return torch.stack(outputs)


def step_batch(rows: list[tuple[int, list[int], int]], num_bands: int = 1) -> StepBatch:
    """A batch of (row, new token ids, position of the first); rows with several tokens come first."""
    lengths = [len(ids) for _, ids, _ in rows]
    starts = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)
    kv_lens = [first + len(ids) for _, ids, first in rows]
    num_prefill_rows = sum(length > 1 for length in lengths)
    return StepBatch(
        rows=torch.tensor([row for row, _, _ in rows]),
        token_ids=torch.tensor([token for _, ids, _ in rows for token in ids]),
        positions=torch.tensor([first + i for _, ids, first in rows for i in range(len(ids))]),
        token_rows=torch.tensor([row for row, ids, _ in rows for _ in ids]),
        query_starts=starts,
        kv_lens=torch.tensor(kv_lens, dtype=torch.int32),
        query_lens=lengths,
        host_kv_lens=kv_lens,
        num_prefill_rows=num_prefill_rows,
        num_prefill_tokens=sum(lengths[:num_prefill_rows]),
        rows_in_band=[len(rows)] * num_bands,
        tokens_in_band=[sum(lengths)] * num_bands,
        counts=torch.tensor([len(lengths), sum(n > 1 for n in lengths)], dtype=torch.int32),
    )


@torch.inference_mode()
def run_step(model: Model, attention: AttentionBackend, rows: list[tuple[int, list[int], int]]) -> torch.Tensor:
    """Logits of every new token, [tokens, vocab], in the model's dtype."""
    batch = step_batch(rows)
    x, residual = model.embed(batch.token_ids, batch.positions), None
    for layer in model.layers:
        x, residual = layer(x, residual, batch, attention)
    return model.head(x, residual)


def run_sequence(model: Model, token_ids: list[int], prompt_length: int) -> torch.Tensor:
    """Logits of a prompt given at once, then of single-token steps: [length, vocab]."""
    attention = DenseAttention(model.config)
    steps = [run_step(model, attention, [(0, token_ids[:prompt_length], 0)])]
    for position in range(prompt_length, len(token_ids)):
        steps.append(run_step(model, attention, [(0, [token_ids[position]], position)]))
    return torch.cat(steps)


@torch.inference_mode()
def reference_sequence(reference: PreTrainedModel, token_ids: list[int], prompt_length: int) -> torch.Tensor:
    """The same by transformers, with its own cache."""
    out = reference(torch.tensor([token_ids[:prompt_length]]), use_cache=True)
    steps = [out.logits[0]]
    for token in token_ids[prompt_length:]:
        out = reference(torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True)
        steps.append(out.logits[0])
    return torch.cat(steps)


def random_reference(config: PreTrainedConfig, seed: int = 0) -> PreTrainedModel:
    """A transformers model in float32 whose every weight, biases and norms included, matters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        reference = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
        for parameter in reference.parameters():
            if parameter.dim() == 1:
                parameter.data = 1.0 + 0.3 * torch.randn_like(parameter)
            else:
                parameter.data.normal_(std=0.12)
    reference.tie_weights()
    return reference


def load(directory: Path, **settings: object) -> Model:
    model, _ = load_model(EngineConfig(str(directory), device="cpu", **settings))  # type: ignore[arg-type]
    return model
