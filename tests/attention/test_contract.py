"""What every attention backend must do, judged by a dense masked softmax in float64."""

import itertools
from collections.abc import Callable

import pytest
import torch
from attention_scenario import RowSpec, Scenario, Shape, rows, shapes, small_shapes
from hypothesis import given, settings
from hypothesis import strategies as st

from server.attention.backend import AttentionBackend
from server.attention.registry import BACKENDS, backend_class
from server.kv.policy import ALL, Retention, window
from server.kv.pool import NULL_PAGE

LAYERWISE = Shape(2, 4, 2, 32, 16, tuple(tuple(range(4 * layer, 4 * layer + 4)) for layer in range(2)))


INTERPRETED = "triton"
"""Without a GPU it runs in an interpreter: the same properties, on few and small examples."""


def usable(name: str) -> type[AttentionBackend]:
    found = backend_class(name)
    reasons = found.supports(LAYERWISE.spec())
    if reasons:
        pytest.skip(f"{name}: {', '.join(reasons)}")
    return found


@pytest.fixture(params=list(BACKENDS), scope="module")
def backend(request: pytest.FixtureRequest) -> type[AttentionBackend]:
    return usable(request.param)


@pytest.fixture(params=[name for name in BACKENDS if name != INTERPRETED], scope="module")
def fast_backend(request: pytest.FixtureRequest) -> type[AttentionBackend]:
    return usable(request.param)


def judge(backend: type[AttentionBackend], num_examples: int, prove: Callable[[st.DataObject, Scenario], None]) -> None:
    """Have `prove` hold for random scenarios."""
    is_slow = backend.name == INTERPRETED
    limits = {"max_new": 7, "max_rows": 3, "max_history": 40} if is_slow else {}

    @settings(max_examples=max(3, num_examples // 20) if is_slow else num_examples, deadline=None)
    @given(data=st.data(), shape=small_shapes() if is_slow else shapes(), seed=st.integers(0, 2**32))
    def prove_one(data: st.DataObject, shape: Shape, seed: int) -> None:
        prove(data, Scenario.random(shape, data.draw(rows(shape, **limits)), seed))

    prove_one()


def assert_close(result: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=2e-5)


def test_every_backend_equals_dense_masked_attention(backend: type[AttentionBackend]) -> None:
    def prove(_: st.DataObject, scenario: Scenario) -> None:
        for layer, result in enumerate(scenario.attend(backend)):
            assert_close(result, scenario.expected(layer))

    judge(backend, 120, prove)


def test_a_write_stores_the_new_tokens_and_touches_nothing_else(backend: type[AttentionBackend]) -> None:
    def prove(_: st.DataObject, scenario: Scenario) -> None:
        expected = scenario.pool.storage.clone()
        for index, row in enumerate(scenario.row_specs):
            for group in scenario.plan.groups:
                scenario.store(expected, None, index, group, torch.arange(row.history, row.history + row.num_new))
        scenario.attend(backend)
        torch.testing.assert_close(scenario.pool.storage, expected, rtol=0, atol=0, equal_nan=True)

    judge(backend, 60, prove)


def test_rows_that_left_early_change_nothing_for_the_rows_that_stay(backend: type[AttentionBackend]) -> None:
    def prove(data: st.DataObject, scenario: Scenario) -> None:
        num_decode = sum(row.num_new == 1 for row in scenario.row_specs)
        num_tokens = scenario.batch().num_tokens - data.draw(st.integers(0, num_decode), label="rows that left")
        for layer, result in enumerate(scenario.attend(backend, num_tokens)):
            assert result.shape[0] == num_tokens
            assert_close(result, scenario.expected(layer)[:num_tokens])

    judge(backend, 60, prove)


@pytest.mark.parametrize(
    "retention", [ALL, window(20, 300), window(0, 1), Retention(7, 30, since=0), Retention(7, 30, since=280)]
)
def test_long_and_short_prompts_of_one_batch_equal_dense_attention(
    fast_backend: type[AttentionBackend], retention: Retention
) -> None:
    lengths = [(0, 5), (0, 400), (37, 9), (300, 200), (13, 2), (250, 1), (0, 1)]
    row_specs = [RowSpec(history, new, (retention, ALL)) for history, new in lengths]
    scenario = Scenario.random(LAYERWISE, row_specs, seed=1)
    for layer, result in enumerate(scenario.attend(fast_backend)):
        assert_close(result, scenario.expected(layer))


@pytest.mark.parametrize("retention", [window(3, 11), Retention(3, 11, since=20)])
@pytest.mark.parametrize("sizes", [[1] * 70, [7] * 10, [64, 6], [3, 67]])
def test_a_prompt_gives_the_same_result_in_chunks_of_any_size(
    fast_backend: type[AttentionBackend], sizes: list[int], retention: Retention
) -> None:
    retentions = (retention, ALL)
    whole = Scenario.random(LAYERWISE, [RowSpec(0, 70, retentions)], seed=7)
    expected = whole.attend(fast_backend)
    for end, size in zip(itertools.accumulate(sizes), sizes, strict=True):
        rows = [RowSpec(end - size, size, retentions)]
        k, v = whole.k[0][:, :end], whole.v[0][:, :end]
        chunk = Scenario(LAYERWISE, rows, whole.q[:, end - size : end], [k], [v], seed=end)
        for layer, result in enumerate(chunk.attend(fast_backend)):
            torch.testing.assert_close(result, expected[layer][end - size : end], rtol=1e-4, atol=2e-5)


def test_what_keeps_everything_since_the_start_is_computed_as_what_keeps_everything(
    backend: type[AttentionBackend],
) -> None:
    lengths = [(0, 9), (20, 5), (13, 1)]
    shape = Shape(1, 1, 2, 16, 4, ((0,),))
    plain, since = (
        Scenario.random(shape, [RowSpec(history, new, (retention,)) for history, new in lengths], seed=2)
        for retention in (ALL, Retention(3, 8, since=0))
    )
    for result, expected in zip(since.attend(backend), plain.attend(backend), strict=True):
        assert torch.equal(result, expected)


@pytest.mark.parametrize(("position", "is_seen"), [(2, True), (52, False), (53, True)])
def test_what_lies_between_sinks_and_window_reaches_only_the_heads_that_keep_everything(
    backend: type[AttentionBackend], position: int, is_seen: bool
) -> None:
    """Two heads of one layer in a group each: the first streams, with 3 sinks and a window of 8 up to position 60."""
    shape = Shape(1, 2, 2, 16, 4, ((0,), (1,)))

    def attended(changed: bool) -> torch.Tensor:
        scenario = Scenario.random(shape, [RowSpec(60, 1, (window(3, 8), ALL))], seed=9)
        k, v = scenario.k[0].clone(), scenario.v[0].clone()
        if changed:
            k[:, position], v[:, position] = v[:, position], k[:, position] + 1
        return Scenario(shape, scenario.row_specs, scenario.q, [k], [v], 9).attend(backend)[0].view(4, 16)

    difference = (attended(changed=True) - attended(changed=False)).abs().amax(1)
    assert (difference[:2] > 0).all() == (difference[:2] > 0).any() == is_seen
    assert (difference[2:] > 0).all()


def test_padding_rows_that_point_at_the_null_page_leave_their_neighbours_alone(backend: type[AttentionBackend]) -> None:
    """A captured graph is replayed with rows too many; their positions are 0 and their page is null."""
    scenario = Scenario.random(LAYERWISE, [RowSpec(40, 1, (ALL, ALL)), RowSpec(0, 1, (ALL, ALL))], seed=3)
    scenario.tables.host[scenario.row_ids[1]] = NULL_PAGE
    for layer, result in enumerate(scenario.attend(backend)):
        assert_close(result[:1], scenario.expected(layer)[:1])
