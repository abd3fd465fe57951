"""Imports: every format, good rows and bad ones, and what may not be kept."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from annotator.datasets.imports.model import BadRow
from annotator.datasets.imports.registry import IMPORTS
from annotator.datasets.imports.source import Source
from annotator.datasets.imports.undo import redo, undo, undone_among
from annotator.errors import InputError
from annotator.people.local import local_actor
from annotator.store.tables import cache_head, exchange, question, revision
from annotator.store.times import utc_now

MAPEVAL = [
    {
        "id": 7,
        "question": "Is the bakery open on Monday?",
        "answer": {"type": "mcq", "options": ["Yes", "No", "", ""], "correct": 1},
        "context": "Information of <b>Bakery</b>:\n- Open: Tuesday.",
        "classification": "poi",
    },
    {
        "id": 8,
        "question": "Which way is shorter?",
        "answer": {"type": "mcq", "options": ["Via A", "Via B ", "Via C"], "correct": 2},
        "context": "Information of <b>Bakery</b>:\n- Open: Tuesday.",
        "classification": "routing",
    },
    {
        "id": 9,
        "question": "What does bread cost?",
        "answer": {"type": "mcq", "options": ["1", "2", "3", "4"], "correct": -1},
        "context": "Another context",
        "classification": None,
    },
]
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


def test_mapeval_textual_comes_whole(place, shared_data):
    path = shared_data / "mapeval" / "textual.json"
    job = place.bring(path)
    assert (job.state, job.result["num_questions"], job.result["num_contexts"]) == ("done", 300, 215)
    assert job.result["num_bad"] == 0
    rows = json.loads(path.read_text())
    for row, (context, content) in zip(rows, place.contents(), strict=True):
        assert (content.body, context.items[0].text) == (row["question"], row["context"])
        texts = {option.key: option.text for option in content.options}
        assert list(texts.values()) == [text for text in row["answer"]["options"] if text.strip()]
        correct = row["answer"]["correct"]
        assert [texts[key] for key in content.gold_keys] == (
            [] if correct == -1 else [row["answer"]["options"][correct]]
        )
    types = Counter(content.type for _, content in place.contents())
    assert types == {"single_choice": 266, "yes_no": 14, "unanswerable": 20}


def test_mapeval_options_become_yes_no_choices_and_unanswerable(place):
    job = place.bring(MAPEVAL)
    (first, yes_no), (second, choice), (_, nothing) = place.contents()
    assert job.result["format"] == "mapeval"
    assert first == second
    assert (yes_no.type, yes_no.gold_keys, yes_no.category) == ("yes_no", ("no",), "poi")
    assert [option.key for option in yes_no.options] == ["yes", "no"]
    assert (choice.type, choice.gold_keys, choice.options[1].text) == ("single_choice", ("C",), "Via B ")
    assert (nothing.type, nothing.gold_keys, len(nothing.options), nothing.category) == ("unanswerable", (), 4, "")


def test_bad_rows_are_listed_with_their_place_and_reason_and_good_ones_kept(place):
    bad = [
        {**MAPEVAL[0], "answer": {"type": "mcq", "options": ["a", "b"], "correct": 5}},
        {**MAPEVAL[0], "context": None},
        "not a row",
        {**MAPEVAL[0], "answer": {"type": "mcq", "options": ["a", ""], "correct": 1}},
        {**MAPEVAL[0], "question": "x" * 20_000},
        {**MAPEVAL[0], "question": "half \ud83d a pair"},
    ]
    job = place.bring([MAPEVAL[0], *bad, MAPEVAL[2]], "mapeval")
    assert job.state == "done"
    assert [row["where"] for row in job.result["bad"]] == [f"item {number}" for number in range(2, 8)]
    reasons = " | ".join(row["reason"] for row in job.result["bad"])
    for words in ("number 5", "'context' is missing", "no object", "is blank", "text of the question", "surrogate"):
        assert words in reasons
    assert (job.result["num_questions"], len(place.contents())) == (2, 2)


def test_a_dry_run_counts_what_the_import_then_makes_and_writes_nothing(place):
    rows = [*MAPEVAL, {"question": "?"}]
    looked = place.bring(rows, is_dry_run=True)
    assert place.contents() == []
    assert len(looked.result["examples"]) == 3
    made = place.bring(rows)
    for name in ("num_rows", "num_questions", "num_contexts", "num_bad", "bad", "message"):
        assert made.result[name] == looked.result[name]


def test_mapeval_visual_keeps_image_and_map_in_a_note(place):
    rows = [
        {
            "image_path": "images/paris.png",
            "question": "How many bridges?",
            "option_count": 3,
            "options": "1). One\n2). Two bridges\nor so\n3). Three",
            "answer": "2",
            "classification": "counting",
            "map_url": "https://example.org/map",
        },
        {"image_path": "b.png", "question": "?", "options": "1) a\n2) b", "answer": "0", "classification": "poi"},
        {"image_path": "c.png", "question": "?", "options": "none here", "answer": "1", "classification": "poi"},
    ]
    job = place.bring(rows)
    (context, content), (_, nothing) = place.contents()
    assert job.result["format"] == "mapeval-visual"
    assert context.items[0].text == "Image: images/paris.png\nMap: https://example.org/map"
    assert [option.text for option in content.options] == ["One", "Two bridges\nor so", "Three"]
    assert (content.gold_keys, nothing.type) == (("B",), "unanswerable")
    assert job.result["bad"][0]["where"] == "item 3"


def logged(url: str, name: int = NOW_MS, **more):
    return {
        "url": url,
        "method": "GET",
        "headers": {"X-Api-Key": "key:SECRET"},
        "params": {"key": "key:GOOGLE_MAPS_API_KEY", "q": "bakery"},
        "data": None,
        "uuid": name,
        "responseTime": 0.25,
        "result": [{"place_id": 1, "name": "Bakery"}],
        **more,
    }


def mapqator_row(**more):
    return {
        "id": 3,
        "name": "Bakeries",
        "context": "Two bakeries.",
        "context_json": {"places": {}},
        "question": "Which?",
        "answer": {"type": "single-choice", "options": ["A", "B", "C", "D"], "correct": 2},
        "classification": "nearby",
        "username": "somebody",
        "created_at": "2026-01-02T03:04:05Z",
        "api_call_logs": [],
        **more,
    }


def test_mapqator_rows_of_today(place):
    kinds = {
        "yes-no": ({"options": ["No", "Yes"], "correct": 1}, "yes_no", ("yes",)),
        "single-choice": ({"options": ["a", "b"], "correct": 0}, "single_choice", ("A",)),
        "multiple-choice": ({"options": ["a", "b", "c"], "correct": [2, 0]}, "multiple_choice", ("C", "A")),
    }
    rows = [mapqator_row(answer={"type": kind, **answer}) for kind, (answer, _, _) in kinds.items()]
    rows.append(mapqator_row(answer={"type": "open-ended", "options": [], "correct": "About 5 km"}))
    rows.append(mapqator_row(deleted=True))
    job = place.bring(rows)
    contents = [content for _, content in place.contents()]
    assert [(item.type, item.gold_keys) for item in contents[:3]] == [(kind, keys) for _, kind, keys in kinds.values()]
    assert contents[3].gold.value == "About 5 km"
    assert job.result["bad"] == [{"where": "item 5", "reason": "it was deleted in MapQaTor"}]


def test_mapqator_rows_of_old_have_many_questions_and_their_references(place):
    row = mapqator_row(
        questions=[
            {
                "title": "First?",
                "answer": {"type": "single-choice", "options": ["a", "b"], "correct": 1},
                "classification": "poi",
                "references": [str(NOW_MS), "gone"],
            },
            {"title": "Second?", "answer": {"type": "open-ended", "correct": "x"}, "references": []},
        ],
        api_call_logs=[logged("https://nominatim.openstreetmap.org/search")],
    )
    place.bring([row])
    assert [(content.body, content.category) for _, content in place.contents()] == [
        ("First?", "poi"),
        ("Second?", "nearby"),
    ]
    with place.database.reading() as connection:
        recording = connection.execute(select(exchange)).mappings().one()
        origins = connection.execute(
            select(revision.c.origin_json).where(revision.c.subject == "question").order_by(revision.c.id)
        ).scalars()
        first = json.loads(next(origins))["import"]
    assert first["references"] == [
        {"name": str(NOW_MS), "recording": recording["id"]},
        {"name": "gone", "recording": None},
    ]


def test_a_context_saved_only_as_json_becomes_text(place):
    value = {
        "places": {"x": {"id": "x", "displayName": {"text": "Harbour Café"}, "shortFormattedAddress": "Quay 1"}},
        "place_details": {"x": {"rating": 4.5, "regularOpeningHours": {"weekdayDescriptions": ["Monday: 8-18"]}}},
        "nearby_places": [{"type": "cafe", "places": [{"displayName": {"text": "Other"}, "hidden": False}]}],
        "directions": [
            {
                "origin": "A",
                "destination": "B",
                "travelMode": "DRIVE",
                "routes": [{"description": "Main Road", "distanceMeters": 1200, "staticDuration": "90s"}],
            }
        ],
    }
    place.bring([mapqator_row(context=None, context_json=value)])
    text = place.contents()[0][0].items[0].text
    for words in ("Harbour Café", "Quay 1", "4.5", "Monday: 8-18", "1. Other", "1200 m, 90s via Main Road"):
        assert words in text


def test_logged_calls_are_unverified_recordings_without_secrets_that_answer_nothing(place):
    calls = [
        logged("https://nominatim.openstreetmap.org/search?access_token=abc&limit=3"),
        logged("https://places.googleapis.com/v1/places/x", data={"apiKey": "s3cret", "textQuery": "bakery"}),
        logged("https://places.googleapis.com/v1/places/y", name=NOW_MS - 40 * 24 * 3600 * 1000),
        logged("https://api.mapbox.com/search/searchbox/v1/suggest"),
        logged("https://evil.example/collect"),
        logged("https://googleapis.com.evil.example/"),
    ]
    job = place.bring([mapqator_row(api_call_logs=calls)])
    assert job.result["num_recordings"] == 2
    notes = " ".join(job.result["notes"])
    assert "2 logged calls were not kept: their host is none whose terms are known here" in notes
    assert "the terms of Mapbox forbid storing them" in notes
    assert "lets them be kept for 30 days, and they are older" in notes
    with place.database.reading() as connection:
        rows = {row["provider"]: row for row in connection.execute(select(exchange)).mappings()}
        assert connection.execute(select(cache_head)).all() == []
    assert set(rows) == {"nominatim", "google"}
    for row in rows.values():
        told = f"{row['url']} {row['request_json']} {row['response_headers_json']}"
        for secret in ("abc", "GOOGLE_MAPS_API_KEY", "SECRET", "s3cret"):
            assert secret not in told
        assert row["data_vintage"] == "imported, unverified"
        assert "limit=3" in told or row["provider"] == "google"
    assert rows["nominatim"]["expires_at"] is None
    left = rows["google"]["expires_at"] - utc_now()
    assert timedelta(days=29) < left < timedelta(days=30)


def test_json_lines_take_every_kind_of_answer(place):
    rows = [
        {"question": "1", "options": ["x", "y"], "answer": "b", "context": "c", "tags": ["t", "t"]},
        {"question": "2", "options": ["x", "y"], "answer": "y", "context": "c"},
        {"question": "3", "options": ["x", "y"], "answer": 1, "context": "c"},
        {"question": "4", "options": ["x", "y", "z"], "answer": ["A", "z"], "context": "c"},
        {"question": "5", "options": ["Yes", "No"], "answer": "no", "context": "c"},
        {"question": "6", "answer": True, "context": "c"},
        {"question": "7", "answer": "a text", "context": "c"},
        {"question": "8", "answer": 12.5, "context": "c"},
        {"question": "9", "answer": {"kind": "duration", "value_s": 60}, "context": "c"},
        {"question": "10", "options": ["x", "y"], "answer": -1, "context": "c"},
        {"question": "11", "options": ["x", "y"], "context": "c"},
    ]
    job = place.bring("\ufeff" + "\n\n".join(json.dumps(row) for row in rows))
    contents = [content for _, content in place.contents()]
    assert (job.result["format"], job.result["num_contexts"], job.result["num_bad"]) == ("jsonl", 1, 0)
    assert [item.type for item in contents] == [
        *("single_choice",) * 3,
        "multiple_choice",
        "yes_no",
        "yes_no",
        *("open_ended",) * 3,
        "unanswerable",
        "single_choice",
    ]
    assert [item.gold_keys for item in contents[:6]] == [("B",), ("B",), ("B",), ("A", "C"), ("no",), ("yes",)]
    assert [item.answer_kind for item in contents[6:9]] == ["text", "number", "duration"]
    assert contents[0].tags == ("t",)
    assert contents[10].gold_keys == ()


def test_each_bad_line_is_named(place):
    lines = [
        b'{"question": "good", "answer": "x"}',
        b'{"question": ',
        b'{"question": "latin \xe9"}',
        b'{"question": "q", "options": ["a", "b"], "answer": "c"}',
        b'{"question": "q", "type": "essay"}',
        b'{"question": "q", "answer": 1e999}',
        b'{"question": "q", "answer": ' + b"9" * 5000 + b"}",
        b"[" * 5000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"question": "q\\u0000"}',
    ]
    job = place.bring(b"\n".join(lines))
    assert job.state == "done"
    assert [row["where"] for row in job.result["bad"]] == [f"line {number}" for number in range(2, 11)]
    assert all(len(row["reason"]) < 300 and "\n" not in row["reason"] for row in job.result["bad"])
    assert len(place.contents()) == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_a_spreadsheet(place, delimiter):
    rows = [
        ["Question", "options", "answer", "type", "context", "tags"],
        ["Which?", '"One\nTwo"', "B", "", '"Some, text"', '"a, b"'],
        ["Both?", '"One\nTwo"', '"A, B"', "multiple_choice", "c", ""],
        ["How far?", "", "5 km", "", "c", ""],
        ["", "", "x", "", "", ""],
    ]
    job = place.bring("\r\n".join(delimiter.join(row) for row in rows))
    contents = [content for _, content in place.contents()]
    assert job.result["format"] == "csv"
    assert [item.gold_keys for item in contents] == [("B",), ("A", "B"), ()]
    assert contents[0].tags == ("a", "b")
    assert job.result["bad"][0]["reason"] == "'question' is empty"
    # Cells may have line breaks, so a row's line is the one that it ends in.
    assert job.result["bad"][0]["where"] == "line 7"


def test_an_import_is_undone_as_a_whole_and_brought_back(place):
    kept = place.bring([MAPEVAL[2]])
    job = place.bring(MAPEVAL)
    before = place.contents()
    actor = local_actor()
    done = place.change(lambda connection: undo(connection, actor, job, now=utc_now()))
    assert (done.num_contexts, done.num_questions) == (2, 3)
    assert place.contents() == before[:1]
    assert place.change(lambda connection: undone_among(connection, [job.id, kept.id])) == {job.id}
    back = place.change(lambda connection: redo(connection, actor, job, now=utc_now()))
    assert (back.num_contexts, back.num_questions) == (2, 3)
    assert place.contents() == before
    assert place.change(lambda connection: undone_among(connection, [job.id])) == set()


def test_nothing_is_undone_while_a_question_of_it_is_approved(place):
    job = place.bring(MAPEVAL)
    place.change(
        lambda connection: connection.execute(question.update().where(question.c.number == 2).values(status="approved"))
    )
    with pytest.raises(Exception, match="question 2 of this import is approved"):
        place.change(lambda connection: undo(connection, local_actor(), job, now=utc_now()))
    assert len(place.contents()) == 3


def test_rows_after_a_file_breaks_off_are_told_and_those_before_kept(place):
    text = json.dumps(MAPEVAL)
    job = place.bring(text[: text.rindex("{")] + '{"question": ', "mapeval")
    assert (job.state, job.result["num_questions"]) == ("done", 2)
    assert job.result["notes"] == [
        f"The rest of the file was not read: {job.result['file']} is no JSON from item 3 on: Expecting value"
    ]


SEEDS = {
    "mapqator": json.dumps([mapqator_row()]),
    "mapeval": json.dumps(MAPEVAL),
    "mapeval-visual": json.dumps([{"image_path": "a", "question": "q", "options": "1) a\n2) b", "answer": "1"}]),
    "jsonl": '{"question": "q", "options": ["a", "b"], "answer": "A", "context": "c"}\n',
    "csv": "question,options,answer\nq,a,A\n",
    "native": '{"schema": "mapqator.item/1"}\n',
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("key", IMPORTS)
def test_every_format_lists_or_refuses_whatever_is_in_a_file(tmp_path, key, data):
    """The contract: rows and bad rows, or one line that refuses the file; never another exception."""
    text = SEEDS[key].encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    middle = data.draw(
        st.one_of(st.binary(max_size=12), st.sampled_from([b"null", b"[[", b'"', b"1e99", b"{}", b"-1"]))
    )
    path = tmp_path / "file"
    path.write_bytes(text[:start] + middle + text[end:])
    lines = []
    try:
        lines += [
            row.reason if isinstance(row, BadRow) else row.where for row in IMPORTS[key].read(Source(path, "file"))
        ]
    except InputError as error:
        lines.append(error.message)
    assert not any("\n" in line or not line for line in lines)


@pytest.mark.parametrize("key", SEEDS)
def test_every_format_is_found_out_from_its_file(tmp_path, key):
    from annotator.datasets.imports.detect import detect

    path = tmp_path / "file"
    path.write_text(SEEDS[key])
    assert detect(Source(path, "file")) == key


def test_every_import_format_has_a_seed():
    assert set(SEEDS) == set(IMPORTS)
