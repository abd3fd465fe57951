"""The API of answers, reviews, comments and progress, over HTTP and with people of every role."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest

from annotator.contexts import store as contexts
from annotator.contexts.model import ContextContent, Item
from annotator.people import accounts, members, projects, tokens
from annotator.people.actor import Actor
from annotator.people.projects import ProjectSettings
from annotator.questions import store as questions
from annotator.questions.answers import NumberAnswer
from annotator.questions.model import Option, QuestionContent
from annotator.review import flow
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now
from tests.annotator.program import Annotator, serving

PEOPLE = {"ada": "annotator", "bela": "annotator", "cleo": "annotator", "rosa": "reviewer", "vic": "viewer"}
_numbers = count(1)
SECRET = "the harbour chart says so"
CONTENT = QuestionContent(
    type="single_choice",
    body="Which café is nearest?",
    options=tuple(Option(key=key, text=f"Café {key}") for key in "ABCD"),
    gold_keys=("B",),
    explanation=SECRET,
    category="poi",
)


@dataclass
class House:
    """A running annotator that asks for a login, and everybody's token."""

    server: Annotator
    database: Database
    people: dict[str, Actor]
    secrets: dict[str, str]

    def project(self, slug: str, **settings: Any) -> "Room":
        """A project with all people in it."""
        with self.database.writing() as connection:
            boss = self.people["boss"]
            chosen = ProjectSettings.model_validate({"checklist": (), "require_evidence": False, **settings})
            made = projects.create(connection, boss, name=slug, slug=slug, settings=chosen, now=utc_now())
            for name, role in PEOPLE.items():
                members.set_role(connection, boss, "owner", made, name, role, now=utc_now())
            note = Item(key="n1", kind="note", text="There are four cafés.")
            content = ContextContent(items=(note,))
            context = contexts.create(connection, self.people["ada"], made, content=content, now=utc_now())
        return Room(self, slug, context.id)


@dataclass
class Room:
    """A project, asked as somebody."""

    house: House
    slug: str
    context_id: str

    def ask(self, content: QuestionContent = CONTENT) -> str:
        """A submitted question of Ada's; its id."""
        with self.house.database.writing() as connection:
            project, ada = projects.by_slug(connection, self.slug), self.house.people["ada"]
            made = questions.create(connection, ada, project, self.context_id, content=content, now=utc_now())
            questions.set_status(connection, ada, project, made.id, "submitted", now=utc_now())
            flow.settle(connection, ada, project, made.id, now=utc_now())
        return made.id

    def __call__(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.house.secrets[who]}"}
        url = f"{self.house.server.url}/api/projects/{self.slug}{path}"
        return httpx.request(method, url, json=body, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One annotator for the module; each test has a project of its own."""
    env = {"MAPQATOR_LOGIN": "required", "MAPQATOR_TOWN": "false"}
    with (
        serving(tmp_path_factory.mktemp("review") / "data", env) as server,
        closing(open_database(f"sqlite:///{server.data_dir / 'mapqator.sqlite'}")) as database,
    ):
        people, secrets = {}, {}
        with database.writing() as connection:
            for name in ("boss", *PEOPLE):
                made = accounts.create(connection, None, username=name, now=utc_now())
                people[name] = Actor(made.id, name, name)
                _, secrets[name] = tokens.create(connection, people[name], name="test", scope="admin", now=utc_now())
        yield House(server, database, people, secrets)


@pytest.fixture
def room(house: House) -> Callable[..., Room]:
    """`room(**settings)` is a project of the test's own."""
    return lambda **settings: house.project(f"room-{next(_numbers)}", **settings)


def test_whoever_answers_sees_neither_gold_nor_author_nor_others_answers(room):
    call = room(blind_answers=2)
    question_id = call.ask()
    queue = call("bela", "GET", "/queue?kind=answer").json()
    assert (queue["left"], queue["done"]) == (1, 0)
    assert queue["items"][0]["question"]["options"][1] == {"key": "B", "text": "Café B"}
    seen = call("bela", "GET", "/queue?kind=answer").text + call("bela", "GET", f"/questions/{question_id}/blind").text
    for hidden in (SECRET, "gold", "evidence", "explanation", "ada"):
        assert hidden not in seen
    said = {"subject": "question", "subject_id": question_id, "body": "It is B."}
    assert call("rosa", "POST", "/comments", said).status_code == 201
    listed = f"/comments?subject=question&subject_id={question_id}"
    assert call("bela", "GET", listed).json() == {"comments": []}
    assert len(call("ada", "GET", listed).json()["comments"]) == 1
    assert call("bela", "GET", f"/questions/{question_id}/reviews").json() == {"reviews": [], "adjudications": []}
    assert call("ada", "GET", "/queue?kind=answer").json()["left"] == 0
    assert call("vic", "GET", "/queue?kind=answer").status_code == 403
    made = call("bela", "POST", f"/questions/{question_id}/responses", {"answer": {"keys": ["B"]}, "confidence": 4})
    assert made.status_code == 201
    # Whether it was right is told once the question is decided, not to who may tell the next one.
    assert made.json()["is_right"] is None
    assert call("bela", "GET", f"/questions/{question_id}/responses").status_code == 403
    listed = call("rosa", "GET", f"/questions/{question_id}/responses").json()["responses"]
    assert [(one["by"]["username"], one["words"], one["is_right"]) for one in listed] == [("bela", "B: Café B", True)]
    undone = call("bela", "DELETE", f"/questions/{question_id}/responses")
    assert undone.status_code == 200
    assert call("bela", "GET", "/queue?kind=answer").json()["left"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"answer": {"keys": ["B"]}, "skip": True},
        {"answer": {"keys": []}},
        {"answer": {"keys": ["Z"]}},
        {"answer": {"kind": "text", "value": "B"}},
        {"answer": {"kind": "nonsense"}},
        {"answer": "B"},
        {"answer": {"keys": ["B"]}, "confidence": 6},
        {"answer": {"unanswerable": False}},
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(room, body):
    call = room(blind_answers=1)
    refused = call("bela", "POST", f"/questions/{call.ask()}/responses", body)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "bad_input"
    assert "\n" not in refused.json()["error"]["message"]


def test_a_question_goes_its_way_from_submission_to_adjudication(room):
    call = room(blind_answers=2, min_reviews=1)
    question_id = call.ask(QuestionContent(type="open_ended", body="How many?", gold=NumberAnswer(value=3)))
    path = f"/questions/{question_id}"
    assert call("ada", "GET", f"{path}/standing").json()["status"] == "in_review"
    for name in ("bela", "cleo"):
        answer = {"answer": {"kind": "number", "value": 4}, "explanation": "I counted.", "active_ms": 1200}
        assert call(name, "POST", f"{path}/responses", answer).status_code == 201
    waiting = call("rosa", "GET", "/queue?kind=adjudicate").json()
    assert waiting["items"][0]["reasons"] == ["0 of 2 blind answers equal gold"]
    assert call("bela", "GET", "/queue?kind=review").json()["left"] == 0
    decision = {"n": 1, "gold": {"kind": "number", "value": 4}, "reason_code": "gold_wrong", "comment": "Four."}
    assert call("bela", "POST", f"{path}/adjudications", decision).status_code == 403
    assert call("rosa", "POST", f"{path}/adjudications", {**decision, "n": 7}).status_code == 409
    assert call("rosa", "POST", f"{path}/adjudications", decision).status_code == 201
    after = call("rosa", "GET", path).json()
    assert (after["status"], after["n"], after["content"]["gold"]["value"]) == ("approved", 2, 4)
    again = call("rosa", "POST", f"{path}/adjudications", {**decision, "n": 2})
    assert (again.status_code, "approved" in again.json()["error"]["message"]) == (409, True)
    found = call("rosa", "GET", "/agreement").json()
    assert (found["percent"]["value"], found["gold"]["value"], found["num_answers"]) == (1.0, 1.0, 2)
    assert found["krippendorff_alpha"]["value"] is None
    assert "two questions" in found["krippendorff_alpha"]["reason"]
    assert call("rosa", "GET", "/lead-times").json()["responses"] == {"n": 2, "median_s": 1.2, "p90_s": 1.2}


def test_reviewing_an_outdated_revision_says_which_is_current(room):
    call = room()
    question_id = call.ask()
    path = f"/questions/{question_id}/reviews"
    assert call("ada", "POST", path, {"verdict": "approve", "n": 1}).status_code == 403
    outdated = call("rosa", "POST", path, {"verdict": "approve", "n": 9})
    assert outdated.status_code == 409
    assert outdated.json()["error"]["detail"] == {"current_n": 1}
    assert call("rosa", "POST", path, {"verdict": "request_changes", "n": 1}).status_code == 400
    made = call("rosa", "POST", path, {"verdict": "request_changes", "n": 1, "comment": "Say <b>where</b>."})
    assert "&lt;b&gt;" in made.json()["html"]
    assert call("ada", "GET", "/queue?kind=author").json()["items"][0]["status"] == "changes_requested"
    assert call("rosa", "DELETE", path).status_code == 200
    assert call("ada", "GET", path).json() == {"reviews": [], "adjudications": []}
    assert call("rosa", "GET", "/queue?kind=review").json()["left"] == 1


def test_comments_are_said_answered_settled_and_restored(room):
    call = room()
    question_id = call.ask()
    body = {"subject": "question", "subject_id": question_id, "body": "*Hm.*", "about": "options.B"}
    assert call("vic", "POST", "/comments", body).status_code == 403
    assert call("ada", "POST", "/comments", {**body, "about": "nonsense"}).status_code == 400
    first = call("ada", "POST", "/comments", body).json()
    assert first["html"].strip() == "<p><em>Hm.</em></p>"
    answer = call("bela", "POST", "/comments", {**body, "body": "Yes.", "parent_id": first["id"]}).json()
    assert call("bela", "PATCH", f"/comments/{first['id']}", {"body": "Mine."}).status_code == 403
    assert call("bela", "POST", f"/comments/{answer['id']}/resolve").json()["id"] == first["id"]
    assert call("ada", "POST", f"/comments/{first['id']}/reopen").json()["resolved_at"] is None
    assert call("boss", "DELETE", f"/comments/{answer['id']}").status_code == 200
    listed = f"/comments?subject=question&subject_id={question_id}"
    assert len(call("vic", "GET", listed).json()["comments"]) == 1
    assert call("bela", "POST", f"/comments/{answer['id']}/restore").status_code == 200
    assert len(call("vic", "GET", listed).json()["comments"]) == 2


def test_assignments_are_dealt_paged_and_seen_by_their_owners(room):
    call = room()
    asked = [call.ask() for _ in range(5)]
    deal = {"kind": "answer", "usernames": ["bela", "cleo"], "status": "submitted"}
    assert call("rosa", "POST", "/assignments/bulk", deal).status_code == 403
    trial = call("boss", "POST", "/assignments/bulk", {**deal, "dry_run": True}).json()
    assert (trial["num_given"], sorted(trial["per_person"].values())) == (5, [2, 3])
    assert call("boss", "GET", "/assignments").json()["total"] == 0
    done = call("boss", "POST", "/assignments/bulk", deal).json()
    assert done["per_person"] == trial["per_person"]
    first = call("boss", "GET", "/assignments?limit=3").json()
    second = call("boss", "GET", f"/assignments?limit=3&cursor={first['next']}").json()
    both = first["assignments"] + second["assignments"]
    assert (first["total"], len(both), second["next"]) == (5, 5, None)
    assert {one["subject_id"] for one in both} == set(asked)
    mine = call("bela", "GET", "/assignments?username=cleo").json()["assignments"]
    assert {one["to"]["username"] for one in mine} == {"bela"}
    assert call("bela", "GET", "/queue?kind=answer").json()["left"] == len(mine)
    path = f"/assignments/{mine[0]['id']}"
    assert call("boss", "DELETE", path).json()["state"] == "cancelled"
    assert call("bela", "PATCH", path, {"state": "open"}).status_code == 403
    assert call("boss", "PATCH", path, {"state": "open"}).json()["state"] == "open"
    nobody = call("boss", "POST", "/assignments/bulk", {**deal, "usernames": ["nobody"]})
    assert nobody.status_code == 404


def test_progress_counts_each_question_once_for_everybody(room):
    call = room()
    for _ in range(3):
        call.ask()
    found = call("vic", "GET", "/progress").json()
    assert found["total"] == sum(bucket["count"] for bucket in found["buckets"]) == 3
    assert {one["by"]["username"]: one["num_questions"] for one in found["people"]}["ada"] == 3
    assert call("vic", "GET", "/agreement").status_code == 403


def test_the_pages_show_an_annotator_nothing_that_would_spoil_a_blind_answer(room):
    call = room(blind_answers=1)
    call.ask()
    base = f"{call.house.server.url}/p/{call.slug}"

    def read(who: str, path: str) -> str:
        headers = {"authorization": f"Bearer {call.house.secrets[who]}"}
        page = httpx.get(f"{base}{path}", headers=headers, timeout=60)
        assert page.status_code == 200
        return page.text

    for path in ("/questions", "/questions/1", "/answer"):
        shown = read("bela", path)
        assert "Which café is nearest?" in shown
        assert SECRET not in shown
        assert "gold</b>" not in shown
    assert SECRET in read("rosa", "/questions/1")
    assert SECRET in read("ada", "/questions/1")


def test_things_of_another_project_are_not_found(room, house):
    call = room()
    question_id = call.ask()
    other = house.project("elsewhere")
    for method, path, body in (
        ("GET", f"/questions/{question_id}/standing", None),
        ("GET", f"/questions/{question_id}/blind", None),
        ("POST", f"/questions/{question_id}/responses", {"skip": True}),
        ("POST", f"/questions/{question_id}/reviews", {"verdict": "approve", "n": 1}),
        ("DELETE", f"/questions/{question_id}/reviews", None),
        ("POST", "/comments", {"subject": "question", "subject_id": question_id, "body": "Hm."}),
        ("POST", "/assignments", {"kind": "answer", "subject_id": question_id, "username": "bela"}),
        ("PATCH", f"/assignments/{question_id}", {"state": "done"}),
    ):
        assert other("boss", method, path, body).status_code == 404, path
