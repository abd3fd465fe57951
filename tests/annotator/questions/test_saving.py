"""Several hands on one question over HTTP: whatever was acknowledged stays, in the question or in its history."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIELDS = ("body", "explanation", "category", "difficulty", "tags")
over_http = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_question_is_made_read_and_saved_with_what_lint_says(work: Any) -> None:
    made = work.create(body="Where?", type="open_ended")
    assert (made["n"], made["status"], made["can_undo"], made["can_redo"], made["merged"]) == (
        1,
        "draft",
        False,
        False,
        False,
    )
    assert {"code": "gold_missing", "severity": "error"}.items() <= made["findings"][0].items()
    saved = work.save(made, 1, body="Where is it?").json()
    assert (saved["n"], saved["content"]["body"], saved["can_undo"]) == (2, "Where is it?", True)
    assert work.ok("GET", f"/questions/{made['id']}") == saved | {"merged": False}
    assert work.ok("GET", f"/contexts/{work.context_id}/questions") == [saved]
    assert [row["n"] for row in work.history(made)] == [2, 1]
    assert work.history(made)[0]["changed"] == ["body"]


def test_sending_the_same_again_because_no_answer_came_changes_nothing(work: Any) -> None:
    made = work.create(body="One?")
    first = work.save(made, 1, body="Two?").json()
    again = work.save(made, 1, body="Two?").json()
    assert (first["n"], again["n"]) == (2, 2)
    assert len(work.history(made)) == 2


def test_two_hands_on_different_fields_are_merged_and_on_one_field_both_are_shown(work: Any) -> None:
    made = work.create(body="One?", explanation="Because.")
    assert work.save(made, 1, body="Two?").json()["n"] == 2
    merged = work.save(made, 1, explanation="Therefore.").json()
    assert (merged["n"], merged["merged"]) == (3, True)
    assert (merged["content"]["body"], merged["content"]["explanation"]) == ("Two?", "Therefore.")
    refused = work.save(made, 1, body="Three?")
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "conflict"
    assert error["detail"]["conflicts"] == ["body"]
    assert error["detail"]["current_n"] == 3
    assert error["detail"]["current"] == merged["content"]
    assert error["detail"]["author"] == {"username": "local", "display_name": "You"}
    assert work.save(made, 99, body="Four?").status_code == 404


writes = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(["look", "body", "explanation", "undo", "redo"])),
    min_size=3,
    max_size=14,
)


@over_http
@given(writes)
def test_however_two_writers_take_turns_every_acknowledged_text_is_in_the_history(
    work: Any, turns: list[tuple[int, str]]
) -> None:
    made = work.create(body="start")
    seen = [made, made]
    acknowledged = {"body": {"start"}, "explanation": {""}}
    for number, (who, what) in enumerate(turns):
        mine = seen[who]
        path = f"/questions/{made['id']}"
        if what == "look":
            seen[who] = work.ok("GET", path)
        elif what in ("undo", "redo"):
            answer = work("POST", f"{path}/{what}")
            assert answer.status_code in (200, 409)
            if answer.is_success:
                seen[who] = answer.json()
        else:
            text = f"{what} {number} of {who}"
            answer = work.save(mine, mine["n"], **{what: text})
            if answer.status_code == 409:
                detail = answer.json()["error"]["detail"]
                assert what in detail["conflicts"]
                # Whoever is refused is shown what is there, and writes on that.
                shown = {"id": made["id"], "content": detail["current"]}
                answer = work.save(shown, detail["current_n"], **{what: text})
            assert answer.status_code == 200, answer.text
            seen[who] = answer.json()
            assert seen[who]["content"][what] == text
            acknowledged[what].add(text)
    states = [work.ok("GET", f"/questions/{made['id']}/revisions/{row['n']}")["content"] for row in work.history(made)]
    for field, texts in acknowledged.items():
        assert texts <= {state[field] for state in states}


def test_writers_at_the_same_moment_lose_nothing(work: Any) -> None:
    made = work.create(body="start")

    def write(who: int) -> list[str]:
        mine, done = made, []
        for number in range(8):
            text = f"{who} wrote {number}"
            field = FIELDS[who % 2]
            answer = work.save(mine, mine["n"], **{field: text})
            if answer.status_code == 409:
                mine = work.ok("GET", f"/questions/{made['id']}")
                continue
            assert answer.status_code == 200, answer.text
            mine = answer.json()
            done.append(text)
        return done

    with ThreadPoolExecutor(4) as pool:
        acknowledged = [text for done in pool.map(write, range(4)) for text in done]
    assert len(acknowledged) >= 8
    rows = work.history(made)
    assert [row["n"] for row in rows] == list(range(len(rows), 0, -1))
    states = [work.ok("GET", f"/questions/{made['id']}/revisions/{row['n']}")["content"] for row in rows]
    held = {state[field] for state in states for field in FIELDS[:2]}
    assert set(acknowledged) <= held


steps = st.lists(st.sampled_from(["write", "undo", "redo"]), min_size=2, max_size=16)


@over_http
@given(steps)
def test_undo_and_redo_walk_the_tree_of_revisions_as_a_list_and_a_stack_would(work: Any, moves: list[str]) -> None:
    made = work.create(body="0")
    past, future, now = [], [], "0"
    question = made
    for number, step in enumerate(moves, start=1):
        assert question["can_undo"] == bool(past)
        # After an undo and another text, redo still leads to nothing else than what was written on this one last.
        assert not future or question["can_redo"]
        if step == "write":
            past, future, now = [*past, now], [], str(number)
            question = work.save(question, question["n"], body=now).json()
        elif step == "undo":
            answer = work("POST", f"/questions/{made['id']}/undo")
            assert answer.status_code == (200 if past else 409)
            if past:
                future, now, past = [now, *future], past[-1], past[:-1]
                question = answer.json()
        elif future:
            answer = work("POST", f"/questions/{made['id']}/redo")
            past, now, future = [*past, now], future[0], future[1:]
            question = answer.json()
        assert question["content"]["body"] == now
    assert work.ok("GET", f"/questions/{made['id']}")["content"]["body"] == now


def test_a_changed_question_is_a_draft_again_and_one_that_is_put_away_is_not_changed(
    new_work: Callable[..., Any],
) -> None:
    work = new_work(require_evidence=False)
    content = {"body": "Is it far?", "type": "yes_no", "category": "poi", "gold_keys": ["no"]}
    made = work.create(**content, options=[{"key": "yes", "text": "Yes"}, {"key": "no", "text": "No"}])
    path = f"/questions/{made['id']}"
    assert work("POST", f"{path}/submit", {"n": 2}).status_code == 409
    assert work.ok("POST", f"{path}/submit", {"n": 1})["status"] == "submitted"
    assert work.ok("POST", f"{path}/reopen")["status"] == "draft"
    assert work.ok("POST", f"{path}/submit")["status"] == "submitted"
    assert work.save(made, 1, body="Is it near?").json()["status"] == "draft"
    assert work.ok("POST", f"{path}/archive")["status"] == "archived"
    assert work.save(made, 2, body="Late?").status_code == 409
    assert work("POST", f"{path}/undo").status_code == 409
    assert work.ok("DELETE", path)["id"] == made["id"]
    assert work("GET", path).status_code == 404
    assert work.ok("GET", "/questions")["total"] == 0
    assert work.ok("POST", f"{path}/restore")["status"] == "archived"


def test_lint_refuses_to_submit_with_what_it_found(work: Any) -> None:
    made = work.create(body="Where is it?", type="open_ended", gold={"kind": "text", "value": "there"}, category="poi")
    refused = work("POST", f"/questions/{made['id']}/submit")
    assert refused.status_code == 409
    (finding,) = refused.json()["error"]["detail"]["findings"]
    assert (finding["code"], finding["about"]) == ("gold_unsupported", "evidence")
    looked = work.ok("POST", f"/questions/{made['id']}/check", {"content": made["content"] | {"body": ""}})
    assert {one["code"] for one in looked["findings"]} == {"body_empty", "gold_unsupported"}
    assert work.bodies(made) == ["Where is it?"]


def test_evidence_leads_from_a_card_to_a_submitted_question(work: Any, cafes: dict[str, Any]) -> None:
    item = {"key": "i1", "kind": "nearby", "tool_call_id": cafes["id"]}
    context = work.ok("POST", "/contexts", {"content": {"title": "Cafés", "items": [item]}})
    piece = work.attach(cafes, "/places/0/name")
    name = cafes["result"]["places"][0]["name"]
    others = [place["name"] for place in cafes["result"]["places"][1:3]]
    options = [{"key": "ABC"[place], "text": text} for place, text in enumerate([name, *others])]
    content = {
        "body": "Which café is nearest to the square?",
        "options": options,
        "gold_keys": ["A"],
        "evidence": [piece],
    }
    made = work.ok("POST", f"/contexts/{context['id']}/questions", {"content": content | {"category": "nearby"}})
    assert [one for one in made["findings"] if one["severity"] == "error"] == []
    assert work.ok("POST", f"/questions/{made['id']}/submit")["status"] == "submitted"
    broken = content | {"evidence": [piece | {"value": "Elsewhere"}]}
    (finding,) = [
        one
        for one in work.ok("POST", f"/questions/{made['id']}/check", {"content": broken})["findings"]
        if one["code"] == "evidence_mismatch"
    ]
    assert finding["about"] == f"evidence.{piece['key']}"


@pytest.mark.parametrize(
    "body",
    [
        {"base_n": 1},
        {"base_n": 0, "content": {}},
        {"base_n": 1, "content": {"body": 5}},
        {"base_n": 1, "content": {"options": [{"key": "A"}, {"key": "A"}]}},
        {"base_n": 1, "content": {"secret": "x"}},
        {
            "base_n": 1,
            "content": {"evidence": [{"key": "e", "tool_call_id": "0" * 26, "result_sha": "0" * 64, "pointer": ""}]},
        },
        [],
    ],
)
def test_what_is_no_question_is_refused_in_one_line(work: Any, body: Any) -> None:
    made = work.create()
    refused = work("PUT", f"/questions/{made['id']}", body)
    assert refused.status_code == 400
    assert "\n" not in refused.json()["error"]["message"]
    assert len(work.history(made)) == 1


def test_another_project_s_questions_are_not_there(work: Any, new_work: Callable[..., Any]) -> None:
    made, other = work.create(), new_work()
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/undo"),
        ("POST", "/submit"),
        ("POST", "/archive"),
        ("POST", "/restore"),
        ("GET", "/history"),
        ("GET", "/revisions/1"),
    ):
        assert other(method, f"/questions/{made['id']}{path}").status_code == 404
    assert other.save(made, 1).status_code == 404
    assert other("GET", f"/contexts/{work.context_id}/questions").status_code == 404
    assert other("POST", f"/contexts/{work.context_id}/questions", {}).status_code == 404
