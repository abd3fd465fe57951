"""Makes a file of map questions with several processes; the same bytes however many there are.

The file grows under another name and is there when it is whole. Every process makes one town after another, and their
lines are put together in the order of the towns.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from annotator.demo.questions.compose import Composer
from annotator.demo.questions.lines import COMPRESSED, PLAIN
from annotator.demo.questions.record import Line, Recipe, write_line
from annotator.demo.questions.splits import Split, town_seed
from annotator.demo.questions.town import OpenTown
from annotator.errors import ConfigError, MapqatorError, StorageError

_LEVEL = 10
_MAX_WAITING = 3
"""Towns a process that may be made ahead of the one that is written next."""

Told = Callable[[int], None]
"""Is told how many towns are done."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to make.

    Args:
        towns: how many.
        first: number of the first one within its split.
        contexts: how many a town.
    """

    split: Split
    towns: int
    first: int
    contexts: int
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Made:
    """What was made.

    Args:
        left_out: contexts about which too few questions can be asked.
        num_bytes: of the file.
    """

    contexts: int
    questions: int
    left_out: int
    num_bytes: int


def write_file(job: Job, target: Path, *, processes: int, told: Told) -> Made:
    """Writes a file of map questions; one that exists is replaced when the new one is whole.

    Args:
        target: ends in `.jsonl` or `.jsonl.zst`.
        processes: how many to make towns with; with one it is this process.

    Raises:
        ConfigError: the file's name ends otherwise, or the contexts are too small to be made.
        StorageError: the file cannot be written.
    """
    if not target.name.endswith((PLAIN, COMPRESSED)):
        raise ConfigError(f"'{target.name[:80]}' must end in {PLAIN} or {COMPRESSED}")
    contexts = questions = 0
    try:
        with tempfile.TemporaryDirectory(prefix="mapqator-questions-") as scratch, _whole(target) as file:
            towns = _towns(job, Path(scratch), min(processes, job.towns))
            with closing(towns):
                for done, lines in enumerate(towns, 1):
                    for line in lines:
                        file.write(line.text)
                    contexts += len(lines)
                    questions += sum(line.num_questions for line in lines)
                    told(done)
        return Made(contexts, questions, job.towns * job.contexts - contexts, target.stat().st_size)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from None


def town_lines(seed: int, recipe: Recipe, numbers: Sequence[int], scratch: Path | None = None) -> list[Line]:
    """Lines of a town's contexts by their numbers, without those about which too few questions can be asked."""
    with OpenTown(seed, recipe.size, scratch=scratch) as town:
        composer = Composer(town)
        lines = (write_line(composer, recipe, number) for number in numbers)
        return [line for line in lines if line is not None]


def _towns(job: Job, scratch: Path, processes: int) -> Generator[list[Line]]:
    numbers = range(job.contexts)
    seeds = [town_seed(job.split, job.first + number) for number in range(job.towns)]
    if processes == 1:
        for seed in seeds:
            yield town_lines(seed, job.recipe, numbers, scratch)
        return
    # Forked processes would inherit locks of threads that are not theirs.
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[list[Line]]] = deque()
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin_worker)
    try:
        for seed in seeds:
            with _held_back(signal.SIGINT):
                waiting.append(pool.submit(town_lines, seed, job.recipe, numbers, scratch))
            if len(waiting) >= _MAX_WAITING * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise MapqatorError("a process that makes towns was ended; fewer --jobs take less memory") from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _held_back(signal_number: signal.Signals) -> Iterator[None]:
    """Puts a signal off, also for processes that are started meanwhile: one that is still importing has no words for
    Ctrl-C but a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal_number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    """Lets a worker end at once: with Ctrl-C, which reaches it too, and when the command itself is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _whole(target: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when all is written, and not at all if that fails."""
    part = target.with_name(f"{target.name}.part")
    try:
        with ExitStack() as closed:
            file: IO[bytes] = closed.enter_context(part.open("wb"))
            if target.name.endswith(COMPRESSED):
                file = closed.enter_context(zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file))
            yield file
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
