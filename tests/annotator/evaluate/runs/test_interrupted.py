"""The web program killed while it runs models: started again, it goes on and repeats and loses no question."""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from annotator.assembly import open_service
from annotator.datasets import jobs, runner
from annotator.datasets.jobs import DEAD_S
from annotator.datasets.runner import JobRunner
from annotator.evaluate import runs, store
from annotator.evaluate.endpoints import LOCAL
from annotator.evaluate.interrupted import MAX_TRIES, Interrupted
from annotator.evaluate.store import Run
from annotator.people.local import local_actor
from annotator.store.tables import account, eval_item, eval_run, job
from annotator.store.times import utc_now
from tests.annotator.evaluate.runs.conftest import NUM_ITEMS, Town
from tests.annotator.evaluate.runs.scripted import Scripted, says, served
from tests.annotator.program import serving

NUM_BEFORE = 3


@pytest.fixture
def server() -> Iterator[Scripted]:
    with served(lambda body: says("Answer: A")) as scripted:
        yield scripted


def silence(town: Town) -> None:
    """Every job's last sign of life was long ago, as if the program had died then."""
    with town.database.writing() as connection:
        connection.execute(job.update().values(heartbeat_at=utc_now() - timedelta(seconds=2 * DEAD_S)))


def test_a_killed_program_goes_on_when_it_starts_again(town: Town) -> None:
    reached, over, done = threading.Event(), threading.Event(), threading.Event()

    def play(body: dict) -> bytes:
        if len(server.bodies) > NUM_BEFORE:
            reached.set()
            over.wait(60)
        # One question is asked twice: the one that was on its way.
        if len(server.bodies) == NUM_ITEMS + 1:
            done.set()
        return says("Answer: A")

    with served(play) as server:
        env = {"MAPQATOR_DATABASE_URL": town.settings.resolved_database_url, "MAPQATOR_ASSIST_URL": server.url}
        with serving(town.settings.data_dir, env) as annotator:
            path = f"{annotator.url}/api/projects/town/evaluations"
            body = {"dataset": "walks", "config": {"concurrency": 1, "max_retries": 0}}
            started = httpx.post(path, json=body, timeout=60)
            assert started.status_code == 202, started.text
            assert reached.wait(60)
            os.kill(annotator.process.pid, signal.SIGKILL)
            annotator.process.wait()
            over.set()
        silence(town)
        with serving(town.settings.data_dir, env) as annotator:
            path = f"{annotator.url}/api/projects/town/evaluations/{started.json()['id']}"
            assert done.wait(60)
            with httpx.stream("GET", f"{path}/events", timeout=60) as events:
                events.read()
            run = httpx.get(path, timeout=60).json()
            assert run["state"] == "done"
    with town.database.reading() as connection:
        shas = list(connection.execute(select(eval_item.c.prompt_sha)).scalars())
    assert len(shas) == len(set(shas)) == NUM_ITEMS == run["num_done"]
    assert Counter(Counter(server.questions()).values()) == {1: NUM_ITEMS - 1, 2: 1}
    assert [(one["by_itself"], one["num_done"]) for one in run["server"]["resumed"]] == [(True, NUM_BEFORE)]


def left(town: Town, url: str, *, via_command: bool = False) -> Run:
    """A run whose program died before it asked anything."""
    run = replace(town.begin(url), endpoint=LOCAL)
    with town.database.writing() as connection:
        actor = local_actor(via_command=via_command)
        params = {"run": run.id, "via": actor.via}
        made = jobs.create(connection, actor, run.project_id, "evaluate", params, now=utc_now())
        connection.execute(eval_run.update().where(eval_run.c.id == run.id).values(job_id=made.id, endpoint=LOCAL))
    silence(town)
    return replace(run, job_id=made.id)


def look(town: Town, url: str, times: int = 1) -> list[bool]:
    """What a program that starts finds to do, and does to its end."""
    settings = town.settings.model_copy(update={"assist_url": url})

    async def work() -> list[bool]:
        async with open_service(settings, {}) as service:
            jobs_of = JobRunner(town.database)
            found = Interrupted(service, settings, jobs_of)
            more = [await asyncio.to_thread(found.look) for _ in range(times)]
            await asyncio.to_thread(jobs_of._pool.shutdown)
            await asyncio.to_thread(jobs_of.close)
            return more

    return asyncio.run(work())


def state(town: Town, run: Run) -> str:
    with town.database.reading() as connection:
        run = store.get_run(connection, run.project_id, run.id)
        return jobs.get(connection, run.project_id, run.job_id, utc_now()).state


def test_what_a_program_left_goes_on_one_after_the_other(town: Town, server: Scripted) -> None:
    several = [left(town, server.url) for _ in range(2)]
    look(town, server.url)
    assert [state(town, run) for run in several] == ["done", "done"]
    assert len(server.bodies) == 2 * NUM_ITEMS
    assert look(town, server.url) == [False]


def test_runs_go_on_together_once_the_last_of_them_no_longer_seems_alive(town: Town, server: Scripted) -> None:
    first, second = (left(town, server.url) for _ in range(2))
    with town.database.writing() as connection:
        connection.execute(job.update().where(job.c.id == first.job_id).values(heartbeat_at=utc_now()))
    assert look(town, server.url) == [True]
    assert server.bodies == []
    silence(town)
    look(town, server.url)
    assert [state(town, run) for run in (first, second)] == ["done", "done"]


def test_a_run_that_was_only_not_ended_is_ended(town: Town, server: Scripted) -> None:
    run = town.begin(server.url)
    town.work(run, server.url)
    with town.database.writing() as connection:
        ended = {"state": "failed", "message": jobs.DIED, "params_json": '{"via":"local"}'}
        connection.execute(job.update().where(job.c.id == run.job_id).values(ended))
        connection.execute(eval_run.update().values(finished_at=None, endpoint=LOCAL))
    look(town, server.url)
    assert state(town, run) == "done"
    assert len(server.bodies) == NUM_ITEMS
    with town.database.reading() as connection:
        assert store.get_run(connection, run.project_id, run.id).finished_at is not None


def test_a_program_waits_for_a_server_that_is_starting_too(town: Town, server: Scripted) -> None:
    run = left(town, server.url)
    assert look(town, "http://127.0.0.1:9/v1", times=2) == [True, True]
    assert state(town, run) == "failed"
    look(town, server.url)
    assert state(town, run) == "done"


@pytest.mark.parametrize("case", ["by a command", "cancelled", "failed by itself", "no account", "no further"])
def test_what_should_stay_as_it_is_stays(town: Town, server: Scripted, case: str) -> None:
    run = left(town, server.url, via_command=case == "by a command")
    with town.database.writing() as connection:
        match case:
            case "cancelled":
                connection.execute(job.update().values(state="cancelled", message="Cancelled"))
            case "failed by itself":
                connection.execute(job.update().values(state="failed", message="the endpoint does not serve this run"))
            case "no account":
                connection.execute(account.update().values(is_active=False))
            case "no further":
                tried = [{"at": "2026-01-01T00:00:00Z", "version": "9.9", "by_itself": True, "num_done": 0}]
                store.change_run(connection, run.id, server=run.server | {"resumed": tried * MAX_TRIES})
    before = state(town, run)
    assert look(town, server.url, times=2)[-1] is False
    assert (state(town, run), server.bodies) == (before, [])


def test_a_stopped_program_leaves_its_runs_to_the_next_one(town: Town, server: Scripted) -> None:
    run = left(town, server.url)
    with town.database.writing() as connection:
        jobs.finish(connection, run.job_id, "failed", runner.STOPPED, None, now=utc_now())
    look(town, server.url)
    assert state(town, run) == "done"


def test_a_run_that_a_command_took_over_is_left_to_the_command(town: Town, server: Scripted) -> None:
    run = left(town, server.url)
    with town.database.writing() as connection:
        served_now = runs.Served(({"id": "tiny"},), "9.9")
        resumed = runs.resume(connection, local_actor(via_command=True), run, served_now, now=utc_now())
    silence(town)
    assert look(town, server.url) == [False]
    assert (state(town, resumed), server.bodies) == ("failed", [])
