"""Runs each compared system in a process of its own.

OpenMP counts all threads of a process and stops spinning when there are more than cores, so systems that share
one would slow each other down even while they wait their turn.
"""

import multiprocessing
import warnings
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch

from benchmarks.cpu.systems import Crowd, System
from server.errors import RhumbError


class Isolated:
    """A system behind a pipe. Raises `RhumbError` with the system's own words where it fails."""

    def __init__(self, system: System, num_threads: int) -> None:
        self.name = system.name
        self._system = system
        self._num_threads = num_threads
        self._process: BaseProcess | None = None

    def open(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._system, self._num_threads))
        self._process.start()
        # Otherwise the end of a worker that dies would never be noticed here.
        theirs.close()
        self._receive()

    def run(self, prompts: list[list[int]], output_len: int) -> Crowd:
        self._pipe.send((prompts, output_len))
        answer = self._receive()
        assert isinstance(answer, Crowd)
        return answer

    def close(self) -> None:
        if self._process is None:
            return
        self._pipe.close()
        self._process.join()

    def _receive(self) -> Crowd | None:
        try:
            answer: Crowd | str | None = self._pipe.recv()
        except EOFError:
            raise RhumbError(f"{self.name} ended unexpectedly") from None
        if isinstance(answer, str):
            raise RhumbError(f"{self.name}: {answer}")
        return answer


def _serve(pipe: Connection, system: System, num_threads: int) -> None:
    torch.set_num_threads(num_threads)
    quieten_transformers()
    try:
        system.open()
    except RhumbError as error:
        pipe.send(str(error))
        return
    try:
        pipe.send(None)
        while True:
            prompts, output_len = pipe.recv()
            pipe.send(system.run(prompts, output_len))
    except EOFError:
        pass
    except RhumbError as error:
        pipe.send(str(error))
    finally:
        system.close()


def quieten_transformers() -> None:
    """No progress bars and no advice in between our own lines."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=UserWarning, module="transformers")
