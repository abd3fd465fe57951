"""Killed in a storm of saves: every revision that was acknowledged is there when the annotator is back."""

import json
import random
import signal
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.annotator.program import serving

NUM_ROUNDS = 2
NO_TOWN = {"MAPQATOR_TOWN": "false"}


@dataclass
class Storm:
    """Writers who save one field of one question each, as fast as they are answered, until nobody answers.

    Args:
        acknowledged: question, revision, field and text of every save that was answered.
    """

    work: Any
    acknowledged: list[tuple[str, int, str, str]] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def write(self, question: dict[str, Any], name: str) -> None:
        number = 0
        while True:
            number += 1
            text = f"{name} {number}"
            try:
                answer = self.work.save(question, question["n"], **{name: text})
            except httpx.TransportError:
                return
            assert answer.status_code == 200, answer.text
            question = answer.json()
            with self.came:
                self.acknowledged.append((question["id"], question["n"], name, text))
                self.came.notify()

    def wait_for(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.acknowledged) >= count, timeout=120)


def storm_and_kill(
    folder: Path, make_work: Callable[..., Any], count: int, earlier: set[str]
) -> list[tuple[str, int, str, str]]:
    """Starts the annotator, which has to have the questions of earlier storms, and kills it after so many saves."""
    with serving(folder, NO_TOWN) as annotator, httpx.Client(base_url=annotator.url, timeout=30) as client:
        assert listed(client) >= earlier
        work = make_work(client)
        shared, own = work.create(), work.create()
        storm = Storm(work)
        tasks = ((shared, "body"), (shared, "explanation"), (own, "body"))
        writers = [threading.Thread(target=storm.write, args=task) for task in tasks]
        for writer in writers:
            writer.start()
        storm.wait_for(count)
        annotator.process.send_signal(signal.SIGKILL)
        annotator.process.wait()
        for writer in writers:
            writer.join()
        return storm.acknowledged


def listed(client: httpx.Client) -> set[str]:
    """Every question of every project."""
    slugs = [one["slug"] for one in client.get("/api/projects").json()["projects"]]
    lists = [client.get(f"/api/projects/{slug}/questions").json() for slug in slugs]
    return {row["id"] for found in lists for row in found["questions"]}


def test_killing_the_annotator_in_a_storm_of_saves_loses_no_acknowledged_revision(
    tmp_path: Path, work_at: Callable[[httpx.Client], Any]
) -> None:
    rng = random.Random(20261125)
    acknowledged: list[tuple[str, int, str, str]] = []
    for _ in range(NUM_ROUNDS):
        earlier = {question_id for question_id, *_ in acknowledged}
        acknowledged += storm_and_kill(tmp_path, work_at, rng.randrange(10, 50), earlier)
    assert {name for _, _, name, _ in acknowledged} == {"body", "explanation"}

    connection = sqlite3.connect(tmp_path / "mapqator.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for question_id, n, name, text in acknowledged:
        (content,) = connection.execute(
            "SELECT content_json FROM revision WHERE subject_id = ? AND n = ?", (question_id, n)
        ).fetchone()
        assert json.loads(content)[name] == text
    # Nothing by half: each current revision is there, the table repeats it, and the log has every revision.
    for query in (
        "SELECT q.id FROM question q LEFT JOIN revision r ON r.subject_id = q.id AND r.n = q.current_n "
        "WHERE r.id IS NULL OR json_extract(r.content_json, '$.body') <> q.body",
        "SELECT id FROM revision EXCEPT SELECT r.id FROM revision r JOIN audit_log a "
        "ON a.subject_id = r.subject_id AND a.after_sha = r.content_sha",
    ):
        assert connection.execute(query).fetchall() == []
    connection.close()
