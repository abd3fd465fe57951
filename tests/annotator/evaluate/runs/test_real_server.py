"""A run against Rhumb itself with the embedded model, as `make up` puts the two programs side by side."""

from collections.abc import Iterator

import pytest

from annotator.evaluate import records, store
from annotator.evaluate.numbers import state_of
from annotator.store.times import utc_now
from tests.annotator.evaluate.runs.conftest import Town
from tests.annotator.program import serving_model


@pytest.fixture
def model_url() -> Iterator[str]:
    with serving_model() as url:
        yield url


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
