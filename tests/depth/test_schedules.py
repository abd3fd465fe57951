"""Exit schedules: a slow formula judges the stops that the engine goes by; what cannot be is refused in one line."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.depth.carried import KEY, carried_schedule
from server.depth.full import FullDepth
from server.depth.registry import EXIT_SCHEDULES
from server.depth.schedule import ALWAYS, Extent, ScheduleContext, common_bands
from server.depth.skip import Skip
from server.errors import ConfigError


@st.composite
def models_with_schedules(draw):
    """(number of layers, a schedule for so many)."""
    num_layers = draw(st.integers(2, 40))
    warmup = draw(st.integers(0, min(num_layers - 1, 3)))
    least = draw(st.integers(warmup + 1, num_layers))
    skip = Skip(
        max_layers=draw(st.integers(least, num_layers)),
        min_layers=least,
        warmup=warmup,
        horizon=draw(st.none() | st.integers(1, 300)),
        origin=draw(st.sampled_from(["generation", "absolute"])),
        decay=draw(st.sampled_from(["linear", "power"])),
    )
    return num_layers, draw(st.sampled_from([skip, skip, skip, FullDepth()]))


extents = st.builds(Extent, st.integers(1, 200), st.integers(0, 300))


def exact_layers(schedule: Skip, generated_index: int, extent: Extent) -> set[int]:
    """How many layers a token runs, rounded half up, straight from the formulas; both numbers where it is too close."""
    index, horizon = generated_index, schedule.horizon or max(extent.max_tokens, 1)
    if schedule.origin == "absolute":
        index += extent.prompt_len
        horizon += 0 if schedule.horizon else extent.prompt_len
    share = Fraction(min(index, horizon), horizon)
    most, least = schedule.max_layers, schedule.min_layers
    if schedule.decay == "linear":
        return {math.floor((1 - share) * most + share * least + Fraction(1, 2))}
    value = most * (least / most) ** float(share) + 0.5
    return {math.floor(value - 1e-9), math.floor(value + 1e-9)}


@settings(max_examples=150, deadline=None)
@given(case=models_with_schedules(), extent=extents, index=st.integers(0, 700))
def test_a_token_runs_the_layers_that_the_formula_says(case, extent, index):
    num_layers, schedule = case
    runs = index < schedule.stops(num_layers, extent)
    depth = schedule.depth(index, extent)
    assert runs.tolist() == [schedule.runs(layer, depth, num_layers) for layer in range(num_layers)]
    if schedule.is_full:
        assert runs.all()
        return
    assert depth == runs.sum()
    assert depth in exact_layers(schedule, index, extent)
    # The lowest and the highest layers, with one gap between them.
    kept = np.flatnonzero(runs).tolist()
    assert kept == [*range(schedule.warmup), *range(num_layers - depth + schedule.warmup, num_layers)]


@settings(max_examples=100, deadline=None)
@given(case=models_with_schedules(), extent=extents)
def test_numbers_fall_from_the_first_to_the_last_and_bands_are_never_cut(case, extent):
    num_layers, schedule = case
    bands = common_bands([schedule], num_layers)
    assert [layer for band in bands for layer in band.layers] == list(range(num_layers))
    stops = schedule.stops(num_layers, extent)
    assert all(len(set(stops[band.start : band.end].tolist())) == 1 for band in bands)
    assert stops[-1] == ALWAYS
    depths = [schedule.depth(index, extent) for index in range(700)]
    assert depths == sorted(depths, reverse=True)
    if not schedule.is_full:
        assert depths[-1] == schedule.min_layers
        assert schedule.origin == "absolute" or depths[0] == schedule.max_layers
        assert schedule.max_layers - schedule.min_layers + 3 >= len(bands)


@settings(max_examples=60, deadline=None)
@given(case=models_with_schedules())
def test_a_linear_schedule_runs_the_middle_of_both_numbers_on_average(case):
    _, schedule = case
    if schedule.is_full or schedule.decay == "power" or schedule.horizon is None or schedule.origin == "absolute":
        return
    depths = [schedule.depth(index) for index in range(schedule.horizon)]
    middle = (schedule.max_layers + schedule.min_layers) / 2
    # A short horizon begins with the largest number and never comes to the smallest.
    slack = (schedule.max_layers - schedule.min_layers) / (2 * schedule.horizon)
    assert abs(np.mean(depths) - middle) <= 0.5 + slack
    assert schedule.mean_layers() == pytest.approx(np.mean(depths))


@settings(max_examples=60, deadline=None)
@given(num_layers=st.integers(4, 80), speedup=st.sampled_from([1, 1.5, 2, 3, 4, 5]))
def test_presets_run_as_many_layers_as_their_speed_up_says_for_any_depth(num_layers, speedup):
    if speedup > num_layers / 2:
        with pytest.raises(ConfigError, match="speedup must be"):
            Skip.of_speedup(speedup, num_layers)
        return
    preset = Skip.of_speedup(speedup, num_layers)
    assert abs((preset.max_layers + preset.min_layers) / 2 - num_layers / speedup) <= 0.25
    assert 2 <= preset.min_layers <= preset.max_layers <= num_layers
    assert preset.leaves_nothing_out(num_layers) == (speedup == 1)


def test_presets_of_the_papers_depth_are_near_what_is_remembered_of_its_table():
    found = {speedup: Skip.of_speedup(speedup, 32) for speedup in (2, 3, 4, 5)}
    assert {speedup: (skip.max_layers, skip.min_layers) for speedup, skip in found.items()} == {
        2: (20, 12), 3: (13, 8), 4: (10, 6), 5: (8, 5)
    }  # fmt: skip


def context(carried=None, *, is_forced=False, num_layers=32):
    return ScheduleContext("v", num_layers, carried, is_forced)


def test_a_horizon_that_follows_max_tokens_stretches_with_it():
    skip = Skip.build({"speedup": "2", "horizon": "max_tokens"}, context(is_forced=True))
    for max_tokens in (10, 64, 1000):
        depths = [skip.depth(index, Extent(5, max_tokens)) for index in range(max_tokens)]
        assert abs(np.mean(depths) - 16) < 0.5
        assert skip.stops(32, Extent(5, max_tokens)).max() == ALWAYS
    with pytest.raises(ConfigError, match="max_tokens"):
        skip.depth(0)


@settings(max_examples=60, deadline=None)
@given(case=models_with_schedules())
def test_a_checkpoint_carries_its_schedule_in_its_config(case):
    num_layers, schedule = case
    if schedule.is_full:
        return
    written = json.loads(json.dumps(schedule.to_config()))
    assert Skip.from_config(written, num_layers) == schedule
    carried = context(written, num_layers=num_layers)
    assert Skip.build({}, carried) == schedule
    # Saying the same again is no other schedule.
    texts = {name: str(value) for name, value in written.items() if name != "name"}
    assert Skip.build(texts, carried) == schedule


def test_what_a_directory_carries_is_read_from_its_config(tmp_path):
    config = tmp_path / "config.json"
    for content, expected in (({}, None), ({KEY: {"name": "skip"}}, {"name": "skip"})):
        config.write_text(json.dumps(content))
        assert carried_schedule(tmp_path) == expected
    for content in ("{", json.dumps({KEY: "skip"}), json.dumps({KEY: {}})):
        config.write_text(content)
        with pytest.raises(ConfigError):
            carried_schedule(tmp_path)


def test_a_checkpoint_that_was_not_fine_tuned_is_refused_with_what_it_would_cost_unless_forced():
    two, three = {"speedup": "2"}, Skip.of_speedup(3, 32).to_config()
    with pytest.raises(ConfigError, match=r"'v'.*not fine-tuned to skip layers.*ROUGE-L 34 to 19.*--force-skip"):
        Skip.build(two, context())
    with pytest.raises(ConfigError, match=r"but for skip\(max_layers=13.*--force-skip"):
        Skip.build(two, context(three))
    with pytest.raises(ConfigError, match=r"carries no exit schedule.*skip\(speedup=2\)"):
        Skip.build({}, context(is_forced=True))
    forced = Skip.of_speedup(2, 32)
    assert Skip.build(two, context(is_forced=True)) == Skip.build(two | {"force": "true"}, context(three)) == forced
    # What leaves nothing out costs nothing.
    assert Skip.build({"speedup": "1"}, context()).leaves_nothing_out(32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": "3"}, "no argument 'layers'; it takes speedup, max_layers"),
        ({"speedup": "fast"}, "'v': speedup must be a number such as 2, not 'fast'"),
        ({"speedup": "nan"}, "speedup must be a number"),
        ({"speedup": "0.5"}, "speedup must be a number from 1 to 16 for 32 layers"),
        ({"speedup": "17"}, "speedup must be a number from 1 to 16 for 32 layers"),
        ({"speedup": "2", "min_layers": "3"}, "either speedup, or"),
        ({"max_layers": "3"}, "or both max_layers and min_layers"),
        ({"max_layers": "3", "min_layers": "4"}, "max_layers must be a whole number from 4 to 32, not '3'"),
        ({"max_layers": "33", "min_layers": "4"}, "max_layers must be a whole number from 4 to 32, not '33'"),
        ({"max_layers": "8", "min_layers": "1"}, "min_layers must be a whole number from 2 to 32, not '1'"),
        ({"speedup": "2", "warmup": "32"}, "warmup must be a whole number from 0 to 31, not '32'"),
        ({"speedup": "2", "horizon": "0"}, "horizon must be max_tokens or a whole number from 1 to 10000000, not '0'"),
        ({"speedup": "2", "horizon": "long"}, "horizon must be max_tokens or a whole number"),
        ({"speedup": "2", "origin": "end"}, "origin must be generation or absolute, not 'end'"),
        ({"speedup": "2", "decay": "steep"}, "decay must be linear or power, not 'steep'"),
        ({"speedup": "2", "force": "yes"}, "force must be true or false, not 'yes'"),
    ],
)
def test_arguments_of_no_use_are_refused_in_one_line(arguments, message):
    with pytest.raises(ConfigError) as refusal:
        Skip.build(arguments, context(is_forced=True))
    assert message in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_every_registered_schedule_says_what_it_is():
    for name, kind in EXIT_SCHEDULES.items():
        schedule = kind.build({} if name == "full" else {"speedup": "2"}, context(is_forced=True))
        assert schedule.name == name
        assert schedule.identity.startswith(name)
        assert schedule.describe(32).isprintable()
    assert "20 of 32 layers, falling to 12 over 128" in schedule.describe(32)
