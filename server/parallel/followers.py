"""The leader's side of a team: starts the other ranks, tells them every step, and notices when one is gone."""

import dataclasses
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import TCPStore

import server
from server.config import EngineConfig
from server.errors import ConfigError, ModelLoadError
from server.models.registry import choose_device
from server.parallel.ranks import RankLostError, Ranks
from server.parallel.wire import GO, Order, encode

FOLLOWER_MODULE = "server.parallel.follower"
_NEWS_S = 2.0
"""How long a broken connection may wait for the news of the process's end."""
_EXIT_S = 5.0
_LAST_RESORT_S = 15.0
"""After the end of a follower, how long the leader has to notice it by itself."""

logger = logging.getLogger(__name__)


class Followers:
    """Ranks 1 and up of one engine.

    Attributes:
        team: the leader's view of all ranks.
        failure: what happened to a follower that ended uncalled for; None while all live.

    Raises:
        ConfigError: there are too few devices.
        ModelLoadError: a process cannot be started.
    """

    def __init__(self, config: EngineConfig) -> None:
        size = config.tensor_parallel
        devices = devices_of(config)
        if dist.is_initialized():
            raise ConfigError("this process has a tensor-parallel engine already; close it first")
        if devices[0] != "cpu":
            torch.cuda.set_device(devices[0])
        self.failure: str | None = None
        self._closing = threading.Event()
        # Bound here and not by the store itself, which would listen on every interface.
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self._store = TCPStore(
            "127.0.0.1", port, size, is_master=True, wait_for_workers=False, master_listen_fd=listener.detach()
        )
        self.team = Ranks(0, size, lambda: self._store, self._meet, self._explain, config.batch_invariant)
        self._channels: list[socket.socket] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for rank in range(1, size):
                self._start(rank, dataclasses.replace(config, device=devices[rank]), port)
        except OSError as error:
            self.close()
            raise ModelLoadError(f"a tensor-parallel rank could not be started: {error.strerror or error}") from error

    def tell(self, order: Order) -> None:
        """Have every follower do this, before the leader does the same.

        Raises:
            RankLostError: a follower has ended.
        """
        self.check()
        frame = memoryview(encode(order)).cast("B")
        for channel in self._channels:
            try:
                channel.sendall(frame)
            except OSError as error:
                raise RankLostError(f"tensor parallelism broke down: {self._explain() or error}") from None

    def check(self) -> None:
        """Raises `RankLostError` if a follower has ended."""
        if self.failure is not None:
            raise RankLostError(f"tensor parallelism broke down: {self.failure}")

    def wait(self, event: torch.cuda.Event) -> None:
        """Wait for the device, which waits forever for a rank that is gone.

        Raises:
            RankLostError: a follower has ended.
        """
        while not event.query():
            self.check()

    def close(self) -> None:
        """End all followers. Idempotent."""
        self._closing.set()
        for channel in self._channels:
            channel.close()
        # The followers close their end at the same time.
        self.team.close(is_whole=self.failure is None)
        deadline = time.monotonic() + (_EXIT_S if self.failure is None else 0.0)
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, rank: int, config: EngineConfig, port: int) -> None:
        ours, theirs = socket.socketpair()
        self._channels.append(ours)
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    FOLLOWER_MODULE,
                    f"--rank={rank}",
                    f"--fd={theirs.fileno()}",
                    f"--port={port}",
                    f"--parent={os.getpid()}",
                    f"--config={json.dumps(dataclasses.asdict(config))}",
                    f"--log-level={logging.getLogger().getEffectiveLevel()}",
                ],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._processes.append(process)
        threading.Thread(target=self._watch, args=(rank, process), name=f"rank-{rank}", daemon=True).start()

    def _watch(self, rank: int, process: "subprocess.Popen[bytes]") -> None:
        code = process.wait()
        if self._closing.is_set():
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        self.failure = self.failure or f"rank {rank} {how}"
        logger.error("tensor-parallel rank %d %s", rank, how)
        # A leader that waits inside the driver for the lost rank can do nothing else any more.
        if not self._closing.wait(_LAST_RESORT_S):
            logger.critical("the engine waits for the lost rank and is ended")
            os._exit(1)

    def _meet(self) -> None:
        for rank, channel in enumerate(self._channels, 1):
            answer = json.loads(_line(channel) or "{}")
            if answer.get("is_ready"):
                continue
            reason = answer.get("error") or self._explain() or "it closed its socket"
            raise ModelLoadError(f"tensor-parallel rank {rank} could not start: {reason}")
        for channel in self._channels:
            channel.sendall(GO)

    def _explain(self) -> str | None:
        deadline = time.monotonic() + _NEWS_S
        while self.failure is None and time.monotonic() < deadline:
            self._closing.wait(0.01)
        return self.failure


def devices_of(config: EngineConfig) -> list[str]:
    """The device of every rank: GPUs in a row from the configured one, or the CPU for each.

    Raises:
        ConfigError: there are too few GPUs.
    """
    first, size = choose_device(config.device), config.tensor_parallel
    if first.type != "cuda":
        return [str(first)] * size
    index, count = first.index or 0, torch.cuda.device_count()
    if index + size > count:
        raise ConfigError(
            f"tensor_parallel is {size} from {first} on, but there are {count} GPUs here; use at most {count - index}"
        )
    return [f"cuda:{index + rank}" for rank in range(size)]


def _line(channel: socket.socket) -> str:
    """One line, or what came of it before the end of the stream."""
    text = bytearray()
    while not text.endswith(b"\n"):
        piece = channel.recv(4096)
        if not piece:
            break
        text += piece
    return text.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    """This process's own, able to import this very package even when it is not installed."""
    root = str(Path(server.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{inherited}" if inherited else root}
