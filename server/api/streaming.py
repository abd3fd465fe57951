"""Turning a request's deltas into an SSE answer or one JSON answer, whatever their shape."""

import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import msgspec
from fastapi import Request, Response

from server.api.answer import Meter, Shows
from server.api.disconnect import CLIENT_CLOSED_REQUEST, ClientGoneError, until_disconnect
from server.api.errors import from_exception, unexpected
from server.api.fanout import Fanout
from server.api.sse import DONE, WRITE_EXTENSION, EventStream, WriteNow, event
from server.api.state import AppState
from server.engine.client import Delta

_MARK = secrets.token_hex(16)
"""Stands for the text in a chunk that is cut there. No client can know it, so that no name of a model holds it."""

error_log = logging.getLogger("rhumb.error")


class Shape(Protocol):
    """How completions or chat write one answer. Built for one request and fed all of its deltas in order."""

    def opening(self) -> Iterator[dict[str, Any]]:
        """Chunks to send when the first delta is there, before any other."""

    def chunks(self, prompt_index: int, choice: int, delta: Delta) -> Iterator[dict[str, Any]]:
        """Chunks of a stream for one delta."""

    def collect(self, prompt_index: int, choice: int, delta: Delta) -> None:
        """Keep one delta for `whole`."""

    def whole(self) -> dict[str, Any]:
        """The answer of a request that does not stream, without usage and timings."""

    def plain_chunk(self, text: str) -> dict[str, Any] | None:
        """A chunk of the only choice that shows `text` and nothing else; None if chunks may have to show more.

        What a stream needs of a delta that is sent so must not depend on its having come through `chunks`.
        """

    def empty_chunk(self) -> dict[str, Any]:
        """A chunk without choices, for the usage."""


async def respond(
    request: Request, state: AppState, fanout: Fanout, shape: Shape, meter: Meter, shows: Shows, *, stream: bool
) -> Response:
    """The answer to a request whose engine requests are queued; owns `fanout` from here on."""
    if stream:
        return EventStream(
            _events(fanout, shape, meter, shows, request.state.request_id, request.scope["extensions"]),
            fanout.aclose,
            keep_alive_s=state.settings.sse_keep_alive_s,
            write_timeout_s=state.settings.write_timeout_s,
        )
    try:
        answer = await until_disconnect(request, _whole(fanout, shape, meter, shows))
    except ClientGoneError:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    finally:
        await fanout.aclose()
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def _whole(fanout: Fanout, shape: Shape, meter: Meter, shows: Shows) -> dict[str, Any]:
    async for prompt_index, delta in fanout.deltas():
        shape.collect(prompt_index, meter.take(prompt_index, delta), delta)
    answer = shape.whole() | {"usage": meter.usage()}
    timings = meter.timings() if shows.timings else None
    return answer if timings is None else answer | {"timings": timings}


async def _events(
    fanout: Fanout, shape: Shape, meter: Meter, shows: Shows, request_id: str, extensions: dict[str, Any]
) -> AsyncIterator[bytes]:
    """All events of a stream but those that were written past it. Errors are events too: the status was sent long ago.

    Args:
        extensions: of the ASGI scope, as the response will have left them.
    """
    try:
        async for chunk in _chunks(fanout, shape, meter, shows, extensions):
            yield event(chunk)
    except Exception as error:
        known = from_exception(error)
        if known is None:
            error_log.exception("request %s failed while streaming", request_id)
            known = unexpected(request_id)
        yield event(known.body())
    yield DONE


async def _chunks(
    fanout: Fanout, shape: Shape, meter: Meter, shows: Shows, extensions: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    is_open = False
    async for prompt_index, delta in fanout.deltas():
        if not is_open:
            is_open = True
            for chunk in shape.opening():
                yield _with_usage(chunk, meter, shows)
            _divert(fanout, shape, meter, shows, extensions)
        choice = meter.take(prompt_index, delta)
        chunks = list(shape.chunks(prompt_index, choice, delta))
        if meter.is_finished and shows.timings and not shows.usage_at_end:
            chunks[-1] |= {"timings": meter.timings()}
        for chunk in chunks:
            yield _with_usage(chunk, meter, shows)
    if shows.usage_at_end:
        last = shape.empty_chunk() | {"usage": meter.usage()}
        yield last | {"timings": meter.timings()} if shows.timings else last


def _divert(fanout: Fanout, shape: Shape, meter: Meter, shows: Shows, extensions: dict[str, Any]) -> None:
    """Send what is plain text at once from where it arrives, without waking this stream for every token."""
    write_now: WriteNow | None = extensions.get(WRITE_EXTENSION)
    chunk = shape.plain_chunk(_MARK)
    if write_now is None or chunk is None or shows.usage_always:
        return
    before, after = event(_with_usage(chunk, meter, shows)).split(b'"' + _MARK.encode() + b'"')

    def send_plain(delta: Delta) -> bool:
        if not delta.text or delta.finish_reason is not None or delta.prompt_logprobs is not None:
            return False
        if not write_now(before + msgspec.json.encode(delta.text) + after):
            return False
        meter.take(0, delta)
        return True

    fanout.divert(send_plain)


def _with_usage(chunk: dict[str, Any], meter: Meter, shows: Shows) -> dict[str, Any]:
    """Clients that asked for usage find the key in every chunk, null unless they want it continuously."""
    if shows.usage_at_end:
        chunk["usage"] = meter.usage() if shows.usage_always else None
    return chunk
