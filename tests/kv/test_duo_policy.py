"""The policy and its plan: which groups stream, in which stretch a position falls, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ConfigError
from server.kv.duo import Duo
from server.kv.full import Full
from server.kv.patterns import HeadPattern, write_pattern
from server.kv.plan import Group, plan_by_layer, plan_by_patterns
from server.kv.policy import ALL, ENDLESS, PolicyContext, Stretch, window

CONTEXT = PolicyContext("duo", Path("/nowhere"), 2, [None] * 4, lambda: torch.full((4, 2), 0.5))
STREAMING = Group(0, ((0, 0),), streams=frozenset({"duo"}))
RETRIEVAL = Group(1, ((0, 1),), streams=frozenset({"other"}))


@pytest.fixture(scope="module")
def pattern(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("pattern")
    write_pattern(directory, HeadPattern(torch.arange(8).view(4, 2) / 8, sinks=5, recent=9), {})
    return directory


@settings(max_examples=80, deadline=None)
@given(
    data=st.data(),
    windows=st.lists(st.sampled_from([None, None, 7, 9]), min_size=1, max_size=6),
    num_ranks=st.sampled_from([1, 2]),
    heads_per_rank=st.integers(1, 3),
    sparsities=st.lists(st.floats(0, 1), min_size=1, max_size=3),
)
def test_a_group_streams_where_all_its_slots_do_on_every_rank(data, windows, num_ranks, heads_per_rank, sparsities):
    num_layers, num_heads = len(windows), num_ranks * heads_per_rank
    scores = torch.tensor(
        data.draw(
            st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=num_layers * num_heads, max_size=num_layers * num_heads)
        )
    ).view(num_layers, num_heads)
    slides = torch.tensor([width is not None for width in windows])
    streaming = {
        f"v{index}": HeadPattern(scores).streaming(sparsity) & ~slides[:, None]
        for index, sparsity in enumerate(sparsities)
    }
    ranks = [list(range(rank * heads_per_rank, (rank + 1) * heads_per_rank)) for rank in range(num_ranks)]
    plans = [plan_by_patterns(ranks, rank, windows, streaming) for rank in range(num_ranks)]
    for groups in zip(*(plan.groups for plan in plans), strict=True):
        members = [(layer, ranks[rank][head]) for rank, group in enumerate(groups) for layer, head in group.slots]
        expected = {name for name, mask in streaming.items() if all(mask[slot] for slot in members)}
        for group in groups:
            assert group.streams == expected
            assert {windows[layer] for layer, _ in group.slots} == {group.sliding_window}
    if num_ranks == 1 and len(sparsities) == 1:
        # Only one group may hold heads of both kinds.
        lost = int(streaming["v0"].sum()) - sum(len(group.slots) for group in plans[0].groups if group.streams)
        assert 0 <= lost < heads_per_rank


def test_without_streaming_heads_the_plan_is_the_one_by_layer():
    plan = plan_by_patterns([[0, 1]], 0, [None] * 3, {"duo": torch.zeros(3, 2, dtype=torch.bool)})
    assert plan.groups == plan_by_layer(2, [None] * 3).groups


def test_arguments_default_to_the_patterns_window_and_to_half_of_the_heads(pattern):
    policy = Duo.build({"pattern": str(pattern)}, CONTEXT)
    assert int(policy.streaming.sum()) == 4
    assert policy.retention(STREAMING) == window(5, 9)
    assert policy.retention(RETRIEVAL) == ALL
    assert policy.retention(replace(STREAMING, sliding_window=3)) == window(0, 3)
    changed = Duo.build({"pattern": str(pattern), "sparsity": "0.75", "sinks": "0", "recent": "4"}, CONTEXT)
    assert int(changed.streaming.sum()) == 6
    assert changed.retention(STREAMING) == window(0, 4)
    relaxed = Duo.build({"pattern": str(pattern), "prefill": "relaxed:6"}, CONTEXT)
    assert relaxed.retention(STREAMING) == window(5, 10)


def test_a_pattern_is_the_models_own_unless_another_is_named(pattern, tmp_path):
    write_pattern(tmp_path / "duo", HeadPattern(torch.zeros(4, 2), sinks=1, recent=2), {})
    own = Duo.build({}, replace(CONTEXT, model_dir=tmp_path))
    assert (own.sinks, own.recent) == (1, 2)
    scored = Duo.build({"pattern": "auto"}, replace(CONTEXT, model_dir=tmp_path))
    assert (scored.sinks, scored.recent, scored.pattern.name) == (128, 256, "auto")
    with pytest.raises(ConfigError, match=r"pattern=PATH.*pattern=auto.*rhumb calibrate duo"):
        Duo.build({}, CONTEXT)


def test_stretches_cover_the_prompt_and_then_have_no_end(pattern):
    def stretches(prefill: str, prompt_len: int, end: int) -> list[Stretch]:
        policy = Duo.build({"pattern": str(pattern), "prefill": prefill}, CONTEXT)
        found = [policy.stretch(position, prompt_len) for position in range(end)]
        return [stretch for index, stretch in enumerate(found) if index == 0 or stretch != found[index - 1]]

    assert stretches("dense", 20, 25) == [Stretch(20, 0), ENDLESS]
    assert stretches("strict", 20, 25) == [ENDLESS]
    assert stretches("relaxed:12", 30, 35) == [Stretch(12, 0), Stretch(24, 3), Stretch(30, 15), ENDLESS]
    # Where no head streams there is nothing to keep apart.
    none = Duo.build({"pattern": str(pattern), "sparsity": "0", "prefill": "relaxed:12"}, CONTEXT)
    assert none.stretch(0, 30) == ENDLESS
    assert none.prefix_namespace == Full().prefix_namespace


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": "3"}, "no argument 'heads'; it takes pattern, sparsity"),
        ({"sparsity": "half"}, "from 0 to 1, not 'half'"),
        ({"sparsity": "1.5"}, "from 0 to 1, not 1.5"),
        ({"sparsity": "nan"}, "from 0 to 1, not nan"),
        ({"sinks": "-1"}, "sinks must be a whole number from 0"),
        ({"recent": "0"}, "recent must be a whole number from 1"),
        ({"recent": "9999999999"}, "recent must be a whole number"),
        ({"prefill": "lazy"}, "dense, strict or relaxed:CHUNK, not 'lazy'"),
        ({"prefill": "relaxed"}, "chunk of prefill=relaxed:CHUNK"),
        ({"prefill": "relaxed:0"}, "chunk of prefill=relaxed:CHUNK"),
        ({"prefill": "strict:4"}, "not 'strict:4'"),
        ({"pattern": "/no/such/folder"}, "no head pattern"),
    ],
)
def test_arguments_that_cannot_work_are_refused_in_one_line(pattern, arguments, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        Duo.build({"pattern": str(pattern), **arguments}, CONTEXT)
    assert "\n" not in str(refusal.value)


def test_a_pattern_of_another_shape_is_refused_with_both_shapes(pattern):
    with pytest.raises(ConfigError, match=r"4 layers of 2 KV heads.* 5 of 2"):
        Duo.build({"pattern": str(pattern)}, replace(CONTEXT, sliding_windows=[None] * 5))


def test_policies_without_arguments_refuse_any():
    with pytest.raises(ConfigError, match="'duo': full takes no arguments"):
        Full.build({"sinks": "1"}, CONTEXT)
