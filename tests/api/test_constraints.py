"""response_format and structured_outputs become exactly one constraint, or a refusal."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from server.api.constraints import choice_grammar, grammar_of
from server.api.protocol.completions import CompletionRequest
from server.engine.request import GrammarSpec
from server.errors import RequestError


def spec_of(**fields: Any) -> tuple[GrammarSpec, str] | None:
    return grammar_of(CompletionRequest.model_validate({"prompt": "a", **fields}))


@pytest.mark.parametrize(
    ("fields", "spec"),
    [
        ({"response_format": {"type": "json_object"}}, GrammarSpec("json_object")),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "null"}}}},
            GrammarSpec("json_schema", '{"type": "null"}'),
        ),
        ({"structured_outputs": {"json": {"type": "null"}}}, GrammarSpec("json_schema", '{"type": "null"}')),
        ({"structured_outputs": {"json": '{"type": "null"}'}}, GrammarSpec("json_schema", '{"type": "null"}')),
        ({"structured_outputs": {"json_object": True}}, GrammarSpec("json_object")),
        ({"structured_outputs": {"regex": "a+"}}, GrammarSpec("regex", "a+")),
        ({"structured_outputs": {"grammar": 'start: "a"'}}, GrammarSpec("lark", 'start: "a"')),
        ({"structured_outputs": {"ebnf": 'root ::= "a"'}}, GrammarSpec("lark", 'root ::= "a"')),
    ],
)
def test_each_form_becomes_its_constraint(fields: dict[str, Any], spec: GrammarSpec) -> None:
    assert spec_of(**fields) == (spec, next(iter(fields)))


def test_text_is_no_constraint() -> None:
    assert spec_of() is None
    assert spec_of(response_format={"type": "text"}) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"structured_outputs": {}},
        {"structured_outputs": {"regex": "a", "json_object": True}},
        {"structured_outputs": {"json": "not json"}},
        {"structured_outputs": {"json": "[1]"}},
        {"structured_outputs": {"choice": ["a", ""]}},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_object"}, "structured_outputs": {"regex": "a"}},
    ],
)
def test_none_or_several_or_broken_constraints_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        spec_of(**fields)


BYTES = LLTokenizer("byte")


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_choice_allows_its_texts_and_no_other(choices: list[str]) -> None:
    grammar = choice_grammar(choices)
    assert "::=" not in grammar

    def accepts(text: str) -> bool:
        matcher = LLMatcher(BYTES, LLMatcher.grammar_from_lark(grammar))
        assert not matcher.is_error(), matcher.get_error()
        return matcher.consume_tokens(list(text.encode())) and matcher.is_accepting()

    assert all(accepts(choice) for choice in choices)
    for choice in choices:
        for other in (choice[:-1], choice + "x", json.dumps(choice)):
            assert accepts(other) == (other in choices)
