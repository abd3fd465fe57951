"""A whole response at once gives what decoding it token by token gives, gradients too."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, OPTConfig, PreTrainedModel, Qwen3Config

from server.depth.full import FullDepth
from server.depth.schedule import ExitSchedule
from server.depth.skip import Skip
from server.finetune.forward import ScheduledForward
from server.finetune.rows import Reach, Row, RowBatch, parts_of
from tests.finetune.token_by_token import logits_of

VOCAB = 40
NUM_LAYERS = 6
SHAPE = {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": NUM_LAYERS, "num_attention_heads": 4}
GATED = SHAPE | {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64}
WINDOW = 5
CONFIGS = {
    "llama": LlamaConfig(**GATED),
    "qwen3": Qwen3Config(**GATED),
    "mistral": MistralConfig(**GATED, sliding_window=WINDOW),
    "opt": OPTConfig(**SHAPE, ffn_dim=48, word_embed_proj_dim=32, max_position_embeddings=64),
    # As the one size is that has neither pre-norm nor embeddings of the model's width.
    "opt-350m": OPTConfig(
        **SHAPE, ffn_dim=48, word_embed_proj_dim=16, max_position_embeddings=64, do_layer_norm_before=False
    ),
}
SCHEDULES = [
    FullDepth(),
    Skip(max_layers=5, min_layers=2, horizon=8),
    Skip(max_layers=6, min_layers=3, warmup=2, horizon=5, decay="power"),
    Skip(max_layers=4, min_layers=3, horizon=12, origin="absolute"),
    Skip(max_layers=5, min_layers=2, warmup=0, horizon=None),
]


@pytest.fixture(scope="module", params=CONFIGS)
def model(request) -> PreTrainedModel:
    """Random, in float64, every weight of it mattering."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        found = AutoModelForCausalLM.from_config(
            CONFIGS[request.param], attn_implementation="sdpa", dtype=torch.float64
        ).eval()
        for weight in found.parameters():
            weight.data.normal_(std=0.2)
    return found


def windows(model: PreTrainedModel) -> list[int | None]:
    return [getattr(model.config, "sliding_window", None)] * NUM_LAYERS


def random_row(rng: np.random.Generator, prompt_len: int, response_len: int) -> Row:
    return Row(tuple(rng.integers(VOCAB, size=prompt_len + response_len).tolist()), prompt_len)


def gradients(model: PreTrainedModel, loss: torch.Tensor) -> list[torch.Tensor]:
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True, materialize_grads=True)
    return list(found)


@pytest.mark.parametrize(
    ("model", "schedule"),
    [*(("llama", schedule) for schedule in SCHEDULES), *((name, SCHEDULES[1]) for name in CONFIGS if name != "llama")],
    indirect=["model"],
    ids=lambda value: value if isinstance(value, str) else value.identity,
)
def test_costs_and_gradients_are_those_of_decoding_token_by_token(model, schedule):
    rng = np.random.default_rng(7)
    rows = [random_row(rng, *lengths) for lengths in ((3, 11), (9, 4), (1, 1))]
    forward = ScheduledForward(model, windows(model))
    costs, is_right = forward.losses(RowBatch.of(rows), Reach(schedule, NUM_LAYERS))
    logits = torch.cat([logits_of(model, row, schedule) for row in rows])
    targets = torch.tensor([token for row in rows for token in row.token_ids[row.prompt_len :]])
    expected = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    torch.testing.assert_close(costs, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(is_right, logits.argmax(-1) == targets)
    for mine, oracle in zip(gradients(model, costs.sum()), gradients(model, expected.sum()), strict=True):
        torch.testing.assert_close(mine, oracle, rtol=1e-5, atol=1e-5)


def test_keeping_activations_changes_nothing(model):
    rng = np.random.default_rng(9)
    batch = RowBatch.of([random_row(rng, 5, 9), random_row(rng, 2, 4)])
    found = []
    for is_checkpointed in (True, False):
        forward = ScheduledForward(model, windows(model), is_checkpointed=is_checkpointed)
        costs, _ = forward.losses(batch, Reach(SCHEDULES[1], NUM_LAYERS))
        found.append([costs, *gradients(model, costs.sum())])
    for again, kept in zip(*found, strict=True):
        assert torch.equal(again, kept)


@given(
    lengths=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 14)), min_size=1, max_size=5),
    most=st.integers(2, NUM_LAYERS),
    fewer=st.integers(0, NUM_LAYERS),
    horizon=st.integers(1, 20),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=8)
def test_a_row_costs_the_same_alone_and_beside_any_others(lengths, most, fewer, horizon, seed):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = AutoModelForCausalLM.from_config(CONFIGS["llama"], attn_implementation="sdpa", dtype=torch.float64)
    rng = np.random.default_rng(seed)
    rows = [random_row(rng, *both) for both in lengths]
    forward = ScheduledForward(model, [None] * NUM_LAYERS)
    reach = Reach(Skip(max_layers=most, min_layers=max(2, most - fewer), horizon=horizon), NUM_LAYERS)
    with torch.no_grad():
        together, _ = forward.losses(RowBatch.of(rows), reach)
        alone = [forward.losses(RowBatch.of([row]), reach)[0] for row in rows]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


def test_at_full_depth_the_loss_is_transformers_own(model):
    rng = np.random.default_rng(3)
    row = random_row(rng, 7, 13)
    costs, _ = ScheduledForward(model, windows(model)).losses(RowBatch.of([row]), Reach(FullDepth(), NUM_LAYERS))
    ids = torch.tensor([row.token_ids])
    labels = ids.clone()
    labels[:, : row.prompt_len] = -100
    torch.testing.assert_close(costs.mean(), model(ids, labels=labels).loss.float(), rtol=1e-6, atol=1e-6)


def test_a_layer_that_is_left_out_is_not_computed_for_the_positions_that_leave_it_out(model):
    row = Row(tuple(range(20)), 4)
    seen: dict[int, int] = {}
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, number=number: seen.update({number: inputs[0].shape[1]}))
        for number, layer in enumerate(ScheduledForward(model, windows(model)).layers)
    ]
    schedule: ExitSchedule = Skip(max_layers=3, min_layers=2, horizon=8)
    with torch.no_grad():
        ScheduledForward(model, windows(model)).losses(RowBatch.of([row]), Reach(schedule, NUM_LAYERS))
    for hook in hooks:
        hook.remove()
    # The prompt runs all; tokens 0 to 4 run the last layer but one, too.
    assert seen == {0: 19, 1: 4, 2: 4, 3: 4, 4: 9, 5: 19}


def test_positions_know_how_many_layers_predict_with_them():
    batch = RowBatch.of([Row(tuple(range(8)), 4), Row(tuple(range(9)), 2)])
    counts = Reach(Skip(max_layers=5, min_layers=3, horizon=4), NUM_LAYERS).num_layers_run(batch)
    # The prompt's last position predicts the first token, with all layers.
    assert counts.tolist() == [6, 5, 5, 4, 6, 5, 5, 4, 4, 3, 3]


@given(
    lengths=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=12),
    max_tokens=st.integers(1, 200),
)
def test_parts_hold_every_row_once_and_no_more_than_asked(lengths, max_tokens):
    rows = [Row(tuple(range(prompt + response)), prompt) for prompt, response in lengths]
    parts = parts_of(rows, max_tokens)
    assert sorted((row.prompt_len, row.num_positions) for part in parts for row in part) == sorted(
        (row.prompt_len, row.num_positions) for row in rows
    )
    for part in parts:
        assert len(part) == 1 or len(part) * max(row.num_positions for row in part) <= max_tokens
