"""Jobs: progress, cancelling, and what is left when a process dies in the middle of one."""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from annotator.datasets import jobs
from annotator.datasets.imports.undo import undo
from annotator.datasets.runner import JobRunner
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.people.local import local_actor
from annotator.people.projects import create
from annotator.store.tables import audit_log, job, question
from annotator.store.times import utc_now
from tests.annotator.program import program_env

ACTOR = local_actor()
PATIENCE_S = 60


def new_job(place, **params):
    return place.change(
        lambda connection: jobs.create(connection, ACTOR, place.project.id, "import", params, now=utc_now())
    )


def test_a_task_becomes_its_result(place):
    ended = place.run("export", lambda progress: {"message": "All of it", "n": 1})
    assert (ended.state, ended.message, ended.result) == ("done", "All of it", {"message": "All of it", "n": 1})
    assert ended.finished_at is not None


def test_a_task_that_fails_says_why_and_what_it_had_done(place, caplog):
    def refuse(progress):
        progress.result = {"n": 2}
        progress(2, 5, "Two")
        raise InputError("the third is wrong")

    def break_down(progress):
        raise ZeroDivisionError

    ended = place.run("import", refuse)
    assert (ended.state, ended.message, ended.result, ended.num_done) == ("failed", "the third is wrong", {"n": 2}, 2)
    ended = place.run("import", break_down)
    assert (ended.state, "log" in ended.message) == ("failed", True)
    assert "ZeroDivisionError" in caplog.text


def test_a_running_job_ends_at_its_next_step_when_it_is_cancelled(place):
    def task(progress):
        for number in range(1000):
            progress.result = {"n": number}
            progress(number, 1000, f"Step {number}")
            if number == 3:
                place.change(
                    lambda connection: jobs.cancel(connection, ACTOR, place.project.id, progress.job_id, now=utc_now())
                )
            with place.database.writing() as connection:
                progress.within(connection, number, 1000, "Wrote")
        return {}

    ended = place.run("import", task)
    assert (ended.state, ended.result) == ("cancelled", {"n": 3})
    with pytest.raises(ConflictError, match="cannot be cancelled any more"):
        place.change(lambda connection: jobs.cancel(connection, ACTOR, place.project.id, ended.id, now=utc_now()))


def test_a_cancelled_step_is_not_written(place):
    rows = [{"question": str(number), "answer": "x", "context": "c"} for number in range(60)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    real = jobs.advance

    def cancelled_after_the_first_step(connection, job_id, **how):
        if how["num_done"] > 25:
            raise jobs.CancelledError("the job was cancelled")
        real(connection, job_id, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "advance", cancelled_after_the_first_step)
        ended = place.bring(text)
    assert ended.result["num_questions"] == len(place.contents()) == 25


def test_a_job_belongs_to_its_project(place):
    made = new_job(place)
    other = place.change(lambda connection: create(connection, ACTOR, name="Other", now=utc_now()))
    with pytest.raises(NotFoundError):
        place.change(lambda connection: jobs.get(connection, other.id, made.id, utc_now()))
    assert place.change(lambda connection: jobs.recent(connection, other.id, utc_now())) == []


def test_a_job_without_signs_of_life_is_told_as_failed(place):
    made = new_job(place)
    later = utc_now() + timedelta(seconds=jobs.DEAD_S + 1)
    with place.database.reading() as connection:
        told = jobs.get(connection, place.project.id, made.id, later)
    assert (told.state, told.message) == ("failed", jobs.DIED)
    place.change(lambda connection: jobs.beat(connection, [made.id], later))
    assert place.change(lambda connection: jobs.bury(connection, later)) == 0
    much_later = later + timedelta(seconds=jobs.DEAD_S + 1)
    assert place.change(lambda connection: jobs.bury(connection, much_later)) == 1
    assert place.job(made.id).state == "failed"


def test_a_runner_that_closes_ends_its_jobs_at_their_next_step(place):
    runner = JobRunner(place.database)
    started, goes_on = threading.Event(), threading.Event()

    def task(progress):
        started.set()
        assert goes_on.wait(PATIENCE_S)
        progress(1, None, "One")
        return {}

    ids = [new_job(place).id for _ in range(4)]
    for job_id in ids:
        runner.submit(job_id, task)
    assert started.wait(PATIENCE_S)
    closing = threading.Thread(target=runner.close)
    closing.start()
    # Jobs that had begun learn at their next step; the others never begin.
    while not runner.is_closing:
        closing.join(0.01)
    goes_on.set()
    closing.join(PATIENCE_S)
    assert {place.job(job_id).state for job_id in ids} == {"failed"}
    assert all("stopped" in place.job(job_id).message for job_id in ids)


def test_jobs_in_turn_never_run_beside_each_other_and_go_on_after_one_that_ended_early(place):
    runner = JobRunner(place.database)
    going, order, over = threading.Lock(), [], threading.Event()

    def task_of(name):
        def task(progress):
            assert going.acquire(blocking=False)
            order.append(name)
            if name == "first":
                # The one after it is cancelled while it waits.
                place.change(lambda connection: jobs.cancel(connection, ACTOR, place.project.id, ids[1], now=utc_now()))
            going.release()
            if name == "last":
                over.set()
            if name == "failing":
                raise InputError("no")
            return {}

        return task

    ids = [new_job(place).id for _ in range(4)]
    runner.submit_in_turn(list(zip(ids, map(task_of, ("first", "cancelled", "failing", "last")), strict=True)))
    assert over.wait(PATIENCE_S)
    runner.close()
    assert order == ["first", "failing", "last"]
    assert [place.job(job_id).state for job_id in ids] == ["done", "cancelled", "failed", "done"]


def num_questions(place):
    with place.database.reading() as connection:
        return connection.execute(select(func.count(question.c.id))).scalar_one()


def test_killing_an_import_loses_nothing_written_and_leaves_no_half(place):
    """The process dies in the middle: what it had written is whole, told, and can be undone."""
    rows = [{"question": str(number), "answer": "x", "context": str(number)} for number in range(5_000)]
    path = place.folder / "many.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    database = place.folder / "mapqator.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-m", "annotator.cli", "import", "harbour", str(path)],
        env=program_env(place.folder, {"MAPQATOR_DATABASE_URL": f"sqlite:///{database}"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    waiter = threading.Event()
    while num_questions(place) < 50:
        assert process.poll() is None, process.stderr.read()
        waiter.wait(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    with place.database.reading() as connection:
        made = connection.execute(select(job.c.id)).scalar_one()
        num_told = connection.execute(select(job.c.num_done)).scalar_one()
        later = utc_now() + timedelta(seconds=jobs.DEAD_S + 1)
        dead = jobs.get(connection, place.project.id, made, later)
        num_created = connection.execute(
            select(func.count()).where(audit_log.c.action == "question.create")
        ).scalar_one()
    num_kept = len(place.contents())
    assert dead.state == "failed"
    assert num_kept == num_told == num_created >= 50
    done = place.change(lambda connection: undo(connection, ACTOR, dead, now=later))
    assert (done.num_questions, done.num_contexts) == (num_kept, num_kept)
    assert place.contents() == []
