"""A model behind HTTP: any server that speaks the OpenAI API. Variants are the model names it lists."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import httpx

from server.bench.client import error_message
from server.errors import ConfigError
from server.quality.items import Course, Item, OnRecord, Prompt, Reply, Window
from server.quality.local import plain_prompt

CHARS_PER_TOKEN = 3.0
"""Taken where the server does not count tokens."""

WINDOW_CHARS_PER_TOKEN = 2
"""Windows are cut by characters; few enough that they fit, whatever the tokenizer."""

LIST_TIMEOUT_S = 10.0
_TOO_LONG = ("context_length_exceeded", "context length", "maximum context", "too long")


class _TooLongError(Exception):
    """The server says that the model cannot take so much."""


class _RefusedError(Exception):
    """The server gave no answer that counts."""


class RemoteModel:
    """Implements `Model` over HTTP.

    Args:
        base_url: scheme, host and port, with or without `/v1`.
        headers: sent with every request, for instance an authorization.
        concurrency: requests in flight at most.
        timeout_s: the longest that one answer may take.

    Raises:
        ConfigError: there is no such server.
    """

    def __init__(self, base_url: str, headers: dict[str, str], concurrency: int, timeout_s: float) -> None:
        self._url = base_url.rstrip("/").removesuffix("/v1")
        self._headers = headers
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._cards = self._list_models()
        self.names = list(self._cards)
        """What the server calls its models, the first being its default."""
        self._max_model_len: int | None = None
        self._chars_per_token: float | None = None
        self._without_template: set[str] = set()

    def choose(self, variants: list[str]) -> None:
        """Say which names will be asked for; raises `ConfigError` if the server lists one of them not."""
        for name in variants:
            if name not in self._cards:
                raise ConfigError(f"{self._url} serves no model {name!r}; it has {', '.join(self.names)}")
        lengths = [self._cards[name].get("max_model_len") for name in variants]
        known = [length for length in lengths if isinstance(length, int)]
        self._max_model_len = min(known) if known else None
        self._chars_per_token = None

    @property
    def max_model_len(self) -> int | None:
        return self._max_model_len

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Estimates: the server counts one text (`/tokenize`), and the others are taken to be like it."""
        if self._chars_per_token is None:
            self._chars_per_token = self._measured_ratio(" ".join(texts)[:4000])
        return [round(len(text) / self._chars_per_token + 0.5) for text in texts]

    def windows(self, text: str, length: int, stride: int) -> list[Window]:
        """As `Model.windows`, but of two characters for each token."""
        size, step = length * WINDOW_CHARS_PER_TOKEN, stride * WINDOW_CHARS_PER_TOKEN
        windows, end = [], 0
        while end < len(text):
            begun, end = end, min(len(text), size if end == 0 else end + step)
            context = max(0, end - size)
            windows.append(Window(text[context:end], begun - context))
        return windows

    def run(self, items: list[Item], variant: str, on_record: OnRecord) -> None:
        asyncio.run(self._run(items, variant, on_record))

    def describe(self) -> dict[str, Any]:
        return {
            "base_url": self._url,
            "served": self.names,
            "max_model_len": self._max_model_len,
            "has_chat_template": not self._without_template,
        }

    def close(self) -> None:
        """Nothing is held between runs."""

    async def _run(self, items: list[Item], variant: str, on_record: OnRecord) -> None:
        waiting = iter(items)
        limits = httpx.Limits(max_connections=self._concurrency)
        async with httpx.AsyncClient(headers=self._headers, timeout=self._timeout_s, limits=limits) as client:

            async def work() -> None:
                for item in waiting:
                    course = Course(item, variant)
                    while course.ask is not None:
                        await self._answer(client, course, variant)
                    on_record(course.record())

            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._concurrency, len(items))):
                    group.create_task(work())

    async def _answer(self, client: httpx.AsyncClient, course: Course, variant: str) -> None:
        """Take the dialogue one step further, or end it."""
        ask = course.ask
        assert ask is not None
        is_plain = variant in self._without_template
        try:
            if isinstance(ask, Window):
                reply = await self._score(client, ask, variant)
            elif is_plain:
                reply = await self._continue(client, ask, variant)
            else:
                reply = await self._chat(client, ask, variant)
        except _TooLongError as error:
            course.skip(str(error))
        except _RefusedError as error:
            if isinstance(ask, Prompt) and "chat template" in str(error) and not is_plain:
                # From now on, the model gets plain prompts; this one is asked again.
                self._without_template.add(variant)
                return
            course.fail(str(error))
        except httpx.HTTPError as error:
            course.fail(f"{type(error).__name__}: {error}")
        else:
            course.take(reply)

    async def _chat(self, client: httpx.AsyncClient, ask: Prompt, variant: str) -> Reply:
        body: dict[str, Any] = {"messages": list(ask.messages), "max_tokens": ask.max_tokens}
        if ask.tools:
            body["tools"] = list(ask.tools)
        answer, ms = await self._post(client, "/v1/chat/completions", variant, body)
        message = _choice(answer).get("message")
        if not isinstance(message, dict):
            raise _RefusedError("the server's answer holds no message")
        content, calls = message.get("content") or "", message.get("tool_calls") or []
        if not isinstance(content, str) or not isinstance(calls, list) or not all(map(_is_call, calls)):
            raise _RefusedError("the server's message holds something else than text and calls of functions")
        return _counted(Reply(content, tuple(calls), ms=ms), answer)

    async def _continue(self, client: httpx.AsyncClient, ask: Prompt, variant: str) -> Reply:
        if ask.tools:
            raise _TooLongError("the model has no chat template")
        body = {"prompt": plain_prompt(ask), "max_tokens": ask.max_tokens}
        answer, ms = await self._post(client, "/v1/completions", variant, body)
        text = ask.cue + str(_choice(answer).get("text") or "")
        return _counted(Reply(text, is_plain=True, ms=ms), answer)

    async def _score(self, client: httpx.AsyncClient, window: Window, variant: str) -> Reply:
        text = window.content
        assert isinstance(text, str)
        # Not every server computes a prompt without generating anything; the one token is left out below.
        body = {"prompt": text, "max_tokens": 1, "echo": True, "logprobs": 1}
        answer, ms = await self._post(client, "/v1/completions", variant, body)
        found = _choice(answer).get("logprobs") or {}
        offsets, values = found.get("text_offset") or [], found.get("token_logprobs") or []
        if not offsets or len(offsets) != len(values) or not any(offset < len(text) for offset in offsets):
            raise _RefusedError("the server gives no log probabilities of prompts (echo with logprobs)")
        bounds = [*offsets[1:], len(text)]
        scored = [
            (value, len(text[offset:end].encode()))
            for offset, end, value in zip(offsets, bounds, values, strict=True)
            if window.start <= offset < len(text) and value is not None
        ]
        logprobs, num_bytes = tuple(value for value, _ in scored), sum(count for _, count in scored)
        return _counted(Reply(ms=ms, logprobs=logprobs, num_bytes=num_bytes), answer)

    async def _post(
        self, client: httpx.AsyncClient, path: str, variant: str, body: dict[str, Any]
    ) -> tuple[dict[str, Any], float]:
        """The answer's JSON, and the milliseconds that it took.

        Raises:
            httpx.HTTPError: there was no answer.
        """
        begun_s = time.perf_counter()
        response = await client.post(self._url + path, json={"model": variant, "temperature": 0} | body)
        ms = 1000 * (time.perf_counter() - begun_s)
        if response.status_code != 200:
            message = error_message(response.content)
            is_too_long = response.status_code in (400, 413, 422) and any(
                sign in response.text.lower() for sign in _TOO_LONG
            )
            raise (_TooLongError if is_too_long else _RefusedError)(f"HTTP {response.status_code}: {message}")
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise _RefusedError("the server's answer is not a JSON object")
        return answer, ms

    def _list_models(self) -> dict[str, dict[str, Any]]:
        url = f"{self._url}/v1/models"
        try:
            response = httpx.get(url, headers=self._headers, timeout=LIST_TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConfigError(f"no server at {self._url}: {error}; check --base-url") from None
        if response.status_code != 200:
            raise ConfigError(f"{url} answers HTTP {response.status_code}: {error_message(response.content)}")
        try:
            cards = {str(card["id"]): card for card in response.json()["data"]}
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{url} is not a list of models: is this an OpenAI-compatible server?") from None
        if not cards:
            raise ConfigError(f"{url} lists no model")
        return cards

    def _measured_ratio(self, text: str) -> float:
        try:
            response = httpx.post(
                f"{self._url}/tokenize", headers=self._headers, json={"prompt": text}, timeout=LIST_TIMEOUT_S
            )
            count = response.json()["count"] if response.status_code == 200 else 0
            return len(text) / count if count > 0 else CHARS_PER_TOKEN
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return CHARS_PER_TOKEN


def _choice(answer: dict[str, Any]) -> dict[str, Any]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _RefusedError("the server's answer holds no choice")
    return choices[0]


def _is_call(call: Any) -> bool:
    """Whether it is a call as the chat API has them."""
    if not isinstance(call, dict) or not isinstance(call.get("function"), dict):
        return False
    texts = (call.get("id"), call["function"].get("name"), call["function"].get("arguments"))
    return all(isinstance(text, str) for text in texts)


def _counted(reply: Reply, answer: dict[str, Any]) -> Reply:
    """The reply with the tokens that the server counted."""
    usage = answer.get("usage") or {}
    prompt, completion = (int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))
    return replace(reply, prompt_tokens=prompt, completion_tokens=completion)
