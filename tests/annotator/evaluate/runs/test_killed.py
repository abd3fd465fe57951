"""Killed while it runs: every answer that was written is there once, and resuming asks exactly the rest."""

import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from annotator.datasets.jobs import DEAD_S
from annotator.errors import ConflictError
from annotator.evaluate import records, store
from annotator.store.tables import eval_item, job
from annotator.store.times import utc_now
from tests.annotator.evaluate.runs.conftest import NUM_ITEMS, Town
from tests.annotator.evaluate.runs.scripted import says, served
from tests.annotator.program import program_env

NUM_BEFORE = 3


def test_a_killed_run_loses_and_repeats_no_question(town: Town) -> None:
    reached, over = threading.Event(), threading.Event()

    def play(body: dict) -> bytes:
        if len(server.bodies) > NUM_BEFORE:
            reached.set()
            over.wait(60)
        return says("Answer: A")

    with served(play) as server:
        env = {"MAPQATOR_DATABASE_URL": town.settings.resolved_database_url, "MAPQATOR_ASSIST_URL": server.url}
        command = [sys.executable, "-m", "annotator.cli", "evaluate", "run", "town/walks", "--concurrency", "1"]
        process = subprocess.Popen(
            command, env=program_env(town.settings.data_dir, env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert reached.wait(60)
        process.kill()
        process.wait()
        over.set()
        with town.database.reading() as connection:
            run = store.find_run(connection, "latest")
            before = {row.prompt_sha for row in records.item_rows(connection, run.id)}
        assert len(before) == NUM_BEFORE

        # Another process's sign of life is honoured until it is too old.
        with pytest.raises(ConflictError, match="this run is going on"):
            town.resume(run, server.url)
        with town.database.writing() as connection:
            connection.execute(job.update().values(heartbeat_at=utc_now() - timedelta(seconds=2 * DEAD_S)))
        run = town.resume(run, server.url)
        assert town.work(run, server.url).state == "done"

    with town.database.reading() as connection:
        shas = list(connection.execute(select(eval_item.c.prompt_sha)).scalars())
    assert len(shas) == len(set(shas)) == NUM_ITEMS
    assert before <= set(shas)
    # The one that was on its way when it died is asked twice, and no other.
    assert Counter(Counter(server.questions()).values()) == {1: NUM_ITEMS - 1, 2: 1}
