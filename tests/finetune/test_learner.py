"""Learning: a model learns its schedule, LoRA is what it merges into, and a killed run goes on as one that was not."""

import shutil

import pytest
import torch

from server.api.templates import ChatTemplate
from server.depth.skip import Skip
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.finetune.checkpoint import load_causal_model
from server.finetune.course import Course
from server.finetune.examples import Encoder, read_examples
from server.finetune.feed import Feed
from server.finetune.forward import ScheduledForward
from server.finetune.judge import judge
from server.finetune.learner import STATE_FILE, Learner, Recipe
from server.finetune.lora import LoraLinear, add_lora, merge_lora
from server.finetune.progress import Progress
from server.finetune.rows import Reach, Row, RowBatch

NUM_LAYERS = 8
SKIP = Skip(max_layers=5, min_layers=3, horizon=4)
RECIPE = Recipe(num_steps=6, lr=3e-3, batch=4, pass_tokens=64)


@pytest.fixture
def make(thin_llama, sayings):
    """Makes a learner of the thin model, all weights or LoRA."""
    encoder = Encoder(Tokenizer.from_directory(thin_llama), ChatTemplate.from_directory(thin_llama), [0, 2], 128)
    examples = read_examples([sayings], "train")

    def learner(recipe: Recipe = RECIPE, rank: int | None = None) -> Learner:
        model = load_causal_model(thin_llama, torch.float32, torch.device("cpu"))
        forward = ScheduledForward(model, [None] * NUM_LAYERS)
        if rank is not None:
            add_lora(model, forward.layers, rank, seed=3)
        return Learner(forward, Reach(SKIP, NUM_LAYERS), Feed(examples, encoder, seed=1), recipe)

    learner.rows = [encoder.row(example) for example in examples]
    return learner


def learned(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in learner.forward.model.named_parameters() if weight.requires_grad}


class KilledError(Exception):
    """Stands for kill -9: nothing is tidied up."""


class Killer(Progress):
    """Ends a run once a step was shown, before its state is saved."""

    def __init__(self, after: int) -> None:
        super().__init__(6, 0, is_hidden=True)
        self.after = after

    def show(self, record) -> None:
        if record["step"] == self.after:
            raise KilledError


QUIET = Progress(6, 0, is_hidden=True)


@pytest.mark.parametrize(("rank", "kill_after"), [(None, 4), (4, 1)])
def test_a_run_that_is_killed_and_resumed_ends_bit_for_bit_like_one_that_is_not(make, tmp_path, rank, kill_after):
    whole = make(rank=rank)
    assert Course(whole, make.rows[:3], 4).run(tmp_path / "whole", {"seed": 1}, QUIET)
    with pytest.raises(KilledError):
        Course(make(rank=rank), make.rows[:3], 4, save_every_s=0.0).run(tmp_path, {"seed": 1}, Killer(kill_after))
    resumed = make(rank=rank)
    assert resumed.resume(tmp_path, {"seed": 1})
    # The step after which it was killed was not saved.
    assert resumed.step == kill_after
    assert Course(resumed, make.rows[:3], 4).run(tmp_path, {"seed": 1}, QUIET)
    assert resumed.history == whole.history
    assert [evaluation["step"] for evaluation in whole.history["evaluations"]] == [0, 4, 6]
    for mine, theirs in zip(learned(resumed).values(), learned(whole).values(), strict=True):
        assert torch.equal(mine, theirs)


def test_rows_are_learned_at_the_depths_of_the_schedule(make, tmp_path):
    learner = make(Recipe(num_steps=12, lr=2e-2, batch=8, pass_tokens=512))
    before = judge(learner.forward, make.rows, learner.reach, 512)
    assert Course(learner, make.rows[:1], 12).run(tmp_path, {}, QUIET)
    after = judge(learner.forward, make.rows, learner.reach, 512)
    assert before.exact == 0
    assert after.loss < 0.8 * before.loss
    assert after.accuracy > before.accuracy
    # Eight layers predict the first token, five the second; the tokens add up to all that are predicted.
    assert {8, 5, 4, 3} >= set(after.by_depth) >= {8, 5}
    assert sum(tokens for _, _, tokens in after.by_depth.values()) == sum(row.num_targets for row in make.rows)
    assert after.by_depth[8][2] == len(make.rows)


def test_parts_and_rounding_apart_a_step_is_the_same_however_much_is_computed_together(make):
    found = []
    for pass_tokens in (1, 10_000):
        learner = make(Recipe(num_steps=2, lr=1e-3, batch=6, pass_tokens=pass_tokens))
        found.append([learner.take_step()["loss"] for _ in range(2)])
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_exact_is_what_greedy_decoding_gives(make):
    learner = make()
    rows = []
    for row in make.rows:
        ids = list(row.token_ids[: row.prompt_len])
        for _ in range(5):
            # A target that nobody looks at makes the last token's position one that is computed.
            batch = RowBatch.of([Row((*ids, 0), row.prompt_len)])
            with torch.no_grad():
                states = learner.forward.states(batch, learner.reach)
                ids.append(int(learner.forward.model.lm_head(states[0, -1]).argmax()))
        rows.append(Row(tuple(ids), row.prompt_len))
    assert judge(learner.forward, rows, learner.reach, 512).exact == 1
    rows[4] = Row((*rows[4].token_ids[:-1], (rows[4].token_ids[-1] + 1) % 384), rows[4].prompt_len)
    found = judge(learner.forward, rows, learner.reach, 512)
    assert found.exact == pytest.approx(11 / 12)
    assert found.accuracy == pytest.approx(59 / 60)


def test_lora_begins_as_the_model_learns_its_updates_alone_and_merges_into_what_it_computed(make):
    plain, learner = make(), make(rank=4)
    batch = RowBatch.of(make.rows)
    with torch.no_grad():
        assert torch.equal(learner.forward.losses(batch, learner.reach)[0], plain.forward.losses(batch, plain.reach)[0])
    assert all(name.endswith((".up", ".down")) for name in learned(learner))
    # Seven matrices a layer, of 32 and 32, 16, 16, 32, 48, 48, 48 numbers.
    assert learner.num_learned == NUM_LAYERS * 4 * (7 * 32 + 32 + 16 + 16 + 32 + 3 * 48)
    for _ in range(3):
        learner.take_step()
    with torch.no_grad():
        before = learner.forward.losses(batch, learner.reach)[0]
        merge_lora(learner.forward.layers)
        after = learner.forward.losses(batch, learner.reach)[0]
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert not torch.equal(after, plain.forward.losses(batch, plain.reach)[0])
    assert not any(isinstance(module, LoraLinear) for module in learner.forward.model.modules())
    with pytest.raises(ConfigError, match="--lora 17 is more than k_proj of 32 x 16 can hold"):
        make(rank=17)


def test_the_learning_rate_rises_and_falls_to_nothing():
    recipe = Recipe(num_steps=100, lr=1.0, batch=1, pass_tokens=1, warmup=0.1)
    factors = [recipe.lr_factor(step) for step in range(100)]
    assert factors[:10] == [pytest.approx((step + 1) / 10) for step in range(10)]
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 < factors[-1] < 0.001
    assert Recipe(num_steps=1, lr=1.0, batch=1, pass_tokens=1).lr_factor(0) == 1


def test_a_run_with_other_settings_or_a_damaged_state_is_not_gone_on_with(make, tmp_path):
    assert not make().resume(tmp_path, {})
    learner = make()
    learner.take_step()
    learner.save(tmp_path, {"lr": 0.02})
    with pytest.raises(ConfigError, match=r"other settings \(lr 0.02, now 0.01\); choose another --output"):
        make().resume(tmp_path, {"lr": 0.01})
    assert make().resume(tmp_path, {"lr": 0.02})
    state = tmp_path / STATE_FILE
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(ConfigError, match="cannot be read"):
        make().resume(tmp_path, {"lr": 0.02})


def test_numbers_that_are_not_finite_end_a_run_with_a_word_on_what_to_do(make):
    learner = make()
    next(iter(learned(learner).values())).data.fill_(float("nan"))
    with pytest.raises(ConfigError, match="step 0: the loss is not finite; lower --lr"):
        learner.take_step()


def test_products_can_be_bfloat16_while_weights_stay(thin_llama, make):
    exact = make()
    model = load_causal_model(thin_llama, torch.float32, torch.device("cpu"))
    forward = ScheduledForward(model, [None] * NUM_LAYERS, dtype=torch.bfloat16)
    batch = RowBatch.of(make.rows)
    costs, _ = forward.losses(batch, exact.reach)
    costs.sum().backward()
    assert {weight.grad.dtype for weight in model.parameters()} == {torch.float32}
    expected, _ = exact.forward.losses(batch, exact.reach)
    assert not torch.equal(costs, expected)
    torch.testing.assert_close(costs, expected, rtol=0.05, atol=0.05)


def test_checkpoints_that_lack_something_are_refused_in_one_line(thin_llama, tmp_path):
    from safetensors.torch import load_file, save_file

    from server.errors import ModelLoadError

    shutil.copytree(thin_llama, tmp_path / "model")
    weights = load_file(thin_llama / "model.safetensors")
    del weights["model.layers.3.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelLoadError, match=r"lacks model.layers.3.mlp.up_proj.weight"):
        load_causal_model(tmp_path / "model", torch.float32, torch.device("cpu"))
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        load_causal_model(tmp_path / "model", torch.float32, torch.device("cpu"))
