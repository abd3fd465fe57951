"""Evidence: what the calls brought to light, what the answer cites of it, and how both are counted."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.evaluate import store
from annotator.evaluate.evidence import cited_in_call, cited_in_words
from annotator.evaluate.interchange import parquet
from annotator.evaluate.numbers import compare_runs, summary_of
from annotator.evaluate.tools_mode import SUBMIT
from annotator.evaluate.trace import samples
from tests.annotator.evaluate.runs.conftest import Town
from tests.annotator.evaluate.runs.scripted import calls, chunk, says, served, stream
from tests.annotator.evaluate.runs.test_tools_mode import recorded, script

FAR = {"origin": {"lat": 1, "lon": 1}, "destination": {"lat": 1.01, "lon": 1}}


@pytest.mark.parametrize(
    ("arguments", "refs"),
    [
        ('{"answer": "A", "evidence": ["r2", "r1", "r2"]}', ("r2", "r1")),
        ('{"answer": "A", "evidence": "r2 and r13"}', ("r2", "r13")),
        ('{"answer": "A", "evidence": [{"ref": "r1", "places": []}, 7]}', ("r1", "7")),
        ('{"answer": "A", "evidence": "the map"}', ("the map",)),
        ('{"answer": "A", "evidence": {"r1": 1}}', ()),
        ('{"answer": "A"}', ()),
        ('["r1"]', ()),
        ("no JSON", ()),
    ],
)
def test_what_a_call_cites_is_read_in_the_forms_that_models_write(arguments: str, refs: tuple[str, ...]) -> None:
    assert cited_in_call(arguments) == refs


@given(st.one_of(st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps)))
def test_nothing_that_a_model_writes_breaks_the_reading(text: str) -> None:
    for found in (cited_in_call(text), cited_in_call(f'{{"evidence": {text}}}'), cited_in_words(text)):
        assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("reply", "refs"),
    [
        ("Thought: seen\nEvidence: r1, r3\nAnswer: A", ("r1", "r3")),
        ("Evidence: r9\n**Evidence:** r2\nAnswer: A", ("r2",)),
        ("The evidence: r1\nAnswer: A", ()),
        ("Evidence: none\nAnswer: A", ()),
        ("Answer: A", ()),
    ],
)
def test_what_words_cite_stands_behind_a_marker(reply: str, refs: tuple[str, ...]) -> None:
    assert cited_in_words(reply) == refs


def test_precision_and_recall_of_what_is_cited_are_counted_and_taken_away(town: Town, tmp_path) -> None:
    # r1 shows every supporting value of the questions on cafés, r2 shows none, r9 does not exist.
    submitted = {"answer": "A", "evidence": ["r1", "r2", "r9"]}
    play = script(calls(("nearby_search", recorded(town)), ("distance_bearing", FAR)), calls((SUBMIT, submitted)))
    with served(play) as server:
        run, found = town.evaluate(server.url, mode="tools")
    cafes = [one for one in found if one.facts.type == "single_choice"]
    assert [(one.judgement.citing.num_supporting, one.judgement.citing.num_values) for one in cafes] == [(1, 1)] * 4
    far = next(one for one in found if one.facts.type == "open_ended")
    # `A` is no distance: what was not read as an answer cites nothing.
    assert (far.judgement.verdict, far.judgement.citing) == ("invalid", None)
    with town.database.reading() as connection:
        tools = summary_of(connection, run).tools
        facts = store.facts_of_run(connection, run)
        parquet.write(facts, samples(connection, run), tmp_path / "run.parquet")
    # The question that cannot be answered has nothing to cite, so that what it cites does not count.
    assert (tools.num_answers, tools.num_citing) == (4, 4)
    assert (tools.cited_precision.num, tools.cited_precision.of) == (4, 12)
    assert (tools.cited_recall.num, tools.cited_recall.of) == (4, 5)
    assert (tools.evidence.num, tools.evidence.of) == (4, 5)
    rows = pq.read_table(tmp_path / "run.parquet").to_pylist()
    assert [row["evidence_cited"] for row in rows if row["type"] == "single_choice"] == [1] * 4
    assert {(row["num_cited"], row["num_cited_supporting"]) for row in rows} == {(3, 1), (3, 0), (None, None)}


def test_an_answer_in_text_cites_by_a_line_of_its_own(town: Town) -> None:
    wanted = json.dumps(recorded(town))
    action = f"Thought: look\nAction: nearby_search\nAction Input: {wanted}"
    with served(script(says(action), says("Thought: seen\nEvidence: r1\nAnswer: A"))) as server:
        _, found = town.evaluate(server.url, mode="tools", protocol="react", types=("single_choice",), limit=1)
    assert found[0].judgement.citing.refs == ("r1",)
    assert found[0].judgement.citing.num_values == 1


def test_comparisons_have_chance_the_commonest_answer_people_and_the_floors_beside_them(town: Town) -> None:
    with served(lambda body: says("Answer: A")) as server:
        told, _ = town.evaluate(server.url, mode="text_context")
        short, _ = town.evaluate(server.url, mode="json_context", limit=3)
        with town.database.reading() as connection:
            assert compare_runs(connection, [told, short]).floors == {}
        floor, _ = town.evaluate(server.url, mode="closed_book")
    with town.database.reading() as connection:
        found = compare_runs(connection, [told, short, floor])
    assert found.num == 3
    assert {one.name: one.num for one in found.references} == {"chance": 3, "majority": 3, "human": 0}
    # The floor has none under itself, and is counted over what all of them answered.
    assert {run_id: one.num for run_id, one in found.floors.items()} == {told.id: 3, short.id: 3}


def test_other_modes_cite_nothing_and_each_question_keeps_its_kv_cache(town: Town) -> None:
    timings = chunk({}, None, timings={"kv_bytes": 3_000_000, "mean_depth_layers": 5.5})
    reply = stream(chunk({"content": "Evidence: r1\nAnswer: A"}), chunk({}, "stop"), timings, b"data: [DONE]\n\n")
    with served(lambda body: reply) as server:
        run, found = town.evaluate(server.url, mode="closed_book")
    assert {(one.judgement.citing, one.kv_bytes, one.depth_layers) for one in found} == {(None, 3_000_000, 5.5)}
    with town.database.reading() as connection:
        summary = summary_of(connection, run)
    assert summary.kv_bytes.p50 == 3_000_000
    assert (summary.tools.num_answers, summary.tools.cited_recall.of) == (0, 0)
