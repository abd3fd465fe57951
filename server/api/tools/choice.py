"""`tools`, `tool_choice` and `parallel_tool_calls` of a request, turned into what the rest of the API needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.api.tools.call_grammar import optional_calls, required_calls
from server.api.tools.definitions import FunctionTool, parse_tools
from server.api.tools.parser import PlainTextParser, ToolCallParser, ToolFamily
from server.api.tools.registry import get_family
from server.api.tools.stream import ToolStream
from server.engine.request import GrammarSpec
from server.errors import RequestError

_MODES = ("none", "auto", "required")


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """What one chat request's tools mean for its prompt, its output and its parsing.

    Args:
        template_tools: for the chat template's `tools`; None renders none.
        grammar: constrains the output; None leaves it free. It takes the place of a `response_format`.
        family: how the model writes calls; None if it must not call.
        tool_names: the names of the request's tools.
    """

    template_tools: list[dict[str, Any]] | None = None
    grammar: GrammarSpec | None = None
    family: ToolFamily | None = None
    tool_names: frozenset[str] = frozenset()

    @property
    def needs_special_tokens(self) -> bool:
        """Whether special tokens must stay in the text: some models mark calls with them."""
        return self.family is not None

    def new_parser(self) -> ToolCallParser:
        """A parser for one sample; it finds no calls where the model must not call."""
        return PlainTextParser() if self.family is None else self.family.new_parser(self.tool_names)

    def new_stream(self) -> ToolStream:
        """The same, turning text into the deltas and the message of the chat API."""
        return ToolStream(self.new_parser())


def prepare_tools(
    tools: Sequence[Any] | None,
    tool_choice: str | Mapping[str, Any] | None,
    parallel: bool | None,
    family: str,
) -> ToolPlan:
    """Check a request's tools and choice, and plan for them.

    Args:
        tools: the request's `tools`, as parsed JSON; None if it has none.
        tool_choice: the request's `tool_choice`; None means `auto`. With `none`, tools are left out of the prompt.
        parallel: the request's `parallel_tool_calls`; None means true.
        family: a name of `registry.FAMILIES`, chosen when the model was loaded.

    Raises:
        RequestError: for whatever is wrong with the tools or the choice.
        ConfigError: if there is no such family.
    """
    if tools is None:
        mode, _ = _parse_choice(tool_choice)
        if mode not in ("none", "auto"):
            raise RequestError("'tool_choice' asks for a call, but the request has no 'tools'.", param="tool_choice")
        return ToolPlan()
    functions = parse_tools(tools)
    mode, name = _parse_choice(tool_choice)
    if mode == "none":
        return ToolPlan()
    tool_family = get_family(family)
    is_parallel = parallel is not False
    grammar: GrammarSpec | None = None
    if name is not None:
        grammar = required_calls([_named(functions, name)], tool_family.shape, is_parallel=False)
    elif mode == "required":
        grammar = required_calls(functions, tool_family.shape, is_parallel=is_parallel)
    elif not is_parallel or any(function.is_strict for function in functions):
        grammar = optional_calls(functions, tool_family.shape, is_parallel=is_parallel)
    return ToolPlan(
        template_tools=[function.for_template() for function in functions],
        grammar=grammar,
        family=tool_family,
        tool_names=frozenset(function.name for function in functions),
    )


def _parse_choice(choice: str | Mapping[str, Any] | None) -> tuple[str, str | None]:
    """(mode, the named function). The mode is `named` if a function is named."""
    if choice is None:
        return "auto", None
    if isinstance(choice, str):
        if choice in _MODES:
            return choice, None
    elif isinstance(choice, Mapping) and choice.get("type") == "function":
        function = choice.get("function")
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            return "named", function["name"]
        raise RequestError("A named 'tool_choice' needs a function with a name.", param="tool_choice.function.name")
    raise RequestError(
        "'tool_choice' must be 'none', 'auto', 'required' or "
        '{"type": "function", "function": {"name": "one of the tools"}}.',
        param="tool_choice",
    )


def _named(functions: Sequence[FunctionTool], name: str) -> FunctionTool:
    for function in functions:
        if function.name == name:
            return function
    raise RequestError(
        f"'tool_choice' names '{name[:64]}', which is not among the request's tools.",
        param="tool_choice.function.name",
    )
