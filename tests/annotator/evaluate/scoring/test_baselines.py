"""What stands beside an accuracy."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.datasets.native import ItemResponses
from annotator.evaluate.baselines import item_baselines, references, sibling
from annotator.evaluate.judge import judge
from annotator.evaluate.model import Given, form_of
from annotator.questions.answers import DistanceAnswer, TextAnswer
from tests.annotator.evaluate.scoring.made import item, open_item, run_of

ABSTAINS = Given(abstains=True, how="json")


def ways_to_answer(of, *, offers_abstaining):
    """Every answer that can be given to a question as it looks."""
    keys = [option.key for option in of.options]
    most = len(keys) if form_of(of) == "multiple_choice" else 1
    found = [
        Given(option_keys=chosen, how="json") for size in range(1, most + 1) for chosen in combinations(keys, size)
    ]
    return found + [ABSTAINS] * offers_abstaining


@given(
    type=st.sampled_from(["yes_no", "single_choice", "multiple_choice", "unanswerable"]),
    num=st.integers(1, 6),
    offers_abstaining=st.booleans(),
)
@settings(max_examples=40)
def test_chance_is_the_share_of_all_ways_to_answer_that_are_right(type, num, offers_abstaining) -> None:
    gold = ("yes",) if type == "yes_no" else ("A",)
    of = item(type=type, options=tuple(f"Café {n}" for n in range(num)), gold=gold)
    ways = ways_to_answer(of, offers_abstaining=offers_abstaining)
    right = sum(judge(of, answer).score for answer in ways)
    chance = item_baselines([of], offers_abstaining=offers_abstaining)[of.id].chance
    assert chance == pytest.approx(right / len(ways))


def test_the_commonest_answer_is_the_best_that_one_answer_a_form_can_do() -> None:
    items = [item(n, gold=(key,)) for n, key in enumerate("AABBBC")]
    items += [item(10 + n, type="yes_no", gold=(key,)) for n, key in enumerate(("yes", "no", "no"))]
    items += [item(20 + n, type="unanswerable") for n in range(2)]
    items += [open_item(30 + n, DistanceAnswer(value_m=value)) for n, value in enumerate((100, 500, 505, 510, 900))]
    items += [open_item(40 + n, TextAnswer(value=value)) for n, value in enumerate(("Mole", "the mole", "Quay"))]
    items += [open_item(50)]
    found = item_baselines(items, offers_abstaining=True)
    right = {name for name, one in found.items() if one.majority}
    assert right == {f"item{n}" for n in (2, 3, 4, 11, 12, 31, 32, 33, 40, 41)}


def test_always_abstaining_is_the_commonest_answer_where_most_cannot_be_answered_and_it_is_offered() -> None:
    items = [item(1, gold=("A",)), *(item(n, type="unanswerable") for n in (2, 3, 4))]
    assert [one.majority for one in item_baselines(items, offers_abstaining=True).values()] == [0, 1, 1, 1]
    assert [one.majority for one in item_baselines(items, offers_abstaining=False).values()] == [1, 0, 0, 0]
    assert [one.chance for one in item_baselines(items, offers_abstaining=False).values()] == [1 / 4, 0, 0, 0]


def test_people_count_by_their_answers_and_items_without_any_say_nothing() -> None:
    items = [
        item(1, responses=ItemResponses(n=3, agreement=2 / 3)),
        item(2, responses=ItemResponses(n=1, agreement=0.0)),
        item(3, responses=ItemResponses(n=2, agreement=None)),
        item(4),
    ]
    found = item_baselines(items, offers_abstaining=True)
    human = next(one for one in references([one.id for one in items], found, {}) if one.name == "human")
    assert (human.share, human.num) == (pytest.approx(2 / 4), 4)
    assert "2 of 4 items" in human.detail
    nobody = next(one for one in references(["item4"], found, {}) if one.name == "human")
    assert (nobody.share, nobody.num) == (None, 0)


def test_the_closed_book_is_the_latest_finished_run_of_the_same_model_over_the_same_items() -> None:
    items = [item(n) for n in range(1, 5)]
    run = run_of(items, "rrrw", "text")
    floor = run_of(items, "rwww", "floor", mode="closed_book", finished_at="2026-01-02T00:00:00Z")
    others = [
        run_of(items, "rrrr", "older", mode="closed_book", finished_at="2026-01-01T00:00:00Z"),
        run_of(items, "rrrr", "going", mode="closed_book", finished_at=None),
        run_of(items, "rrrr", "variant", mode="closed_book", variant="duo", finished_at="2026-01-03T00:00:00Z"),
        run_of(items, "rrrr", "elsewhere", mode="closed_book", manifest_sha="c" * 64),
        run_of(items, "rrrr", "oracle", mode="oracle_evidence"),
    ]
    assert sibling(run.facts, [run, *others, floor], "closed_book") is floor
    assert sibling(floor.facts, [run, floor, *others[1:]], "closed_book") is None
    found = item_baselines(items, offers_abstaining=True)
    shown = {one.name: one for one in references(["item1", "item2"], found, {"closed_book": floor})}
    assert (shown["closed_book"].share, shown["closed_book"].num) == (1 / 2, 2)
    assert shown["oracle_evidence"].share is None
    assert "no finished oracle evidence run" in shown["oracle_evidence"].detail
