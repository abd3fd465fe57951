"""Scores without training: the fast computation against a plain one, and heads whose taste is known."""

from pathlib import Path

import pytest
import torch

from server.calibrate.head_scores import builtin_samples, score_heads
from server.config import EngineConfig
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.models.registry import load_model
from tests.calibrate.toy import toy_config, toy_model, with_sliding_window
from tests.oracle import Oracle


class Watched(Oracle):
    """Remembers the mean query and key of every layer, as they come to be rotated: q, k, q, k, ..."""

    def _rope(self, x: torch.Tensor) -> torch.Tensor:
        self.__dict__.setdefault("means", []).append(x.mean(0))
        return super()._rope(x)


def slow_scores(directory: Path, samples: list[torch.Tensor]) -> torch.Tensor:
    """By the description, one head and one position at a time, in float64: [layers, kv_heads]."""
    oracle = Watched.from_directory(directory)
    config = oracle.config
    num_heads, num_kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    shared_by = num_heads // num_kv_heads
    scores = torch.zeros(config["num_hidden_layers"], num_kv_heads, dtype=torch.float64)
    for sample in samples:
        oracle.means = []
        oracle.logits(sample.tolist())
        means = list(oracle.means)
        for layer in range(config["num_hidden_layers"]):
            query, key = means[2 * layer], means[2 * layer + 1]
            for head in range(num_heads):
                kv_head = head // shared_by
                queries = oracle._rope(query[head].expand(500, 1, -1))[:, 0]
                keys = oracle._rope(key[kv_head].expand(500, 1, -1))[:, 0]
                logits = [float(queries[-1] @ keys[position]) * query.shape[-1] ** -0.5 for position in range(500)]
                weights = torch.tensor(logits, dtype=torch.float64).softmax(0)
                area = sum(float(weights[: position + 1].sum()) for position in range(500)) / 500
                scores[layer, kv_head] += area / shared_by / len(samples)
    return scores


def random_ids(vocab_size: int, length: int, seed: int) -> torch.Tensor:
    return torch.randint(vocab_size, (length,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("checkpoint", ["tiny_llama", "tiny_qwen3"])
def test_scores_equal_the_plain_computation_whatever_the_chunks(checkpoint, request):
    directory = request.getfixturevalue(checkpoint)
    model, _ = load_model(EngineConfig(str(directory), device="cpu"))
    samples = [random_ids(model.config.vocab_size, length, length) for length in (90, 33)]
    expected = slow_scores(directory, samples)
    assert expected.min() > 0
    assert expected.std() > 1e-3
    for chunk in (1024, 32, 31):
        found = score_heads(model, samples, chunk)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)
    assert torch.equal(score_heads(model, samples), score_heads(model, samples))


def test_one_sample_may_be_given_alone(tiny_llama):
    model, _ = load_model(EngineConfig(str(tiny_llama), device="cpu"))
    ids = random_ids(model.config.vocab_size, 40, 0)
    assert torch.equal(score_heads(model, ids), score_heads(model, ids[None]))


def test_a_head_that_looks_at_content_scores_half_and_one_that_looks_nearby_scores_low():
    # Angles of the four pairs of dimensions at a distance of 500: 500, 2.5, 0.0125 and 0.00006.
    config = toy_config(rope_theta=200.0**4)
    hidden, dim = config.hidden_size, config.head_dim
    embedding = torch.zeros(config.vocab_size, hidden)
    embedding[:, 0] = 1.0
    queries = torch.zeros(2 * dim, hidden)
    queries[3, 0] = queries[dim + 1, 0] = 1.5

    def scores(keys: torch.Tensor) -> list[float]:
        attention = {
            "embed_tokens.weight": embedding,
            "layers.0.self_attn.q_proj.weight": queries,
            "layers.0.self_attn.k_proj.weight": keys,
        }
        return score_heads(toy_model(config, attention), torch.arange(16)).flatten().tolist()

    content, near = scores(queries)
    assert content == pytest.approx(0.5, abs=0.01)
    assert near < 0.2
    content, far = scores(-queries)
    assert content == pytest.approx(0.5, abs=0.01)
    assert far > 0.8


def test_layers_with_a_window_of_their_own_score_nothing(tiny_llama, tmp_path):
    model, _ = load_model(EngineConfig(str(with_sliding_window(tiny_llama, 8, tmp_path)), device="cpu"))
    assert not score_heads(model, random_ids(model.config.vocab_size, 40, 0)).any()


def test_texts_that_cannot_be_scored_are_refused(tiny_llama):
    model, _ = load_model(EngineConfig(str(tiny_llama), device="cpu"))
    with pytest.raises(ConfigError, match="at least one token"):
        score_heads(model, [])
    with pytest.raises(ConfigError, match="513 tokens is longer than the model's 512"):
        score_heads(model, torch.zeros(513, dtype=torch.int64))


def test_the_built_in_text_is_as_long_as_asked_and_always_the_same(tiny_llama):
    tokenizer = Tokenizer.from_directory(tiny_llama)
    samples = builtin_samples(tokenizer, 100, 3)
    assert [sample.shape for sample in samples] == [(100,)] * 3
    assert not torch.equal(samples[0], samples[1])
    for sample, again in zip(samples, builtin_samples(tokenizer, 100, 3), strict=True):
        assert torch.equal(sample, again)
