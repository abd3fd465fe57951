"""A run against Rhumb itself with the embedded model, as `make up` puts the two programs side by side."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from annotator.evaluate import records, store
from annotator.evaluate.numbers import state_of
from annotator.store.times import utc_now
from tests.annotator.evaluate.runs.conftest import Town


@pytest.fixture
def model_url() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = next(match for line in process.stdout if (match := re.search(r"http://[\d.]+:\d+", line)))
        with httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=60) as client:
            while client.get(f"{found[0]}/health/ready").status_code != 200:
                assert process.poll() is None
                # Asking without a pause would take the processor from the engine that is waited for.
                time.sleep(0.05)
        yield f"{found[0]}/v1"
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def test_the_embedded_model_is_evaluated_and_speaks_of_every_question(town: Town, model_url: str) -> None:
    run, found = town.evaluate(model_url, mode="closed_book", max_tokens=6, limit=3)
    again, same = town.evaluate(model_url, mode="closed_book", max_tokens=6, limit=3)
    assert len(found) == 3
    assert "error" not in {one.judgement.verdict for one in found}
    assert all(one.prompt_tokens and one.completion_tokens and one.first_token_ms for one in found)
    assert [one.judgement for one in found] == [one.judgement for one in same]
    with town.database.reading() as connection:
        replies = [
            [records.reply_text(connection, row.reply_sha) for row in records.item_rows(connection, one.id)]
            for one in (run, again)
        ]
        kept = store.get_run(connection, run.project_id, run.id)
        state = state_of(connection, kept, utc_now())
    assert replies[0] == replies[1]
    assert all(replies[0])
    assert kept.server["version"]
    assert kept.server["work_tokens"] > 0
    assert state.kv_bytes is not None
    assert state.kv_bytes > 0
    assert state.depth_layers is not None
    assert state.depth_layers > 0
