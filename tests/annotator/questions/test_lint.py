"""Lint: each rule says what it should and is silent where it should, and a fix does what it promises."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.cache.stored_results import StoredResult
from annotator.contexts.model import ContextContent, Item, View
from annotator.people.projects import ProjectSettings
from annotator.questions.evidence import Mismatch
from annotator.questions.findings import SEVERITIES, Finding
from annotator.questions.lint import RULES, lint
from annotator.questions.model import QuestionContent
from annotator.questions.rules.quantities import UNITS, read_quantity
from annotator.questions.surroundings import Other, Surroundings, surroundings

CALL, ROUTE = "0000000000000000000000CA11", "0000000000000000000000CA12"


def place(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"pid": f"town:n{number}", "name": name, "lat": 45.39, "lon": -65.32 + number / 1000} | more


def stored(call_id: str, tool: str, result: dict[str, Any]) -> StoredResult:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return StoredResult(call_id, tool, "town", 1, {}, result, "0" * 64, (), now, None)


RESULTS = {
    CALL: stored(
        CALL,
        "nearby_search",
        {
            "kind": "places",
            "places": [
                place(1, "Anchor Café", opening_hours={"raw": "Mo-Fr 08:00-18:30"}, phone="+1 506 555 0101"),
                place(2, "Buoy", address="3 Mint Street, Saltmere"),
                place(3, "Compass"),
                place(4, "Hidden Reef"),
            ],
        },
    ),
    ROUTE: stored(
        ROUTE,
        "compute_routes",
        {
            "kind": "routes",
            "routes": [
                {
                    "summary": "Quay Road",
                    "distance_m": 1200,
                    "duration_s": 600,
                    "legs": [{"distance_m": 1200, "duration_s": 600, "steps": [{"text": "Go", "road": "Elm Lane"}]}],
                }
            ],
        },
    ),
}
CONTEXT = surroundings(
    ContextContent(
        title="Harbour",
        items=(
            Item(key="a", kind="nearby", tool_call_id=CALL, view=View(hidden=("/places/3",))),
            Item(key="b", kind="route", tool_call_id=ROUTE),
            Item(key="c", kind="note", text="The ferry to Grand Manan leaves at noon."),
        ),
    ),
    RESULTS,
)
OTHERS = (Other(7, "How far is Buoy from the Compass by foot?"), Other(8, "Is there a café within 200 m?"))


def evidence(key: str = "e1", pointer: str = "/places/0/phone", value: Any = "+1", **more: Any) -> dict[str, Any]:
    call_id = ROUTE if pointer.startswith("/routes") else CALL
    sha = "0" * 64
    return {"key": key, "tool_call_id": call_id, "result_sha": sha, "pointer": pointer, "value": value} | more


def choice(*texts: str, gold: str = "A", **more: Any) -> dict[str, Any]:
    options = [{"key": "ABCDEFGH"[place], "text": words} for place, words in enumerate(texts)]
    good = {
        "type": "single_choice",
        "body": "Which café is open on Monday near Mint Street?",
        "options": options,
        "gold_keys": list(gold),
        "category": "poi",
        "evidence": [evidence()],
    }
    return good | more


def opened(gold: dict[str, Any] | None, *pieces: dict[str, Any], **more: Any) -> dict[str, Any]:
    good = {"type": "open_ended", "body": "How far is Buoy from Compass?", "gold": gold, "category": "poi"}
    return good | {"evidence": list(pieces) or [evidence()]} | more


def judge(content: dict[str, Any], *mismatches: Mismatch, **chosen: Any) -> list[Finding]:
    context: Surroundings | None = replace(CONTEXT, others=OTHERS)
    model = QuestionContent.model_validate(content)
    return lint(model, ProjectSettings.model_validate(chosen), context=context, mismatches=mismatches)


def found(findings: list[Finding], code: str) -> list[str]:
    return [one.about for one in findings if one.code == code]


GOOD = choice("Anchor Café", "Buoy", "Compass")
METRES = {"kind": "distance", "value_m": 1200, "rel_tol": 0.05}
WALK = evidence(pointer="/routes/0/distance_m", value=1200)
HOURS = evidence(pointer="/places/0/opening_hours/raw", value="Mo-Fr 08:00-18:30; Sa 9:00 AM - 1 PM")

# What breaks which rule, about what, and the same put right.
CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("body_empty", GOOD | {"body": " "}, "body", GOOD),
    ("body_unasked", GOOD | {"body": "Name the café in Mint Street."}, "body", GOOD),
    ("body_unasked", GOOD | {"body": "Name it"}, "body", GOOD | {"body": "ما اسم المقهى Buoy؟"}),
    ("body_names_nothing", opened(METRES, WALK, body="How far is Paris from Rome?"), "body", opened(METRES, WALK)),
    (
        "body_names_nothing",
        opened(METRES, WALK, body="How far is it?"),
        "body",
        opened(METRES, WALK, body="How long is Elm Lane?"),
    ),
    (
        "body_names_nothing",
        opened(METRES, WALK, body="When does the ferry leave for Boston?"),
        "body",
        opened(METRES, WALK, body="When does the ferry leave for Grand Manan?"),
    ),
    ("near_duplicate", GOOD | {"body": "How far is Buoy from the Compass by foot"}, "body", GOOD),
    (
        "near_duplicate",
        GOOD | {"body": "is there a CAFÉ within 200 m?"},
        "body",
        GOOD | {"body": "Is there a café within 500 m?"},
    ),
    ("options_few", choice("Anchor Café"), "options", GOOD),
    ("options_yes_no", GOOD | {"type": "yes_no"}, "options", choice("Yes", "No")),
    ("options_unused", opened(METRES, WALK, options=GOOD["options"]), "options", opened(METRES, WALK)),
    ("option_empty", choice("Anchor Café", "", "Compass"), "options.B", GOOD),
    ("option_duplicate", choice("Buoy", "Compass", " buoy ", gold="B"), "options.C", choice("Buoy", "Búoy", "-5", "5")),
    ("option_sweeping", choice("Buoy", "Compass", "All of the above!"), "options.C", choice("Buoy", "All of it")),
    ("options_order", choice("900 m", "1 km", "500 m"), "options", choice("500 m", "900 m", "1 km")),
    (
        "options_order",
        choice("Buoy", "Cod", "Dory", "Anchor", gold="D"),
        "options",
        choice("Buoy", "Cod", "Dory", "Eel"),
    ),
    ("gold_missing", choice("Buoy", "Compass", gold=""), "gold", GOOD),
    ("gold_missing", opened(None), "gold", opened(METRES, WALK)),
    (
        "gold_missing",
        opened({"kind": "point", "lat": 45.3}),
        "gold",
        opened({"kind": "point", "lat": 45.3, "lon": -65.3}),
    ),
    ("gold_unknown", choice("Buoy", "Compass", gold="D"), "gold", GOOD),
    (
        "gold_several",
        choice("Buoy", "Compass", gold="AB"),
        "gold",
        choice("Buoy", "Cod", gold="AB", type="multiple_choice"),
    ),
    ("gold_order", choice("Buoy", "Cod", gold="BA", type="multiple_choice"), "gold", choice("Buoy", "Cod", gold="AB")),
    ("gold_unused", GOOD | {"gold": METRES}, "gold", GOOD),
    ("gold_unused", opened(METRES, WALK, gold_keys=["A"]), "gold", opened(METRES, WALK)),
    ("gold_unanswerable", GOOD | {"type": "unanswerable"}, "gold", GOOD | {"type": "unanswerable", "gold_keys": []}),
    ("tolerance_zero", opened(METRES | {"rel_tol": 0}, WALK), "gold", opened(METRES, WALK)),
    (
        "tolerance_zero",
        opened({"kind": "duration", "value_s": 60, "abs_tol_s": 0}),
        "gold",
        opened({"kind": "number", "value": 3}),
    ),
    ("gold_unsupported", GOOD | {"evidence": []}, "evidence", GOOD),
    ("gold_unsupported", GOOD | {"evidence": [evidence(role="distractor")]}, "evidence", GOOD),
    (
        "gold_unsupported",
        GOOD | {"evidence": [evidence(option_key="B")]},
        "evidence",
        GOOD | {"evidence": [evidence(option_key="B", role="refutes")]},
    ),
    ("gold_differs", opened(METRES | {"value_m": 1500}, WALK), "gold", opened(METRES | {"value_m": 1250}, WALK)),
    (
        "gold_differs",
        opened({"kind": "number", "value": 1.5, "unit": "km"}, WALK),
        "gold",
        opened({"kind": "number", "value": 1.2, "unit": "km"}, WALK),
    ),
    (
        "gold_differs",
        opened(METRES | {"value_m": 3000, "rel_tol": 0}, WALK, evidence("e2", "/routes/0/legs/0/distance_m", 800)),
        "gold",
        opened(METRES | {"value_m": 2000, "rel_tol": 0}, WALK, evidence("e2", "/routes/0/legs/0/distance_m", 800)),
    ),
    (
        "gold_differs",
        opened({"kind": "duration", "value_s": 60}, evidence(pointer="/routes/0/duration_s", value=600)),
        "gold",
        opened({"kind": "duration", "value_s": 630}, evidence(pointer="/routes/0/duration_s", value=600)),
    ),
    (
        "gold_text_differs",
        choice("500 m", "1.2 km", "2 km", evidence=[WALK]),
        "gold",
        choice("1.2 km", "2 km", evidence=[WALK]),
    ),
    (
        "gold_outside_hours",
        opened({"kind": "time", "value": "19:00"}, HOURS),
        "gold",
        opened({"kind": "time", "value": "13:00"}, HOURS),
    ),
    (
        "gold_outside_hours",
        opened(
            {"kind": "time", "value": "2026-11-24T18:00"},
            evidence(pointer="", value={"next_change": "2026-11-24T17:00:00+00:00"}),
        ),
        "gold",
        opened(
            {"kind": "time", "value": "2026-11-24T17:00"},
            evidence(pointer="", value={"next_change": "2026-11-24T17:00:00+00:00"}),
        ),
    ),
    (
        "gold_far",
        opened({"kind": "point", "lat": 46.5, "lon": -65.3}),
        "gold",
        opened({"kind": "point", "lat": 45.39, "lon": -65.33}),
    ),
    (
        "gold_far",
        opened({"kind": "place", "name": "Anchor", "lat": 10, "lon": 10}),
        "gold",
        opened({"kind": "place", "name": "Anchor", "pid": "town:n1"}),
    ),
    ("evidence_option_unknown", GOOD | {"evidence": [evidence(), evidence("e2", option_key="Z")]}, "evidence.e2", GOOD),
    (
        "evidence_repeated",
        GOOD | {"evidence": [evidence(), evidence("e2")]},
        "evidence.e2",
        GOOD | {"evidence": [evidence(), evidence("e2", role="distractor")]},
    ),
    ("leak_length", choice("Buoy, the small café behind the red boathouse", "Compass", "Cod"), "options.A", GOOD),
    ("leak_body", choice("Mint Street", "Elm Lane", "Quay Road"), "body", GOOD),
    (
        "leak_place",
        choice("One", "Two")
        | {"options": [{"key": "A", "text": "One", "pid": "town:n1"}, {"key": "B", "text": "Two", "pid": "x:9"}]},
        "options.A",
        choice("One", "Two")
        | {"options": [{"key": "A", "text": "One", "pid": "town:n1"}, {"key": "B", "text": "Two", "pid": "town:n2"}]},
    ),
    (
        "leak_name",
        choice("Anchor Café", "Lighthouse Bistro", "Hidden Reef"),
        "options.A",
        choice("Anchor Café", "Buoy", "Cod"),
    ),
    ("category_unknown", GOOD | {"category": "Nearbi"}, "category", GOOD),
    ("category_unknown", GOOD | {"category": ""}, "category", GOOD | {"category": "trip"}),
    ("too_long", GOOD | {"body": "Where? " * 200}, "body", GOOD),
    ("too_long", choice("Buoy", "x" * 300), "options.B", GOOD),
]


@pytest.mark.parametrize(("code", "bad", "about", "right"), CASES)
def test_each_rule_says_what_is_wrong_and_nothing_of_what_is_right(
    code: str, bad: dict[str, Any], about: str, right: dict[str, Any]
) -> None:
    assert found(judge(bad), code) == [about]
    assert found(judge(right), code) == []


@pytest.mark.parametrize(
    ("chosen", "bad", "code", "about"),
    [
        ({"require_explanation": True}, GOOD, "explanation_missing", "explanation"),
        ({"question_types": ["yes_no"]}, GOOD, "type_unwanted", "type"),
    ],
)
def test_rules_of_the_project_follow_its_settings(
    chosen: dict[str, Any], bad: dict[str, Any], code: str, about: str
) -> None:
    assert found(judge(bad, **chosen), code) == [about]
    assert found(judge(bad), code) == []


def test_gold_without_evidence_is_an_error_only_where_the_project_wants_evidence() -> None:
    bare = GOOD | {"evidence": []}
    severity = {one.code: one.severity for one in judge(bare)}
    assert severity["gold_unsupported"] == "error"
    severity = {one.code: one.severity for one in judge(bare, require_evidence=False)}
    assert severity["gold_unsupported"] == "hint"


def test_evidence_that_does_not_hold_is_an_error_with_its_reason() -> None:
    content = GOOD | {"evidence": [evidence(), evidence("e2", "/places/0/name")]}
    findings = judge(content, Mismatch(key="e2", reason="the answer expired"), Mismatch(key="gone", reason="x"))
    (one,) = [finding for finding in findings if finding.code == "evidence_mismatch"]
    assert (one.severity, one.about) == ("error", "evidence.e2")
    assert "the answer expired" in one.message
    assert one.fix is not None
    assert [item.key for item in one.fix.content.evidence] == ["e1"]
    # The last piece of evidence is not taken away: the answer would stand there without any.
    (last,) = judge(GOOD, Mismatch(key="e1", reason="it expired"))
    assert last.fix is None


def test_every_rule_has_a_case_a_name_of_its_own_and_says_what_it_is_for() -> None:
    names = [rule.__name__ for rule in RULES]
    assert len(set(names)) == len(names)
    assert all((rule.__doc__ or "").strip().endswith(".") for rule in RULES)
    tested = {code for code, *_ in CASES} | {"explanation_missing", "type_unwanted", "evidence_mismatch"}
    assert tested == set(names)


def test_a_good_question_has_no_findings() -> None:
    assert judge(GOOD) == []
    assert judge(opened(METRES, WALK)) == []
    assert judge({"type": "unanswerable", "body": "Who owns Buoy?", "category": "poi"}) == []


FIXED = {
    "body_unasked",
    "option_empty",
    "option_duplicate",
    "options_unused",
    "options_order",
    "gold_order",
    "gold_unused",
    "gold_unanswerable",
    "tolerance_zero",
    "evidence_option_unknown",
    "evidence_repeated",
    "category_unknown",
    "gold_differs",
    "gold_several",
}


@pytest.mark.parametrize("code", sorted(FIXED))
def test_a_fix_is_offered_where_there_is_one_and_leaves_a_question_that_can_be_submitted(code: str) -> None:
    bad = next(content for name, content, *_ in CASES if name == code)
    (fix,) = [one.fix for one in judge(bad) if one.code == code]
    assert fix is not None
    assert fix.label[0].isupper()
    after = judge(fix.content.model_dump(mode="json"))
    assert [one for one in after if one.severity == "error"] == []


def test_fixes_keep_what_was_said_of_what_they_take_away() -> None:
    twice = choice("Buoy", "Compass", "buoy", gold="C", evidence=[evidence(option_key="C")])
    (fix,) = [one.fix for one in judge(twice) if one.code == "option_duplicate"]
    assert fix is not None
    assert fix.content.gold_keys == ("A",)
    assert fix.content.evidence[0].option_key == "A"
    wrong = choice("No", "Yes", gold="B", type="yes_no", evidence=[evidence(option_key="A", role="refutes")])
    (fix,) = [one.fix for one in judge(wrong) if one.code == "options_yes_no"]
    assert fix is not None
    assert fix.content.gold_keys == ("yes",)
    assert fix.content.evidence[0].option_key == "no"


words = st.sampled_from(
    ["", "Buoy", " buoy", "Compass", "all of the above", "500 m", "2 km", "1,5 km", "x" * 300, "؟", "Ω-5"]
)
option_keys = st.sampled_from(["A", "B", "C", "yes", "no", "Z"])
golds = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {
            "kind": st.just("distance"),
            "value_m": st.sampled_from([None, 0, 1200, 5e6]),
            "rel_tol": st.sampled_from([0, 0.05]),
        }
    ),
    st.fixed_dictionaries(
        {"kind": st.just("duration"), "value_s": st.sampled_from([None, 600]), "abs_tol_s": st.sampled_from([0, 60])}
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("number"),
            "value": st.sampled_from([None, 1.2, 3]),
            "unit": st.sampled_from(["", "km", "min", "eggs"]),
        }
    ),
    st.fixed_dictionaries(
        {"kind": st.just("time"), "value": st.sampled_from(["", "18:30", "19:00", "2026-01-01T08:00"])}
    ),
    st.fixed_dictionaries({"kind": st.just("place"), "pid": st.sampled_from(["", "town:n1", "x:1"]), "name": words}),
    st.fixed_dictionaries(
        {
            "kind": st.just("point"),
            "lat": st.sampled_from([None, 10, 45.39]),
            "lon": st.just(-65.3),
            "max_m": st.sampled_from([0, 50]),
        }
    ),
    st.fixed_dictionaries({"kind": st.sampled_from(["set", "ordered_list"]), "items": st.lists(words, max_size=2)}),
)
pieces = st.builds(
    evidence,
    st.sampled_from(["e1", "e2", "e3"]),
    st.sampled_from(["/places/0/phone", "/places/0/opening_hours/raw", "/routes/0/distance_m", "/routes/0", ""]),
    st.sampled_from(
        [
            1200,
            "Mo 08:00-18:30",
            {"distance_m": 5, "duration_s": 6},
            None,
            [1],
            {"next_change": "2026-01-01T08:00:00+00:00"},
        ]
    ),
    role=st.sampled_from(["supports", "refutes", "distractor"]),
    option_key=st.none() | option_keys,
)
contents = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["yes_no", "single_choice", "multiple_choice", "open_ended", "unanswerable"]),
        "body": words | st.sampled_from(["Where is Buoy?", "How far is Paris.", "Is there a café within 200 m?"]),
        "options": st.lists(
            st.fixed_dictionaries(
                {"key": option_keys, "text": words, "pid": st.sampled_from([None, "town:n1", "x:9"])}
            ),
            max_size=5,
            unique_by=lambda option: option["key"],
        ),
        "gold_keys": st.lists(option_keys, max_size=3),
        "gold": golds,
        "explanation": st.sampled_from(["", "Because."]),
        "category": st.sampled_from(["", "poi", "POI", "tripp", "zzz"]),
        "evidence": st.lists(pieces, max_size=3, unique_by=lambda item: item["key"]),
    }
)
choices = st.fixed_dictionaries(
    {},
    optional={
        "require_evidence": st.booleans(),
        "require_explanation": st.booleans(),
        "question_types": st.sampled_from([["single_choice"], ["multiple_choice", "open_ended"]]),
        "categories": st.sampled_from([[], ["poi"]]),
    },
)
broken = st.lists(st.sampled_from(["e1", "e2", "nobody"]), unique=True, max_size=2)


@settings(max_examples=120, deadline=None)
@given(contents, choices, broken)
def test_a_fix_removes_its_finding_and_brings_no_error(
    content: dict[str, Any], chosen: dict[str, Any], keys: list[str]
) -> None:
    mismatches = [Mismatch(key=key, reason="it expired") for key in keys]
    findings = judge(content, *mismatches, **chosen)
    assert [SEVERITIES.index(one.severity) for one in findings] == sorted(
        SEVERITIES.index(one.severity) for one in findings
    )
    errors = {(one.code, one.about) for one in findings if one.severity == "error"}
    for one in findings:
        assert one.message.strip()
        assert "\n" not in one.message
        assert one.about.split(".")[0] in {"body", "options", "gold", "evidence", "explanation", "category", "type"}
        if one.fix is None:
            continue
        # What a fix gives can be sent and stored: it is a whole question.
        corrected = QuestionContent.model_validate(one.fix.content.model_dump(mode="json")).model_dump(mode="json")
        after = judge(corrected, *mismatches, **chosen)
        assert (one.code, one.about) not in {(other.code, other.about) for other in after}
        assert {(other.code, other.about) for other in after if other.severity == "error"} <= errors


@settings(max_examples=40, deadline=None)
@given(contents)
def test_taking_every_fix_comes_to_an_end(content: dict[str, Any]) -> None:
    for _ in range(30):
        fix = next((one.fix for one in judge(content) if one.fix is not None), None)
        if fix is None:
            return
        content = fix.content.model_dump(mode="json")
    pytest.fail("fixes go on for ever")


@given(st.floats(0.1, 9999).map(lambda value: round(value, 2)), st.sampled_from(sorted(UNITS)))
def test_an_amount_reads_the_same_in_every_unit(value: float, unit: str) -> None:
    kind, factor = UNITS[unit]
    for text in (f"{value} {unit}", f"{value}{unit.upper()}.", f"  {str(value).replace('.', ',')}  {unit}"):
        read = read_quantity(text)
        assert read is not None
        assert (read.kind, read.value) == (kind, pytest.approx(value * factor))


def test_a_rewrite_takes_the_place_of_what_the_calls_say() -> None:
    items = (
        Item(key="a", kind="nearby", tool_call_id=CALL),
        Item(key="b", kind="note", role="rewrite", text="There is the Lantern."),
    )
    rewritten = surroundings(ContextContent(items=items), RESULTS)
    assert rewritten.places == {}
    assert " lantern " in rewritten.text
    assert " anchor " not in rewritten.text
    assert "town:n4" not in CONTEXT.places
    assert " hidden reef " not in CONTEXT.text
