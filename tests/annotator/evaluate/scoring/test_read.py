"""Replies are read where they answer, and nowhere else."""

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.datasets.exports.answers import CANNOT, answer_texts
from annotator.evaluate.judge import judge
from annotator.evaluate.model import Given, Shown
from annotator.evaluate.read import read_reply, read_submitted
from annotator.evaluate.shown import shown_of
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
from tests.annotator.evaluate.scoring.made import CAFES, item, open_item

ONE = shown_of(item(), offers_abstaining=True)
SEVERAL = shown_of(item(type="multiple_choice", gold=("A", "C")), offers_abstaining=True)
YES_NO = shown_of(item(type="yes_no", gold=("yes",)), offers_abstaining=True)
NUMBERS = shown_of(item(options=("3", "4", "5"), gold=("A",)), offers_abstaining=False)
TWINS = shown_of(item(options=("Mole", "The Mole", "Quay")), offers_abstaining=False)
NUMBERED = shown_of(item(), offers_abstaining=True, labels="numbers")
NAMES = ("Xi", "Psi", "Rho", "Tau", "Phi", "Eta", "Mu", "Nu")
SENTENCE = "It lies, as far as the context says, and it says little, in Harbour Street beside the old mole."


def said(shown: Shown, reply: str) -> object:
    """Keys, `abstains`, a bare open answer, or None."""
    found = read_reply(shown, reply)
    if found is None or found.abstains:
        return None if found is None else "abstains"
    return found.option_keys if found.open is None else found.open


@pytest.mark.parametrize(
    ("shown", "reply", "wanted"),
    [
        (ONE, "B", ("B",)),
        (ONE, "mole", ("B",)),
        (ONE, "2", ("B",)),
        (ONE, "(b).", ("B",)),
        (ONE, "B. Mole", ("B",)),
        (ONE, "Answer: B", ("B",)),
        (ONE, "First A seems near.\n**Final answer:** **C**\n", ("C",)),
        (ONE, "Answer:\n\nThe Anchor", ("C",)),
        (ONE, "Answer: B. It is nearest.", ("B",)),
        (ONE, "Answer: A\nNo, wait.\nAnswer: D", ("D",)),
        (ONE, "so ^^3^^", ("C",)),
        (ONE, r"Answer: \boxed{C}", ("C",)),
        (ONE, '{"answer": "C", "why": "near"}', ("C",)),
        (ONE, '{"answer": 3}', ("C",)),
        (ONE, 'I see {a}.\n```json\n{"why": "}", "answer": ["C"]}\n```\nDone.', ("C",)),
        (ONE, '{"answer": "A"} or rather {"answer": "B"}', ("B",)),
        (ONE, '{"answer": "B"}\nAnswer: C', ("B",)),
        (ONE, "<think>Answer: A. Hm.</think>Answer: D", ("D",)),
        (ONE, "<think>Answer: A", None),
        (ONE, "I count 2 cafés, so the nearest is 1 street away.", None),
        (ONE, "Mole is nearest", None),
        (ONE, "A café is nearest", None),
        (ONE, "Answer: a café", None),
        (ONE, "Answer: A or B", None),
        (ONE, "Answer: A, B", None),
        (ONE, "Answer: B. The Anchor", None),
        (ONE, "Answer: F", None),
        (ONE, '["A", "B"]', None),
        (ONE, '{"answer": null}', None),
        (TWINS, "Answer: mole", None),
        (TWINS, "Answer: B", ("B",)),
        (ONE, '{"answer": {"answer": {}}}', None),
        (ONE, "", None),
        (ONE, "E", "abstains"),
        (ONE, f"Answer: {CANNOT}", "abstains"),
        (ONE, "Unanswerable.", "abstains"),
        (ONE, '{"answer": "unanswerable"}', "abstains"),
        (ONE, "It may be unanswerable, but: Answer: B", ("B",)),
        (ONE, "I would not call this unanswerable.", None),
        (SEVERAL, "Answer: A, C", ("A", "C")),
        (SEVERAL, "Answer: C and A", ("A", "C")),
        (SEVERAL, "Answer: CA", ("A", "C")),
        (SEVERAL, "Answer:\nA. Café Lumen\nC. The Anchor", ("A", "C")),
        (SEVERAL, "Answer: A. Café Lumen, C. The Anchor", ("A", "C")),
        (SEVERAL, "mole; the anchor", ("B", "C")),
        (SEVERAL, "gull & co", ("D",)),
        (SEVERAL, '["A", "C", "A"]', ("A", "C")),
        (SEVERAL, "Answer: A and E", None),
        (SEVERAL, "Answer: E", "abstains"),
        (YES_NO, "no", ("no",)),
        (YES_NO, "B", ("no",)),
        (YES_NO, '{"answer": true}', ("yes",)),
        (YES_NO, "Answer: False", ("no",)),
        (YES_NO, "Answer: Yes, it is open until ten.", ("yes",)),
        (YES_NO, "Yes and no", None),
        (NUMBERS, "Answer: 4", ("B",)),
        (NUMBERS, "Answer: B", ("B",)),
        (NUMBERS, "Answer: 1", None),
        (NUMBERED, "Option 2: Mole", ("B",)),
        (NUMBERED, "Answer: 0", "abstains"),
    ],
)
def test_options_are_read_where_they_are_the_answer(shown: Shown, reply: str, wanted: object) -> None:
    assert said(shown, reply) == wanted


@pytest.mark.parametrize(
    ("kind", "unit", "reply", "wanted"),
    [
        ("number", "", "Answer: 12 cafés.", NumberAnswer(value=12, unit="cafés")),
        ("number", "km", '{"answer": 3.2}', NumberAnswer(value=3.2, unit="km")),
        ("number", "", "about 1,234.5 m", NumberAnswer(value=1234.5, unit="m")),
        ("number", "", "I saw 12 of them", None),
        ("number", "", "10-15", None),
        ("number", "", '{"answer": 1e999}', None),
        ("duration", "", "Answer: about 1 hour and 20 minutes (by car)", DurationAnswer(value_s=4800)),
        ("duration", "", "PT1H20M", DurationAnswer(value_s=4800)),
        ("duration", "", "1:20 h", DurationAnswer(value_s=4800)),
        ("duration", "min", '{"answer": 80}', DurationAnswer(value_s=4800)),
        ("duration", "", '{"answer": {"value": 80, "unit": "min"}}', DurationAnswer(value_s=4800)),
        ("duration", "", "Answer: 80", None),
        ("duration", "", "20 min 1 h", None),
        ("distance", "", "Answer: 1.2 km", DistanceAnswer(value_m=1200)),
        ("distance", "", '{"answer": {"value_m": 1200}}', DistanceAnswer(value_m=1200)),
        ("distance", "", "-3 km", None),
        ("time", "", "Answer: 10:30 p.m.", TimeAnswer(value="22:30")),
        ("time", "", "12 am", TimeAnswer(value="00:00")),
        ("time", "", "2026-01-31 9:05", TimeAnswer(value="2026-01-31T09:05")),
        ("time", "", "Answer: 14", None),
        ("time", "", "25:00", None),
        ("place", "", "Answer: Café Lumen (osm:n12)", PlaceAnswer(pid="osm:n12", name="Café Lumen")),
        ("place", "", '{"answer": {"id": "osm:n12"}}', PlaceAnswer(pid="osm:n12")),
        ("point", "", "Answer: (43.73° N, 7.42° W)", PointAnswer(lat=43.73, lon=-7.42)),
        ("point", "", "[43.73, 7.42]", PointAnswer(lat=43.73, lon=7.42)),
        ("point", "", "[143.73, 7.42]", None),
        ("ordered_list", "", "Answer:\n1. Mole\n2. Anchor", OrderedListAnswer(items=("Mole", "Anchor"))),
        ("ordered_list", "", "Mole -> Anchor → Lumen", OrderedListAnswer(items=("Mole", "Anchor", "Lumen"))),
        ("set", "", "Answer: Mole, Anchor and Lumen", SetAnswer(items=("Mole", "Anchor", "Lumen"))),
        ("set", "", "Answer: Mole, Anchor, and Lumen", SetAnswer(items=("Mole", "Anchor", "Lumen"))),
        ("set", "", "Answer: Ox & Inn; Salt and Sons", SetAnswer(items=("Ox & Inn", "Salt and Sons"))),
        ("set", "", '{"answer": ["Mole", {"name": "Anchor"}]}', SetAnswer(items=("Mole", "Anchor"))),
        ("text", "", "Harbour Street", TextAnswer(value="Harbour Street")),
        ("text", "", SENTENCE, None),
        ("text", "", "It lies there.\nHarbour Street.", None),
        (None, "", "Answer: unanswerable", "abstains"),
    ],
)
def test_open_answers_are_read_whole_or_not_at_all(kind, unit: str, reply: str, wanted: object) -> None:
    assert said(Shown(form="open_ended", kind=kind, unit=unit), reply) == wanted


def test_an_option_of_the_items_own_that_says_nothing_is_no_abstention() -> None:
    of = item(options=("Mole", "Cannot be determined"), gold=("B",))
    shown = shown_of(of, offers_abstaining=True)
    assert said(shown, "Answer: cannot be determined") == ("B",)
    assert said(shown, '{"answer": ["Cannot be determined"]}') == ("B",)
    assert said(shown, "Answer: C") == "abstains"


@pytest.mark.parametrize(
    "arguments",
    [{"answer": "B", "evidence_ids": [1]}, '{"answer": "B"}', '"B"', "B", {"answer": ["Mole"]}, {"answer": 2}],
)
def test_what_a_tool_call_submits_is_read(arguments: object) -> None:
    assert read_submitted(ONE, arguments) == Given(option_keys=("B",), how="submit")


@pytest.mark.parametrize("arguments", [None, {}, "", [], {"answer": []}, {"reply": "B"}, {"answer": "I think B"}, 3.5])
def test_nonsense_that_a_tool_call_submits_is_no_answer(arguments: object) -> None:
    assert read_submitted(ONE, arguments) is None


@given(
    num=st.integers(1, 8), right=st.data(), seed=st.integers(-5, 2**40), labels=st.sampled_from(["letters", "numbers"])
)
def test_labels_mean_what_was_shown_whatever_the_order(num, right, seed, labels) -> None:
    key = right.draw(st.sampled_from("ABCDEFGH"[:num]))
    of = item(
        options=tuple(f"Café {name}" for name in ["Xi", "Psi", "Rho", "Tau", "Phi", "Eta", "Mu", "Nu"][:num]),
        gold=(key,),
    )
    shown = shown_of(of, offers_abstaining=True, shuffle_seed=seed, labels=labels)
    assert shown == shown_of(of, offers_abstaining=True, shuffle_seed=seed, labels=labels)
    assert [one.key for one in shown.options].count(None) == 1
    assert shown.options[-1].key is None
    label = next(one.label for one in shown.options if one.key == key)
    for reply in (label, f"Answer: {label}", f"^^{label}^^", json.dumps({"answer": label})):
        assert judge(of, read_reply(shown, reply)).verdict == "right"
    assert judge(of, read_reply(shown, f"Answer: {shown.options[-1].label}")).verdict == "abstained"


def test_one_seed_deals_every_item_its_own_order() -> None:
    orders = {
        tuple(one.key for one in shown_of(item(n), offers_abstaining=True, shuffle_seed=1).options) for n in range(40)
    }
    assert len(orders) > 10


_words = st.lists(
    st.sampled_from(
        ["I", "think", "2", "A", "B", "the", "near", *CAFES, "unanswerable", "1.", "answer", "is", "(C)", "or"]
    ),
    min_size=1,
    max_size=8,
).map(" ".join)


@given(before=_words, after=_words)
def test_nothing_is_picked_out_of_prose(before: str, after: str) -> None:
    for shown in (ONE, YES_NO, NUMBERED, NUMBERS):
        assert read_reply(shown, f"{before} seems right since {after}") is None


_pieces = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        '"',
        "answer",
        ":",
        "Answer:",
        "^^",
        "```",
        "\n",
        " ",
        "A",
        "2",
        ",",
        "<think>",
        "</think>",
        "\\boxed{",
    ]
)


@given(reply=st.one_of(st.text(max_size=60), st.lists(_pieces, max_size=30).map("".join)), shown=st.data())
@settings(max_examples=150)
def test_no_reply_breaks_reading(reply: str, shown) -> None:
    kinds = [None, "text", "number", "duration", "distance", "time", "place", "point", "ordered_list", "set"]
    forms = [ONE, SEVERAL, YES_NO, *(Shown(form="open_ended", kind=kind) for kind in kinds)]
    one = shown.draw(st.sampled_from(forms))
    for found in (read_reply(one, reply), read_submitted(one, reply)):
        assert found is None or Given.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("reply", ["{" * 50_000, '{"a":' * 20_000, "[" * 50_000, "Answer: " * 9_000, "x (b" * 600])
def test_replies_made_to_do_harm_are_no_answers(reply: str) -> None:
    assert read_reply(SEVERAL, reply) is None
    assert read_reply(Shown(form="open_ended", kind="duration"), reply) is None


_names = st.text(string.ascii_letters, min_size=1, max_size=12)
_golds = st.one_of(
    st.builds(NumberAnswer, value=st.integers(-(10**9), 10**9), unit=st.sampled_from(["", "km", "stars"])),
    st.builds(DurationAnswer, value_s=st.integers(0, 10**6), abs_tol_s=st.just(0.0)),
    st.builds(DistanceAnswer, value_m=st.integers(0, 10**7), rel_tol=st.just(0.0)),
    st.times().map(lambda time: TimeAnswer(value=time.strftime("%H:%M"))),
    st.builds(PlaceAnswer, name=_names),
    st.builds(
        PointAnswer, lat=st.integers(-90, 90).map(float), lon=st.integers(-180, 180).map(float), max_m=st.just(1.0)
    ),
    st.builds(OrderedListAnswer, items=st.lists(_names, min_size=2, max_size=5).map(tuple)),
    st.builds(SetAnswer, items=st.lists(_names, min_size=2, max_size=5).map(tuple)),
    st.builds(TextAnswer, value=_names),
)


@given(gold=_golds)
def test_the_words_of_a_gold_answer_are_read_and_right(gold) -> None:
    of = open_item(gold=gold)
    words = answer_texts(gold)[0]
    for reply in (f"Answer: {words}", json.dumps({"answer": words}), f"^^{words}^^", words):
        judged = judge(of, read_reply(shown_of(of, offers_abstaining=True), reply))
        # A word may happen to be `and`, which joins a list.
        assert judged.verdict == "right" or "and" in words.casefold()
