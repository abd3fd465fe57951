"""The JSON API of evaluation, of a real annotator: runs are started, watched, stopped and read over HTTP."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotator.client import ApiError, MapQaTor
from tests.annotator.datasets.over_http import write_project
from tests.annotator.evaluate.runs import scripted
from tests.annotator.evaluate.runs.scripted import says, served
from tests.annotator.program import Annotator


@pytest.fixture(scope="module")
def project(annotator_server: Annotator) -> str:
    """A project with the frozen dataset `walks`: three questions, of which the first two choices have A and B."""
    slug = write_project(annotator_server.url, name="Evaluated walks")
    answer = httpx.post(
        f"{annotator_server.url}/api/projects/{slug}/datasets/walks/snapshots", json={"version": "1.0.0"}, timeout=60
    )
    assert answer.status_code == 201, answer.text
    return slug


@pytest.fixture
def client(annotator_server: Annotator):
    with httpx.Client(base_url=annotator_server.url, timeout=60) as made:
        yield made


def endpoint(client: httpx.Client, name: str, url: str) -> None:
    made = client.post("/api/evaluations/endpoints", json={"name": name, "base_url": url})
    assert made.status_code == 201, made.text


def watched(client: httpx.Client, path: str) -> list[tuple[str, Any]]:
    """All events of a run until its end."""
    with client.stream("GET", f"{path}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = answer.read().decode()
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if not block.startswith(":")]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in blocks]


def test_a_run_is_started_watched_and_read(client: httpx.Client, project: str) -> None:
    base = f"/api/projects/{project}/evaluations"
    with served(lambda body: says("Answer: A")) as server:
        endpoint(client, "watched", server.url)
        listed = client.get("/api/evaluations/endpoints").json()["endpoints"]
        assert listed[0]["name"] == "local"
        served_models = client.get("/api/evaluations/endpoints/watched/models").json()
        assert ([one["id"] for one in served_models["models"]], served_models["version"]) == (
            ["tiny", "tiny:fast"],
            "9.9",
        )
        ids = []
        for model in ("tiny", "tiny:fast"):
            body = {"dataset": "walks", "endpoint": "watched", "config": {"model": model, "max_tokens": 30}}
            started = client.post(base, json=body)
            assert started.status_code == 202, started.text
            ids.append(started.json()["id"])
            events = watched(client, f"{base}/{ids[-1]}")
            assert events[-1] == ("end", {"state": "done"})
            assert events[-2][1]["verdicts"] == {"right": 1, "wrong": 1, "invalid": 1}
    assert client.delete("/api/evaluations/endpoints/watched").status_code == 204
    summary = client.get(f"{base}/{ids[0]}/summary").json()
    assert summary["overall"]["num"] == 3
    assert {reference["name"] for reference in summary["overall"]["references"]} >= {"chance", "majority", "human"}
    wrong = client.get(f"{base}/{ids[0]}/items", params={"verdict": "wrong"}).json()["items"]
    trace = client.get(f"{base}/{ids[0]}/items/{wrong[0]['result']['facts']['number']}").json()
    assert trace["messages"] == [*trace["prompt"]["messages"], {"role": "assistant", "content": "Answer: A"}]
    assert trace["prompt_sha"] == wrong[0]["prompt_sha"]
    compared = client.get(f"{base}/compare", params={"run": ids}).json()
    assert compared["pairs"][0]["difference"] == 0
    rows = client.get(f"{base}/leaderboard", params={"dataset": "walks"}).json()["rows"]
    assert {row["run"]["run_id"] for row in rows} == set(ids)
    page = client.get(base, params={"limit": 1}).json()
    rest = client.get(base, params={"cursor": page["next"]}).json()
    assert [page["runs"][0]["id"], rest["runs"][0]["id"]] == ids[::-1]
    for key in ("jsonl", "parquet", "inspect", "lm-eval"):
        file = client.get(f"{base}/{ids[0]}/export", params={"format": key})
        assert (file.status_code, bool(file.content)) == (200, True), file.text
    assert client.get(f"{base}/{ids[0]}/export", params={"format": "doc"}).status_code == 400
    assert client.get(f"{base}/nonsense").status_code == 404


def test_a_run_is_cancelled_and_resumed(client: httpx.Client, project: str) -> None:
    base = f"/api/projects/{project}/evaluations"
    reached, over = threading.Event(), threading.Event()

    def play(body: dict) -> bytes:
        if len(server.bodies) == 2:
            reached.set()
            over.wait(30)
        return says("Answer: A")

    with served(play) as server:
        endpoint(client, "stopped", server.url)
        body = {"dataset": "walks", "endpoint": "stopped", "config": {"concurrency": 1, "max_tokens": 30}}
        run = client.post(base, json=body).json()
        assert reached.wait(30)
        assert client.post(f"{base}/{run['id']}/resume", json={}).status_code == 409
        assert client.post(f"{base}/{run['id']}/cancel").json()["state"] == "cancelled"
        over.set()
        assert client.post(f"{base}/{run['id']}/cancel").status_code == 409
        resumed = client.post(f"{base}/{run['id']}/resume", json={})
        assert resumed.status_code == 202, resumed.text
        assert watched(client, f"{base}/{run['id']}")[-1] == ("end", {"state": "done"})
        assert client.post(f"{base}/{run['id']}/resume", json={}).status_code == 409
    assert client.get(f"{base}/{run['id']}").json()["num_done"] == 3


def test_what_cannot_be_run_is_refused_with_the_reason(client: httpx.Client, project: str) -> None:
    base = f"/api/projects/{project}/evaluations"
    refused = {
        "no endpoint": {"dataset": "walks", "endpoint": "nobody"},
        "no dataset": {"dataset": "nothing"},
        "no version": {"dataset": "walks", "version": "9.0.0"},
        "max_tokens": {"dataset": "walks", "config": {"max_tokens": 0}},
        "none fits the filters": {"dataset": "walks", "config": {"categories": ["opera"]}},
        "no server answers": {"dataset": "walks", "endpoint": "gone"},
    }
    endpoint(client, "gone", "http://127.0.0.1:9/v1")
    for words, body in refused.items():
        answer = client.post(base, json=body)
        assert answer.status_code in (400, 404, 409, 502), answer.text
        assert words in answer.json()["error"]["message"]
    for url in ("http://example.org/v1", "http://169.254.169.254/v1", "ftp://example.org"):
        made = client.post("/api/evaluations/endpoints", json={"name": "bad", "base_url": url})
        assert made.status_code == 400, url


def test_the_client_runs_reads_and_takes_away(annotator_server: Annotator, project: str, tmp_path: Path) -> None:
    with served(lambda body: says("Answer: B")) as server, MapQaTor(annotator_server.url) as api:
        mine = api.project(project).evaluations
        api.send("POST", "/api/evaluations/endpoints", {"name": "by-client", "base_url": server.url})
        assert "by-client" in [one["name"] for one in mine.endpoints()]
        assert [one["id"] for one in mine.models("by-client")] == ["tiny", "tiny:fast"]
        run = mine.wait(mine.start("walks", endpoint="by-client", mode="closed_book", limit=2, sample_seed=1))
        assert (run["state"], run["num_done"]) == ("done", 2)
        assert run["id"] in [one["id"] for one in mine.runs(dataset="walks")]
        assert len(list(mine.items(run["id"]))) == 2
        assert mine.summary(run["id"])["overall"]["num"] == 2
        number = next(mine.items(run["id"]))["result"]["facts"]["number"]
        assert mine.trace(run["id"], number)["reply"] == "Answer: B"
        assert len(mine.export(run["id"], tmp_path / "run.jsonl").read_text().splitlines()) == 3
        with pytest.raises(ApiError, match="have been asked"):
            mine.resume(run["id"])


def test_the_client_asks_all_variants_of_a_model_one_after_the_other(
    annotator_server: Annotator, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(lambda body: says("Answer: A")) as server, MapQaTor(annotator_server.url) as api:
        mine = api.project(project).evaluations
        assert mine.add_endpoint("several", server.url)["protocol"] == "tools"
        with pytest.raises(ApiError, match="serves no variants of 'tiny'"):
            mine.start_variants("walks", endpoint="several")
        listed = [{"id": name, "root": "tiny"} for name in ("tiny", "tiny:full", "tiny:duo")]
        monkeypatch.setattr(scripted, "MODELS", {"object": "list", "data": listed})
        begun = mine.start_variants("walks", endpoint="several", name="both", mode="closed_book", concurrency=1)
        assert [(run["variant"], run["name"]) for run in begun] == [
            ("full", "both, tiny:full"),
            ("duo", "both, tiny:duo"),
        ]
        assert {mine.wait(run)["state"] for run in begun} == {"done"}
        assert [body["model"] for body in server.bodies] == ["tiny:full"] * 3 + ["tiny:duo"] * 3
        mine.remove_endpoint("several")
        assert "several" not in [one["name"] for one in mine.endpoints()]
