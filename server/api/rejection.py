"""Answering a request whose body has not been read."""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from server.api.errors import ApiError

LINGER_S = 2.0
LINGER_BYTES = 64 * 2**20


def has_body(scope: Scope) -> bool:
    """Whether the headers announce a body."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0"):
            return True
    return False


async def reject(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send `error` and end the connection if the client is still sending.

    Closing at once would reset the connection, and a client in the middle of its upload would never see
    the answer. So the whole answer goes out first, and the upload is discarded for a bounded while.
    """
    closes = has_body(scope)
    body = error.encoded()
    headers = {**error.headers, "content-type": "application/json", "content-length": str(len(body))}
    if closes:
        headers["connection"] = "close"
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": closes})
    if closes:
        await _discard(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(receive: Receive) -> None:
    """Read until the body ends, the client goes, or the limit of time or bytes is reached."""
    num_bytes = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while num_bytes < LINGER_BYTES:
                message: Message = await receive()
                num_bytes += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
