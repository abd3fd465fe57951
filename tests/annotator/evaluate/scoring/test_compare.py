"""Runs against each other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.errors import InputError
from annotator.evaluate.baselines import MemberRun
from annotator.evaluate.compare import Comparison, compare, leaderboard
from annotator.evaluate.statistics import mcnemar
from tests.annotator.evaluate.scoring.made import facts, item, result, run_of

ITEMS = [item(n, context=f"c{n // 2}") for n in range(1, 21)]


@given(verdicts=st.lists(st.tuples(st.sampled_from("rwi"), st.sampled_from("rwi")), min_size=1, max_size=20))
@settings(max_examples=20, deadline=None)
def test_a_pair_counts_every_item_once_and_turns_around_with_its_runs(verdicts) -> None:
    items = ITEMS[: len(verdicts)]
    first = run_of(items, "".join(a for a, _ in verdicts), "first")
    second = run_of(items, "".join(b for _, b in verdicts), "second")
    made = compare([first, second])
    assert Comparison.model_validate_json(made.model_dump_json()) == made
    (pair,) = made.pairs
    sides = [(a == "r", b == "r") for a, b in verdicts]
    assert [pair.both_right, pair.only_a, pair.only_b, pair.both_wrong] == [
        sides.count(side) for side in ((True, True), (True, False), (False, True), (False, False))
    ]
    assert pair.difference == pytest.approx((pair.only_b - pair.only_a) / len(verdicts))
    assert pair.p == pair.p_holm == mcnemar(pair.only_a, pair.only_b)
    assert len(made.differing) == pair.only_a + pair.only_b
    (turned,) = compare([second, first]).pairs
    assert (turned.only_a, turned.only_b, turned.difference, turned.p) == (
        pair.only_b,
        pair.only_a,
        pytest.approx(-pair.difference),
        pair.p,
    )


def test_several_runs_are_ranked_and_all_pairs_held_to_account_together() -> None:
    runs = [
        run_of(ITEMS, "r" * 20, "full"),
        run_of(ITEMS, "r" * 18 + "ww", "duo", variant="duo"),
        run_of(ITEMS, "ww" + "r" * 18, "alisa", variant="alisa"),
        run_of(ITEMS, "w" * 16 + "rrrr", "skip", variant="skip"),
    ]
    made = compare(runs)
    assert [(row.run.run_id, row.rank) for row in made.rows] == [("full", 1), ("alisa", 2), ("duo", 2), ("skip", 4)]
    assert made.rows[0].p_to_best is None
    assert made.rows[-1].p_to_best == pytest.approx(3 * mcnemar(16, 0))
    assert len(made.pairs) == 6
    assert all(pair.p <= pair.p_holm <= 1 for pair in made.pairs)
    assert [row.accuracy for row in leaderboard(runs)] == [row.accuracy for row in made.rows]
    assert [one.number for one in made.differing] == [*range(1, 17), 19, 20]
    assert made.differing[0].verdicts == {"full": "right", "duo": "right", "alisa": "wrong", "skip": "wrong"}


def test_only_items_that_both_answered_are_compared_and_the_rest_is_told() -> None:
    whole, half = run_of(ITEMS, "r" * 20, "whole"), run_of(ITEMS[:12], "rw" * 6, "half")
    made = compare([whole, half])
    assert made.num == made.pairs[0].num == 12
    assert {row.run.run_id: row.num_missing for row in made.rows} == {"whole": 0, "half": 8}
    assert len(made.differing) == 6


def test_of_several_epochs_the_usual_outcome_is_paired_and_means_are_compared() -> None:
    once = run_of(ITEMS[:1], "r", "once")
    thrice = [result(ITEMS[0], verdict, epoch=n) for n, verdict in enumerate(("wrong", "right", "right"))]
    made = compare([once, MemberRun(facts("thrice", epochs=3), thrice)])
    assert (made.pairs[0].both_right, made.pairs[0].difference) == (1, pytest.approx(-1 / 3))
    assert made.differing[0].verdicts == {"once": "right", "thrice": "wrong"}


def test_what_else_differs_is_noted() -> None:
    items = ITEMS[:2]
    plain = run_of(items, "rr", "plain")
    same = compare([plain, run_of(items, "rr", "same", variant="duo")]).pairs[0]
    assert (same.notes, same.interval) == ((), None)
    other = run_of(items, "rr", "other", shuffle_seed=1, decoding={"temperature": 1}, server_version="2")
    assert len(compare([plain, other]).pairs[0].notes) == 3


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([], "at least two runs"),
        ([run_of(ITEMS, "r" * 20)], "at least two runs"),
        ([run_of(ITEMS, "r" * 20)] * 2, "compared with itself"),
        (
            [
                run_of(ITEMS, "r" * 20, "old"),
                run_of(ITEMS, "r" * 20, "new", manifest_sha="c" * 64, snapshot="harbour/cafes@2.0.0"),
            ],
            "'old' ran over harbour/cafes@1.0.0 and 'new' over harbour/cafes@2.0.0",
        ),
        ([run_of(ITEMS[:3], "rrr", "a"), run_of(ITEMS[3:6], "rrr", "b")], "no item was answered in all of these runs"),
        ([run_of(ITEMS[:3], "rrr", "a"), run_of([], "", "b")], "'b' has no results yet"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(runs, words) -> None:
    with pytest.raises(InputError, match=words) as caught:
        compare(runs)
    assert "\n" not in caught.value.message
