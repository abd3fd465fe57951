"""The measured part of a serving run, in this process or shared by several: `python -m server.bench.shares`.

One Python process reads so many chunks a second and no more. Where a server sends more, each of several processes takes
a share of the requests. A share goes in and its results come out as msgpack over the process's own pipes.
"""

import asyncio
import os
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import uvloop

import server
from server.bench.client import Backend, RequestResult, StreamClient
from server.bench.datasets import Prompt
from server.bench.load import drive
from server.errors import RhumbError

_LENGTH = struct.Struct("<Q")
_READY, _GO, _DONE, _RESULT = b"r", b"g", b"d", b"="


@dataclass(frozen=True)
class Target:
    """The server and the model to measure.

    Args:
        base_url: scheme, host and port.
        endpoint: path of the completions or chat endpoint.
        model: None takes the first model that the server lists.
        headers: sent with every request, for instance an authorization.
    """

    base_url: str
    backend: Backend
    endpoint: str
    model: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    extra_body: dict[str, object] = field(default_factory=dict)
    ignore_eos: bool = False
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class ServeRun:
    """What a measured run gave.

    Args:
        duration_s: from the first request sent to the last answer.
        client_cpu_share: processor time over `duration_s` of the busiest client process; near 1, the client is what
            was measured.
    """

    results: list[RequestResult]
    duration_s: float
    client_cpu_share: float


@dataclass(frozen=True, slots=True)
class Share:
    """What one client process sends.

    Args:
        times_s: when to send each prompt, in seconds from the start, ascending.
        max_concurrency: requests in flight at most.
    """

    target: Target
    model: str
    prompts: list[Prompt]
    times_s: list[float]
    max_concurrency: int | None

    def split(self, num_shares: int) -> "list[Share]":
        """Shares of nearly equal size, none of them empty, that together are this one."""
        num_shares = min(num_shares, len(self.prompts), self.max_concurrency or len(self.prompts))
        return [
            Share(
                self.target,
                self.model,
                self.prompts[index::num_shares],
                self.times_s[index::num_shares],
                # The remainder goes to the first ones.
                self.max_concurrency and (self.max_concurrency + num_shares - 1 - index) // num_shares,
            )
            for index in range(num_shares)
        ]


def num_client_processes() -> int:
    """One for every four cores, and four at most: the server needs most of them."""
    return max(1, min(4, (os.cpu_count() or 1) // 4))


def make_client(target: Target, model: str) -> StreamClient:
    """The client of one model of one server."""
    return StreamClient(
        target.base_url,
        target.backend,
        target.endpoint,
        model,
        ignore_eos=target.ignore_eos,
        temperature=target.temperature,
        extra_body=dict(target.extra_body),
        headers=target.headers,
    )


async def run_share(share: Share, on_done: Callable[[], None] = lambda: None) -> ServeRun:
    """Send a share from this process."""
    client = make_client(share.target, share.model)
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    results = await drive(
        client.send, share.prompts, np.array(share.times_s), max_concurrency=share.max_concurrency, on_done=on_done
    )
    duration_s, cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
    return ServeRun(results, duration_s, cpu_s / duration_s)


async def run_shares(shares: Sequence[Share], on_done: Callable[[], None] = lambda: None) -> ServeRun:
    """Send shares from a process each, beginning together.

    Returns:
        The results in the order in which the prompts were dealt out.

    Raises:
        RhumbError: a client process failed.
    """
    processes = [await _start(share) for share in shares]
    try:
        for process in processes:
            await _expect(process, _READY)
        start_s = time.perf_counter()
        for process in processes:
            process.stdin.write(_GO)  # type: ignore[union-attr]
        runs = await asyncio.gather(*(_collect(process, on_done) for process in processes))
        duration_s = time.perf_counter() - start_s
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
    results: list[RequestResult | None] = [None] * sum(len(run.results) for run in runs)
    for index, run in enumerate(runs):
        results[index :: len(runs)] = run.results
    return ServeRun([result for result in results if result], duration_s, max(run.client_cpu_share for run in runs))


async def _start(share: Share) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "server.bench.shares",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_path())},
    )
    payload = msgspec.msgpack.encode(share)
    process.stdin.write(_LENGTH.pack(len(payload)) + payload)  # type: ignore[union-attr]
    return process


def _import_path() -> list[str]:
    """Where this very package is found, even when it is not installed, and what was set before."""
    inherited = os.environ.get("PYTHONPATH")
    return [str(Path(server.__file__).parent.parent), *([inherited] if inherited else [])]


async def _expect(process: asyncio.subprocess.Process, mark: bytes) -> None:
    if await _read(process, 1) != mark:
        raise RhumbError("a client process said something else than was expected")


async def _collect(process: asyncio.subprocess.Process, on_done: Callable[[], None]) -> ServeRun:
    while await _read(process, 1) == _DONE:
        on_done()
    [length] = _LENGTH.unpack(await _read(process, _LENGTH.size))
    return msgspec.msgpack.decode(await _read(process, length), type=ServeRun)


async def _read(process: asyncio.subprocess.Process, num_bytes: int) -> bytes:
    try:
        return await process.stdout.readexactly(num_bytes)  # type: ignore[union-attr]
    except asyncio.IncompleteReadError:
        raise RhumbError(f"a client process ended with code {await process.wait()} before its results") from None


def main() -> None:
    """One client process: a share on standard input, its results on standard output."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    [length] = _LENGTH.unpack(source.read(_LENGTH.size))
    share = msgspec.msgpack.decode(source.read(length), type=Share)

    def write(data: bytes) -> None:
        sink.write(data)
        sink.flush()

    write(_READY)
    if source.read(1) != _GO:
        sys.exit("the other side has gone")
    payload = msgspec.msgpack.encode(uvloop.run(run_share(share, lambda: write(_DONE))))
    write(_RESULT + _LENGTH.pack(len(payload)) + payload)


if __name__ == "__main__":
    main()
