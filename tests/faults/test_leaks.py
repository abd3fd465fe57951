"""After hundreds of requests that were aborted, refused or cut off in every way, nothing of them is left."""

import asyncio
import gc
import json
import socket
from collections.abc import Callable
from pathlib import Path

from tests.api.wire import LiveServer
from tests.faults.program import (
    LONG,
    Held,
    Program,
    begin,
    connect,
    exchange,
    post_bytes,
    read_all,
    reset,
    until,
)

NUM = 200
STREAM = LONG | {"stream": True}


def leave_a_stream(port: int) -> None:
    connection = begin(port, STREAM)
    connection.recv(1)
    connection.close()


def reset_a_stream(port: int) -> None:
    connection = begin(port, STREAM | {"n": 2, "logprobs": 1})
    connection.recv(1)
    reset(connection)


def leave_a_whole_answer(port: int) -> None:
    begin(port, LONG | {"prompt": ["a", "b"]}).close()


def reset_a_chat(port: int) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, "max_tokens": 300}
    reset(begin(port, body, path="/v1/chat/completions"))


def leave_half_a_body(port: int) -> None:
    connection = connect(port)
    connection.sendall(post_bytes("/v1/completions", b"x" * 10_000)[:-100])
    connection.close()


def leave_half_a_header(port: int) -> None:
    connection = connect(port)
    connection.sendall(b"POST /v1/completions HTTP/1.1\r\nx: ")
    reset(connection)


def close_only_the_sending_side(port: int) -> None:
    connection = begin(port, LONG | {"max_tokens": 3})
    connection.shutdown(socket.SHUT_WR)
    read_all(connection)


def be_refused(port: int) -> None:
    assert exchange(port, post_bytes("/v1/completions", json.dumps({"prompt": [-1]}).encode())).status == 400


def be_too_large(port: int) -> None:
    assert exchange(port, post_bytes("/v1/completions", b"", b"content-length: 99999999")).status in {400, 413}


def bring_a_bad_grammar(port: int) -> None:
    body = {"prompt": "a", "structured_outputs": {"regex": "(("}}
    assert exchange(port, post_bytes("/v1/completions", json.dumps(body).encode())).status == 400


def leave_a_grammar(port: int) -> None:
    reset(begin(port, STREAM | {"structured_outputs": {"regex": "[a-z ]*"}, "ignore_eos": False}))


WAYS: list[Callable[[int], None]] = [
    leave_a_stream, reset_a_stream, leave_a_whole_answer, reset_a_chat, leave_half_a_body, leave_half_a_header,
    close_only_the_sending_side, be_refused, be_too_large, bring_a_bad_grammar, leave_a_grammar,
]  # fmt: skip


def misbehave(port: int, times: int) -> None:
    for number in range(times):
        WAYS[number % len(WAYS)](port)


def test_a_server_holds_after_hundreds_of_failures_what_it_held_before(program: Program) -> None:
    # What is made once, on first use, is not a leak: threads, lazily imported modules, allocator arenas.
    misbehave(program.port, NUM // 2)
    until(lambda: _is_at_rest(program.holds()))
    before, before_bytes = _settled(program), program.rss_bytes()
    misbehave(program.port, NUM)
    until(lambda: _is_at_rest(program.holds()))
    until(lambda: program.holds().num_fds <= before.num_fds)
    after = program.holds()
    assert (after.num_rows, after.num_pages) == (0, 0)
    assert after.num_threads <= before.num_threads + 4  # Pools that had not needed all of their threads before.
    assert program.rss_bytes() - before_bytes < 30 * 2**20
    program.serves()


def _is_at_rest(held: Held) -> bool:
    return held.num_rows == 0 and held.num_pages == 0


def _settled(program: Program) -> Held:
    """What is held once closed connections have left: the same three times in a row."""
    seen: list[Held] = []

    def is_steady() -> bool:
        seen.append(program.holds())
        return len(seen) >= 3 and len(set(seen[-3:])) == 1

    until(is_steady)
    return seen[-1]


def test_no_task_outlives_its_request(tiny_llama: Path) -> None:
    live = LiveServer(tiny_llama, {"max_rows": 8})
    try:
        misbehave(live.port, len(WAYS))
        until(lambda: live.state.num_in_flight == 0)
        before = num_tasks()
        misbehave(live.port, 5 * len(WAYS))
        until(lambda: live.state.num_in_flight == 0)
        until(lambda: num_tasks() <= before, 20)
        until(lambda: live.engine.stats.pages_used == 0, 20)
    finally:
        live.stop()


def num_tasks() -> int:
    """Tasks of all event loops in this process that have not ended."""
    return sum(issubclass(type(item), asyncio.Task) and not item.done() for item in gc.get_objects())
