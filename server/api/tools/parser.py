"""The contract of tool-call parsers: text goes in as the model writes it, text and calls come out.

A parser belongs to a tool family, the way a family of models was trained to write calls. To add one: a file with a
`ToolFamily`, a line in `registry.py`; the contract test in `tests/tools` runs over every registered family.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text for the reader, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """A call begins; `index` counts the calls of the message from 0."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """More of the JSON text of a call's arguments, never empty."""

    index: int
    text: str


ToolEvent = TextDelta | CallStart | CallArguments


def new_call_id() -> str:
    """`call_` and 24 random hexadecimal digits."""
    return "call_" + secrets.token_hex(12)


class ToolCallParser(ABC):
    """Reads one sample's output. How the text is cut into pieces never changes what comes out.

    Text waits only while it may still become a call. A call that is malformed before its arguments begin comes
    out as the plain text it was; one that breaks off later keeps the arguments sent so far, and the rest is text.
    The only text dropped is the wrapper around calls, with the whitespace that adjoins it.
    """

    name: str

    @abstractmethod
    def feed(self, text: str) -> list[ToolEvent]:
        """Take the next piece of output; never raises."""

    @abstractmethod
    def finish(self) -> list[ToolEvent]:
        """The output has ended: everything that was held back."""


class PlainTextParser(ToolCallParser):
    """Finds no calls: for requests without tools or with `tool_choice` none."""

    name = "none"

    def feed(self, text: str) -> list[ToolEvent]:
        return [TextDelta(text)] if text else []

    def finish(self) -> list[ToolEvent]:
        return []


@dataclass(frozen=True, slots=True)
class CallShape:
    """How a family writes calls, for grammars: what stands around the name and the arguments.

    Args:
        before_name: everything up to the name.
        before_arguments: what stands between the name and the arguments object.
        after: what follows the arguments object.
        separator: stands between two calls.
        trigger: a beginning of `before_name` that announces a call within free text; empty if calls are only
            recognised at the beginning of the message.
        forbidden_text: what free text must not contain, since it would be read as the beginning of a call.
    """

    before_name: str
    before_arguments: str
    after: str
    separator: str
    trigger: str
    forbidden_text: str


@dataclass(frozen=True, slots=True)
class ToolFamily:
    """How a family of models writes tool calls.

    Args:
        name: the name in `--tool-parser` and in messages.
        template_markers: any of these in a chat template means that the model belongs to this family.
        new_parser: makes a parser for one sample, given the names of the request's tools.
        shape: how calls are written, to build grammars.
    """

    name: str
    template_markers: tuple[str, ...]
    new_parser: Callable[[frozenset[str]], ToolCallParser]
    shape: CallShape
