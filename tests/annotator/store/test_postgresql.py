"""The whole life of a project on PostgreSQL: the same program, asked over HTTP by several people."""

import io
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotator.datasets.verify import verify_files
from annotator.people import accounts, tokens
from annotator.people.actor import Actor
from annotator.store.migrate import migrate
from annotator.store.sessions import open_database
from annotator.store.times import utc_now
from tests.annotator import postgresql
from tests.annotator.program import run_mapqator, serving

CENTER = {"lat": 45.3957, "lon": -65.33}
PEOPLE = {"ada": "annotator", "bela": "annotator", "cleo": "annotator", "rosa": "reviewer", "ruth": "reviewer"}


@dataclass
class Person:
    """Somebody with a token, in the project `atlas`."""

    client: httpx.Client

    def __call__(self, method: str, path: str, body: Any = None, *, code: int | None = None, **params: Any) -> Any:
        answer = self.client.request(method, path, json=body, params=params)
        assert answer.status_code == code if code else answer.is_success, answer.text
        return answer.json() if answer.content else None


@dataclass
class Installation:
    """A running annotator on PostgreSQL and its people."""

    data_dir: Path
    env: dict[str, str]
    people: dict[str, Person]

    def __getitem__(self, name: str) -> Person:
        return self.people[name]


@pytest.fixture(scope="module")
def installation(postgresql_server: str, town_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    folder = tmp_path_factory.mktemp("on-postgresql") / "data"
    shutil.copytree(town_data / "maps", folder / "maps")
    with postgresql.new_database(postgresql_server) as url:
        secrets = _people(url)
        env = {"MAPQATOR_DATABASE_URL": url, "MAPQATOR_LOGIN": "required"}
        with serving(folder, env) as annotator:
            clients = {
                name: httpx.Client(
                    base_url=f"{annotator.url}/api", headers={"authorization": f"Bearer {secret}"}, timeout=60
                )
                for name, secret in secrets.items()
            }
            found = Installation(folder, env, {name: Person(client) for name, client in clients.items()})
            root = found["root"]
            settings = {"checklist": [], "blind_answers": 2}
            root("POST", "/projects", {"name": "Atlas", "slug": "atlas", "settings": settings})
            for name, role in PEOPLE.items():
                root("PUT", f"/projects/atlas/members/{name}", {"role": role})
            for name, person in found.people.items():
                if name != "root":
                    person.client.base_url = f"{annotator.url}/api/projects/atlas"
            yield found
            for client in clients.values():
                client.close()


def _people(url: str) -> dict[str, str]:
    """Accounts with a token each."""
    database = open_database(url)
    migrate(database)
    found = {}
    with database.writing() as connection:
        for name in ("root", *PEOPLE):
            made = accounts.create(connection, None, username=name, is_admin=name == "root", now=utc_now())
            actor = Actor(made.id, made.username, made.display_name, made.is_admin)
            _, found[name] = tokens.create(connection, actor, name="test", scope="admin", now=utc_now())
    database.close()
    return found


def _finished(person: Person, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while job["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, job
        job = person("GET", f"/jobs/{job['id']}")
    assert job["state"] == "done", job
    return job


@pytest.fixture(scope="module")
def cafes(installation: Installation) -> dict[str, Any]:
    """A recorded call."""
    params = CENTER | {"radius_m": 4000, "type": "cafe", "limit": 4}
    return installation["ada"]("POST", "/tools/nearby_search", params)


@pytest.fixture(scope="module")
def context(installation: Installation, cafes: dict[str, Any]) -> dict[str, Any]:
    item = {"key": "i0", "kind": "nearby", "tool_call_id": cafes["id"]}
    return installation["ada"]("POST", "/contexts", {"content": {"title": "Coffee", "items": [item]}})


def _ask(installation: Installation, cafes: dict[str, Any], context: dict[str, Any], index: int) -> dict[str, Any]:
    """A submitted question of ada's; the right answer is the letter of the index."""
    ada = installation["ada"]
    evidence = ada(
        "POST",
        "/evidence",
        {"tool_call_id": cafes["id"], "pointer": f"/places/{index}/name", "role": "supports"},
    )
    content = {
        "type": "single_choice",
        "body": f"Which café is number {index + 1} by distance?",
        "options": [
            {"key": key, "text": place["name"]} for key, place in zip("ABCD", cafes["result"]["places"], strict=False)
        ],
        "gold_keys": ["ABCD"[index]],
        "category": "nearby",
        "tags": ["coffee"],
        "evidence": [evidence],
    }
    made = ada("POST", f"/contexts/{context['id']}/questions", {"content": content})
    return ada("POST", f"/questions/{made['id']}/submit", {})


def _answered(installation: Installation, question: dict[str, Any], **keys: str) -> None:
    for name, key in keys.items():
        answer = {"answer": {"keys": [key]}, "confidence": 4, "active_ms": 900}
        installation[name]("POST", f"/questions/{question['id']}/responses", answer)


def test_calls_contexts_and_questions_are_written_and_found(installation, cafes, context) -> None:
    ada = installation["ada"]
    saved = ada("PATCH", f"/calls/{cafes['id']}", {"label": "Cafés", "is_saved": True})
    assert [call["label"] for call in ada("GET", "/calls", saved=True)["calls"]] == [saved["label"]] == ["Cafés"]
    assert ada("GET", f"/calls/{cafes['id']}")["result"] == cafes["result"]
    changed = ada("PUT", f"/contexts/{context['id']}", {"base_n": 1, "content": context["content"] | {"title": "Tea"}})
    assert ada("POST", f"/contexts/{context['id']}/undo", {})["content"] == context["content"]
    assert ada("POST", f"/contexts/{context['id']}/redo", {})["content"] == changed["content"]
    assert ada("GET", "/contexts", q="tea")["total"] == 1
    assert "café" in ada("GET", f"/contexts/{context['id']}/render", format="text")["text"].lower()

    made = ada("POST", f"/contexts/{context['id']}/questions", {"content": {"body": "Which one is cosy?"}})
    path = f"/questions/{made['id']}"
    later = ada("PUT", path, {"base_n": 1, "content": made["content"] | {"body": "Which one is cheap?"}})
    assert later["n"] == 2
    other = made["content"] | {"body": "Which one is dear?"}
    conflict = ada("PUT", path, {"base_n": 1, "content": other}, code=409)
    assert conflict["error"]["detail"]["current_n"] == 2
    assert ada("POST", f"{path}/undo", {})["content"] == made["content"]
    assert [row["n"] for row in ada("GET", f"{path}/history")] == [2, 1]
    found = ada("GET", "/questions", q="cosy", status="draft", author="ada", context=context["id"])
    assert [row["id"] for row in found["questions"]] == [made["id"]]
    ada("DELETE", path)
    assert ada("GET", "/questions", q="cosy")["total"] == 0
    ada("POST", f"{path}/restore", {})

    kept = ada("PUT", "/drafts/question.new", {"payload": {"body": "Half a quest"}, "base_n": None})
    assert ada("GET", "/drafts/question.new")["payload"] == kept["payload"]
    ada("DELETE", "/drafts/question.new")
    ada("GET", "/drafts/question.new", code=404)
    ada("POST", "/presence", {"subject_id": made["id"], "tab": "tab-of-ada", "is_editing": True})
    seen = installation["rosa"]("POST", "/presence", {"subject_id": made["id"], "tab": "tab-of-rosa"})
    assert [(one["username"], one["is_editing"]) for one in seen["others"]] == [("ada", True)]
    worked = {"items": [{"subject": "question", "subject_id": made["id"], "active_ms": 10_170}]}
    assert ada("POST", "/lead-times", worked)["num_counted"] == 1
    assert ada("GET", "/lead-times")["questions"]["n"] == 1


def test_answers_reviews_and_decisions_end_in_a_dataset_that_goes_out_and_comes_in(
    installation, cafes, context, tmp_path
) -> None:
    rosa = installation["rosa"]
    agreed, contested = (_ask(installation, cafes, context, index) for index in (0, 1))
    queue = installation["bela"]("GET", "/queue", kind="answer")
    assert {item["id"] for item in queue["items"]} == {agreed["id"], contested["id"]}
    _answered(installation, agreed, bela="A", cleo="A")
    _answered(installation, contested, bela="C", cleo="D")
    assert rosa("GET", "/queue", kind="adjudicate")["items"][0]["id"] == contested["id"]
    comment = rosa("POST", "/comments", {"subject": "question", "subject_id": contested["id"], "body": "@ruth ?"})
    rosa("POST", f"/comments/{comment['id']}/resolve", {})
    decision = {
        "n": contested["n"],
        "gold": {"keys": ["B"]},
        "reason_code": "gold_right",
        "comment": "The list is by distance.",
    }
    installation["ruth"]("POST", f"/questions/{contested['id']}/adjudications", decision)
    for question in (agreed, contested):
        now = rosa("GET", f"/questions/{question['id']}")
        if now["status"] != "approved":
            rosa("POST", f"/questions/{question['id']}/reviews", {"verdict": "approve", "n": now["n"], "checklist": []})
    assert rosa("GET", "/questions", status="approved", tag="coffee")["total"] == 2
    assert rosa("GET", "/progress")["total"] >= 2
    assert rosa("GET", "/agreement")["num_questions"] == 2

    root = installation["root"]
    root("POST", "/projects/atlas/datasets", {"title": "Walks", "slug": "walks"})
    frozen = root("POST", "/projects/atlas/datasets/walks/snapshots", {"version": "1.0.0"})
    assert frozen["counts"]["items"] == 2
    report = _finished(rosa, rosa("POST", "/datasets/walks/snapshots/1.0.0/verify", {}, job=True))["result"]["report"]
    assert report["is_ok"], report
    assert rosa("POST", "/datasets/walks/snapshots/1.0.0/replay", {})["is_ok"]

    for key in ("parquet", "hf", "csv", "jsonl", "native"):
        if key in {one["key"] for one in rosa("GET", "/formats")["exports"]}:
            job = _finished(rosa, rosa("POST", "/exports", {"format": key, "dataset": "walks"}))
            assert job["result"]["num_items"] == 2
    archive = tmp_path / "walks.tar.zst"
    archive.write_bytes(rosa.client.get(f"/exports/{job['id']}/file").read())
    assert verify_files(archive).is_ok

    root("POST", "/projects", {"name": "Copy", "slug": "copy"})
    answer = root.client.post(
        "/projects/copy/imports",
        params={"format": "native", "name": archive.name},
        content=io.BytesIO(archive.read_bytes()),
        headers={"content-type": "application/octet-stream"},
    )
    job = answer.json()
    deadline = time.monotonic() + 60
    while job["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, job
        job = root("GET", f"/projects/copy/jobs/{job['id']}")
    assert (job["state"], job["result"]["num_questions"]) == ("done", 2), job
    undone = root("POST", f"/projects/copy/imports/{job['id']}/undo", {})
    assert undone["num_questions"] == 2


def test_the_audit_chain_is_whole_and_commands_work_on_the_same_database(installation) -> None:
    assert installation["root"]("GET", "/admin/audit/verify")["is_whole"]
    assert len(installation["rosa"]("GET", "/audit")["entries"]) > 3
    listed = run_mapqator(installation.data_dir, "project", "list", env=installation.env)
    assert "atlas" in listed.stdout, listed.stderr
    verified = run_mapqator(installation.data_dir, "audit", "verify", env=installation.env)
    assert verified.returncode == 0, verified.stderr
