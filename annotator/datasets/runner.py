"""Runs jobs: in threads of the server, or at once for a command."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection

from annotator.datasets import jobs
from annotator.datasets.jobs import CancelledError
from annotator.errors import MapqatorError, StorageError
from annotator.store.sessions import Database
from annotator.store.times import utc_now

log = logging.getLogger("mapqator.jobs")

NUM_WORKERS = 2
WRITE_EVERY_S = 0.3
"""Progress that comes faster is not written: nobody reads that fast, and writers wait for each other."""

STOPPED = "MapQaTor was stopped. What was written until then stays; look at the result, or start it again."

type Watch = Callable[[int, int | None, str], None]


class StoppedError(MapqatorError):
    """The program ends, and the job with it."""

    code = "stopped"


class Progress:
    """What a running task tells about itself, and learns: every step may raise `CancelledError` or `StoppedError`.

    Args:
        database: where the job's row is.
        job_id: of the job.
        watch: is told of every step as well: a bar in a terminal.
        stopping: set when the program ends.
    """

    def __init__(
        self, database: Database, job_id: str, *, watch: Watch | None = None, stopping: threading.Event | None = None
    ) -> None:
        self.job_id = job_id
        self.result: dict[str, Any] | None = None
        """What has been done so far; it becomes the job's result also when the task does not come to its end."""
        self._database = database
        self._watch = watch
        self._stopping = stopping or threading.Event()
        self._written_s = 0.0
        self.num_done = 0
        self.num_total: int | None = None

    def __call__(self, num_done: int, num_total: int | None, message: str) -> None:
        """One step on."""
        self._tell(num_done, num_total, message)
        if time.monotonic() - self._written_s >= WRITE_EVERY_S:
            with self._database.writing(is_durable=False) as connection:
                self._write(connection, num_done, num_total, message)

    def within(self, connection: Connection, num_done: int, num_total: int | None, message: str) -> None:
        """One step on, in the transaction that does it: both are written or neither."""
        self._tell(num_done, num_total, message)
        self._write(connection, num_done, num_total, message)

    def _tell(self, num_done: int, num_total: int | None, message: str) -> None:
        self.num_done, self.num_total = num_done, num_total
        if self._stopping.is_set():
            raise StoppedError(STOPPED)
        if self._watch is not None:
            self._watch(num_done, num_total, message)

    def _write(self, connection: Connection, num_done: int, num_total: int | None, message: str) -> None:
        jobs.advance(connection, self.job_id, num_done=num_done, num_total=num_total, message=message, now=utc_now())
        self._written_s = time.monotonic()


type Task = Callable[[Progress], Mapping[str, Any]]
"""What a job does; gives its result, whose `message` is what people read first."""


def run_job(database: Database, progress: Progress, task: Task) -> None:
    """Runs a waiting job to its end, whatever that is; the row says it."""
    with database.writing() as connection:
        if not jobs.start(connection, progress.job_id, utc_now()):
            return
    state: jobs.State = "done"
    try:
        result: Mapping[str, Any] | None = task(progress)
        message = str((result or {}).get("message", "Done"))
    except CancelledError:
        state, message, result = "cancelled", "Cancelled", progress.result
    except MapqatorError as error:
        state, message, result = "failed", error.message, progress.result
    except Exception:
        log.exception("job %s failed", progress.job_id)
        state, message, result = "failed", "Something in MapQaTor failed; its log has the details.", progress.result
    with database.writing() as connection:
        jobs.finish(connection, progress.job_id, state, message, result, num_done=progress.num_done, now=utc_now())


class JobRunner:
    """Runs jobs of one process, a few at once, and keeps telling that they are alive.

    Args:
        database: where the rows are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool = ThreadPoolExecutor(NUM_WORKERS, thread_name_prefix="job")
        self._stopping = threading.Event()
        self._alive: set[str] = set()
        self._lock = threading.Lock()
        self._heart: threading.Thread | None = None

    def submit(self, job_id: str, task: Task, *, after: Callable[[], None] | None = None) -> None:
        """Takes on a waiting job.

        Args:
            after: called when it is over, however it ended.
        """
        self._take_on([job_id])
        self._pool.submit(self._run, job_id, task, after)

    def submit_in_turn(self, work: Sequence[tuple[str, Task]]) -> None:
        """Takes on waiting jobs that run one after the other, so that what they measure is not each other."""
        self._take_on([job_id for job_id, _ in work])
        self._pool.submit(self._run_in_turn, tuple(work))

    @property
    def is_closing(self) -> bool:
        """Whether jobs have been told to end."""
        return self._stopping.is_set()

    def close(self) -> None:
        """Ends all jobs at their next step and waits for that."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._heart is not None:
            self._heart.join()
        with self._lock:
            waiting = sorted(self._alive)
        if waiting:
            with self._database.writing() as connection:
                for job_id in waiting:
                    jobs.finish(connection, job_id, "failed", STOPPED, None, now=utc_now())

    def _take_on(self, job_ids: Sequence[str]) -> None:
        with self._lock:
            self._alive.update(job_ids)
            if self._heart is None:
                self._heart = threading.Thread(target=self._beat, name="job-heart", daemon=True)
                self._heart.start()

    def _run_in_turn(self, work: Sequence[tuple[str, Task]]) -> None:
        for job_id, task in work:
            if self.is_closing:
                # `close` tells those that are left as stopped.
                return
            self._run(job_id, task, None)

    def _run(self, job_id: str, task: Task, after: Callable[[], None] | None) -> None:
        try:
            run_job(self._database, Progress(self._database, job_id, stopping=self._stopping), task)
        except StorageError as error:
            # The row cannot be written; without further signs of life it is told as failed.
            log.warning("job %s: %s", job_id, error.message)
        finally:
            with self._lock:
                self._alive.discard(job_id)
            if after is not None:
                after()

    def _beat(self) -> None:
        while not self._stopping.wait(jobs.BEAT_S):
            with self._lock:
                alive = sorted(self._alive)
            try:
                with self._database.writing(is_durable=False) as connection:
                    jobs.beat(connection, alive, utc_now())
                    jobs.bury(connection, utc_now())
            except StorageError as error:
                log.warning("jobs cannot say that they are alive: %s", error.message)
