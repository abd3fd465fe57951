"""One chat completion over HTTP: sent at a pace, tried again where that may help, read as it streams, held to limits.

Nothing that a server sends is trusted: not its content type, its JSON, its length, nor that it ever ends.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from annotator import __version__
from annotator.evaluate.config import RunConfig
from annotator.evaluate.endpoints import Endpoint
from annotator.evaluate.replies import Coming, Reply, ReplyError, read_whole

MAX_LINE_BYTES = 2**20
"""Of a stream; a longer one is no completion."""
MAX_BODY_BYTES = 2**23
"""Of an answer that does not stream, or of an error."""
MAX_PAUSE_S = 300.0
"""Longest pause that a server is granted; one that asks for more is down."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

_LOOK_TIMEOUT_S = 10.0
_RETRIED = frozenset({408, 409, 425, 429})
_SPARED = {"stream_options": "stream_options", "max_tokens": "max_completion_tokens"}
"""What can be left out, or said by another name, without a change of the reply; and the word by which a server that
refuses it shows what is wrong."""
_REFUSED = frozenset({401, 402, 403, 404, 405})
"""No question will fare better."""

type Message = dict[str, Any]
type Note = Callable[[Mapping[str, Any]], None]


class Pace:
    """When the next request may go: so many a second, and none while the server asked for a pause.

    Args:
        requests_per_s: None does not wait.
    """

    def __init__(self, requests_per_s: float | None) -> None:
        self._interval_s = 0.0 if requests_per_s is None else 1.0 / requests_per_s
        self._next_s = 0.0

    async def turn(self) -> None:
        """Waits for one's turn."""
        now = time.monotonic()
        at = max(now, self._next_s)
        self._next_s = at + self._interval_s
        if at > now:
            await asyncio.sleep(at - now)

    def hold(self, pause_s: float) -> None:
        """Lets nobody go for so long."""
        self._next_s = max(self._next_s, time.monotonic() + pause_s)


class ModelClient:
    """Asks one server. Belongs to one event loop.

    Args:
        endpoint: the server.
        config: of the run: decoding, pace and limits.
        env: where the endpoint's key is looked up; by default the process's environment.

    Raises:
        InputError: the endpoint's key is not set.
    """

    def __init__(self, endpoint: Endpoint, config: RunConfig, env: Mapping[str, str] | None = None) -> None:
        self._endpoint = endpoint
        self._config = config
        self._pace = Pace(config.requests_per_s)
        self._jitter = random.Random()
        self._unknown: set[str] = set()
        """Parameters that this server said it does not know."""
        self._http = httpx.AsyncClient(
            # Rhumb then adds a block of timings, with the bytes of KV cache; other servers know no such header.
            headers={"user-agent": f"mapqator/{__version__}", "x-rhumb-timings": "1", **endpoint.headers(env)},
            # One clock for all of a request stands around it; only connecting has its own.
            timeout=httpx.Timeout(None, connect=min(_LOOK_TIMEOUT_S, config.timeout_s)),
            limits=httpx.Limits(max_connections=config.concurrency, max_keepalive_connections=config.concurrency),
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def ask(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: str | None = None,
        stop: Sequence[str] = (),
        epoch: int = 0,
        note: Note | None = None,
    ) -> Reply:
        """The reply to messages.

        Args:
            tool_choice: `required` makes it call one of the tools; None leaves it to the model.
            note: told of every attempt that failed and is made again.

        Raises:
            ReplyError: there is none, or it did not end; says in one sentence why.
        """
        body = {
            **(self._endpoint.params or {}),
            "model": model,
            "messages": list(messages),
            **self._config.decoding(epoch),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            body["tools"] = list(tools)
        if tool_choice is not None:
            body["tool_choice"] = tool_choice
        if stop:
            body["stop"] = list(stop)
        attempt = 0
        while True:
            await self._pace.turn()
            try:
                return await self._timed(_without(body, self._unknown))
            except ReplyError as failure:
                if refused := _refused_parameter(failure, body, self._unknown):
                    self._unknown.add(refused)
                    _tell(note, failure, 0.0, attempt)
                    continue
                pause_s = self._pause_s(failure, attempt)
                if not failure.may_pass or attempt == self._config.max_retries or pause_s > MAX_PAUSE_S:
                    raise
                _tell(note, failure, pause_s, attempt)
                if failure.retry_after_s is not None:
                    self._pace.hold(pause_s)
                else:
                    await asyncio.sleep(pause_s)
                attempt += 1

    async def models(self) -> list[dict[str, Any]]:
        """The models that the server lists, as it lists them.

        Raises:
            ReplyError: it cannot be reached, or lists none.
        """
        answer = await self._look(f"{self._endpoint.base_url}/models")
        listed = answer.get("data")
        found = [one for one in listed if isinstance(one, dict) and one.get("id")] if isinstance(listed, list) else []
        if not found:
            raise ReplyError(f"the server at {self._endpoint.base_url} lists no model")
        return found

    async def version(self) -> str:
        """What the server says of its version; empty where it says nothing."""
        root = self._endpoint.base_url.removesuffix("/v1")
        try:
            said = (await self._look(f"{root}/version")).get("version")
        except ReplyError:
            return ""
        return str(said)[:200] if isinstance(said, str | int | float) else ""

    async def _timed(self, body: Mapping[str, Any]) -> Reply:
        coming = Coming(self._config.max_tokens)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await self._once(body, coming)
        except TimeoutError:
            waited = f"{self._config.timeout_s:g} s"
            if coming.has_begun:
                raise ReplyError(
                    f"the reply had not ended after {waited}", ends="limit", partial=coming.reply()
                ) from None
            raise ReplyError(f"the server did not answer within {waited}", is_down=True) from None
        except httpx.TimeoutException:
            raise ReplyError("no connection in time", is_down=True, may_pass=True) from None
        except httpx.InvalidURL:
            raise ReplyError("the endpoint's address is no URL", is_fatal=True) from None
        except httpx.HTTPError as error:
            words = str(error) or type(error).__name__
            raise ReplyError(f"the connection failed: {words}", is_down=True, may_pass=True) from None

    async def _once(self, body: Mapping[str, Any], coming: Coming) -> Reply:
        url = f"{self._endpoint.base_url}/chat/completions"
        async with self._http.stream("POST", url, json=body) as response:
            if response.status_code != 200:
                raise _refusal(response, await _body(response))
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "text/event-stream":
                async for line in _lines(response):
                    if coming.take(line):
                        break
                return coming.ended()
            if kind == "application/json":
                return read_whole(await _body(response), coming)
            raise ReplyError(f"the server answered with {kind or 'no content type'} instead of a completion")

    async def _look(self, url: str) -> dict[str, Any]:
        base = self._endpoint.base_url
        try:
            response = await self._http.get(url, timeout=_LOOK_TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise ReplyError(
                f"no server answers at {base}; start one with `make up` or `rhumb serve`, or name another endpoint",
                is_down=True,
            ) from None
        if not response.is_success:
            raise _refusal(response, response.content[:MAX_BODY_BYTES])
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ReplyError(f"the server at {base} answered with something that is no JSON object")
        return answer

    def _pause_s(self, failure: ReplyError, attempt: int) -> float:
        if failure.retry_after_s is not None:
            return failure.retry_after_s
        # Halves at random, so that those who failed together do not come back together.
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt) * self._jitter.uniform(0.5, 1.0)


def _tell(note: Note | None, failure: ReplyError, pause_s: float, attempt: int) -> None:
    if note is not None:
        note({"reason": failure.message, "pause_s": round(pause_s, 3), "attempt": attempt + 1})


def _refused_parameter(failure: ReplyError, body: Mapping[str, Any], unknown: Iterable[str]) -> str:
    """The parameter that a server refuses by name though it can do without; empty where that is not what is wrong."""
    if failure.status not in (400, 422):
        return ""
    named = (name for name, word in _SPARED.items() if name in body and name not in unknown and word in failure.message)
    return next(named, "")


def _without(body: Mapping[str, Any], unknown: Collection[str]) -> dict[str, Any]:
    """A request without what its server does not know; some know `max_tokens` by another name only."""
    kept = {name: value for name, value in body.items() if name not in unknown}
    return kept | ({"max_completion_tokens": body["max_tokens"]} if "max_tokens" in unknown else {})


def _refusal(response: httpx.Response, body: bytes) -> ReplyError:
    status = response.status_code
    said = _words(response, body)
    message = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    if status in _REFUSED:
        return ReplyError(f"the server refused us: {message}", is_fatal=True)
    if status in _RETRIED or status >= 500:
        return ReplyError(
            f"the server failed: {message}", is_down=True, may_pass=True, retry_after_s=_retry_after_s(response)
        )
    return ReplyError(f"the server refused the request: {message}", status=status)


def _words(response: httpx.Response, body: bytes) -> str:
    """What an error says for people, on one line."""
    try:
        answer = httpx.Response(200, content=body).json()
    except ValueError:
        return ""
    said = answer.get("error", answer.get("message")) if isinstance(answer, dict) else None
    if isinstance(said, dict):
        said = said.get("message")
    return " ".join(said.split())[:300] if isinstance(said, str) else ""


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise ReplyError(f"the server's answer is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Lines of a stream; one that never ends is no line."""
    rest = b""
    async for piece in response.aiter_bytes():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r")
        if len(rest) > MAX_LINE_BYTES:
            raise ReplyError("the server streams something that is no completion")
    if rest:
        yield rest
