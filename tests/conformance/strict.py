"""A client that forgives nothing: the framing of every event, the keys of every object, the type of every value.

The shapes are written down from OpenAI's published schemas and this server's documented additions, not from the
server's own models, so that both have to agree.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx

LOWEST_LOGPROB = -9999.0


@dataclass(frozen=True)
class AnyOf:
    """A value that fits any of several shapes."""

    shapes: tuple[Any, ...]


@dataclass(frozen=True)
class Exactly:
    """One of several values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Where:
    """A value of a shape for which something else holds too."""

    shape: Any
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Mapped:
    """An object with any keys, whose values have one shape."""

    shape: Any


@dataclass(frozen=True)
class Keys:
    """An object with these keys: all of `must`, any of `may`, no other."""

    must: dict[str, Any]
    may: dict[str, Any] = field(default_factory=dict)


def check(value: Any, shape: Any, path: str = "$") -> None:
    """Assert that a JSON value has a shape: a type, None, [shape] for a list, or one of the classes above."""
    match shape:
        case None:
            assert value is None, f"{path}: {value!r} is not null"
        case type():
            # Not isinstance: to Python, true is an integer.
            assert type(value) is shape, f"{path}: {value!r} is not {shape.__name__}"
        case [item]:
            assert type(value) is list, f"{path}: {value!r} is not a list"
            for index, each in enumerate(value):
                check(each, item, f"{path}[{index}]")
        case AnyOf(shapes):
            assert any(_fits(value, each) for each in shapes), f"{path}: {value!r} is none of {shapes}"
        case Exactly(values):
            assert any(type(value) is type(each) and value == each for each in values), f"{path}: {value!r}"
        case Where(inner, holds):
            check(value, inner, path)
            assert holds(value), f"{path}: {value!r}"
        case Mapped(inner):
            assert type(value) is dict, f"{path}: {value!r} is not an object"
            for key, each in value.items():
                check(each, inner, f"{path}.{key}")
        case Keys(must, may):
            assert type(value) is dict, f"{path}: {value!r} is not an object"
            assert must.keys() <= value.keys() <= must.keys() | may.keys(), f"{path}: {sorted(value)}"
            for key, each in value.items():
                check(each, must.get(key, may.get(key)), f"{path}.{key}")
        case _:
            raise TypeError(f"{shape!r} is not a shape")


def _fits(value: Any, shape: Any) -> bool:
    try:
        check(value, shape)
    except AssertionError:
        return False
    return True


def nullable(shape: Any) -> AnyOf:
    return AnyOf((shape, None))


COUNT = Where(int, lambda value: value >= 0)
BYTE = Where(int, lambda value: 0 <= value <= 255)
SECONDS = Where(int, lambda value: 1_600_000_000 < value < 10_000_000_000)
LOGPROB = Where(float, lambda value: math.isfinite(value) and LOWEST_LOGPROB <= value <= 0)
TEXT = Where(str, lambda value: len(value) > 0)

ERROR = Keys({"error": Keys({"message": TEXT, "type": TEXT, "param": nullable(TEXT), "code": nullable(TEXT)})})

USAGE = Where(
    Keys(
        {
            "prompt_tokens": COUNT,
            "completion_tokens": COUNT,
            "total_tokens": COUNT,
            "prompt_tokens_details": Keys({"cached_tokens": COUNT}),
            "completion_tokens_details": Keys({"reasoning_tokens": COUNT}),
        }
    ),
    lambda usage: usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"],
)


def _head(kind: str, prefix: str) -> dict[str, Any]:
    return {
        "id": Where(str, lambda value: value.startswith(prefix) and len(value) > len(prefix)),
        "object": Exactly((kind,)),
        "created": SECONDS,
        "model": TEXT,
        "system_fingerprint": TEXT,
    }


_EXTRAS = {"stop_reason": AnyOf((int, TEXT)), "token_ids": [COUNT]}
"""Additions of this server to a choice."""

COMPLETION_LOGPROBS = Where(
    Keys(
        {
            "tokens": [str],
            "token_logprobs": [nullable(LOGPROB)],
            "top_logprobs": [nullable(Mapped(LOGPROB))],
            "text_offset": [COUNT],
        }
    ),
    lambda arrays: len({len(array) for array in arrays.values()}) == 1,
)
_COMPLETION_REASON = Exactly(("stop", "length", "content_filter"))


def _completion_choice(reason: Any) -> Keys:
    must = {"index": COUNT, "text": str, "logprobs": nullable(COMPLETION_LOGPROBS), "finish_reason": reason}
    return Keys(must, _EXTRAS | {"prompt_token_ids": [COUNT]})


COMPLETION = Keys(
    _head("text_completion", "cmpl-") | {"choices": [_completion_choice(_COMPLETION_REASON)], "usage": USAGE}
)
COMPLETION_CHUNK = Keys(
    _head("text_completion", "cmpl-") | {"choices": [_completion_choice(nullable(_COMPLETION_REASON))]},
    {"usage": nullable(USAGE)},
)

_TOKEN = {"token": str, "logprob": LOGPROB, "bytes": [BYTE]}
CHAT_LOGPROBS = Keys({"content": [Keys(_TOKEN | {"top_logprobs": [Keys(_TOKEN)]})], "refusal": None})
_CHAT_REASON = Exactly(("stop", "length", "tool_calls", "content_filter"))
_CALL = Keys(
    {"id": TEXT, "type": Exactly(("function",)), "function": Keys({"name": TEXT, "arguments": str})},
)
_MESSAGE = Keys(
    {"role": Exactly(("assistant",)), "content": nullable(str), "refusal": None},
    {"tool_calls": Where([_CALL], lambda calls: len(calls) > 0)},
)
CHAT = Keys(
    _head("chat.completion", "chatcmpl-")
    | {
        "choices": [
            Keys(
                {
                    "index": COUNT,
                    "message": _MESSAGE,
                    "logprobs": nullable(CHAT_LOGPROBS),
                    "finish_reason": _CHAT_REASON,
                },
                _EXTRAS,
            )
        ],
        "usage": USAGE,
    },
    {"prompt_token_ids": [COUNT]},
)

_FIRST_OF_CALL = Keys(
    {
        "index": COUNT,
        "id": TEXT,
        "type": Exactly(("function",)),
        "function": Keys({"name": TEXT, "arguments": str}),
    }
)
_MORE_OF_CALL = Keys({"index": COUNT, "function": Keys({"arguments": TEXT})})
_DELTA = AnyOf(
    (
        Keys({"role": Exactly(("assistant",)), "content": Exactly(("",))}),
        Keys({"content": TEXT}, {"tool_calls": [AnyOf((_FIRST_OF_CALL, _MORE_OF_CALL))]}),
        Keys({"tool_calls": [AnyOf((_FIRST_OF_CALL, _MORE_OF_CALL))]}),
        Keys({}),
    )
)
CHAT_CHUNK = Keys(
    _head("chat.completion.chunk", "chatcmpl-")
    | {
        "choices": [
            Keys(
                {
                    "index": COUNT,
                    "delta": _DELTA,
                    "logprobs": nullable(CHAT_LOGPROBS),
                    "finish_reason": nullable(_CHAT_REASON),
                },
                _EXTRAS,
            )
        ]
    },
    {"usage": nullable(USAGE), "prompt_token_ids": [COUNT]},
)

COMPLETIONS = "/v1/completions"
CHATS = "/v1/chat/completions"
_SHAPES = {COMPLETIONS: (COMPLETION, COMPLETION_CHUNK), CHATS: (CHAT, CHAT_CHUNK)}


def _refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs), f"a key stands twice: {pairs}"
    return dict(pairs)


def parse_json(text: str | bytes) -> Any:
    """JSON as the standard has it: no NaN, no Infinity, no key twice."""
    return json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)


def parse_events(raw: bytes) -> list[Any]:
    """The JSON of every event of a whole stream.

    An event is one line `data: …` and one empty line, comments are `: …` and one empty line, and the last event is
    `[DONE]`. Anything else fails.
    """
    assert b"\r" not in raw
    *events, rest = raw.decode("utf-8").split("\n\n")
    assert rest == "", f"the stream does not end with an empty line: {rest!r}"
    events = [event for event in events if event != ": keep-alive"]
    assert all(event.startswith("data: ") and "\n" not in event for event in events), events
    assert events, "the stream has no events"
    assert events.pop() == "data: [DONE]"
    return [parse_json(event.removeprefix("data: ")) for event in events]


def open_stream(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    """The open response of a streaming request, for tests that look at the bytes themselves."""
    return client.stream("POST", path, json=body | {"stream": True})


def check_stream_headers(response: httpx.Response) -> None:
    assert response.status_code == 200, response.read()
    headers = response.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"]
    assert "content-length" not in headers
    assert "content-encoding" not in headers


def stream(client: httpx.Client, path: str, **body: Any) -> list[dict[str, Any]]:
    """All chunks of a stream, each of the right shape, all with the same head."""
    with open_stream(client, path, body) as response:
        check_stream_headers(response)
        chunks = parse_events(b"".join(response.iter_raw()))
    for chunk in chunks:
        check(chunk, _SHAPES[path][1])
    for name in ("id", "object", "created", "model", "system_fingerprint"):
        assert len({chunk[name] for chunk in chunks}) == 1, name
    return chunks


def send(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    """An answer without streaming, of the right shape."""
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    answer: dict[str, Any] = parse_json(response.content)
    check(answer, _SHAPES[path][0])
    return answer


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a refusal, of the right shape and status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    body = parse_json(response.content)
    check(body, ERROR)
    error: dict[str, Any] = body["error"]
    return error


def only_choices(chunks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The choices of all chunks, which hold at most one each."""
    for chunk in chunks:
        assert len(chunk["choices"]) <= 1
    return [choice for chunk in chunks for choice in chunk["choices"]]
