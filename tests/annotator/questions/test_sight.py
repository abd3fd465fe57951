"""Who sees what over HTTP where people sign in: nothing of others when isolated, nothing of answers when blind."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from annotator.people import members, tokens
from annotator.people.accounts import create
from annotator.people.actor import Actor
from annotator.people.projects import ProjectSettings
from annotator.people.projects import create as create_project
from annotator.people.roles import Role
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now
from tests.annotator.program import serving

ROLES: dict[str, Role] = {"rosa": "reviewer", "ada": "annotator", "bela": "annotator", "vic": "viewer"}
SECRET = "Because the river bends there."
CONTENT: dict[str, Any] = {
    "type": "single_choice",
    "body": "Which café is nearest?",
    "options": [{"key": "A", "text": "Buoy"}, {"key": "B", "text": "Compass"}],
    "gold_keys": ["B"],
    "explanation": SECRET,
    "category": "poi",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Database]]:
    """An annotator that asks for a login, and its database opened a second time."""
    folder = tmp_path_factory.mktemp("house")
    env = {"MAPQATOR_LOGIN": "required", "MAPQATOR_TOWN": "false"}
    with serving(folder, env) as annotator, httpx.Client(base_url=annotator.url, timeout=30) as client:
        database = open_database(f"sqlite:///{folder / 'mapqator.sqlite'}")
        yield client, database
        database.close()


@pytest.fixture(scope="module")
def people(house: tuple[httpx.Client, Database]) -> dict[str, Actor]:
    _, database = house
    made = {}
    with database.writing() as connection:
        for name in ("owner", *ROLES):
            account = create(connection, None, username=name, display_name=name.title(), now=utc_now())
            made[name] = Actor(account.id, name, name.title())
    return made


@pytest.fixture
def enter(
    house: tuple[httpx.Client, Database], people: dict[str, Actor]
) -> Callable[..., Callable[..., httpx.Response]]:
    """`enter(**settings)` makes a project with everybody in it and gives `ask(who, method, path, body)`."""
    client, database = house

    def make(**settings: Any) -> Callable[..., httpx.Response]:
        now = utc_now()
        headers = {}
        with database.writing() as connection:
            chosen = ProjectSettings.model_validate({"require_evidence": False, **settings})
            project = create_project(connection, people["owner"], name="Harbour", settings=chosen, now=now)
            for name, role in ROLES.items():
                members.set_role(connection, people["owner"], "owner", project, name, role, now=now)
            for name, who in people.items():
                _, secret = tokens.create(connection, who, name="t", scope="write", project_id=None, now=now)
                headers[name] = {"authorization": f"Bearer {secret}"}

        def ask(who: str, method: str, path: str, body: Any = None) -> httpx.Response:
            sent = {} if body is None else {"json": body}
            return client.request(method, f"/api/projects/{project.slug}{path}", headers=headers[who], **sent)

        return ask

    return make


def make_question(ask: Callable[..., httpx.Response], who: str = "ada") -> dict[str, Any]:
    context = ask(who, "POST", "/contexts", {}).json()
    made = ask(who, "POST", f"/contexts/{context['id']}/questions", {"content": CONTENT})
    assert made.status_code == 201, made.text
    return dict(made.json())


def test_an_isolated_annotator_finds_nothing_of_others(enter: Any) -> None:
    ask = enter(isolate=True)
    made, own = make_question(ask), make_question(ask, "bela")
    path = f"/questions/{made['id']}"
    for who in ("bela", "vic"):
        for method, below in (("GET", ""), ("GET", "/history"), ("GET", "/revisions/1")):
            assert ask(who, method, path + below).status_code == 404
        assert ask(who, "GET", f"/contexts/{made['context_id']}/questions").json() == []
    for method, below in (
        ("DELETE", ""),
        ("POST", "/submit"),
        ("POST", "/undo"),
        ("POST", "/archive"),
        ("POST", "/reopen"),
    ):
        assert ask("bela", method, path + below).status_code == 404
    assert ask("bela", "PUT", path, {"base_n": 1, "content": CONTENT}).status_code == 404
    found = ask("bela", "GET", "/questions").json()
    assert ([row["id"] for row in found["questions"]], found["total"]) == ([own["id"]], 1)
    assert ask("vic", "GET", "/questions").json()["total"] == 0
    assert ask("rosa", "GET", "/questions").json()["total"] == 2
    assert ask("rosa", "GET", path).json()["content"]["explanation"] == SECRET


def test_whoever_may_be_asked_sees_the_question_and_nothing_of_its_answer(enter: Any) -> None:
    ask = enter(blind_answers=1)
    made = make_question(ask)
    path, whole = f"/questions/{made['id']}", made["content"]
    # A draft is everybody's work; from submitting on it is blind.
    assert ask("bela", "GET", path).json()["content"] == whole
    assert ask("ada", "POST", f"{path}/submit").json()["status"] == "in_review"
    shown = ask("bela", "GET", path).json()
    assert shown["is_blind"] is True
    assert (shown["content"]["body"], shown["content"]["options"]) == (whole["body"], whole["options"])
    assert (shown["by"]["username"], shown["findings"]) == ("", [])
    for below in ("", "/history", "/revisions/1"):
        answer = ask("bela", "GET", path + below)
        assert SECRET not in answer.text
        assert "ada" not in answer.text
        assert answer.status_code == (403 if below else 200)
    for text in (
        ask("bela", "GET", f"/contexts/{made['context_id']}/questions").text,
        ask("bela", "GET", "/questions").text,
    ):
        assert SECRET not in text
        assert "ada" not in text
    # What somebody sees without its answer they cannot save over the answer either.
    assert ask("bela", "PUT", path, {"base_n": 1, "content": shown["content"]}).status_code == 403
    assert ask("bela", "POST", f"{path}/undo").status_code == 403
    for who in ("ada", "rosa"):
        seen = ask(who, "GET", path).json()
        assert (seen["content"], seen["by"]["username"], seen["is_blind"]) == (whole, "ada", False)


def test_deciding_for_others_is_refused_in_words(enter: Any) -> None:
    ask = enter()
    made = make_question(ask)
    for method, below, verb in (("DELETE", "", "delete"), ("POST", "/archive", "archive")):
        refused = ask("bela", method, f"/questions/{made['id']}{below}")
        assert refused.status_code == 403
        assert refused.json()["error"]["message"] == f"only its author or a reviewer may {verb} question 1"
    assert ask("vic", "PUT", f"/questions/{made['id']}", {"base_n": 1, "content": CONTENT}).status_code == 403
    assert ask("bela", "PUT", f"/questions/{made['id']}", {"base_n": 1, "content": CONTENT | {"body": "?"}}).is_success
    assert ask("rosa", "DELETE", f"/questions/{made['id']}").is_success


def test_two_people_on_one_question_see_each_other_and_merge(enter: Any) -> None:
    ask = enter()
    made = make_question(ask)
    here = {"subject_id": made["id"], "tab": "t", "is_editing": True}
    assert ask("ada", "POST", "/presence", here).json()["others"] == []
    (other,) = ask("bela", "POST", "/presence", here).json()["others"]
    assert (other["username"], other["display_name"], other["is_editing"]) == ("ada", "Ada", True)
    path = f"/questions/{made['id']}"
    assert ask("ada", "PUT", path, {"base_n": 1, "content": CONTENT | {"body": "By Ada?"}}).is_success
    merged = ask("bela", "PUT", path, {"base_n": 1, "content": CONTENT | {"explanation": "By Bela."}}).json()
    assert (merged["content"]["body"], merged["content"]["explanation"], merged["merged"]) == (
        "By Ada?",
        "By Bela.",
        True,
    )
    clash = ask("bela", "PUT", path, {"base_n": 1, "content": CONTENT | {"body": "By Bela?"}})
    assert clash.status_code == 409
    assert clash.json()["error"]["detail"]["author"]["username"] == "bela"
    rows = ask("ada", "GET", f"{path}/history").json()
    assert [(row["by"]["username"], row["changed"]) for row in rows[:2]] == [
        ("bela", ["explanation"]),
        ("ada", ["body"]),
    ]
