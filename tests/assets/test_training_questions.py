"""Lines become conversations in which every answer stays true, and exactly the assistant's words are learned."""

import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from server.assets.training.encoding import row_of
from server.assets.training.questions import (
    AS_WRITTEN,
    Conversation,
    Drawing,
    conversations,
    names_in,
    parse_line,
)
from server.assets.training.renaming import replacement
from server.assets.training.shards import WEIGHT_ONE, Kind
from server.errors import ConfigError
from server.quality.lines import read_lines
from tests.assets.map_lines import NAMES, OTHER_NAMES, map_line, small_tokenizer, write_lines

ALWAYS = Drawing(rename_share=1.0, tools_share=1.0)
seeds = st.integers(0, 10_000)


@cache
def tokenizer() -> Tokenizer:
    return small_tokenizer()


def drawn(seed: int, drawing: Drawing = ALWAYS, *, has_tools: bool = False) -> list[Conversation]:
    line = map_line(seed, has_tools=has_tools)
    return conversations(line, [*NAMES, *OTHER_NAMES], drawing, random.Random(seed))


def turns(conversation: Conversation) -> Iterator[tuple[str, str]]:
    """Pairs of the user's words and the assistant's last words to them."""
    ask = ""
    for message in conversation.messages:
        if message["role"] == "user":
            ask = message["content"]
        elif message["role"] == "assistant" and message["content"]:
            yield ask, message["content"]


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_whatever_is_renamed_the_context_still_decides_the_answer(seed: int) -> None:
    (conversation,) = drawn(seed)
    asks = [ask for ask, _ in turns(conversation)]
    context = asks[0]
    for ask, reply in turns(conversation):
        question = ask[ask.index("Question: ") :]
        said = reply.split("\nAnswer: ")[0]
        if "phone of" in question or "website of" in question:
            name = question.split(" of ", 1)[1].split("?\n")[0]
            value = reply.removeprefix("Answer: ")
            if Kind.JSON in conversation.kind:
                places = json.loads(context[: context.index("\n\nQuestion: ")])["items"][0]["result"]["places"]
                (place,) = [place for place in places if place["name"] == name]
                assert value in (place["phone"], place["website"])
            else:
                (row,) = [row for row in context.splitlines() if f". {name};" in row]
                assert f": {value}" in row
        elif "nearer" in question:
            name = said.split(": ")[0]
            assert f"B. {name}\n" in question
            assert name in context[: context.index("Question: ")]


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_renaming_is_one_to_one_and_leaves_everything_else_alone(seed: int) -> None:
    line = map_line(seed)
    texts = [line["contexts"]["text"], line["contexts"]["json"], *(q["ask"] for q in line["questions"])]
    names = names_in(line)
    change = replacement(texts, names, [*NAMES, *OTHER_NAMES], random.Random(seed))
    new_names = [change(name) for name in names]
    assert len(set(new_names)) == len(names)
    assert all(new in OTHER_NAMES or new in names or new in NAMES for new in new_names)
    places = json.loads(change(texts[1]))["items"][0]["result"]["places"]
    assert [place["name"] for place in places] == new_names
    before = json.loads(texts[1])["items"][0]["result"]["places"]
    for key in ("phone", "website"):
        assert len({place[key] for place in places}) == len(places)
        assert not {place[key] for place in places} & {place[key] for place in before}
    assert [place["distance_m"] for place in places] == [place["distance_m"] for place in before]
    assert all(place["phone"].startswith("+1 ") and len(place["phone"]) == 15 for place in places)
    # Without its names, numbers and hosts a text is what it was.
    for place, old in zip(places, before, strict=True):
        rows = [row for row in texts[0].splitlines() if old["phone"] in row]
        for key in ("name", "phone", "website"):
            rows = [row.replace(old[key], place[key], 1) for row in rows]
        assert rows[0] in change(texts[0]).splitlines()


def test_a_name_within_a_longer_one_changes_with_it_only() -> None:
    texts = ["Umi, Umi Garden and Umiak; +1 506 555 0101"]
    change = replacement(texts, ["Umi", "Umi Garden"], ["Old Mill", "Blue Door"], random.Random(1))
    first, rest = change(texts[0]).split(", ")
    second, rest = rest.split(" and ")
    assert {first, second} == {"Old Mill", "Blue Door"}
    assert rest.startswith("Umiak; +1 ")


@given(seeds, st.booleans())
@settings(deadline=None, max_examples=60)
def test_the_weights_cover_exactly_what_the_assistant_writes(seed: int, has_tools: bool) -> None:
    for conversation in drawn(seed, has_tools=has_tools):
        row = row_of(tokenizer(), conversation, 10)
        whole = "".join(piece.text for piece in conversation.pieces()) + "<|endoftext|>"
        # Pieces give the tokens that a server makes of the whole text.
        assert row.ids.tolist() == tokenizer().encode(whole).ids
        is_written = row.weights == WEIGHT_ONE
        edges = np.flatnonzero(np.diff(is_written.astype(int)))
        runs = [tokenizer().decode(ids.tolist(), skip_special_tokens=False) for ids in np.split(row.ids, edges + 1)]
        assert runs[1::2] == [piece.text for piece in conversation.pieces() if piece.is_written]
        assert set(row.weights[~is_written].tolist()) == {0, 10}
        assert row.weights[0] == 0
        assert np.count_nonzero(row.weights == 0) == 1


def test_questions_come_in_many_forms_and_kinds_are_told() -> None:
    kinds = set()
    num_turns = set()
    for seed in range(80):
        for conversation in drawn(seed, Drawing(), has_tools=True):
            kinds.add(conversation.kind)
            num_turns.add(len(list(turns(conversation))))
            users = [message["content"] for message in conversation.messages if message["role"] == "user"]
            is_json = users[0].startswith("{")
            assert is_json == (Kind.JSON in conversation.kind)
            assert bool(conversation.tools) == (Kind.TOOLS in conversation.kind)
            if Kind.TOOLS not in conversation.kind:
                assert users[0].count("\n\nQuestion: ") == 1
            assert all(ask.startswith("Question: ") for ask in users[1:])
            if Kind.VERBATIM in conversation.kind:
                assert not any("nearer" in ask or "opens" in ask for ask in users)
    assert {1, 2, 3} <= num_turns
    assert {Kind.NONE, Kind.JSON, Kind.TOOLS, Kind.VERBATIM, Kind.JSON | Kind.VERBATIM} == kinds


def test_tools_are_called_before_the_answer_and_all_needed_ones_are_offered() -> None:
    for seed in range(20):
        conversation = next(found for found in drawn(seed, has_tools=True) if Kind.TOOLS in found.kind)
        roles = [message["role"] for message in conversation.messages]
        assert roles == ["user", "assistant", "tool", "assistant"]
        (call,) = conversation.messages[1]["tool_calls"]
        (tool,) = [tool for tool in conversation.tools if tool["name"] == call["function"]["name"]]
        assert list(call["function"]["arguments"]) == [*tool["parameters"]["properties"]][:3]
        name = conversation.messages[-1]["content"].split(": ")[0]
        assert name in {place["name"] for place in json.loads(conversation.messages[2]["content"])["places"]}
        assert name in conversation.messages[0]["content"]


def test_for_validation_everything_is_asked_as_written() -> None:
    line = map_line(3)
    (conversation,) = conversations(line, OTHER_NAMES, AS_WRITTEN, random.Random(0))
    assert {reply for _, reply in turns(conversation)} == {question["reply"] for question in line["questions"]}
    assert len(list(turns(conversation))) == 4


def test_a_context_in_json_is_asked_only_what_it_tells() -> None:
    line = map_line(3)
    told, *others = line["questions"]
    for question in others:
        question["forms"] = ["text"]
    in_json = Drawing(json_share=1.0, verbatim_share=0.0, rename_share=0.0)
    for seed in range(10):
        (conversation,) = conversations(line, OTHER_NAMES, in_json, random.Random(seed))
        assert Kind.JSON in conversation.kind
        assert [reply for _, reply in turns(conversation)] == [told["reply"]]


def test_packed_and_plain_files_read_the_same(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    plain = write_lines(tmp_path / "a.jsonl", [map_line(1), map_line(2)])
    packed = tmp_path / "a.jsonl.zst"
    packed.write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    assert list(read_lines(plain)) == list(read_lines(packed))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other/1"}', json.dumps(map_line(1) | {"split": "all"})])
def test_a_line_of_another_format_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.jsonl, line 7: not a line of the format mapqator\.map_questions/1"):
        parse_line(text, "a.jsonl, line 7")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("zstandard")
    (tmp_path / "a.jsonl.zst").write_bytes(b"not packed")
    with pytest.raises(ConfigError, match=r"cannot read .*a\.jsonl\.zst"):
        list(read_lines(tmp_path / "a.jsonl.zst"))
    with pytest.raises(ConfigError, match="cannot read"):
        list(read_lines(tmp_path / "none.jsonl"))
