"""Large datasets are frozen, verified and replayed as jobs that give what the answer would have been."""

import time
from typing import Any

import httpx
import pytest

from annotator.cache.json_text import canonical
from annotator.datasets import assemble
from annotator.datasets.items import items, lines
from annotator.datasets.jobs import cancel, create, get
from annotator.datasets.plan import FreezeRequest
from annotator.datasets.runner import Progress, run_job
from annotator.datasets.snapshots import get_dataset, snapshots_of
from annotator.datasets.tasks import freeze_task
from annotator.datasets.verify import verify_snapshot
from annotator.people.local import local_actor
from annotator.store.times import utc_now
from annotator.web.dataset_jobs import is_job
from tests.annotator.datasets.over_http import write_project


@pytest.fixture
def project(annotator_server) -> str:
    return write_project(annotator_server.url, "Frozen by jobs")


def ended(client: httpx.Client, project: str, answer: httpx.Response) -> dict[str, Any]:
    """The job that an answer is, when it is over."""
    assert answer.status_code == 202, answer.text
    job = answer.json()
    deadline = time.monotonic() + 60
    while job["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, job
        job = client.get(f"/api/projects/{project}/jobs/{job['id']}").json()
    return job


def test_jobs_give_what_answers_give(annotator_server, project) -> None:
    with httpx.Client(base_url=annotator_server.url, timeout=60) as client:
        path = f"/api/projects/{project}/datasets/walks/snapshots"
        request = {"version": "1.0.0"}
        plan = client.post(path, json=request | {"dry_run": True}).json()
        job = ended(client, project, client.post(f"{path}?job=true", json=request | {"dry_run": True}))
        assert job["kind"] == "freeze"
        assert job["result"]["plan"]["counts"] == plan["counts"]
        assert job["result"]["plan"]["difference"] == {"added": 3, "removed": 0, "changed": 0}
        assert client.get(path).json()["total"] == 0

        job = ended(client, project, client.post(f"{path}?job=true", json=request))
        assert (job["state"], job["result"]["version"], job["num_done"]) == ("done", "1.0.0", 6)
        assert client.get(f"{path}/1.0.0").json()["manifest_sha"] == job["result"]["manifest_sha"]

        report = client.post(f"{path}/1.0.0/verify").json()
        job = ended(client, project, client.post(f"{path}/1.0.0/verify?job=true"))
        assert job["result"]["report"] == report
        assert report["is_ok"]
        replay = client.post(f"{path}/1.0.0/replay").json()
        job = ended(client, project, client.post(f"{path}/1.0.0/replay?job=true"))
        assert job["result"]["replay"] == replay
        assert replay["is_ok"]

        wrong = {"version": "1.1.0", "filter": {"status": []}}
        refused = client.post(path, json=wrong)
        job = ended(client, project, client.post(f"{path}?job=true", json=wrong))
        assert (refused.status_code, job["state"]) == (409, "failed")
        assert job["result"]["reasons"] == refused.json()["error"]["detail"]["reasons"]
        assert job["message"] == refused.json()["error"]["message"]


def test_large_ones_are_jobs_unless_asked_otherwise() -> None:
    assert [is_job(*given) for given in ((None, 499), (None, 500), (True, 1), (False, 10_000))] == [
        False,
        True,
        True,
        False,
    ]


def test_blobs_of_large_snapshots_are_stored_before_and_make_no_difference(world, monkeypatch) -> None:
    whole = world.freeze("1.0.0")
    monkeypatch.setattr(assemble, "_MAX_HELD_BYTES", 1)
    parts = world.freeze("1.1.0")
    with world.database.reading() as connection:
        assert all(verify_snapshot(connection, one).is_ok for one in (whole, parts))
        # Lines are put together of parts, and yet canonical.
        for item, line in zip(items(connection, parts), lines(connection, parts), strict=True):
            assert canonical(item.model_dump(mode="json")) == line == item.line()


def test_a_freeze_that_is_cancelled_at_its_end_freezes_nothing(world) -> None:
    actor = local_actor()
    with world.database.writing() as connection:
        job = create(connection, actor, world.project.id, "freeze", {}, now=utc_now())

    def cancel_at_the_end(done: int, total: int | None, message: str) -> None:
        if done == total and message != "Writing":
            with world.database.writing() as connection:
                cancel(connection, actor, world.project.id, job.id, now=utc_now())

    task = freeze_task(
        world.database, world.catalogue, actor, world.project, "saltmere", FreezeRequest(version="1.0.0")
    )
    run_job(world.database, Progress(world.database, job.id, watch=cancel_at_the_end), task)
    with world.database.reading() as connection:
        assert get(connection, world.project.id, job.id, utc_now()).state == "cancelled"
        assert snapshots_of(connection, get_dataset(connection, world.project.id, "saltmere").id) == []
