"""Checking tools and `tool_choice`, and the plan that follows from them."""

from typing import Any

import pytest

from server.api.tools import FAMILIES, prepare_tools
from server.errors import RequestError


def tool(name: Any = "search", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def nested_schema(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([], "tools"),
        ([tool(f"f{index}") for index in range(129)], "tools"),
        (["search"], "tools[0]"),
        ([{"type": "retrieval"}], "tools[0].type"),
        ([{"type": "function"}], "tools[0].function"),
        ([tool("")], "tools[0].function.name"),
        ([tool("a" * 65)], "tools[0].function.name"),
        ([tool("é")], "tools[0].function.name"),
        ([tool("f\n")], "tools[0].function.name"),
        ([tool(7)], "tools[0].function.name"),
        ([tool("a"), tool("b"), tool("a")], "tools[2].function.name"),
        ([tool("a"), tool("b", description=3)], "tools[1].function.description"),
        ([tool(description="x" * 20_000)], "tools[0].function.description"),
        ([tool(strict="yes")], "tools[0].function.strict"),
        ([tool(parameters=[])], "tools[0].function.parameters"),
        ([tool(parameters={"type": "string"})], "tools[0].function.parameters.type"),
        ([tool(parameters={"type": "object", "properties": []})], "tools[0].function.parameters.properties"),
        ([tool(parameters=nested_schema(100_000))], "tools[0].function.parameters"),
        ([tool(parameters={"type": "object", "description": "x" * 70_000})], "tools[0].function.parameters"),
        ([tool(f"f{i}", parameters={"description": "x" * 60_000}) for i in range(10)], "tools"),
    ],
)
def test_bad_tools_are_refused_with_the_path_of_the_field_at_fault(tools: Any, param: str) -> None:
    with pytest.raises(RequestError) as error:
        prepare_tools(tools, None, None, "hermes")
    assert error.value.param == param
    assert len(error.value.message) < 300


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ("any", "tool_choice"),
        ({"type": "tool"}, "tool_choice"),
        (3, "tool_choice"),
        ({"type": "function"}, "tool_choice.function.name"),
        ({"type": "function", "function": {}}, "tool_choice.function.name"),
        (named("unknown" * 1000), "tool_choice.function.name"),
    ],
)
def test_a_bad_choice_is_refused(choice: Any, param: str) -> None:
    with pytest.raises(RequestError) as error:
        prepare_tools([tool()], choice, None, "hermes")
    assert error.value.param == param
    assert len(error.value.message) < 300


@pytest.mark.parametrize("choice", ["required", named("search")])
def test_a_call_cannot_be_asked_for_without_tools(choice: Any) -> None:
    with pytest.raises(RequestError) as error:
        prepare_tools(None, choice, None, "hermes")
    assert error.value.param == "tool_choice"


@pytest.mark.parametrize("tools", [None, [tool()]])
def test_with_choice_none_the_model_sees_no_tools_and_its_text_is_left_alone(tools: Any) -> None:
    plan = prepare_tools(tools, "none", None, "hermes")
    assert plan.template_tools is None
    assert plan.grammar is None
    assert plan.new_parser().name == "none"
    assert not plan.needs_special_tokens


def test_choice_none_still_checks_the_tools() -> None:
    with pytest.raises(RequestError):
        prepare_tools([tool("bad name")], "none", None, "hermes")


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("choice", [None, "auto"])
def test_by_default_the_model_chooses_freely(family: str, choice: Any) -> None:
    plan = prepare_tools([tool()], choice, None, family)
    assert plan.grammar is None
    assert plan.new_parser().name == family


def test_templates_get_every_key_they_may_read_and_no_more() -> None:
    plan = prepare_tools([tool("f", strict=True, extra=1), tool("g", parameters={"$defs": {}})], None, None, "hermes")
    empty = {"type": "object", "properties": {}}
    assert plan.template_tools == [
        {"type": "function", "function": {"name": "f", "description": "", "parameters": empty}},
        {"type": "function", "function": {"name": "g", "description": "", "parameters": {**empty, "$defs": {}}}},
    ]
