"""How questions move: what has to hold before, who may, and that an isolated annotator sees nobody else's."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from annotator.cache.stored_results import StoredResult
from annotator.errors import ConflictError, ForbiddenError, NotFoundError
from annotator.people.roles import Role
from annotator.questions import flow, listing, store
from annotator.questions.model import QuestionContent, Status
from annotator.questions.store import Question

CHOICE: dict[str, Any] = {
    "type": "single_choice",
    "body": "Which café is nearest to the Anchor?",
    "options": [{"key": "A", "text": "Buoy"}, {"key": "B", "text": "Compass"}],
    "gold_keys": ["A"],
    "category": "poi",
}
ROLES: dict[str, Role] = {"owner": "owner", "rosa": "reviewer", "ada": "annotator", "bela": "annotator"}


@pytest.fixture
def easy(new_team: Callable[..., Any]) -> Any:
    """A project that wants one review and no evidence."""
    return new_team(require_evidence=False)


def submit(team: Any, question: Question, who: str = "ada", n: int | None = None) -> Question:
    with team.database.writing() as connection:
        return flow.submit(connection, team[who], team.project, question.id, n=n, now=team.now())


def move(team: Any, verb: str, question: Question, who: str) -> Question:
    with team.database.writing() as connection:
        act = {"reopen": flow.reopen, "archive": flow.archive}[verb]
        return act(connection, team[who], ROLES[who], team.project, question.id, now=team.now())


def set_deleted(team: Any, question: Question, who: str, deleted: bool) -> Question:
    with team.database.writing() as connection:
        return flow.set_deleted(
            connection, team[who], ROLES[who], team.project, question.id, deleted=deleted, now=team.now()
        )


def set_status(team: Any, question: Question, status: Status) -> None:
    with team.database.writing() as connection:
        store.set_status(connection, team["rosa"], team.project, question.id, status, now=team.now())


def actions(team: Any, question: Question) -> list[str]:
    with team.database.reading() as connection:
        query = text("SELECT action FROM audit_log WHERE subject_id = :id ORDER BY seq")
        return list(connection.execute(query, {"id": question.id}).scalars())


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, "submitted"),
        ({"min_reviews": 0}, "approved"),
        ({"min_reviews": 0, "blind_answers": 2}, "in_review"),
        ({"min_reviews": 2, "blind_answers": 1}, "in_review"),
        ({"min_reviews": 0, "blind_answers": 2, "overlap": 0}, "approved"),
    ],
)
def test_what_follows_on_submitting_is_what_the_project_wants(
    new_team: Callable[..., Any], settings: dict[str, Any], status: str
) -> None:
    team = new_team(require_evidence=False, **settings)
    made = team.create(**CHOICE)
    done = submit(team, made)
    assert done.status == status
    assert done.submitted_at is not None
    assert actions(team, made)[:2] == ["question.create", "question.submitted"]


def test_what_lint_calls_an_error_is_refused_with_all_findings_and_changes_nothing(team: Any) -> None:
    made = team.create(**CHOICE | {"gold_keys": [], "body": ""})
    with pytest.raises(ConflictError, match=r"cannot be submitted yet: Write the question\. \(and 1 more\)") as refused:
        submit(team, made)
    findings = refused.value.detail["findings"]
    assert isinstance(findings, list)
    assert {(one["code"], one["about"]) for one in findings} == {("body_empty", "body"), ("gold_missing", "gold")}
    assert actions(team, made) == ["question.create"]


def test_only_a_draft_that_one_has_seen_is_submitted(easy: Any) -> None:
    made = easy.create(**CHOICE)
    with pytest.raises(ConflictError, match="changed since you looked") as refused:
        submit(easy, made, n=7)
    assert refused.value.detail == {"current_n": 1}
    submit(easy, made, n=1)
    with pytest.raises(ConflictError, match="is submitted; only a draft"):
        submit(easy, made)


def test_what_reviewers_refused_is_not_handed_in_again_unchanged(easy: Any) -> None:
    made = easy.create(**CHOICE)
    submit(easy, made)
    with easy.database.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO review (id, project_id, question_id, revision_id, account_id, verdict, checklist_json, "
                "comment, created_at) VALUES ('r', :project, :question, :revision, :who, 'request_changes', '{}', 'x', "
                "'2026-11-24T10:00:00.000Z')"
            ),
            {
                "project": easy.project.id,
                "question": made.id,
                "revision": made.revision.id,
                "who": easy["rosa"].account_id,
            },
        )
    set_status(easy, made, "changes_requested")
    with pytest.raises(ConflictError, match="asked for changes of this very revision"):
        submit(easy, made)
    with easy.database.writing() as connection:
        changed = QuestionContent.model_validate(CHOICE | {"body": "Which café lies next to the Anchor?"})
        store.save(connection, easy["ada"], easy.project, made.id, changed, base_n=1, now=easy.now())
    assert submit(easy, made).status == "submitted"


@pytest.mark.parametrize("verb", ["reopen", "archive"])
@pytest.mark.parametrize("status", ["submitted", "in_review", "rejected", "approved"])
def test_the_author_and_reviewers_may_take_back_and_put_away_but_what_others_approved_is_theirs(
    easy: Any, verb: str, status: Status
) -> None:
    for who, is_allowed in (("bela", False), ("ada", status != "approved"), ("rosa", True), ("owner", True)):
        made = easy.create(**CHOICE)
        set_status(easy, made, status)
        if is_allowed:
            assert move(easy, verb, made, who).status == {"reopen": "draft", "archive": "archived"}[verb]
        else:
            with pytest.raises(ForbiddenError):
                move(easy, verb, made, who)


def test_the_author_may_open_again_what_nobody_had_to_approve(new_team: Callable[..., Any]) -> None:
    team = new_team(require_evidence=False, min_reviews=0)
    made = submit(team, team.create(**CHOICE))
    assert made.status == "approved"
    assert move(team, "reopen", made, "ada").status == "draft"


def test_moves_that_lead_nowhere_are_refused(easy: Any) -> None:
    made = easy.create(**CHOICE)
    with pytest.raises(ConflictError, match="open already"):
        move(easy, "reopen", made, "ada")
    move(easy, "archive", made, "ada")
    with pytest.raises(ConflictError, match="archived already"):
        move(easy, "archive", made, "ada")
    with pytest.raises(ConflictError, match="is archived; reopen it"), easy.database.writing() as connection:
        store.save(connection, easy["ada"], easy.project, made.id, QuestionContent(), base_n=1, now=easy.now())


def test_deleting_and_restoring_can_be_said_twice_and_belong_to_the_author_and_reviewers(easy: Any) -> None:
    made = easy.create(**CHOICE)
    with pytest.raises(ForbiddenError, match="only its author or a reviewer may delete"):
        set_deleted(easy, made, "bela", True)
    for _ in range(2):
        assert set_deleted(easy, made, "ada", True).deleted_at is not None
    with easy.database.reading() as connection, pytest.raises(NotFoundError):
        store.get(connection, easy.project.id, made.id)
    for _ in range(2):
        assert set_deleted(easy, made, "rosa", False).deleted_at is None
    assert actions(easy, made) == ["question.create", "question.delete", "question.restore"]
    set_status(easy, made, "approved")
    with pytest.raises(ConflictError, match="is approved"):
        set_deleted(easy, made, "rosa", True)


def test_questions_of_a_deleted_context_are_out_of_sight(easy: Any) -> None:
    made = easy.create(**CHOICE)
    with easy.database.writing() as connection:
        connection.execute(text("UPDATE context SET deleted_at = '2026-11-24T10:00:00.000Z'"))
    with easy.database.reading() as connection:
        assert listing.page(connection, easy.project.id, listing.Filter()).total == 0
        assert store.of_context(connection, easy.project.id, easy.context_id) == []
        for look in (
            lambda: store.get(connection, easy.project.id, made.id),
            lambda: store.by_number(connection, easy.project.id, 1),
        ):
            with pytest.raises(NotFoundError):
                look()


def test_isolated_annotators_see_their_own_questions_and_reviewers_all(new_team: Callable[..., Any]) -> None:
    team = new_team(isolate=True)
    made = {who: team.create(who, **CHOICE) for who in ("ada", "bela")}
    with team.database.reading() as connection:
        for who, role, seen in (
            ("ada", "annotator", {"ada"}),
            ("bela", "annotator", {"bela"}),
            ("vic", "viewer", set()),
            ("rosa", "reviewer", {"ada", "bela"}),
            ("owner", "owner", {"ada", "bela"}),
        ):
            only = flow.isolated_author(team.project.settings, team[who], role)
            found = listing.page(connection, team.project.id, listing.Filter(author_id=only))
            assert {row.author_id for row in found.questions} == {team[name].account_id for name in seen}
            assert found.total == len(seen)
            for author, question in made.items():
                if author in seen:
                    assert flow.see(connection, team[who], role, team.project, question.id).id == question.id
                else:
                    with pytest.raises(NotFoundError):
                        flow.see(connection, team[who], role, team.project, question.id)


def test_the_places_of_a_question_are_those_of_its_evidence_options_and_answer(team: Any) -> None:
    call_id = "0000000000000000000000CA11"
    places = [{"pid": f"town:n{n}", "name": f"P{n}", "lat": 1.0, "lon": 2.0 + n} for n in range(5)]
    result = {"kind": "places", "places": places}
    results = {call_id: StoredResult(call_id, "nearby_search", "town", 1, {}, result, "0" * 64, (), team.now(), None)}
    piece = {"key": "e", "tool_call_id": call_id, "result_sha": "0" * 64, "pointer": "/places/3/name", "value": "P3"}
    options = [{"key": "A", "text": "x", "pid": "town:n1"}, {"key": "B", "text": "y", "pid": "elsewhere:9"}]
    content = QuestionContent.model_validate(CHOICE | {"options": options, "evidence": [piece]})
    assert [place["pid"] for place in flow.places(content, results)] == ["town:n3", "town:n1"]
    gold = {"kind": "place", "pid": "atlas:7", "name": "Far", "lat": 3, "lon": 4}
    content = QuestionContent.model_validate({"type": "open_ended", "gold": gold})
    assert flow.places(content, results) == [{"pid": "atlas:7", "name": "Far", "lat": 3, "lon": 4}]
