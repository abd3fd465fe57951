"""Rows of different depths in one batch: each gets the tokens of a dense model with its own layer mask."""

import numpy as np
import pytest
import torch

from server.depth.registry import EXIT_SCHEDULES
from server.depth.schedule import ALWAYS, ANY, ExitSchedule, Extent
from server.engine.variant_specs import VARIANTS
from tests.engine.conftest import Results, collect, drain, greedy, request
from tests.engine.duo_oracle import assert_greedy, duo, write_scores
from tests.engine.test_schedules import prompt_of
from tests.oracle import Oracle


class Shrinking(ExitSchedule):
    """Four layers in three bands, [0], [1, 2], [3]: the middle one runs for the first three generated tokens."""

    name = "shrinking"

    def depth(self, generated_index: int, extent: Extent = ANY) -> int:
        return 3 if generated_index < 3 else 2

    def boundaries(self, num_layers: int) -> tuple[int, ...]:
        return (0, 1, 3)

    def runs(self, layer: int, depth: int, num_layers: int) -> bool:
        return depth == 3 or layer in (0, num_layers - 1)

    def stops(self, num_layers: int, extent: Extent = ANY) -> np.ndarray:
        return np.array([ALWAYS, 3, 3, ALWAYS])

    @property
    def identity(self) -> str:
        return "shrinking"


@pytest.fixture
def shrinking(monkeypatch):
    monkeypatch.setitem(EXIT_SCHEDULES, "shrinking", Shrinking)
    monkeypatch.setitem(VARIANTS, "shrinking", "full+shrinking")


def expected_tokens(oracle: Oracle, prompt: list[int], num_tokens: int) -> list[int]:
    """Greedy tokens of the dense model whose generated positions skip the middle layers from the fourth on."""
    ids = list(prompt)
    for _ in range(num_tokens):
        mask = torch.ones(4, len(ids), dtype=torch.bool)
        mask[1:3, len(prompt) + 3 :] = False
        ids.append(int(oracle.logits(ids, layer_mask=mask)[-1].argmax()))
    return ids[len(prompt) :]


LENGTHS = [5, 9, 17, 2]


def check(core, oracle, num_tokens):
    for index, length in enumerate(LENGTHS):
        variant = "full" if index == 1 else "shrinking"
        core.add(request(f"r{index}", prompt_of(length, index), greedy(num_tokens), variant=variant))
    results = drain(core)
    for index, length in enumerate(LENGTHS):
        prompt = prompt_of(length, index)
        expected = oracle.greedy(prompt, num_tokens) if index == 1 else expected_tokens(oracle, prompt, num_tokens)
        assert results[f"r{index}", 0].token_ids == expected
    return results


@pytest.mark.parametrize("overlap", [False, True])
def test_mixed_depths_equal_a_dense_model_with_a_layer_mask(make_core, oracle, shrinking, overlap):
    core = make_core(variants=("full", "shrinking"), max_step_tokens=8, overlap=overlap)
    results = check(core, oracle, 12)
    # The first token comes from the prompt; of the 11 that were computed, three ran all four layers.
    assert results["r0", 0].last.timings.mean_depth_layers == pytest.approx((3 * 4 + 8 * 2) / 11)
    assert results["r1", 0].last.timings.mean_depth_layers == 4
    assert core.stats().layers_skipped == 3 * 8 * 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are real graphs")
def test_captured_bands_leave_rows_alone_that_have_exited(make_core, oracle, shrinking, static_steps):
    core = static_steps(make_core(variants=("full", "shrinking"), attention_backend="triton"))
    check(core, oracle, 6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are real graphs")
def test_captured_prompts_and_decodes_equal_the_oracle(make_core, oracle, static_steps, monkeypatch, tmp_path):
    """Depths, lengths and retentions are read from the device: those of `duo` change where its prompt ends."""
    monkeypatch.setattr("server.engine.executor.mixed_sizes", lambda max_step_tokens: [8, 16])
    variants = ("full", duo("duo", write_scores(tmp_path), recent=4))
    core = static_steps(make_core(variants=variants, attention_backend="triton", max_step_tokens=16))
    core.add(request("first", prompt_of(7), greedy(8), num_samples=2))
    results: Results = {}
    for _ in range(3):
        collect(results, core.step())
    core.add(request("second", prompt_of(21, 1), greedy(3), variant="duo"))
    drain(core, results)
    for name, sample, variant, prompt in (("first", 1, "full", prompt_of(7)), ("second", 0, "duo", prompt_of(21, 1))):
        assert_greedy(oracle, core, variant, prompt, results[name, sample])
