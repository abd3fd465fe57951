"""What pages say of two runs: whether a difference can be seen, in words, and what each run is called."""

from annotator.evaluate.compare import compare
from annotator.web.pages.evaluation_pairs import against, by_category, differing_items, names_of, told_pairs
from tests.annotator.evaluate.scoring.made import facts, item, run_of

ITEMS = [
    item(number, context=f"c{number % 8}", category="poi" if number <= 20 else "routing") for number in range(1, 41)
]
NAMES = {"a": "tiny:full", "b": "tiny:duo"}


def words_of(first: str, second: str) -> tuple[bool, str]:
    """What is said of two runs with these verdicts."""
    told = told_pairs(compare([run_of(ITEMS, first, "a"), run_of(ITEMS, second, "b")]), NAMES)[0]
    return told.is_seen, told.words


def test_a_difference_that_shows_names_the_better_run_whichever_stands_first() -> None:
    good, bad = "r" * 40, "r" * 28 + "w" * 12
    expected = (
        "tiny:full is right on 30.0 points more of the questions than tiny:duo; chance alone would rarely do this."
    )
    assert words_of(good, bad) == (True, expected)
    assert words_of(bad, good)[1].startswith("tiny:duo is right on 30.0 points more")


def test_what_the_sample_cannot_see_is_said_to_be_unseen_and_why() -> None:
    assert words_of("r" * 40, "r" * 40) == (
        False,
        "Both are right on the same questions, so there is no difference to see.",
    )
    is_seen, words = words_of("r" * 40, "r" * 38 + "ww")
    assert not is_seen
    assert "they disagree on 2 of 40 questions, and so few cannot show a difference of any size" in words
    is_seen, words = words_of("r" * 28 + "w" * 12, "r" * 20 + "w" * 8 + "r" * 9 + "w" * 3)
    assert not is_seen
    assert words.startswith("Too small to see: with these 40 questions a difference shows from ")


def test_runs_are_called_by_their_model_and_by_more_only_where_that_is_not_enough() -> None:
    def called(*runs: dict[str, str]) -> list[str]:
        return list(names_of([facts(f"run{at:06}", **run) for at, run in enumerate(runs)]).values())

    full, duo = {"model": "m:full", "variant": "full"}, {"model": "m:duo", "variant": "duo"}
    assert called(full, duo) == ["full", "duo"]
    assert called(full, {"model": "other:duo", "variant": "duo"}) == ["m:full", "other:duo"]
    assert called({"model": "m", "mode": "tools"}, {"model": "m"}) == ["m, tools", "m, text context"]
    assert called({"model": "m", "name": "first"}, {"model": "m", "name": "second"}) == ["m (first)", "m (second)"]
    assert called({"model": "m", "name": "x"}, {"model": "m", "name": "x"}) == ["m (x) (000000)", "m (x) (000001)"]


def test_categories_are_compared_alone_and_their_p_values_hold_together() -> None:
    first, second = run_of(ITEMS, "r" * 40, "a"), run_of(ITEMS, "r" * 20 + "w" * 12 + "r" * 8, "b")
    poi, routing = by_category([first, second])
    assert (poi.name, poi.num, poi.pair.difference, poi.is_seen) == ("poi", 20, 0, False)
    assert (routing.name, routing.pair.only_a, routing.is_seen) == ("routing", 12, True)
    assert routing.p == 2 * routing.pair.p
    three = by_category([first, second, run_of(ITEMS, "w" * 40, "c")])
    assert [(one.pair, len(one.rows)) for one in three] == [(None, 3), (None, 3)]


def test_variants_are_each_held_to_the_baseline_and_corrected_together() -> None:
    baseline = run_of(ITEMS, "r" * 40, "a")
    worse = [run_of(ITEMS, "r" * (40 - num) + "w" * num, f"b{num}") for num in (6, 12)]
    pairs = against(baseline, worse)
    assert {pair.a for pair in pairs.values()} == {"a"}
    assert pairs["b12"].p_holm == 2 * pairs["b12"].p
    assert pairs["b6"].p_holm == pairs["b6"].p < 0.05


def test_answers_to_differing_questions_are_told_only_where_the_questions_are_given() -> None:
    runs = [run_of(ITEMS, "r" * 40, "a"), run_of(ITEMS, "wi" + "r" * 38, "b")]
    differing = compare(runs).differing
    frozen = {one.id: one for one in ITEMS}
    first, second = differing_items(differing, runs, frozen)
    assert (first.gold, first.answers["a"].words, first.answers["b"].words) == ("Mole", "Mole", "Café Lumen")
    assert (second.answers["b"].verdict, second.answers["b"].words) == ("invalid", "")
    hidden = differing_items(differing, runs, {})[0]
    assert (hidden.question, hidden.gold, hidden.answers["a"].words) == (None, None, "")
