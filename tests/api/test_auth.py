"""Keys are demanded everywhere but on the health routes, and only the right one opens."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from server.api.auth import PUBLIC_PATHS, Auth, KeyRing, bearer_key


async def answer_of(auth: Auth, path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, list[Any]]:
    """(status, response headers) of one request through the middleware."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    await auth({"type": "http", "path": path, "method": "GET", "headers": headers}, receive, send)
    return sent[0]["status"], sent[0]["headers"]


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


KEY = "sk-right-é"
AUTH = Auth(ok, KeyRing(["sk-other", KEY]), public_metrics=False)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Basic " + KEY.encode())],
        [(b"authorization", KEY.encode())],
        [(b"authorization", b"Bearer sk-righ")],
        [(b"authorization", b"Bearer sk-right-\xff\xfe")],
        [(b"authorization", b"Bearer " + b"x" * 1_000_000)],
        [(b"authorization", b"Bearer " + KEY.encode()), (b"authorization", b"Bearer wrong")],
    ],
)
async def test_no_wrong_or_doubled_key_gets_in(headers: list[tuple[bytes, bytes]]) -> None:
    status, sent = await answer_of(AUTH, "/v1/models", headers)
    assert status == 401
    assert (b"www-authenticate", b"Bearer") in sent


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
async def test_every_right_key_gets_in(scheme: bytes) -> None:
    for key in ("sk-other", KEY):
        assert (await answer_of(AUTH, "/v1/models", [(b"authorization", scheme + b" " + key.encode())]))[0] == 200


async def test_health_needs_no_key_and_nothing_else_is_free() -> None:
    for path in PUBLIC_PATHS:
        assert (await answer_of(AUTH, path, []))[0] == 200
    for path in ("/", "/metrics", "/docs", "/openapi.json", "/v1/models", "/health/../v1/models", "/healthz", "/slots"):
        assert (await answer_of(AUTH, path, []))[0] == 401


async def test_metrics_are_free_only_when_asked() -> None:
    open_auth = Auth(ok, KeyRing(["a"]), public_metrics=True)
    assert (await answer_of(open_auth, "/metrics", []))[0] == 200
    assert (await answer_of(open_auth, "/slots", []))[0] == 401


async def test_without_keys_everything_is_free() -> None:
    assert (await answer_of(Auth(ok, KeyRing([]), public_metrics=False), "/v1/models", []))[0] == 200


@settings(deadline=None)
@given(st.binary(max_size=50), st.text(min_size=1, max_size=50))
def test_a_ring_accepts_exactly_its_keys(offered: bytes, key: str) -> None:
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        return
    ring = KeyRing([key, "another"])
    assert ring.accepts(encoded)
    assert ring.accepts(offered) == (offered in {encoded, b"another"})


def test_no_key_is_kept_in_the_clear() -> None:
    assert "sk-secret" not in repr(vars(KeyRing(["sk-secret"])))


def test_the_key_is_found_after_any_spaces() -> None:
    assert bearer_key({"headers": [(b"authorization", b"Bearer   k ")]}) == b"k"
