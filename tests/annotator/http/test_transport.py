"""The transport against a provider that misbehaves in every way we could think of."""

import gzip
import logging
import threading
from collections.abc import Iterator

import pytest

from annotator.errors import ProviderDisabledError, UpstreamError, UpstreamFormatError, UpstreamTimeoutError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.transport import HIDDEN, HttpTransport
from tests.annotator.upstream import Script, http, running_upstream

KEY = "k3y/with+odd=characters"
SECRETS = (Secret("A_KEY", "key", "query"), Secret("A_KEY", "x-key", "header", prefix="Bearer "))


async def send(script: Script, *, secrets: tuple[Secret, ...] = (), timeout_s: float = 10.0) -> HttpResponse:
    with running_upstream(script) as upstream:
        transport = HttpTransport(
            user_agent="MapQaTor/test (+us@example.org)",
            timeout_s=timeout_s,
            max_response_bytes=4096,
            env={"A_KEY": KEY},
        )
        try:
            return await transport.send(HttpCall("GET", f"{upstream.url}/a", query=(("q", "é&="),), secrets=secrets))
        finally:
            await transport.close()


async def test_status_headers_and_bytes_come_back_as_they_are() -> None:
    response = await send(lambda asked: http(418, b"\x00\xff", headers={"ETag": "x"}))
    assert (response.status, response.body, response.headers["etag"]) == (418, b"\x00\xff", "x")


async def test_we_say_who_we_are_and_the_query_arrives_whole() -> None:
    response = await send(lambda asked: http(200, [asked.headers["user-agent"], asked.query]))
    assert response.json() == ["MapQaTor/test (+us@example.org)", {"q": "é&="}]


async def test_a_form_arrives_with_every_field_of_one_name_in_its_order() -> None:
    with running_upstream(lambda asked: http(200, asked.body)) as upstream:
        transport = HttpTransport(user_agent="x")
        form = (("data", "a b&c"), ("point", "2"), ("point", "1"))
        response = await transport.send(HttpCall("POST", upstream.url, form=form))
        await transport.close()
    assert response.body == b"data=a+b%26c&point=2&point=1"
    assert upstream.asked[0].headers["content-type"] == "application/x-www-form-urlencoded"


async def test_secrets_arrive_and_are_hidden_when_the_provider_echoes_them() -> None:
    response = await send(
        lambda asked: http(
            200, [asked.query["key"], asked.headers["x-key"]], headers={"x-echo": asked.headers["x-key"]}
        ),
        secrets=SECRETS,
    )
    assert response.json() == [HIDDEN, f"Bearer {HIDDEN}"]
    assert response.headers["x-echo"] == f"Bearer {HIDDEN}"
    arrived = await send(
        lambda asked: http(200, [KEY in asked.query["key"], len(asked.headers["x-key"])]), secrets=SECRETS
    )
    assert arrived.json() == [True, len(f"Bearer {KEY}")]


async def test_no_log_line_holds_a_secret_however_much_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await send(lambda asked: http(200, {}), secrets=SECRETS)
    assert "k3y" not in caplog.text


async def test_a_key_that_no_header_can_carry_is_said_by_its_variable() -> None:
    transport = HttpTransport(user_agent="x", env={"A_KEY": "schlüssel ☃"})
    with pytest.raises(ProviderDisabledError, match="A_KEY"):
        await transport.send(HttpCall("GET", "http://127.0.0.1:9/", secrets=(SECRETS[1],)))
    await transport.close()


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("http://10.0.0.1/admin", "10.0.0.1"),
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("/b", "another path"),
    ],
)
async def test_a_redirect_is_never_followed(location: str, named: str) -> None:
    seen: list[str] = []

    def script(asked: object) -> bytes:
        seen.append("asked")
        return http(302, "", headers={"location": location})

    with pytest.raises(UpstreamError, match="redirect") as caught:
        await send(script)
    assert named in caught.value.message
    assert seen == ["asked"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly half",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"",
        b"this is not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
    ],
    ids=["half a body", "no last chunk", "nothing", "not HTTP", "broken gzip"],
)
async def test_half_an_answer_is_an_error_in_one_line(answer: bytes) -> None:
    with pytest.raises(UpstreamError, match="broke off its answer") as caught:
        await send(lambda asked: answer)
    assert "\n" not in caught.value.message


async def test_nobody_there_is_an_error_that_names_the_host() -> None:
    transport = HttpTransport(user_agent="x", timeout_s=2)
    with pytest.raises(UpstreamError, match=r"cannot reach 127\.0\.0\.1:9"):
        await transport.send(HttpCall("GET", "http://127.0.0.1:9/"))
    await transport.close()


@pytest.mark.parametrize("begins", [False, True], ids=["silence", "a trickle"])
async def test_an_answer_that_takes_too_long_ends_at_the_deadline(begins: bool) -> None:
    release = threading.Event()

    def slow(asked: object) -> Iterator[bytes]:
        if begins:
            yield b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n"
        while not release.wait(0.05):
            if begins:
                yield b"x"

    try:
        with pytest.raises(UpstreamTimeoutError, match=r"did not answer within 0\.3 s"):
            await send(slow, timeout_s=0.3)
    finally:
        release.set()


async def test_an_endless_body_is_cut_off() -> None:
    with pytest.raises(UpstreamError, match="more than 4096 bytes"):
        await send(lambda asked: http(200, b"x" * 100_000))


async def test_a_small_body_that_unpacks_to_a_huge_one_is_cut_off() -> None:
    with pytest.raises(UpstreamError, match="more than 4096 bytes"):
        await send(lambda asked: http(200, gzip.compress(b"x" * 10_000_000), headers={"content-encoding": "gzip"}))


async def test_html_is_named_as_what_it_is() -> None:
    response = await send(lambda asked: http(200, "<html>Bad gateway</html>"))
    with pytest.raises(UpstreamFormatError, match="not JSON; it begins with '<html>Bad gateway"):
        response.json()
