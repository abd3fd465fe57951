"""A server of models that a test scripts, and what it sends."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.annotator.upstream import Asked, Upstream, http, running_upstream

MODELS = {
    "object": "list",
    "data": [
        {"id": "tiny", "root": "tiny", "max_model_len": 4096, "description": "full"},
        {"id": "tiny:fast", "root": "tiny", "max_model_len": 4096, "description": "a variant"},
    ],
}

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nconnection: close\r\n\r\n"

type Reply = bytes | Iterator[bytes]
type Play = Callable[[dict[str, Any]], Reply]


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice], **more})}\n\n".encode()


def stream(*parts: bytes, kind: str = "text/event-stream") -> bytes:
    """A whole streamed answer of any bytes."""
    return _HEAD % kind.encode() + b"".join(parts)


def says(text: str, finish: str = "stop") -> bytes:
    """A reply in words, piece by piece, with its tokens counted."""
    usage = {"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": len(text.split())}}
    return stream(
        b": a comment\n\n",
        *(chunk({"content": piece}) for piece in re.findall(r"\S+\s*", text)),
        chunk({}, finish),
        f"data: {json.dumps(usage)}\n\n".encode(),
        b"data: [DONE]\n\n",
    )


def calls(*wanted: tuple[str, Any]) -> bytes:
    """A reply that calls tools; arguments that are no text are written as JSON, in two pieces."""
    pieces = []
    for index, (name, given) in enumerate(wanted):
        text = given if isinstance(given, str) else json.dumps(given)
        function = {"name": name, "arguments": text[:5]}
        pieces.append(chunk({"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]}))
        pieces.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": text[5:]}}]}))
    return stream(*pieces, chunk({}, "tool_calls"), b"data: [DONE]\n\n")


def for_ever(head: bytes, part: bytes) -> Iterator[bytes]:
    """Bytes without an end; the reader has to go away."""
    yield head
    while True:
        yield part


@dataclass
class Scripted:
    """A running server.

    Args:
        play: makes the answer to a chat completion of its body; tests may set it anew.
        bodies: of all chat completions that were asked for.
    """

    play: Play
    upstream: Upstream | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its base URL, up to and with `/v1`."""
        assert self.upstream is not None
        return f"{self.upstream.url}/v1"

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/v1/models":
            return http(200, MODELS)
        if asked.path == "/version":
            return http(200, {"version": "9.9"})
        body = json.loads(asked.body)
        self.bodies.append(body)
        return self.play(body)

    def questions(self) -> list[str]:
        """The last message of every request."""
        return [body["messages"][-1]["content"] for body in self.bodies]


@contextmanager
def served(play: Play) -> Iterator[Scripted]:
    """A scripted server until the block ends."""
    scripted = Scripted(play)
    with running_upstream(scripted) as upstream:
        scripted.upstream = upstream
        yield scripted
