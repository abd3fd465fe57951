"""Files of map questions, and the conversation with tools that is answered from them."""

import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ConfigError
from server.quality.items import Course, Prompt, Reply
from server.quality.questions import Question, read_questions
from server.quality.tasks.tools import NO_SUCH_TOOL, NOT_JSON, NOT_RECORDED, canonical, recorded_content, tool_items
from tests.quality.made import TOOL, context, question, write_lines

FAR = {"kind": "number", "value": 109.0, "abs_tol": 1.0, "unit": "m"}
CALLS = [
    {"name": "nearby_search", "arguments": {"near": "Town Hall", "kind": "café"}, "content": '{"places":[1]}'},
    {"name": "nearby_search", "arguments": {"near": "Early Bird"}, "content": '{"distance_m": 109}'},
]  # fmt: skip
SCHEMAS = {"nearby_search": TOOL["parameters"]}


def test_plain_and_compressed_files_hold_the_same_questions(questions_file: Path, tmp_path: Path):
    compressed = tmp_path / "questions.jsonl.zst"
    compressed.write_bytes(zstandard.compress(questions_file.read_bytes()))
    plain = read_questions([questions_file], "test")
    assert read_questions([compressed], "test") == plain
    assert [each.id for each in plain] == [f"small-7-00-q{i}" for i in range(3)] + [
        f"small-7-01-q{i}" for i in range(2)
    ]
    assert read_questions([questions_file, compressed], "all") == plain * 2


def test_only_the_wanted_split_is_read(tmp_path: Path):
    lines = [context(0, [question(0, FAR)], split="train"), context(1, [question(10, FAR)])]
    path = write_lines(tmp_path / "both.jsonl", lines)
    assert [each.context_id for each in read_questions([path], "test")] == ["small-7-01"]
    assert len(read_questions([path], "all")) == 2
    with pytest.raises(ConfigError, match="no question of the split validation; it has test, train"):
        read_questions([path], "validation")


GOOD = context(0, [question(0, FAR)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("{", "line 1 is not JSON"),
        (json.dumps(GOOD) + "\n[]", "line 2 is not of the schema"),
        (json.dumps(GOOD | {"schema": "mapqator.map_questions/2"}), "line 1 is not of the schema"),
        (json.dumps({key: value for key, value in GOOD.items() if key != "contexts"}), "line 1 lacks something"),
        (json.dumps(context(0, [question(0, {"kind": "essay"})])), "unknown kind 'essay'"),
        (json.dumps(context(0, [question(0, {"kind": "options"})])), "lacks something or is damaged: KeyError: 'keys'"),
        (json.dumps(context(0, [question(0, FAR, ask=7)])), "have other types"),
        (json.dumps(context(0, [question(0, FAR, calls=[{"name": "x", "arguments": [], "content": "y"}])])), "types"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(content: str, message: str, tmp_path: Path):
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_questions([path], "test")


@pytest.mark.parametrize("name", ["missing.jsonl", "plain.jsonl.zst", "latin.jsonl"])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path):
    (tmp_path / "plain.jsonl.zst").write_text(json.dumps(GOOD))
    (tmp_path / "latin.jsonl").write_bytes("café".encode("latin-1"))
    with pytest.raises(ConfigError, match=f"cannot read .*{name}"):
        read_questions([tmp_path / name], "test")


def tool_course(max_turns: int = 4) -> Course:
    [item] = tool_items([Question("c", {}, [TOOL], question(0, FAR, calls=CALLS))], max_turns, 64)
    return Course(item, "full")


def called(*functions: tuple[str, str]) -> Reply:
    calls = [{"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
             for i, (name, arguments) in enumerate(functions)]  # fmt: skip
    return Reply(calls=tuple(calls), completion_tokens=5, prompt_tokens=50, ms=1.0)


def asked(course: Course) -> Prompt:
    assert isinstance(course.ask, Prompt)
    return course.ask


def test_recorded_calls_are_answered_from_the_file_and_the_answer_at_the_end_counts():
    course = tool_course()
    assert asked(course).tools == ({"type": "function", "function": TOOL},)
    course.take(called(("nearby_search", '{"kind": "café", "near": "Town Hall", "limit": 5}')))
    assert [message["role"] for message in asked(course).messages] == ["user", "assistant", "tool"]
    answer = asked(course).messages[-1]
    assert (answer["content"], answer["tool_call_id"]) == (CALLS[0]["content"], "call_0")
    course.take(called(("nearby_search", '{"near": "Early Bird"}'), ("fly", "{}")))
    assert [message["content"] for message in asked(course).messages[-2:]] == [CALLS[1]["content"], NO_SUCH_TOOL]
    course.take(Reply("Early Bird; 109 m away\nAnswer: 109 m", completion_tokens=9, prompt_tokens=99))
    assert course.ask is None
    record = course.record()
    assert (record.outcome, record.score) == ("right", 1.0)
    assert (record.prompt_tokens, record.completion_tokens, record.ms) == (50, 19, 2.0)
    assert (record.facts["num_turns"], record.facts["num_calls_made"], record.facts["num_calls_recorded"]) == (3, 3, 2)
    assert 'nearby_search {"near": "Early Bird"}' in record.reply


def test_a_model_that_never_answers_is_stopped():
    course = tool_course(max_turns=2)
    for _ in range(2):
        course.take(called(("nearby_search", '{"near": "Mars"}')))
    record = course.record()
    assert (record.outcome, record.facts["num_turns"], record.facts["num_calls_recorded"]) == ("invalid", 2, 0)


def test_a_conversation_that_outgrows_the_model_is_no_item_left_out():
    course = tool_course()
    course.take(called(("nearby_search", "{}")))
    course.skip("too long")
    assert (course.record().outcome, course.record().reason) == ("invalid", "too long")


@pytest.mark.parametrize(
    ("name", "arguments", "content"),
    [
        ("nearby_search", '{"near": "Early Bird", "limit": 5.0, "kind": null}', CALLS[1]["content"]),
        ("nearby_search", '{"near": "Early Bird", "limit": 6}', NOT_RECORDED),
        ("nearby_search", "", NOT_RECORDED),
        ("nearby_search", '["near"]', NOT_JSON),
        ("nearby_search", '{"near": ', NOT_JSON),
        ("place_details", '{"near": "Early Bird"}', NO_SUCH_TOOL),
    ],
)
def test_only_equal_canonical_arguments_are_answered(name: str, arguments: str, content: str):
    assert recorded_content({"name": name, "arguments": arguments}, CALLS, SCHEMAS) == content


@given(st.dictionaries(st.sampled_from(["near", "kind", "limit"]), st.one_of(st.none(), st.integers(0, 9), st.text())))
def test_saying_what_is_understood_changes_nothing(arguments):
    schema = TOOL["parameters"]
    plain = canonical(arguments, schema)
    assert canonical(plain, schema) == plain
    assert canonical({"limit": 5, "kind": None} | plain, schema) == plain
