"""Noticing that the client has gone, for answers that do not stream."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request
from starlette.types import Receive

CLIENT_CLOSED_REQUEST = 499
"""Nobody receives it; it is for the log and the metrics."""


class ClientGoneError(Exception):
    """The client closed the connection before its answer was ready."""


async def wait_for_disconnect(receive: Receive) -> None:
    """Returns when the client has gone. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and see them end, whatever they end with."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until_disconnect[T](request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled as soon as the client goes.

    A client that has only closed its sending side has not gone; see `eof_received` in `serve.py`.

    Raises:
        ClientGoneError: it went.
    """
    main = asyncio.create_task(work)
    gone = asyncio.create_task(wait_for_disconnect(request.receive))
    try:
        await asyncio.wait({main, gone}, return_when=asyncio.FIRST_COMPLETED)
        if main.done():
            return main.result()
        raise ClientGoneError
    finally:
        await cancel_and_wait(main, gone)
