"""The grammars for tool calls, run through llguidance: they admit what the parser reads as calls, and only that."""

import json
import random
import re
from typing import Any

import pytest
import tool_reference as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from server.api.tools import FAMILIES, ToolPlan, prepare_tools

llguidance = pytest.importorskip("llguidance", reason="grammars need llguidance")

families = pytest.mark.parametrize("family", sorted(FAMILIES))

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/node"}},
    "required": ["root"],
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
}
PARIS = '{"city": "Paris", "days": 2}'


def tools(*, is_strict: bool = False) -> list[dict[str, Any]]:
    functions = [{"name": "weather", "parameters": WEATHER, "strict": is_strict}, {"name": "tree", "parameters": TREE}]
    return [{"type": "function", "function": function} for function in [*functions, {"name": "now"}]]


def call(family: str, name: str, arguments: str) -> str:
    shape = FAMILIES[family].shape
    return shape.before_name + name + shape.before_arguments + arguments + shape.after


def is_accepted(plan: ToolPlan, text: str) -> bool:
    assert plan.grammar is not None
    assert plan.grammar.kind == "lark"
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_lark(plan.grammar.source), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    ids = tokenizer.tokenize_str(text)
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


@families
def test_required_admits_one_or_more_calls_and_no_other_text(family: str) -> None:
    plan = prepare_tools(tools(), "required", None, family)
    weather, tree = call(family, "weather", PARIS), call(family, "tree", '{"root": {"next": {}}}')
    separator = FAMILIES[family].shape.separator
    for text in (weather, tree, call(family, "now", "{}"), weather + separator + tree):
        assert is_accepted(plan, text)
        pieces = reference.parse(plan.new_parser(), list(text))
        assert [piece[0] for piece in pieces] == ["call"] * len(re.findall('"name"', text))
    for text in ("", "hello", "hello " + weather, weather + " hello", call(family, "other", "{}")):
        assert not is_accepted(plan, text)


@families
@pytest.mark.parametrize(
    "arguments", ["{}", '{"days": 2}', '{"city": 3}', '{"city": "Paris", "who": 1}', '{"city":  "Paris"}', '"Paris"']
)
def test_required_calls_must_match_the_schema_with_nothing_undescribed(family: str, arguments: str) -> None:
    plan = prepare_tools(tools(), "required", None, family)
    assert not is_accepted(plan, call(family, "weather", arguments))


@families
def test_without_parallel_calls_required_admits_exactly_one(family: str) -> None:
    plan = prepare_tools(tools(), "required", False, family)
    weather = call(family, "weather", PARIS)
    assert is_accepted(plan, weather)
    assert not is_accepted(plan, weather + FAMILIES[family].shape.separator + weather)


@families
def test_a_named_choice_admits_one_call_of_that_function(family: str) -> None:
    plan = prepare_tools(tools(), {"type": "function", "function": {"name": "weather"}}, None, family)
    weather = call(family, "weather", PARIS)
    assert is_accepted(plan, weather)
    assert not is_accepted(plan, call(family, "now", "{}"))
    assert not is_accepted(plan, weather + FAMILIES[family].shape.separator + weather)
    assert [item["function"]["name"] for item in plan.template_tools or []] == ["weather", "tree", "now"]


@families
def test_strict_tools_leave_text_free_and_hold_calls_to_the_schema(family: str) -> None:
    plan = prepare_tools(tools(is_strict=True), "auto", None, family)
    weather, now = call(family, "weather", PARIS), call(family, "now", '{"anything": [1]}')
    separator = FAMILIES[family].shape.separator
    for text in ("", "hello\n<world>", weather, weather + separator + now):
        assert is_accepted(plan, text)
    for text in (call(family, "weather", "{}"), weather + separator + call(family, "weather", '{"city": 1}')):
        assert not is_accepted(plan, text)


@families
def test_without_parallel_calls_auto_admits_text_or_one_call(family: str) -> None:
    plan = prepare_tools(tools(), "auto", False, family)
    weather = call(family, "weather", '{"undescribed": true}')
    assert is_accepted(plan, "hello")
    assert is_accepted(plan, weather)
    assert not is_accepted(plan, weather + FAMILIES[family].shape.separator + weather)


def test_hermes_may_write_text_before_and_after_an_optional_call() -> None:
    call_text = call("hermes", "weather", PARIS)
    parallel = prepare_tools(tools(is_strict=True), "auto", None, "hermes")
    single = prepare_tools(tools(is_strict=True), "auto", False, "hermes")
    assert is_accepted(parallel, f"Let me <tool_see:\n{call_text}\nand{call_text} done")
    assert is_accepted(single, f"Let me see:\n{call_text}")
    assert not is_accepted(single, f"{call_text} and {call_text}")


def test_llama3_free_text_cannot_smuggle_an_unchecked_call() -> None:
    plan = prepare_tools(tools(is_strict=True), "auto", None, "llama3_json")
    unchecked = call("llama3_json", "weather", "{}")
    for text in (" " + unchecked, "<|python_tag|>" + unchecked, "hi <|python_tag|>" + unchecked):
        assert not is_accepted(plan, text)
        assert reference.parse(plan.new_parser(), [text])[-1][0] == "call"


def test_a_full_set_of_tools_still_compiles() -> None:
    many = [{"type": "function", "function": {"name": f"f{i}", "parameters": WEATHER}} for i in range(128)]
    plan = prepare_tools(many, "required", None, "hermes")
    assert is_accepted(plan, call("hermes", "f127", json.dumps({"city": "Rome"})))


@families
@given(choices=st.randoms(use_true_random=False), is_strict=st.booleans())
@settings(max_examples=25)
def test_whatever_is_written_under_the_grammar_of_required_calls_parses_as_calls(
    family: str, choices: random.Random, is_strict: bool
) -> None:
    schema = {
        "type": "object",
        "properties": {"unit": {"enum": ["°C", "°F"]}, "is_exact": {"type": "boolean"}},
        "required": ["unit"],
    }
    function = {"name": "weather", "parameters": schema, "strict": is_strict}
    plan = prepare_tools([{"type": "function", "function": function}], "required", False, family)
    assert plan.grammar is not None
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_lark(plan.grammar.source), log_level=0)
    written: list[int] = []
    while not matcher.is_stopped():
        allowed = [token for token, bias in enumerate(matcher.compute_logit_bias()) if bias]
        token = choices.choice(allowed)
        assert matcher.consume_token(token)
        written.append(token)
    [(kind, name, arguments)] = reference.parse(plan.new_parser(), [tokenizer.decode_str(written)])
    assert (kind, name) == ("call", "weather")
    assert json.loads(arguments)["unit"] in ("°C", "°F")
    assert json.loads(arguments).keys() <= {"unit", "is_exact"}
