"""Somebody who may not see a project: no id, hash or token of theirs reads or changes anything in it."""

import hashlib
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from annotator.store.sessions import Database
from annotator.store.tables import metadata
from tests.annotator.security.conftest import SECRET, Stranger, Walks
from tests.annotator.security.described import operations

CONTENT_TABLES = ("context", "question", "revision", "review", "comment", "assignment", "webhook", "membership")
CONTENT_TABLES += ("dataset", "snapshot", "job", "project", "project_call", "response")


def state_of(database: Database, names: tuple[str, ...]) -> dict[str, str]:
    """What stands in some tables, as a hash for each."""
    found = {}
    with database.reading() as connection:
        for name in names:
            # Webhooks are delivered meanwhile, whoever asks for what.
            columns = [column for column in metadata.tables[name].columns if column.name != "delivered_seq"]
            rows = sorted(repr(tuple(row)) for row in connection.execute(select(*columns)))
            found[name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


@pytest.fixture(scope="module")
def tables() -> tuple[str, ...]:
    """The tables that hold what people made."""
    return tuple(name for name in CONTENT_TABLES if name in metadata.tables)


def test_ids_of_another_project_are_none_of_this_one(
    outside: httpx.Client, stranger: Stranger, walks: Walks, database: Database, tables: tuple[str, ...]
) -> None:
    description = outside.get("/openapi.json").json()
    tried = 0
    before = state_of(database, tables)
    for operation in operations(description, walks.ids):
        names = set(operation.path_names) & set(walks.ids)
        if "project" not in operation.path_names or not names:
            continue
        # A version is looked for in its dataset, and a call's recording is shared: its id is refused all the same.
        url = operation.url(walks.ids | {"project": stranger.slug, "n": "1"})
        answer = outside.request(operation.method, url, json=operation.body)
        assert answer.status_code in (400, 403, 404, 409), (operation.name, answer.text)
        assert SECRET not in answer.text, operation.name
        tried += 1
    assert tried > 50
    assert state_of(database, tables) == before


@pytest.mark.parametrize("who", ["bearer", "bound", "cookie"])
def test_a_project_that_is_not_theirs_shows_nothing(
    outside: httpx.Client, stranger: Stranger, walks: Walks, who: str
) -> None:
    headers = {"authorization": ""} | getattr(stranger, who)
    with httpx.Client(base_url=outside.base_url, headers={k: v for k, v in headers.items() if v}) as client:
        for operation in operations(client.get("/openapi.json").json(), walks.ids):
            if operation.method == "GET" and "{project}" in operation.path:
                answer = client.get(operation.url(walks.ids | {"project": walks.slug, "n": "1", "form_key": "k"}))
                assert answer.status_code in (400, 403, 404), (operation.name, answer.text)
                assert SECRET not in answer.text


def test_bodies_that_name_things_of_another_project_do_nothing(
    outside: httpx.Client, stranger: Stranger, walks: Walks, database: Database
) -> None:
    base = f"/api/projects/{stranger.slug}"
    ids = walks.ids
    before = state_of(database, ("comment", "assignment", "context", "question", "revision"))
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/comments", {"subject": "question", "subject_id": ids["question_id"], "body": "x"}),
        ("POST", "/comments", {"subject": "context", "subject_id": ids["context_id"], "body": "x"}),
        ("POST", "/assignments", {"kind": "answer", "subject_id": ids["question_id"], "username": "mallory"}),
        (
            "POST",
            "/assignments/bulk",
            {"kind": "answer", "question_ids": [ids["question_id"]], "usernames": ["mallory"]},
        ),
        ("POST", f"/contexts/{ids['context_id']}/questions", {}),
        ("POST", "/exports", {"format": "native", "dataset": "walks", "version": "1.0.0"}),
    ]
    for method, path, body in asked:
        answer = outside.request(method, base + path, json=body)
        assert answer.status_code in (400, 403, 404, 409), (path, answer.text)
        assert SECRET not in answer.text
    assert state_of(database, ("comment", "assignment", "context", "question", "revision")) == before
    for path in (
        f"/questions?context={ids['context_id']}",
        f"/comments?subject=question&subject_id={ids['question_id']}",
        f"/questions?cursor={ids['question_id']}",
        "/audit",
    ):
        assert SECRET not in outside.get(base + path).text
    seen = outside.post(f"{base}/presence", json={"subject_id": ids["question_id"], "tab": "a", "is_editing": False})
    assert "local" not in seen.text


def test_a_frozen_dataset_is_read_by_its_hashes_only_by_those_who_see_its_project(
    outside: httpx.Client, walks: Walks
) -> None:
    for sha in (walks.manifest_sha, walks.render_sha):
        raw = outside.get(f"/x/{sha}")
        shown = outside.get(f"/x/{sha}", headers={"accept": "text/html"})
        assert (raw.status_code, shown.status_code) == (404, 404)
        assert SECRET not in raw.text + shown.text
        assert outside.get(f"/api/bodies/{sha}/uses").json() == {"calls": [], "contexts": [], "questions": []}
    # What a provider answered is the whole installation's, whoever asked; who uses it in which project is not.
    assert outside.get(f"/x/{walks.result_sha}").status_code == 200
    uses = outside.get(f"/api/bodies/{walks.result_sha}/uses").json()
    assert uses["calls"]
    assert uses["contexts"] == uses["questions"] == []


@pytest.mark.usefixtures("member")
def test_those_who_see_the_project_read_its_frozen_texts(
    outside: httpx.Client, walks: Walks, stranger: Stranger
) -> None:
    manifest = outside.get(f"/x/{walks.manifest_sha}")
    assert manifest.status_code == 200
    assert hashlib.sha256(manifest.content).hexdigest() == walks.manifest_sha
    assert json.loads(manifest.content)
    assert outside.get(f"/x/{walks.render_sha}").status_code == 200
    assert outside.get(f"/x/{walks.result_sha}").status_code == 200
    # A token for another project only does not reach as far as whoever made it.
    assert httpx.get(f"{outside.base_url}/x/{walks.manifest_sha}", headers=stranger.bound).status_code in (403, 404)


@pytest.mark.usefixtures("member")
def test_who_may_be_asked_blind_learns_no_evidence_from_the_recording_behind_it(
    client: httpx.Client, outside: httpx.Client, walks: Walks
) -> None:
    base = f"/api/projects/{walks.slug}"

    def cited() -> set[int]:
        return {use["number"] for use in outside.get(f"/api/bodies/{walks.result_sha}/uses").json()["questions"]}

    def set_settings(**settings: Any) -> None:
        now = client.get(base).json()["settings"]
        assert client.patch(base, json={"settings": now | settings}).is_success

    assert cited() == {1, 2}
    set_settings(blind_answers=1, overlap=1.0)
    first = next(row for row in client.get(f"{base}/questions").json()["questions"] if row["number"] == 1)
    for step in ("reopen", "submit"):
        assert client.post(f"{base}/questions/{first['id']}/{step}", json={}).is_success
    assert cited() == {2}
    set_settings(isolate=True)
    assert cited() == set()
    set_settings(isolate=False, blind_answers=0)
    assert cited() == {1, 2}
