"""Opening hours, numbers and kinds in words, and the estimate of tokens."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from annotator.contexts.opening_words import opening_words
from annotator.contexts.seen import Seen
from annotator.contexts.summary import summarise
from annotator.contexts.tokens import estimate
from annotator.contexts.words import clean, distance, duration, kind_names, listed, position
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import PARAMS
from annotator.maps.results import OpeningHours
from annotator.paths import TOWN
from annotator.web.tools import EXAMPLES


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("24/7", "always open (24/7)"),
        ("Mo-Su 00:00-24:00", "always open (Mo-Su 00:00-24:00)"),
        ("Mo-Fr 09:00-18:00", "Monday to Friday 09:00 to 18:00 (Mo-Fr 09:00-18:00)"),
        (
            "Mo,We 9:00-12:00,14:00-18:00; Sa off; PH closed",
            "Monday and Wednesday 09:00 to 12:00 and 14:00 to 18:00; closed on Saturday; closed on public holidays "
            "(Mo,We 9:00-12:00,14:00-18:00; Sa off; PH closed)",
        ),
        ("10:00-22:00", "every day 10:00 to 22:00 (10:00-22:00)"),
        ("Mo-Su,PH 10:00-22:00", "Monday to Sunday and public holidays 10:00 to 22:00 (Mo-Su,PH 10:00-22:00)"),
        ("Fr-Sa 18:00-02:00+", "Friday to Saturday 18:00 to 02:00 or later (Fr-Sa 18:00-02:00+)"),
        # Half a translation would be wrong, so these stay as they are.
        ("Apr-Oct Mo-Fr 09:00-18:00", "Apr-Oct Mo-Fr 09:00-18:00"),
        ("Mo-Fr sunrise-sunset", "Mo-Fr sunrise-sunset"),
        ('Mo-Fr 09:00-18:00 "by appointment"', 'Mo-Fr 09:00-18:00 "by appointment"'),
        ("Mo[1] 09:00-18:00", "Mo[1] 09:00-18:00"),
        ("Mo-Fr", "Mo-Fr"),
        ("Mo Tu 09:00-18:00", "Mo Tu 09:00-18:00"),
        ("off", "off"),
    ],
)
def test_opening_hours_are_put_into_words_or_left_as_they_are(raw, words):
    assert opening_words(OpeningHours(raw=raw)) == words


def test_a_provider_s_own_lines_stand_for_themselves():
    assert (
        opening_words(OpeningHours(weekdays=("Monday: 9 AM", " ", "Tuesday:  closed")))
        == "Monday: 9 AM; Tuesday: closed"
    )


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_opening_hours_keep_what_was_written(raw):
    words = opening_words(OpeningHours(raw=raw))
    assert clean(raw) in words
    assert len(words.splitlines()) <= 1


@pytest.mark.parametrize(
    ("metres", "words"),
    [
        (0, "0 m"),
        (85.4, "85 m"),
        (999.4, "999 m"),
        (999.5, "1 km"),
        (1230, "1.23 km"),
        (9996, "10 km"),
        (12_340, "12.3 km"),
        (100_000, "100 km"),
        (1_200_000, "1200 km"),
    ],
)
def test_distances_are_told_to_three_digits(metres, words):
    assert distance(metres) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3569, "59 min"), (3570, "1 h"), (3900, "1 h 5 min")],
)
def test_durations_are_told_to_the_minute(seconds, words):
    assert duration(seconds) == words


@given(st.floats(0, 10**7))
def test_a_distance_is_told_within_half_of_its_last_digit(metres):
    number, unit = distance(metres).split(" ")
    told = float(number) * (1000 if unit == "km" else 1)
    assert abs(told - metres) <= max(0.5, metres * 0.0051)


def test_positions_lists_and_kinds_read_well():
    assert position(-0.000001, 7.5) == "0, 7.5"
    assert [listed(["a", "b", "c"][:number]) for number in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [kind_names(key) for key in ("pharmacy", "church", "atm", "bus_stop", "place_of_worship", "beach")] == [
        "Pharmacies",
        "Churches",
        "ATMs",
        "Bus stops",
        "Places of worship",
        "Beaches",
    ]
    assert all(kind_names(key)[0].isupper() for key in CATEGORIES)


def test_every_tool_s_call_is_summed_up_in_one_line():
    for tool, model in PARAMS.items():
        words = summarise(tool, model.model_validate(EXAMPLES[tool]).canonical())
        assert 0 < len(words) < 200
        assert "{" not in words


def test_pointers_hide_the_innermost_row_around_them():
    result = {"routes": [{"legs": [{"steps": [1, 2]}, {"steps": [3]}]}, {"legs": []}], "kind": "routes"}
    assert Seen(result, ["/routes/0/legs/0/steps/1"]).pruned()["routes"][0]["legs"][0]["steps"] == [1]
    assert Seen(result, ["/routes/0/legs/1/steps"]).pruned()["routes"][0]["legs"] == [{"steps": [1, 2]}]
    assert Seen(result, ["/routes/1/legs"]).pruned()["routes"] == [result["routes"][0]]
    assert Seen(result, ["/kind"]).is_empty
    untouched = Seen(result, ["/routes/7", "/nothing/here", "/routes/x"])
    assert untouched.pruned() == result
    assert not untouched.is_partial


@pytest.mark.parametrize(
    ("tokenizer", "low", "high"),
    [("server", 1.5, 2.0), ("stories260K", 2.1, 3.0)],
)
def test_the_estimate_is_as_far_from_real_tokenizers_as_is_said(shared_data, tokenizer, low, high):
    folder = (
        TOWN.parents[2] / "server" / "assets" / "model" if tokenizer == "server" else shared_data / "models" / tokenizer
    )
    real = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = json.loads((shared_data / "mapeval" / "textual.json").read_text())
    contexts = sorted({row["context"] for row in rows})[::5]
    ratios = sorted(len(real.encode(text).ids) / estimate(text) for text in contexts)
    middle = ratios[len(ratios) // 10 : -len(ratios) // 10]
    assert low < middle[0]
    assert middle[-1] < high


@given(st.text(max_size=300))
def test_an_estimate_never_exceeds_the_characters_and_grows_with_the_text(text):
    assert 0 <= estimate(text) <= len(text)
    assert estimate(text + " word") >= estimate(text)
