"""A streaming client for any OpenAI-compatible server that notes when each chunk arrives."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from server.bench.datasets import Prompt
from server.bench.exchange import ExchangeError, Head, post
from server.errors import ConfigError

Backend = Literal["openai", "openai-chat"]
ENDPOINTS: dict[str, str] = {"openai": "/v1/completions", "openai-chat": "/v1/chat/completions"}


@dataclass(slots=True)
class RequestResult:
    """One request as the client saw it. Times are seconds of `time.perf_counter`.

    Args:
        prompt_len: prompt tokens, by the server's usage where it sends one, else by the client's tokenizer.
        output_len: generated tokens by the server's usage; `num_chunks` where it sends none.
        start_s: when the request was sent.
        ttft_s: from there to the first chunk with output.
        latency_s: from there to the last chunk.
        itls_s: gaps between chunks with output.
        num_chunks: chunks with output.
        has_usage: whether the server reported token counts.
        error: why the request failed, in one line; None when it did not.
    """

    prompt_len: int
    output_len: int = 0
    start_s: float = 0.0
    ttft_s: float = 0.0
    latency_s: float = 0.0
    itls_s: list[float] = field(default_factory=list)
    num_chunks: int = 0
    text: str = ""
    has_usage: bool = False
    error: str | None = None

    @property
    def tpot_s(self) -> float | None:
        """Mean seconds per output token after the first; None when there is only one."""
        return (self.latency_s - self.ttft_s) / (self.output_len - 1) if self.output_len > 1 else None


class SseParser:
    """Cuts a byte stream into the data of its server-sent events, wherever the network split it."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Yield the data of every event that `received` completes."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data = []


class StreamError(Exception):
    """The server answered, but not with a complete stream."""


@dataclass(frozen=True)
class StreamClient:
    """Sends prompts to one model of one server.

    Args:
        base_url: scheme, host and port.
        backend: `openai` posts prompts to completions, `openai-chat` posts them as one user message.
        endpoint: the path, with its leading slash.
        ignore_eos: ask the server to go on to the wanted length.
        temperature: 0 is greedy.
        extra_body: merged over the request body, so that any field can be set.
        headers: sent with every request, for instance an authorization.
    """

    base_url: str
    backend: Backend
    endpoint: str
    model: str
    ignore_eos: bool = False
    temperature: float = 0.0
    extra_body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """The JSON body of one request."""
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": self.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.backend == "openai-chat":
            body |= {"messages": [{"role": "user", "content": prompt.text}], "max_completion_tokens": prompt.output_len}
        else:
            body |= {"prompt": prompt.text, "max_tokens": prompt.output_len}
        if self.ignore_eos:
            body["ignore_eos"] = True
        return body | self.extra_body

    async def send(self, prompt: Prompt) -> RequestResult:
        """Stream one request to its end. Never raises: what goes wrong is in `error`."""
        result = RequestResult(prompt_len=prompt.num_tokens, start_s=time.perf_counter())
        reader = _StreamReader(result)
        body = msgspec.json.encode(self.body(prompt))
        try:
            await post(self.base_url + self.endpoint, body, self.headers, reader.take_head, reader.take_body)
            reader.finish()
        except (ExchangeError, StreamError, msgspec.DecodeError) as error:
            result.error = one_line(str(error))
        if not result.has_usage:
            result.output_len = result.num_chunks
        return result


class _StreamReader:
    """Reads one answer into a result while it arrives."""

    def __init__(self, result: RequestResult) -> None:
        self._result = result
        self._parser = SseParser()
        self._texts: list[str] = []
        self._previous_s = 0.0
        self._is_done = False
        self._status = 0
        self._refusal = b""

    def take_head(self, head: Head) -> None:
        self._status = head.status

    def take_body(self, received: bytes) -> None:
        if self._status != 200:
            self._refusal += received
            return
        now_s = time.perf_counter()
        for data in self._parser.feed(received):
            if data == b"[DONE]":
                self._is_done = True
            else:
                self._take_event(data, now_s)

    def finish(self) -> None:
        """The answer is whole; raises `StreamError` if it is no complete stream."""
        if self._status != 200:
            raise StreamError(f"HTTP {self._status}: {error_message(self._refusal)}")
        self._result.text = "".join(self._texts)
        if not self._is_done:
            raise StreamError("the stream ended without [DONE]")
        if self._result.num_chunks == 0:
            raise StreamError("the stream held no output")

    def _take_event(self, data: bytes, now_s: float) -> None:
        event = msgspec.json.decode(data)
        if not isinstance(event, dict):
            raise StreamError(f"the stream holds an event that is no object: {data[:80]!r}")
        if event.get("error"):
            raise StreamError(f"error in the stream: {error_message(data)}")
        result = self._result
        usage = event.get("usage")
        if usage:
            result.prompt_len = usage.get("prompt_tokens", result.prompt_len)
            result.output_len = usage.get("completion_tokens", result.output_len)
            result.has_usage = True
        for choice in event.get("choices") or ():
            result.latency_s = now_s - result.start_s
            text, has_output = read_choice(choice)
            self._texts.append(text)
            if not has_output:
                continue
            if result.num_chunks == 0:
                result.ttft_s = now_s - result.start_s
            else:
                result.itls_s.append(now_s - self._previous_s)
            self._previous_s = now_s
            result.num_chunks += 1


def read_choice(choice: dict[str, Any]) -> tuple[str, bool]:
    """The text of a completions or chat choice, and whether the chunk stands for generated tokens.

    A token's text may be empty (half a character, a special token). What stands for none is chat's
    opening chunk, which only names the role, and a closing chunk with only a finish reason.
    """
    if "delta" in choice:
        delta = choice["delta"] or {}
        text = delta.get("content") or ""
        has_more = bool(delta.get("tool_calls") or delta.get("reasoning_content") or delta.get("reasoning"))
        is_opening = "role" in delta
    else:
        text = choice.get("text") or ""
        has_more = False
        is_opening = False
    is_closing = choice.get("finish_reason") is not None
    return text, bool(text) or has_more or bool(choice.get("token_ids")) or not (is_opening or is_closing)


def error_message(body: bytes) -> str:
    """The message of an OpenAI error body, or its first characters if it is not one."""
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        decoded = None
    error = decoded.get("error", decoded) if isinstance(decoded, dict) else None
    if isinstance(error, dict) and error.get("message"):
        return one_line(str(error["message"]))
    return one_line(body.decode(errors="replace"))


def one_line(text: str, limit: int = 300) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[:limit]}…"


def parse_headers(pairs: list[str]) -> dict[str, str]:
    """`NAME=VALUE` pairs, checked."""
    headers = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--header {pair!r}: write NAME=VALUE")
        headers[name.strip()] = value.strip()
    return headers


def parse_extra_body(text: str | None) -> dict[str, Any]:
    """A JSON object, checked."""
    if text is None:
        return {}
    try:
        body = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"--extra-body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ConfigError('--extra-body must be a JSON object, for instance {"top_k": 5}')
    return body
