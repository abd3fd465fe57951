"""Datasets over HTTP."""

import hashlib
from dataclasses import dataclass

import httpx
import pytest

from annotator.datasets.versions import parse_version
from tests.annotator.datasets.over_http import write_project

SPLITS = {"by": "context", "shares": {"train": 1, "test": 1}}


@dataclass(frozen=True)
class Datasets:
    """A project's datasets at their address."""

    base: str
    http: httpx.Client

    def get(self, path: str, **params: object) -> httpx.Response:
        return self.http.get(self.base + path, params=params)

    def post(self, path: str, json: object = None) -> httpx.Response:
        return self.http.post(self.base + path, json=json)

    def patch(self, path: str, json: object) -> httpx.Response:
        return self.http.patch(self.base + path, json=json)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(self.base + path)


@pytest.fixture(scope="module")
def client(annotator_server):
    slug = write_project(annotator_server.url, "Over HTTP")
    base = f"{annotator_server.url}/api/projects/{slug}/datasets"
    with httpx.Client(timeout=60) as client:
        yield Datasets(base, client)


def test_a_dataset_is_made_changed_deleted_and_brought_back(client) -> None:
    made = client.post("", json={"title": "  An   atlas "})
    assert made.status_code == 201
    assert (made.json()["slug"], made.json()["title"], made.json()["latest"]) == ("an-atlas", "An atlas", None)
    assert client.post("", json={"title": "Other", "slug": "an-atlas"}).status_code == 409
    assert client.post("", json={"title": " "}).json()["error"]["param"] == "title"
    changed = client.patch("/an-atlas", json={"card": "# An atlas"})
    assert (changed.json()["card"], changed.json()["title"]) == ("# An atlas", "An atlas")
    assert client.delete("/an-atlas").status_code == 200
    assert client.get("/an-atlas").status_code == 404
    assert "an-atlas" not in [row["slug"] for row in client.get("").json()["datasets"]]
    assert client.post("/an-atlas/restore").json()["deleted_at"] is None
    assert client.get("/an-atlas").status_code == 200


def test_a_snapshot_is_tried_refused_frozen_read_verified_and_replayed(client) -> None:
    tried = client.post("/walks/snapshots", json={"version": "1.0.0", "filter": {"status": []}, "dry_run": True})
    assert tried.status_code == 200
    plan = tried.json()
    assert not plan["can_freeze"]
    assert {(reason["number"], reason["code"]) for reason in plan["reasons"]} >= {
        (4, "unapproved"),
        (4, "gold_missing"),
    }
    refused = client.post("/walks/snapshots", json={"version": "1.0.0", "filter": {"status": []}})
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "cannot_freeze"
    assert refused.json()["error"]["detail"]["reasons"] == plan["reasons"]
    assert client.get("/walks/snapshots").json()["total"] == 0

    frozen = client.post("/walks/snapshots", json={"version": "1.0.0", "splits": SPLITS})
    assert frozen.status_code == 201, frozen.text
    body = frozen.json()
    assert body["counts"]["items"] == 3
    assert client.get("/walks/snapshots/1.0.0").json() == body
    assert client.get("/walks").json()["latest"]["version"] == "1.0.0"
    manifest = client.get("/walks/snapshots/1.0.0/manifest")
    assert hashlib.sha256(manifest.content).hexdigest() == body["manifest_sha"]
    rows = client.get("/walks/snapshots/1.0.0/items", limit=2).json()
    assert [row["number"] for row in rows["items"]] == [1, 2]
    rest = client.get("/walks/snapshots/1.0.0/items", limit=2, cursor=rows["next"]).json()
    assert ([row["number"] for row in rest["items"]], rest["next"]) == ([3], None)
    assert client.get("/walks/snapshots/1.0.0/items", number=4).status_code == 404
    report = client.post("/walks/snapshots/1.0.0/verify").json()
    assert (report["is_ok"], report["findings"], report["num_evidence"]) == (True, [], 3)
    replay = client.post("/walks/snapshots/1.0.0/replay").json()
    assert (replay["is_ok"], replay["num_calls"], replay["num_contexts"]) == (True, 2, 2)
    again = client.post("/walks/snapshots", json={"version": "1.0.1", "splits": SPLITS})
    assert again.json()["parent"] == "1.0.0"
    assert client.get("/walks/snapshots/1.0.1/diff").json() == {"added": [], "removed": [], "changed": []}
    assert len(client.get("/walks/snapshots/1.0.0/diff").json()["added"]) == 3
    assert [parse_version(row["version"]).patch for row in client.get("/walks/snapshots").json()["snapshots"]] == [1, 0]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "version"),
        ({"version": "one"}, "version"),
        ({"version": "9.0.0", "splits": {"shares": {"Train": 1}}}, None),
        ({"version": "9.0.0", "splits": {"shares": {}}}, "splits.shares"),
        ({"version": "9.0.0", "filter": {"status": ["good"]}}, "filter.status[0]"),
        ({"version": "9.0.0", "colour": "blue"}, "colour"),
    ],
)
def test_what_cannot_be_frozen_is_refused_in_words(client, body, param) -> None:
    answer = client.post("/walks/snapshots", json=body)
    assert answer.status_code == 400, answer.text
    if param is not None:
        assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "path", ["/none", "/none/snapshots", "/walks/snapshots/8.8.8", "/walks/snapshots/8.8.8/manifest"]
)
def test_what_is_not_there_is_a_404(client, path) -> None:
    assert client.get(path).status_code == 404


def test_nothing_is_reached_from_another_project(client, annotator_server) -> None:
    made = httpx.post(f"{annotator_server.url}/api/projects", json={"name": "Elsewhere"}, timeout=30).json()
    there = f"{annotator_server.url}/api/projects/{made['slug']}/datasets/walks"
    assert httpx.get(there, timeout=30).status_code == 404
    assert httpx.get(f"{there}/snapshots/1.0.0/manifest", timeout=30).status_code == 404
