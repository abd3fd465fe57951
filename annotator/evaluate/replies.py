"""What comes back from a server of models: a reply as it streams in or as a whole, and what is wrong with it."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from annotator.errors import MAX_QUOTED, MapqatorError

_SLACK_PIECES = 16
_CHARACTERS_A_TOKEN = 64
"""More than any tokenizer puts into one; what is longer was not held to `max_tokens`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tool call that a model wants to be made.

    Args:
        arguments: as the model wrote them, which may be no JSON.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One message of a model.

    Args:
        finish: why it ended: `stop`, `length`, `tool_calls`; empty where it did not say or did not end.
        reasoning: what it thought aside, where the server parts it.
        first_token_ms: until something of it came; None where nothing did or it came at once.
        prompt_tokens, completion_tokens: as the server counted; None where it did not.
        usage, timings: all that the server said of them.
    """

    content: str
    tool_calls: tuple[Wanted, ...] = ()
    finish: str = ""
    reasoning: str = ""
    latency_ms: float = 0.0
    first_token_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usage: Mapping[str, Any] | None = None
    timings: Mapping[str, Any] | None = None
    fingerprint: str = ""

    @property
    def kv_bytes(self) -> int | None:
        """KV cache that the request held at its end, where the server says so."""
        value = (self.timings or {}).get("kv_bytes")
        return value if _is_count(value) else None

    @property
    def depth_layers(self) -> float | None:
        """Layers that a generated token ran, on average, where the server says so."""
        value = (self.timings or {}).get("mean_depth_layers")
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None

    def message(self) -> dict[str, Any]:
        """The reply as the next request repeats it."""
        said: dict[str, Any] = {"role": "assistant", "content": self.content}
        if self.tool_calls:
            said["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.tool_calls
            ]
        return said

    def event(self) -> dict[str, Any]:
        """What is recorded of it, without what says nothing."""
        values = {
            "content": self.content,
            "reasoning": self.reasoning,
            "tool_calls": [{"id": one.id, "name": one.name, "arguments": one.arguments} for one in self.tool_calls],
            "finish": self.finish,
            "latency_ms": round(self.latency_ms, 3),
            "first_token_ms": None if self.first_token_ms is None else round(self.first_token_ms, 3),
            "usage": dict(self.usage or {}),
            "timings": dict(self.timings or {}),
            "fingerprint": self.fingerprint,
        }
        return {name: value for name, value in values.items() if value not in ("", [], {}, None) or name == "content"}


class ReplyError(MapqatorError):
    """A request without a whole reply.

    Args:
        message: one sentence for people.
        ends: the verdict that it leads to.
        is_down: the server, not the question, is at fault.
        is_fatal: no other question would fare better: a wrong key, a wrong address.
        may_pass: trying again may help.
        retry_after_s: when the server wants to be asked again.
        partial: what had come of a reply until then.
        status: of HTTP, where the request itself was refused.
    """

    code = "model_failed"

    def __init__(
        self,
        message: str,
        *,
        ends: Literal["error", "limit"] = "error",
        is_down: bool = False,
        is_fatal: bool = False,
        may_pass: bool = False,
        retry_after_s: float | None = None,
        partial: Reply | None = None,
        status: int | None = None,
    ) -> None:
        line = " ".join(message.split())
        super().__init__(line if len(line) <= MAX_QUOTED else f"{line[: MAX_QUOTED - 1]}…")
        self.ends = ends
        self.is_down = is_down
        self.is_fatal = is_fatal
        self.may_pass = may_pass
        self.retry_after_s = retry_after_s
        self.partial = partial
        self.status = status


@dataclass
class Coming:
    """A reply on its way.

    Args:
        max_tokens: that were asked for; a server that sends many more is stopped.
    """

    max_tokens: int
    started_s: float = field(default_factory=time.perf_counter)
    has_begun: bool = False
    _content: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _calls: dict[int, dict[str, str]] = field(default_factory=dict)
    _finish: str = ""
    _usage: dict[str, Any] = field(default_factory=dict)
    _timings: dict[str, Any] = field(default_factory=dict)
    _fingerprint: str = ""
    _first_ms: float | None = None
    _num_pieces: int = 0
    _num_characters: int = 0
    _is_done: bool = False

    def take(self, line: bytes) -> bool:
        """One line of a stream; True when it was the last.

        Raises:
            ReplyError: it is no part of a completion, or more comes than was asked for.
        """
        if not line.startswith(b"data:"):
            # Comments keep connections alive; `event:` and the like say nothing here.
            return False
        text = line[5:].strip()
        if text == b"[DONE]":
            self._is_done = True
            return True
        if text:
            self._chunk(_object(text, "streamed"), "delta")
        return False

    def whole(self, answer: Mapping[str, Any]) -> Reply:
        """The reply in an answer that did not stream."""
        self._chunk(answer, "message")
        self._is_done, self._first_ms = True, None
        return self.ended()

    def ended(self) -> Reply:
        """The reply when nothing more comes.

        Raises:
            ReplyError: nothing came, or it broke off.
        """
        if not self.has_begun:
            raise ReplyError("the server answered without choices")
        if not self._is_done and not self._finish:
            raise ReplyError("the stream broke off", is_down=True, may_pass=True, partial=self.reply())
        return self.reply()

    def reply(self) -> Reply:
        """What has come so far."""
        prompt, completion = self._usage.get("prompt_tokens"), self._usage.get("completion_tokens")
        return Reply(
            content="".join(self._content),
            tool_calls=tuple(
                Wanted(call["id"] or f"call_{index}", call["name"], call["arguments"])
                for index, call in sorted(self._calls.items())
            ),
            finish=self._finish,
            reasoning="".join(self._reasoning),
            latency_ms=(time.perf_counter() - self.started_s) * 1000,
            first_token_ms=self._first_ms,
            prompt_tokens=prompt if _is_count(prompt) else None,
            completion_tokens=completion if _is_count(completion) else None,
            usage=self._usage,
            timings=self._timings,
            fingerprint=self._fingerprint,
        )

    def _chunk(self, chunk: Mapping[str, Any], name: str) -> None:
        if chunk.get("error"):
            said = chunk["error"]
            words = said.get("message") if isinstance(said, dict) else said
            raise ReplyError(f"the server broke off: {words}", is_down=True, partial=self.reply())
        for key, kept in (("usage", self._usage), ("timings", self._timings)):
            if isinstance(chunk.get(key), dict):
                kept.update(chunk[key])
        if isinstance(chunk.get("system_fingerprint"), str):
            self._fingerprint = chunk["system_fingerprint"][:200]
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices:
            return
        choice = choices[0]
        part = choice.get(name) if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(part, dict | None):
            raise ReplyError("the server answered with choices that are none")
        self.has_begun = True
        self._part(part or {})
        if isinstance(choice.get("finish_reason"), str):
            self._finish = choice["finish_reason"][:40]

    def _part(self, part: Mapping[str, Any]) -> None:
        pieces = 0
        for key, kept in (("content", self._content), ("reasoning_content", self._reasoning)):
            text = part.get(key)
            if isinstance(text, str) and text:
                # Half a surrogate pair can be sent, but not kept.
                kept.append(text.encode("utf-8", "replace").decode())
                pieces += 1
                self._num_characters += len(text)
        for call in part.get("tool_calls") or ():
            self._call(call)
            pieces += 1
        if pieces and self._first_ms is None:
            self._first_ms = (time.perf_counter() - self.started_s) * 1000
        self._num_pieces += pieces
        if self._num_pieces > self.max_tokens + _SLACK_PIECES or self._num_characters > _CHARACTERS_A_TOKEN * (
            self.max_tokens + _SLACK_PIECES
        ):
            raise ReplyError(
                f"the server did not stop after {self.max_tokens} tokens", ends="limit", partial=self.reply()
            )

    def _call(self, call: Any) -> None:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise ReplyError("the server answered with tool calls that are none")
        index = call.get("index")
        known = self._calls.setdefault(
            index if isinstance(index, int) else len(self._calls), {"id": "", "name": "", "arguments": ""}
        )
        if isinstance(call.get("id"), str) and not known["id"]:
            known["id"] = call["id"][:200]
        if isinstance(function.get("name"), str):
            known["name"] = (known["name"] + function["name"]).encode("utf-8", "replace").decode()[:200]
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            # Some servers send what they parsed.
            arguments = json.dumps(arguments, ensure_ascii=False)
        if isinstance(arguments, str):
            known["arguments"] += arguments.encode("utf-8", "replace").decode()
            self._num_characters += len(arguments)


def read_whole(body: bytes, coming: Coming) -> Reply:
    """The reply of a server that does not stream.

    Raises:
        ReplyError: it is none.
    """
    return coming.whole(_object(body, "answered with"))


def _object(text: bytes, did: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        shown = text[:60].decode("utf-8", "replace")
        raise ReplyError(f"the server {did} something that is no completion: {shown!r}")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
