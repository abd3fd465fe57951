"""Our own export of a frozen dataset comes back whole: contents, evidence, recordings, and what verifies them."""

import json

import pytest
from sqlalchemy import select

from annotator.cache.blobs import get_blob
from annotator.cache.stored_results import load_results
from annotator.contexts import store as contexts
from annotator.datasets.freeze import freeze
from annotator.datasets.imports.recorded import IMPORTED_HEADER
from annotator.datasets.plan import FreezeRequest
from annotator.datasets.snapshots import create_dataset
from annotator.people.local import local_actor
from annotator.questions import evidence as evidences
from annotator.questions import store as questions
from annotator.store.tables import cache_head, exchange
from annotator.store.times import utc_now

ACTOR = local_actor()


@pytest.fixture
def frozen(town_place):
    """The town's questions, frozen as `saltmere` 1.0.0."""
    town_place.change(
        lambda connection: create_dataset(connection, ACTOR, town_place.project, title="Saltmere", now=utc_now())
    )
    request = FreezeRequest.model_validate({"version": "1.0.0"})
    freeze(town_place.database, town_place.catalogue, ACTOR, town_place.project, "saltmere", request, now=utc_now())
    return town_place


def plain(content):
    """A question or context without the ids that every installation gives anew."""
    text = json.loads(content.model_dump_json())
    for item in text.get("evidence", []):
        item["tool_call_id"] = None
        if item["response"] is not None:
            item["response"]["exchange_id"] = None
    for item in text.get("items", []):
        item["tool_call_id"] = bool(item["tool_call_id"])
    return text


@pytest.mark.parametrize("is_packed", [True, False], ids=["packed", "folder"])
def test_a_frozen_dataset_comes_back_whole(frozen, place, tmp_path, is_packed):
    target = tmp_path / ("out.tar.zst" if is_packed else "out")
    taken = frozen.take("native", target, dataset="saltmere", version="1.0.0", is_packed=is_packed)
    assert taken.state == "done", taken.message
    assert taken.result["num_items"] == 6
    job = place.bring(target)
    assert (job.state, job.result["num_bad"], job.result["format"]) == ("done", 0, "native"), job.message
    assert [(plain(about), plain(content)) for about, content in place.contents()] == [
        (plain(about), plain(content)) for about, content in frozen.contents()
    ]
    assert job.result["num_contexts"] == 1

    calls = {item.tool_call_id for _, content in place.contents() for item in content.evidence}
    with place.database.reading() as connection:
        found = load_results(connection, sorted(calls), utc_now())
        assert all(call.result is not None for call in found.values())
        for _, content in place.contents():
            assert evidences.check(connection, content.evidence, utc_now()) == []
        rows = connection.execute(select(exchange)).mappings().all()
        assert all(get_blob(connection, row["body_sha"]) is not None for row in rows)
        assert all(IMPORTED_HEADER in json.loads(row["response_headers_json"]) for row in rows)
        # What others say that a provider said never answers a tool here.
        assert connection.execute(select(cache_head)).all() == []


def test_the_packed_export_is_what_verify_takes(frozen, tmp_path):
    from annotator.datasets.verify import verify_files

    target = tmp_path / "out.tar.zst"
    frozen.take("native", target, dataset="saltmere", is_packed=True)
    assert verify_files(target, None).is_ok


def test_a_changed_byte_is_a_bad_row_and_not_an_import(frozen, place, tmp_path):
    target = tmp_path / "out"
    frozen.take("native", target, dataset="saltmere")
    manifest = json.loads((target / "manifest.json").read_bytes())
    sha = manifest["items"][1]["content_sha"]
    path = target / "blobs" / sha[:2] / sha
    path.write_bytes(path.read_bytes().replace(b"nearest", b"farthest"))
    job = place.bring(target)
    assert job.result["bad"] == [
        {"where": "item 2", "reason": f"the content {sha} was changed; `mapqator verify` says where"}
    ]
    assert len(place.contents()) == 5


def test_an_export_that_contradicts_itself_is_no_import(frozen, place, tmp_path):
    target = tmp_path / "out"
    frozen.take("native", target, dataset="saltmere")
    manifest = json.loads((target / "manifest.json").read_bytes())
    for entry in manifest["exchanges"]:
        entry["request_hash"] = "0" * 64
    (target / "manifest.json").write_text(json.dumps(manifest))
    job = place.bring(target)
    assert job.result["num_questions"] == 0
    assert all("does not have the hash" in row["reason"] for row in job.result["bad"])
    with place.database.reading() as connection:
        assert connection.execute(select(exchange)).all() == []


@pytest.mark.parametrize("key", ["hf", "parquet", "mapeval", "csv", "geojson"])
def test_a_frozen_dataset_leaves_in_other_formats_with_its_splits(frozen, tmp_path, key):
    job = frozen.take(key, tmp_path / "out", dataset="saltmere")
    assert (job.state, job.result["version"]) == ("done", "1.0.0"), job.message


def test_contexts_of_the_same_calls_under_other_titles_stay_apart(town_place, place, tmp_path):
    with town_place.database.writing() as connection:
        (about, content) = town_place.contents()[0]
        renamed = about.model_copy(update={"title": "Seen again"})
        made = contexts.create(connection, ACTOR, town_place.project, content=renamed, now=utc_now())
        body = content.model_copy(update={"body": "Is it the same when it is seen again?"})
        question = questions.create(connection, ACTOR, town_place.project, made.id, content=body, now=utc_now())
        questions.set_status(connection, ACTOR, town_place.project, question.id, "approved", now=utc_now())
        create_dataset(connection, ACTOR, town_place.project, title="Saltmere", now=utc_now())
    request = FreezeRequest.model_validate({"version": "1.0.0"})
    freeze(town_place.database, town_place.catalogue, ACTOR, town_place.project, "saltmere", request, now=utc_now())
    target = tmp_path / "out"
    town_place.take("native", target, dataset="saltmere", version="1.0.0", is_packed=False)
    job = place.bring(target)
    assert job.result["num_contexts"] == 2
    assert "Seen again" in {context.title for context, _ in place.contents()}
