"""Reading HTTP answers off the wire, however the network cuts them."""

import asyncio
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bench.exchange import BodyReader, ExchangeError, Head, post

PARTS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def cuts(data: st.DataObject, stream: bytes) -> list[bytes]:
    pieces = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


@given(PARTS, st.sampled_from([b"", b";name=value"]), st.data())
def test_a_chunked_body_is_the_same_however_the_network_cuts_it(parts, extension, data):
    stream = b"".join(b"%X%b\r\n%b\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n\r\n"
    reader = BodyReader({"transfer-encoding": "chunked"})
    read = []
    for piece in cuts(data, stream):
        # The last chunk's own line ends the body; what follows it may be left unread.
        if not reader.is_complete:
            read.append(reader.feed(piece))
    assert b"".join(read) == b"".join(parts)
    assert reader.is_complete


@given(st.binary(max_size=40), st.binary(max_size=5), st.data())
def test_a_body_of_known_length_ends_there(body, beyond, data):
    reader = BodyReader({"content-length": str(len(body))})
    read = b"".join(reader.feed(piece) for piece in cuts(data, body + beyond))
    assert read == body
    assert reader.is_complete


def test_what_cannot_be_read_is_said():
    with pytest.raises(ExchangeError, match="compressed"):
        BodyReader({"content-encoding": "gzip"})
    with pytest.raises(ExchangeError, match="not chunked"):
        BodyReader({"transfer-encoding": "chunked"}).feed(b"data: x\r\n")


async def answer_with(raw: bytes) -> tuple[list[Head], bytes]:
    """What `post` hands over from a server that answers `raw` and closes."""
    heads, body = [], bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(raw)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await post(f"http://127.0.0.1:{port}/x?y=1", b"{}", {"a": "b"}, heads.append, body.extend)
    return heads, bytes(body)


async def test_interim_answers_are_skipped_and_a_body_may_end_with_the_connection():
    heads, body = await answer_with(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nall of it")
    assert heads == [Head(200, {"x-a": "1"})]
    assert body == b"all of it"


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\n"
            b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"SSH-2.0-x\r\n\r\n"]
)  # fmt: skip
async def test_an_answer_that_breaks_off_or_is_none_is_an_error(raw):
    with pytest.raises(ExchangeError):
        await answer_with(raw)


async def test_what_a_reader_raises_ends_the_exchange():
    def refuse(head: Head) -> None:
        raise ValueError(head.status)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ValueError, match="200"):
            await post(f"http://127.0.0.1:{port}", b"{}", {}, refuse, bytes)


async def test_an_exchange_that_is_given_up_leaves_no_error_behind():
    begun, ended = asyncio.Event(), asyncio.Event()
    complaints: list[dict] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        await reader.read()
        writer.close()
        ended.set()

    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        asking = asyncio.create_task(post(f"http://127.0.0.1:{port}", b"{}", {}, print, lambda _: begun.set()))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await ended.wait()
    del asking
    # A future whose error nobody has asked for complains when it is collected.
    gc.collect()
    assert not complaints


async def test_addresses_without_a_server_are_errors():
    for url in ("nonsense", "ftp://127.0.0.1/", "http:///x"):
        with pytest.raises(ExchangeError, match="no address"):
            await post(url, b"", {}, print, print)
    with pytest.raises(ExchangeError, match="ConnectError"):
        await post("http://127.0.0.1:1", b"", {}, print, print)
