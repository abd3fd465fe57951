"""Questions: answers recomputed from the town itself, options that are apart, replies that quote the context."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from opening_hours import OpeningHours, State

from annotator.cache.json_text import canonical
from annotator.contexts.words import clean, distance
from annotator.demo.questions.compose import Composer
from annotator.demo.questions.landmarks import Landmarks
from annotator.demo.questions.scene import Scene
from annotator.demo.questions.town import OpenTown
from annotator.demo.questions.writers import write_questions
from annotator.demo.questions.writers.form import formed
from annotator.demo.questions.writers.instructions import INSTRUCTIONS, TOOL_INSTRUCTIONS
from annotator.demo.questions.writers.question import Question
from annotator.demo.questions.writers.tools import MAX_CHARACTERS, tool_questions
from annotator.demo.stream import Stream
from annotator.geo import haversine_m
from annotator.maps.params import PARAMS
from annotator.pointers import look_up

type Asked = tuple[Scene, Question, dict[str, Any]]


def _written(scene: Scene, name: str) -> list[Asked]:
    stream = Stream(5, name)
    questions = [question for question in write_questions(scene, stream, 60) if isinstance(question, Question)]
    return [(scene, question, formed(question, stream, f"q{n}", scene)) for n, question in enumerate(questions)]


@pytest.fixture(scope="module")
def scenes(town: OpenTown) -> list[Scene]:
    """Contexts of several lengths."""
    composer = Composer(town)
    return [composer.compose(f"writers {number}", (700, 2500)).scene for number in range(18)]


@pytest.fixture(scope="module")
def questions(scenes: list[Scene]) -> list[Asked]:
    """Questions about all of them."""
    return [asked for number, scene in enumerate(scenes) for asked in _written(scene, str(number))]


@pytest.fixture(scope="module")
def places(town: OpenTown) -> dict[str, Mapping[str, Any]]:
    """Every place whose name is its own, as the town tells of it."""
    found = Landmarks(town, "en").places
    names = Counter(clean(place["name"]) for place in found)
    return {clean(place["name"]): place for place in found if names[clean(place["name"])] == 1}


@pytest.fixture(scope="module")
def names(town: OpenTown) -> set[str]:
    """Names of all places, in every language of contexts."""
    languages = {*town.summary.languages, "en"}
    return {clean(place["name"]) for language in languages for place in Landmarks(town, language).places}


def _options(form: Mapping[str, Any]) -> dict[str, str]:
    lines = form["ask"].split("\n")[1:-1]
    return {line[0]: line.partition(". ")[2] for line in lines}


def _right(form: Mapping[str, Any]) -> set[str]:
    return {_options(form)[key] for key in form["answer"]["keys"]}


def _words(text: str) -> Iterator[str]:
    yield from (word.casefold() for word in re.findall(r"[^\s;:,()“”]+", text))


def test_every_type_category_skill_and_wording_occurs(questions: list[Asked]) -> None:
    seen = {key: {form[key] for _, _, form in questions} for key in ("type", "category", "skill", "wording")}
    assert seen["type"] == {"yes_no", "single_choice", "multiple_choice", "open_ended", "unanswerable"}
    assert seen["category"] == {"poi", "nearby", "routing", "trip"}
    assert seen["skill"] >= {"place_fact", "nearby", "comparison", "route", "plan", "opening_hours", "count"}
    assert seen["wording"] == {"verbatim", "paraphrase"}
    kinds = {question.kind.partition("/")[0] for _, question, _ in questions}
    assert kinds >= {
        "fact",
        "distance",
        "travel_time",
        "route_time",
        "table_time",
        "hours",
        "journey",
        "line",
        "detour",
    }


def test_every_context_gives_as_many_questions_as_asked_for_and_none_twice(questions: list[Asked]) -> None:
    bodies = Counter((id(scene), question.body) for scene, question, _ in questions)
    assert max(bodies.values()) == 1
    assert min(Counter(id(scene) for scene, _, _ in questions).values()) >= 24


def test_replies_say_what_the_context_writes(questions: list[Asked]) -> None:
    for scene, question, form in questions:
        text = set(_words(scene.text))
        said = form["reply"].split("\nAnswer: ")[0] if "\n" in form["reply"] else ""
        # A place may be called by its address, as in "the place at 37 Park Avenue".
        assert set(_words(said.replace("the place at ", ""))) <= text, (question.kind, said)
        assert form["reply"].count("Answer: ") == 1
        assert form["reply"].count("\n") <= 1
        if question.quote:
            assert question.quote in scene.text
            assert 0 < form["position"] <= 1


def test_evidence_is_a_value_of_an_item(questions: list[Asked]) -> None:
    for scene, question, form in questions:
        results = {asked.index: asked.result for asked in scene.asked}
        for proof in form["evidence"]:
            assert look_up(results[proof["item"]], proof["pointer"]) == proof["value"]
        assert bool(form["evidence"]) == (question.type != "unanswerable")
        json.dumps(form)


def test_options_are_apart_and_some_but_not_all_are_right(questions: list[Asked]) -> None:
    for _, question, form in questions:
        options = _options(form)
        assert len(set(map(str.casefold, options.values()))) == len(options)
        assert form["ask"].split("\n")[-1] in INSTRUCTIONS.values()
        if question.type == "unanswerable":
            assert form["answer"] == {"kind": "unanswerable"}
            assert form["reply"] == "Answer: unanswerable"
        elif question.shape in ("yes_no", "single_choice"):
            assert len(form["answer"]["keys"]) == 1
        elif question.shape == "multiple_choice":
            assert 0 < len(form["answer"]["keys"]) < len(options)
        else:
            assert not options
            assert form["answer"]["kind"] in ("text", "number", "list")
            assert form["reply"].endswith(f"Answer: {'; '.join(question.right)}")


def test_the_same_stream_gives_the_same_questions(scenes: list[Scene]) -> None:
    first, again = ([form for _, _, form in _written(scenes[0], "same")] for _ in range(2))
    assert first == again
    assert [form["ask"] for _, _, form in _written(scenes[0], "other")] != [form["ask"] for form in first]


LEAST = ("least far", "nearest", "nearer", "closest", "closer", "less far", "least distant", "less distant", "shorter")


def test_nearest_and_farthest_are_so_on_the_globe(
    questions: list[Asked], places: Mapping[str, Mapping[str, Any]]
) -> None:
    checked = 0
    for _, question, form in questions:
        names = set(_options(form).values())
        anchor = _longest(name for name in places.keys() - names if name in question.body)
        if question.kind != "distance/extreme_choice" or question.type == "unanswerable":
            continue
        if not anchor or not names <= places.keys():
            continue
        metres = {name: haversine_m(_at(places[anchor]), _at(places[name])) for name in names}
        is_least = any(word in question.body for word in LEAST)
        assert _right(form) == {(min if is_least else max)(metres, key=lambda name: metres[name])}
        checked += 1
    assert checked > 1


def test_who_is_nearer_is_so_on_the_globe(questions: list[Asked], places: Mapping[str, Mapping[str, Any]]) -> None:
    checked = 0
    for _, question, form in questions:
        if question.kind != "distance/compared_yes_no" or question.type == "unanswerable":
            continue
        before, _, after = question.body.partition(" than ")
        second = _longest(name for name in places if after.startswith(name))
        found = sorted((before.find(name), -len(name), name) for name in places if name in before and name != second)
        if not second or len(found) < 2:
            continue
        first, anchor = found[0][2], _longest(name for name in places if before.endswith(name))
        if not anchor or anchor == first:
            continue
        near, far = (haversine_m(_at(places[anchor]), _at(places[name])) for name in (first, second))
        is_less = any(word in before for word in LEAST)
        assert _right(form) == {"Yes" if (near < far) == is_less else "No"}, question.body
        checked += 1
    assert checked > 3


def test_counts_are_those_of_the_lines_of_the_text(questions: list[Asked]) -> None:
    group = re.compile(r"the ((?:(?! the ).)+?) listed within ([\d.]+ k?m) of ")
    checked = 0
    for scene, question, form in questions:
        found = group.search(question.body)
        counting = ("distance/count", "distance/count_choice", "distance/names_within")
        if question.kind not in counting or question.type == "unanswerable" or found is None:
            continue
        rest = f"{question.body[: found.start()]} {question.body[found.end() :]}"
        limit = re.search(r"([\d.]+ k?m)\b", rest)
        assert limit
        metres = [_metres(said) for said in _rows_of(scene.text, found[1], found[2], rest)]
        within = sum(value <= _metres(limit[1]) for value in metres)
        right = form["answer"]
        if right["kind"] == "list":
            assert len(right["items"]) == within
        elif right["kind"] == "options":
            assert _right(form) == {str(within)}
        else:
            assert right["value"] == within
        checked += 1
    assert checked > 1


def _rows_of(text: str, kinds: str, radius: str, rest: str) -> list[str]:
    """Distances in the one list that a question can mean."""
    for part in text.split("\n\n"):
        for number, line in enumerate(lines := part.split("\n")):
            start = re.match(rf"{re.escape(kinds)} within {re.escape(radius)} of (.+?), ", line, re.IGNORECASE)
            if start and start[1] in rest:
                rows = lines[number + 1 :]
                return [away[1] for row in rows if (away := re.search(r"; ([\d.]+ k?m) away", row))]
    raise AssertionError(f"no list of {kinds}")


def test_open_is_what_the_hours_say_on_a_plain_week(
    questions: list[Asked], places: Mapping[str, Mapping[str, Any]]
) -> None:
    moment = re.compile(r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday")
    checked = 0
    for _, question, form in questions:
        if not question.kind.startswith("hours/open_") or question.type == "unanswerable":
            continue
        day, clock = moment.search(question.body), re.search(r"\d\d:\d\d", question.body)
        assert day
        assert clock
        is_asked_open = " open " in question.body
        if question.shape == "yes_no":
            name = _longest(name for name in places if name in question.body)
            if name and "opening_hours" in places[name]:
                is_so = _is_open(places[name], day[0], clock[0]) == is_asked_open
                assert _right(form) == {"Yes" if is_so else "No"}
                checked += 1
        elif (names := set(_options(form).values())) <= places.keys():
            wanted = {name for name in names if _is_open(places[name], day[0], clock[0]) == is_asked_open}
            assert _right(form) == wanted
            checked += 1
    assert checked > 1


def _longest(names: Iterable[str]) -> str:
    """The name that the others are part of, if one name holds another."""
    return max(names, key=len, default="")


def test_what_cannot_be_answered_is_not_in_the_text(
    questions: list[Asked], places: Mapping[str, Mapping[str, Any]], names: set[str]
) -> None:
    fact = re.compile(r"Question: What (?:is|are) the (phone|street|address|coordinates) of (.+)\?")
    distance_of = re.compile(r"Question: How many m away from (.+) is (.+)\?")
    checked = 0
    for scene, question, form in questions:
        if question.type != "unanswerable":
            continue
        body = form["ask"].split("\n")[0]
        if found := fact.match(body):
            lines = [line for line in scene.text.split("\n") if found[2] in line]
            place = places.get(found[2])
            if place is not None:
                value = {"coordinates": f"{place['lat']:.5f}", "phone": place.get("phone", "\0")}.get(found[1], "\0")
                assert not any(value in line for line in lines)
                checked += 1
        elif found := distance_of.match(body):
            assert found[1] not in scene.text or found[2] not in scene.text
            checked += 1
        elif question.kind.startswith(("distance/", "table_")):
            told = {name for name in names if name in body or name in _options(form).values()}
            assert any(name not in scene.text for name in told) or "(" in body
            checked += 1
    assert checked > 5


def test_no_letter_and_no_answer_is_right_more_often(questions: list[Asked]) -> None:
    letters = Counter(
        form["answer"]["keys"][0] for _, q, form in questions if q.type == "single_choice" and len(_options(form)) == 4
    )
    assert all(0.1 < letters[letter] / letters.total() < 0.45 for letter in "ABCD")
    yes = Counter(form["answer"]["keys"][0] for _, question, form in questions if question.type == "yes_no")
    assert 0.35 < yes["A"] / yes.total() < 0.65
    absent = sum(question.type == "unanswerable" for _, question, _ in questions)
    assert 0.05 < absent / len(questions) < 0.2


def test_tool_calls_are_canonical_and_answer_the_question(town: OpenTown, scenes: list[Scene]) -> None:
    stream = Stream(9, "tools")
    written = tool_questions(town, stream, 40)
    assert {question.kind for question in written} >= {"tools/fact", "tools/nearest", "tools/route", "tools/is_open"}
    for question in written:
        form = formed(question, stream, "q", scenes[0])
        assert form["ask"].split("\n")[-1] in TOOL_INSTRUCTIONS.values()
        assert 1 <= len(form["calls"]) <= 2
        for call in form["calls"]:
            # Leaving defaults out changes nothing.
            params, result = town.answer(call["name"], call["arguments"])
            parsed = PARAMS[call["name"]].model_validate(call["arguments"])
            assert json.loads(canonical(parsed.canonical())) == params
            assert len(call["content"]) <= MAX_CHARACTERS
            assert json.loads(call["content"])["kind"] == result["kind"]
        told = "".join(call["content"] for call in form["calls"])
        if form["answer"]["kind"] == "text" and question.kind == "tools/fact":
            assert form["answer"]["accepted"][0] in told
        if form["answer"]["kind"] == "number" and form["answer"]["unit"] == "m":
            assert f":{form['answer']['value']:g}"[:4] in told
        if form["answer"]["kind"] == "unanswerable":
            assert form["reply"] == "Answer: unanswerable"


def test_tool_questions_of_hours_follow_from_the_state(town: OpenTown, scenes: list[Scene]) -> None:
    stream = Stream(10, "hours")
    yes_no = [question for question in tool_questions(town, stream, 120) if question.type == "yes_no"]
    for question in yes_no:
        state = json.loads(question.calls[-1]["content"])["state"]
        assert question.right == ("Yes" if state == "open" else "No",)
    assert {question.right for question in yes_no} == {("Yes",), ("No",)}


def _at(place: Mapping[str, Any]) -> tuple[float, float]:
    return place["lat"], place["lon"]


def _metres(words: str) -> float:
    number, unit = words.split()
    return float(number) * (1000 if unit == "km" else 1)


def _is_open(place: Mapping[str, Any], day: str, clock: str) -> bool:
    """Asked of the library itself, in a week of June."""
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    moment = datetime.fromisoformat(f"2026-06-{15 + days.index(day)}T{clock}")
    return OpeningHours(place["opening_hours"]["raw"]).state(moment)[0] == State.OPEN


def test_metres_are_read_as_they_are_written() -> None:
    assert [_metres(distance(value)) for value in (85.0, 1230.0)] == [85, 1230]
