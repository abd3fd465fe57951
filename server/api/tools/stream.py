"""Tool events as the chat API sends them: deltas for a stream, one message without."""

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

from server.api.tools.parser import CallArguments, CallStart, TextDelta, ToolCallParser, ToolEvent
from server.engine.request import FinishReason

ChatFinishReason = Literal["stop", "length", "tool_calls", "abort", "error"]


class FunctionDelta(TypedDict):
    """`name` comes with a call's first delta only: clients concatenate strings."""

    name: NotRequired[str]
    arguments: str


class ToolCallDelta(TypedDict):
    """`id` and `type` come with a call's first delta only."""

    index: int
    id: NotRequired[str]
    type: NotRequired[Literal["function"]]
    function: FunctionDelta


class ChatDelta(TypedDict, total=False):
    """The `delta` of a chat chunk, without a role."""

    content: str
    tool_calls: list[ToolCallDelta]


class FunctionCall(TypedDict):
    name: str
    arguments: str


class ToolCall(TypedDict):
    """One entry of a message's `tool_calls`."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class ChatMessage(TypedDict):
    """The `message` of a chat completion. `content` is None if there are only calls."""

    role: Literal["assistant"]
    content: str | None
    tool_calls: NotRequired[list[ToolCall]]


class ToolStream:
    """One sample's output on its way to the client: feed it text, send the deltas, or ask for the message at the end.

    Args:
        parser: a fresh parser, used by nobody else.
    """

    def __init__(self, parser: ToolCallParser) -> None:
        self._parser = parser
        self._text: list[str] = []
        self._calls: list[tuple[CallStart, list[str]]] = []

    def feed(self, text: str) -> ChatDelta | None:
        """The delta that follows from more text; None while all of it is held back."""
        return self._take(self._parser.feed(text))

    def finish(self) -> ChatDelta | None:
        """The delta that was held back at the end of the output, if any. To be called once."""
        return self._take(self._parser.finish())

    def finish_reason(self, reason: FinishReason) -> ChatFinishReason:
        """`tool_calls` for an output that ended by itself and holds a call, else the engine's reason."""
        return "tool_calls" if reason == "stop" and self._calls else reason

    def message(self) -> ChatMessage:
        """The whole message, once the output is finished."""
        text = "".join(self._text)
        message: ChatMessage = {"role": "assistant", "content": text if text or not self._calls else None}
        if self._calls:
            message["tool_calls"] = [
                {
                    "id": start.id,
                    "type": "function",
                    "function": {"name": start.name, "arguments": "".join(arguments)},
                }
                for start, arguments in self._calls
            ]
        return message

    def _take(self, events: Sequence[ToolEvent]) -> ChatDelta | None:
        delta: ChatDelta = {}
        calls: dict[int, ToolCallDelta] = {}
        for event in events:
            if isinstance(event, TextDelta):
                self._text.append(event.text)
                delta["content"] = delta.get("content", "") + event.text
            elif isinstance(event, CallStart):
                self._calls.append((event, []))
                calls[event.index] = {
                    "index": event.index,
                    "id": event.id,
                    "type": "function",
                    "function": {"name": event.name, "arguments": ""},
                }
            elif isinstance(event, CallArguments):
                self._calls[event.index][1].append(event.text)
                call = calls.setdefault(event.index, {"index": event.index, "function": {"arguments": ""}})
                call["function"]["arguments"] += event.text
        if calls:
            delta["tool_calls"] = list(calls.values())
        return delta or None
