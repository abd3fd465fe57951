"""Runs in numbers."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.evaluate.baselines import item_baselines
from annotator.evaluate.summary import Summary, length_bucket, spread, summarise
from tests.annotator.evaluate.scoring.made import item, result, run_of


def summary_of(items, results, **values) -> Summary:
    made = summarise(results, item_baselines(items, offers_abstaining=True), **values)
    assert Summary.model_validate_json(made.model_dump_json()) == made
    return made


@given(verdicts=st.lists(st.sampled_from("rwaile"), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_groups_part_a_run_and_the_order_of_results_does_not_matter(verdicts) -> None:
    items = [
        item(n, context=f"c{n // 2}", category=("poi", "trip")[n % 2], text="word " * (n * 100))
        for n in range(len(verdicts))
    ]
    results = list(run_of(items, "".join(verdicts)).results)
    made = summary_of(items, results)
    assert made.overall.num_right == verdicts.count("r")
    assert made.overall.accuracy == pytest.approx(verdicts.count("r") / len(verdicts))
    assert list(made.overall.verdicts.values()) == [verdicts.count(letter) for letter in "rwaile"]
    for groups in made.groups.values():
        assert sum(group.num for group in groups) == len(items)
        assert sum(group.num_right for group in groups) == pytest.approx(made.overall.num_right)
        assert all([one.name for one in group.references][:3] == ["chance", "majority", "human"] for group in groups)
    random.Random(1).shuffle(results)
    assert summary_of(items, results).overall.accuracy == made.overall.accuracy


def test_an_item_asked_several_times_counts_once() -> None:
    items = [item(1), item(2)]
    results = [result(items[0], verdict, epoch=n) for n, verdict in enumerate(("right", "wrong", "right", "right"))]
    results.append(result(items[1], "wrong"))
    overall = summary_of(items, results).overall
    assert (overall.num, overall.num_asked, overall.num_right) == (2, 5, 0.75)
    assert overall.accuracy == pytest.approx(0.375)


def test_a_run_of_nothing_and_a_run_of_one_item_are_whole_summaries() -> None:
    empty = summary_of([], [])
    assert (empty.overall.accuracy, empty.overall.wilson, empty.latency_ms) == (None, (0.0, 1.0), None)
    one = item(1)
    alone = summary_of([one], [result(one, "right")])
    assert (alone.overall.accuracy, alone.overall.clustered, alone.visible.smallest) == (1.0, None, None)


def test_where_nothing_can_be_answered_abstaining_is_all() -> None:
    items = [item(n, type="unanswerable", context=f"c{n}") for n in range(6)]
    made = summary_of(items, run_of(items, "rrrwie").results)
    assert (made.abstention.recall.num, made.abstention.recall.of) == (3, 6)
    assert made.abstention.precision.share == 1.0
    assert made.overall.accuracy == 0.5


def test_abstaining_too_often_costs_precision_and_too_seldom_recall() -> None:
    items = [item(1), item(2), item(3, type="unanswerable"), item(4, type="unanswerable"), item(5)]
    made = summary_of(items, run_of(items, "arrwa").results)
    assert made.abstention.precision.share == pytest.approx(1 / 3)
    assert made.abstention.recall.share == pytest.approx(1 / 2)


def test_time_tokens_and_tools_are_counted_where_they_are_known() -> None:
    items = [item(n) for n in range(3)]
    results = [
        result(items[0], latency_ms=1100.0, first_token_ms=100.0, prompt_tokens=50, completion_tokens=11, num_turns=1),
        result(
            items[1],
            latency_ms=300.0,
            num_turns=3,
            num_tool_calls=4,
            num_tool_errors=1,
            tools={"nearby_search": 3, "place_details": 1},
            evidence_found=1,
            evidence_wanted=2,
        ),
        result(
            items[2], latency_ms=100.0, num_turns=1, tools={"place_details": 1}, num_tool_calls=1, evidence_wanted=1
        ),
    ]
    made = summary_of(items, results)
    assert (made.latency_ms.num, made.latency_ms.p50, made.latency_ms.max) == (3, 300.0, 1100.0)
    assert (made.first_token_ms.num, made.completion_tokens.mean) == (1, 11)
    assert made.tokens_per_s.p50 == pytest.approx(10.0)
    assert made.tools.by_name == {"nearby_search": 3, "place_details": 2}
    assert (made.tools.num_calls, made.tools.num_errors, made.tools.evidence.share) == (5, 1, pytest.approx(1 / 3))


@given(tokens=st.integers(0, 20_000))
@settings(max_examples=40)
def test_every_length_is_in_the_one_bucket_that_says_so(tokens) -> None:
    words = length_bucket(tokens).split()
    if words[0] == "below":
        assert tokens < int(words[1])
    elif words[1] == "and":
        assert tokens >= int(words[0])
    else:
        assert int(words[0]) <= tokens <= int(words[2])
    assert length_bucket(None) == "not known"


def test_lengths_are_listed_from_short_to_long() -> None:
    items = [item(n, context=f"c{n}", text="word " * size) for n, size in enumerate((5000, 1, 9000, 300, 700))]
    items.append(item(9, text=None))
    names = [group.name for group in summary_of(items, run_of(items, "rrrrrr").results).groups["context_length"]]
    assert names == ["below 250", "250 to 499", "500 to 999", "4000 to 7999", "8000 and more", "not known"]


def test_percentiles_leave_out_what_is_not_known() -> None:
    assert spread([None, None]) is None
    assert spread([1, None, 3]).p50 == 2.0
