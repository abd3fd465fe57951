"""What answers are worth."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.errors import InputError
from annotator.evaluate.judge import judge
from annotator.evaluate.model import Given
from annotator.questions.answers import (
    DistanceAnswer,
    DurationAnswer,
    NumberAnswer,
    OrderedListAnswer,
    PlaceAnswer,
    PointAnswer,
    SetAnswer,
    TextAnswer,
    TimeAnswer,
)
from tests.annotator.evaluate.scoring.made import item, open_item

ABSTAINS = Given(abstains=True, how="json")


def keys(*chosen: str) -> Given:
    return Given(option_keys=chosen, how="json")


def opened(answer) -> Given:
    return Given(open=answer, how="marker")


@pytest.mark.parametrize(
    ("of", "answer", "verdict", "partial"),
    [
        (item(gold=("B",)), keys("B"), "right", 1),
        (item(gold=("B",)), keys("A"), "wrong", 0),
        (item(gold=("B",)), ABSTAINS, "abstained", 0),
        (item(gold=("B",)), None, "invalid", 0),
        (item(gold=("B",)), opened(TextAnswer(value="Mole")), "wrong", 0),
        (item(type="multiple_choice", gold=("A", "C")), keys("A", "C"), "right", 1),
        (item(type="multiple_choice", gold=("A", "C")), keys("A"), "wrong", 1 / 2),
        (item(type="multiple_choice", gold=("A", "C")), keys("A", "B", "D"), "wrong", 1 / 4),
        (item(type="unanswerable"), ABSTAINS, "right", 1),
        (item(type="unanswerable"), keys("A"), "wrong", 0),
        (open_item(), ABSTAINS, "right", 1),
        (open_item(), opened(TextAnswer(value="Mole")), "wrong", 0),
        (open_item(gold=TextAnswer(value="Mole")), ABSTAINS, "abstained", 0),
        (open_item(gold=TextAnswer(value="Mole")), keys("A"), "wrong", 0),
        (open_item(gold=TextAnswer(value="Mole")), opened(NumberAnswer(value=1)), "wrong", 0),
    ],
)
def test_verdicts_of_what_was_read(of, answer, verdict, partial) -> None:
    judged = judge(of, answer)
    assert (judged.verdict, judged.score, judged.given) == (verdict, float(verdict == "right"), answer)
    assert judged.partial == pytest.approx(partial)
    assert judged.detail


@pytest.mark.parametrize(
    ("gold", "said", "verdict", "partial"),
    [
        (NumberAnswer(value=10, unit="km", abs_tol=1), NumberAnswer(value=10_900, unit="m"), "right", 1),
        (NumberAnswer(value=10, unit="km", abs_tol=1), NumberAnswer(value=10, unit="min"), "wrong", 0),
        (NumberAnswer(value=10, unit="km", abs_tol=1), NumberAnswer(value=16), "wrong", 1 / 2),
        (NumberAnswer(value=12), NumberAnswer(value=12, unit="cafés"), "right", 1),
        (NumberAnswer(value=12, unit="cafés"), NumberAnswer(value=12, unit="places"), "right", 1),
        (NumberAnswer(value=0), NumberAnswer(value=1), "wrong", 0),
        (NumberAnswer(value=90, unit="min"), NumberAnswer(value=1.5, unit="hours"), "right", 1),
        (DurationAnswer(value_s=600, abs_tol_s=60), DurationAnswer(value_s=660), "right", 1),
        (DurationAnswer(value_s=600, abs_tol_s=60), DurationAnswer(value_s=960), "wrong", 1 / 2),
        (DistanceAnswer(value_m=1000, rel_tol=0.05), DistanceAnswer(value_m=1050), "right", 1),
        (DistanceAnswer(value_m=1000, rel_tol=0.05), DistanceAnswer(value_m=5000), "wrong", 0),
        (TimeAnswer(value="23:50", abs_tol_s=600), TimeAnswer(value="00:00"), "right", 1),
        (TimeAnswer(value="10:00"), TimeAnswer(value="10:30"), "wrong", 1 / 2),
        (TimeAnswer(value="2026-01-31T10:00"), TimeAnswer(value="10:00"), "wrong", 0),
        (PlaceAnswer(pid="osm:n1", name="Mole"), PlaceAnswer(name="the mole"), "right", 1),
        (PlaceAnswer(pid="osm:n1", name="Mole"), PlaceAnswer(pid="osm:n2", name="Mole"), "wrong", 0),
        (PointAnswer(lat=0, lon=0, max_m=111_200), PointAnswer(lat=0, lon=1), "right", 1),
        (PointAnswer(lat=0, lon=0, max_m=111_200), PointAnswer(lat=0, lon=2), "wrong", 1 / 2),
        (OrderedListAnswer(items=("a1", "b1", "c1")), OrderedListAnswer(items=("A1", "B1", "C1")), "right", 1),
        (OrderedListAnswer(items=("a1", "b1", "c1")), OrderedListAnswer(items=("b1", "a1", "c1")), "wrong", 2 / 3),
        (OrderedListAnswer(items=("a1", "b1")), OrderedListAnswer(items=("a1", "x1", "b1", "y1")), "wrong", 1 / 2),
        (SetAnswer(items=("a1", "b1")), SetAnswer(items=("b1", "A1")), "right", 1),
        (SetAnswer(items=("a1", "b1")), SetAnswer(items=("b1", "c1")), "wrong", 1 / 3),
        (SetAnswer(items=("Salt and Sons", "Mole")), SetAnswer(items=("Mole", "Salt", "Sons")), "right", 1),
        (OrderedListAnswer(items=("Ox, Inn", "Mole")), OrderedListAnswer(items=("Ox", "Inn", "Mole")), "right", 1),
        (SetAnswer(items=("Salt", "Salt and Sons", "Sons")), SetAnswer(items=("Salt", "Sons")), "wrong", 2 / 3),
        (TextAnswer(value="Harbour St", aliases=("Quay",)), TextAnswer(value="the quay!"), "right", 1),
    ],
)
def test_values_are_right_within_tolerance_and_else_as_near_as_they_are(gold, said, verdict, partial) -> None:
    judged = judge(open_item(gold=gold), opened(said))
    assert judged.verdict == verdict
    assert judged.partial == pytest.approx(partial, abs=1e-4)


def test_what_was_answered_before_a_limit_counts_and_nothing_counts_after_a_failure() -> None:
    of = item(gold=("B",))
    assert judge(of, None, stopped="limit", why="25 calls were made").verdict == "limit"
    judged = judge(of, keys("B"), stopped="limit", why="25 calls were made")
    assert (judged.verdict, judged.detail) == ("right", "B is right; then 25 calls were made")
    for answer in (None, keys("B")):
        failed = judge(of, answer, stopped="error", why="the server hung")
        assert (failed.verdict, failed.score, failed.given, failed.detail) == ("error", 0, None, "the server hung")


def test_an_item_without_a_gold_answer_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="question 7 has no gold answer"):
        judge(item(7, gold=()), keys("A"))


@given(
    num=st.integers(2, 8),
    gold=st.sets(st.sampled_from("ABCDEFGH"), min_size=1),
    said=st.sets(st.sampled_from("ABCDEFGH"), min_size=1),
)
@settings(max_examples=50)
def test_sets_of_options_score_by_equality_and_in_part_by_jaccard(num, gold, said) -> None:
    known = set("ABCDEFGH"[:num])
    gold, said = (gold & known) or {"A"}, (said & known) or {"B"}
    of = item(type="multiple_choice", options=tuple(f"Café {n}" for n in range(num)), gold=tuple(sorted(gold)))
    judged = judge(of, keys(*sorted(said)))
    assert judged.score == (gold == said)
    in_both = sum(key in gold and key in said for key in known)
    in_either = sum(key in gold or key in said for key in known)
    assert judged.partial == pytest.approx(in_both / in_either)
