"""The search for gates: what the paper promises of it, and that a killed run goes on as if nothing had been."""

import numpy as np
import pytest
import torch

from server.calibrate.gates import GateSearch, Recipe, context_lengths, search
from server.calibrate.passkeys import Row
from server.calibrate.two_way import TwoWayForward
from server.config import EngineConfig
from server.errors import ConfigError
from server.models.registry import load_model
from tests.calibrate.toy import toy_config, toy_model

FILLER, ASK, START = 8, 9, 10
COPY, AVERAGE, SELF, SINK = range(4)


def one_head_copies() -> TwoWayForward:
    """One layer: a head that copies the one payload token from afar, and three that do well with sinks and a window."""
    config = toy_config(num_attention_heads=4, num_key_value_heads=4, hidden_size=48)
    hidden, dim = config.hidden_size, config.head_dim
    q, k, v = (torch.zeros(4, dim, hidden) for _ in range(3))
    out = torch.zeros(hidden, 4, dim)
    # The last pair of dimensions hardly turns, so these heads look at content alone. Tokens 0 to 7 are payload.
    for head, sought in ((COPY, slice(0, 8)), (SELF, ASK), (SINK, START)):
        q[head, 3, ASK] = k[head, 3, sought] = 1.5
    for i in range(8):
        v[COPY, i, i] = 1.0
    for head, content in ((AVERAGE, FILLER), (SELF, ASK), (SINK, START)):
        v[head, 0, content] = 1.0
    for head in range(4):
        for i in range(dim):
            out[16 + 8 * head + i, head, i] = 1.0
    weights = {
        "q_proj": q.flatten(0, 1),
        "k_proj": k.flatten(0, 1),
        "v_proj": v.flatten(0, 1),
        "o_proj": out.flatten(1),
    }
    model = toy_model(
        config,
        {"embed_tokens.weight": torch.eye(config.vocab_size, hidden)}
        | {f"layers.0.self_attn.{name}.weight": weight for name, weight in weights.items()},
    )
    return TwoWayForward(model, sinks=2, recent=8)


def toy_row(length: int, draw: np.random.Generator) -> Row:
    """Start, filler with a payload out of the window's reach, and a question whose answer is the payload."""
    ids = torch.full((length,), FILLER)
    ids[0], ids[-1] = START, ASK
    ids[int(draw.integers(2, length - 8))] = int(draw.integers(8))
    return Row(ids, torch.tensor([length - 1]))


TOY = Recipe(lengths=(30, 50), num_steps=80, lr=0.05)


def test_the_head_that_copies_from_afar_stays_open_and_all_others_close(tmp_path):
    gates = GateSearch(one_head_copies(), toy_row, TOY)
    assert search(gates, tmp_path, {})
    scores = gates.scores()[0]
    assert scores[COPY] > 0.9
    assert max(scores[head].item() for head in (AVERAGE, SELF, SINK)) < 0.1


def test_with_open_gates_there_is_no_distance_and_without_a_price_they_stay_open(tiny_llama):
    model, _ = load_model(EngineConfig(str(tiny_llama), device="cpu"))

    def row(length: int, draw: np.random.Generator) -> Row:
        return Row(torch.from_numpy(draw.integers(model.config.vocab_size, size=length)), torch.arange(40, length))

    free = GateSearch(TwoWayForward(model, 2, 4), row, Recipe((50,), num_steps=5, reg_weight=0.0))
    records = [free.take_step() for _ in range(3)]
    assert [record["distill"] for record in records] == [0.0] * 3
    assert torch.equal(free.scores(), torch.ones_like(free.scores()))
    priced = GateSearch(TwoWayForward(model, 2, 4), row, Recipe((50,), num_steps=5))
    records = [priced.take_step() for _ in range(2)]
    assert records[0]["distill"] == 0.0
    assert records[1]["distill"] > 0.0
    assert (priced.scores() < 1).all()


def test_the_learning_rate_rises_over_a_fifth_of_the_steps_and_falls_over_the_last():
    recipe = Recipe((1000,))
    assert [round(recipe.lr_factor(step), 4) for step in (0, 39, 199, 399, 1000, 1600, 1800, 1999)] == [
        0.1,
        0.1,
        0.5,
        1.0,
        1.0,
        1.0,
        0.5,
        0.1,
    ]
    short = Recipe((1000,), num_steps=20)
    assert [short.lr_factor(step) for step in (0, 1, 3, 10, 19)] == [0.25, 0.5, 1.0, 1.0, 0.25]


def test_lengths_are_even_and_include_both_ends():
    assert context_lengths(1000, 32000, 50)[:2] == (1000, 1633)
    assert context_lengths(1000, 32000, 50)[-1] == 32000
    assert len(context_lengths(1000, 32000, 50)) == 50
    assert context_lengths(10, 12, 50) == (10, 11, 12)


class KilledError(Exception):
    """Stands for kill -9: nothing is tidied up."""


@pytest.mark.parametrize("kill_after", [1, 4, 11])
def test_a_run_that_is_killed_and_resumed_ends_bit_for_bit_like_one_that_is_not(tmp_path, kill_after):
    recipe = Recipe(lengths=(30, 50), num_steps=12)
    whole = GateSearch(one_head_copies(), toy_row, recipe)
    assert search(whole, tmp_path / "whole", {"seed": 1})
    killed = GateSearch(one_head_copies(), toy_row, recipe)

    def kill(record: dict[str, float]) -> None:
        if record["step"] == kill_after:
            raise KilledError

    with pytest.raises(KilledError):
        search(killed, tmp_path / "run", {"seed": 1}, on_step=kill, save_every_s=0.0)
    resumed = GateSearch(one_head_copies(), toy_row, recipe)
    assert resumed.resume(tmp_path / "run", {"seed": 1})
    # The step after which it was killed was not saved.
    assert resumed.step == kill_after
    assert search(resumed, tmp_path / "run", {"seed": 1})
    assert torch.equal(resumed.gates, whole.gates)
    assert resumed.history == whole.history


def test_the_time_ends_a_run_that_can_go_on(tmp_path):
    gates = GateSearch(one_head_copies(), toy_row, TOY)
    assert not search(gates, tmp_path, {}, minutes=0)
    assert gates.step == 0
    assert not GateSearch(one_head_copies(), toy_row, TOY).resume(tmp_path, {})


def test_a_run_with_other_settings_or_a_damaged_state_is_not_gone_on_with(tmp_path):
    gates = GateSearch(one_head_copies(), toy_row, TOY)
    gates.take_step()
    gates.save(tmp_path, {"lr": 0.02, "lengths": (1, 2)})
    fresh = GateSearch(one_head_copies(), toy_row, TOY)
    with pytest.raises(ConfigError, match=r"other settings \(lr 0.02, now 0.01\); choose another --output"):
        fresh.resume(tmp_path, {"lr": 0.01, "lengths": (1, 2)})
    assert fresh.resume(tmp_path, {"lr": 0.02, "lengths": (1, 2)})
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:40])
    with pytest.raises(ConfigError, match="cannot be read"):
        fresh.resume(tmp_path, {})


def test_numbers_that_are_not_finite_end_the_run_in_one_line():
    forward = one_head_copies()
    forward.model.layers[0].out.weight.data.fill_(float("nan"))
    with pytest.raises(ConfigError, match="not finite"):
        GateSearch(forward, toy_row, TOY).take_step()
