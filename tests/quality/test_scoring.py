"""The judge of replies: what the contract of map questions says, and nothing that merely looks like an answer."""

import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.quality.scoring import edit_distance, edit_similarity, number_in, option_letters, score

OPTIONS = {"kind": "options", "keys": ["A", "C"]}
METRES = {"kind": "number", "value": 1303.0, "abs_tol": 1.0, "unit": "m"}
SECONDS = {"kind": "number", "value": 4800.0, "abs_tol": 30.0, "unit": "s"}
COUNT = {"kind": "number", "value": 3.0, "abs_tol": 0.0, "unit": ""}
PHONE = {"kind": "text", "accepted": ["+1 506 555 0629", "(506) 555-0629."]}
STOPS = {"kind": "list", "items": ["Kaffa & Fils", "Early Bird", "Town Hall"], "is_ordered": True}
NOTHING = {"kind": "unanswerable"}


@pytest.mark.parametrize(
    ("answer", "reply", "verdict"),
    [
        (OPTIONS, "Kaffa & Fils: 36 m away\nAnswer: A, C", "right"),
        (OPTIONS, "Answer: c and a.", "right"),
        (OPTIONS, "answer: (A); (C)", "right"),
        (OPTIONS, "Answer: A", "wrong"),
        (OPTIONS, "Answer: A, B, C", "wrong"),
        (OPTIONS, "Answer: A or C", "wrong"),
        (OPTIONS, "A, C", "invalid"),
        (OPTIONS, "", "invalid"),
        (OPTIONS, "Answer:  \n", "invalid"),
        (OPTIONS, "Answer: A, C\nAnswer: B", "wrong"),
        (OPTIONS, "Answer: A, C\nQuestion: and what of B?", "right"),
        (OPTIONS, "Answer:\nA, C", "right"),
        (OPTIONS, "Answer: unanswerable", "abstained"),
        ({"kind": "options", "keys": ["B"]}, "Answer: B. No", "right"),
        ({"kind": "options", "keys": ["A"]}, "Answer: A café near the station", "wrong"),
        (PHONE, "Answer: +1  506 555 0629.", "right"),
        (PHONE, "Answer: (506) 555-0629", "right"),
        (PHONE, "Answer: call +1 506 555 0629", "wrong"),
        (METRES, "Answer: 1,303 m", "right"),
        (METRES, "Answer: about 1.3 km", "wrong"),
        (METRES | {"abs_tol": 3.0}, "Answer: about 1.3 km.", "right"),
        (METRES, "Answer: 1303", "right"),
        (METRES, "Answer: 1303 s", "wrong"),
        (METRES, "Answer: far", "wrong"),
        (SECONDS, "Answer: 1 h 20 min", "right"),
        (SECONDS, "Answer: 1h20min", "right"),
        (SECONDS, "Answer: 80 minutes", "right"),
        (SECONDS, "Answer: 20 min 1 h", "wrong"),
        (SECONDS, "Answer: 1.3 hours", "wrong"),
        (COUNT, "Answer: 3 museums", "right"),
        (COUNT, "Answer: 3 m", "wrong"),
        (COUNT, "Answer: -3", "wrong"),
        (COUNT, "Answer: 3.5", "wrong"),
        (STOPS, "Answer: kaffa & fils; Early Bird ;Town  hall.", "right"),
        (STOPS, "Answer: Early Bird; Kaffa & Fils; Town Hall", "wrong"),
        (STOPS | {"is_ordered": False}, "Answer: Early Bird; Kaffa & Fils; Town Hall", "right"),
        (STOPS | {"is_ordered": False}, "Answer: Early Bird; Early Bird; Town Hall", "wrong"),
        (NOTHING, "The context does not tell.\nAnswer: Unanswerable.", "right"),
        (NOTHING, "Answer: A", "wrong"),
        (NOTHING, "unanswerable", "invalid"),
    ],
)  # fmt: skip
def test_a_reply_is_judged_by_what_follows_its_last_answer(answer, reply, verdict):
    assert score(answer, reply) == verdict


letters = st.sets(st.sampled_from("ABCDEF"), min_size=1)
words = st.text(st.sampled_from(string.ascii_letters + string.digits + " äÉß-&'"), min_size=1).filter(str.strip)
names = words.filter(lambda text: "answer" not in text.casefold() and "unanswerable" not in text.casefold())


@given(st.text(), letters, letters, st.sampled_from([", ", "; ", " and ", ",", " & "]))
def test_options_are_right_exactly_when_the_sets_are_equal(before, wanted, chosen, joint):
    reply = f"{before}\nAnswer: {joint.join(sorted(chosen, reverse=True))}"
    assert score({"kind": "options", "keys": sorted(wanted)}, reply) == ("right" if wanted == chosen else "wrong")


@given(names, st.sampled_from(["", ".", " ", "!", " ."]), st.sampled_from([str, str.upper, str.title]))
def test_the_accepted_text_itself_is_right_however_it_is_cased_and_ended(text, end, cased):
    assert score({"kind": "text", "accepted": [text]}, f"Answer: {cased(text).casefold()}{end}") == "right"


@given(st.lists(names, min_size=1, unique_by=str.casefold), st.randoms())
def test_a_list_in_another_order_is_right_only_where_order_does_not_count(items, random):
    shuffled = random.sample(items, len(items))
    reply = f"Answer: {'; '.join(shuffled)}"
    assert score({"kind": "list", "items": items, "is_ordered": False}, reply) == "right"
    assert score({"kind": "list", "items": shuffled, "is_ordered": True}, reply) == "right"


@given(st.integers(0, 10**7), st.sampled_from([("m", "m", 1), ("km", "m", 1000), ("s", "s", 1), ("min", "s", 60)]))
def test_numbers_are_read_in_any_unit_of_their_kind(value, unit):
    written, base, factor = unit
    assert number_in(f"It is {value:,} {written}.", base) == value * factor
    assert number_in(f"{value}", base) == value
    assert number_in(f"{value} {written}", "s" if base == "m" else "m") is None


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_durations_of_several_parts_are_one_number(hours, minutes, seconds):
    assert number_in(f"{hours} h {minutes} min {seconds} s", "s") == 3600 * hours + 60 * minutes + seconds


@given(st.text())
def test_no_text_makes_the_judge_fail(reply):
    for answer in (OPTIONS, METRES, SECONDS, COUNT, PHONE, STOPS, NOTHING):
        assert score(answer, reply) in ("right", "wrong", "invalid", "abstained")
        assert score(answer, f"Answer: {reply}") in ("right", "wrong", "invalid", "abstained")
    assert option_letters(reply) <= set(string.ascii_uppercase)


def test_an_answer_of_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="essay"):
        score({"kind": "essay"}, "Answer: yes")


def slow_distance(first: str, second: str) -> int:
    """The table as every textbook fills it."""
    row = list(range(len(second) + 1))
    for i, left in enumerate(first, 1):
        above, row = row, [i]
        for j, right in enumerate(second, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right)))
    return row[-1]


@given(st.text("abc", max_size=80), st.text("abc", max_size=80))
def test_edit_distances_are_those_of_the_full_table(first, second):
    assert edit_distance(first, second) == slow_distance(first, second)
    assert 0 <= edit_similarity(first, second) <= 1
    assert (edit_similarity(first, second) == 1) == (first == second)


def test_scoring_imports_nothing_but_the_standard_library():
    code = (
        "import sys; before = {*sys.modules}; import server.quality.scoring; "
        "print(*{name.partition('.')[0] for name in {*sys.modules} - before})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) - {"server"} <= sys.stdlib_module_names
