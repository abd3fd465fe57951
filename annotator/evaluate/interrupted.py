"""Runs that were going on when the program ended go on by themselves when it starts again.

Only runs that a web program worked on: whoever stops a command in a terminal is there to start it again. Those that
somebody cancelled, and those that failed by themselves, stay as they are.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from annotator.datasets import jobs, runner
from annotator.datasets.runner import JobRunner
from annotator.errors import MapqatorError, UpstreamError
from annotator.evaluate import endpoints, records, runs, store
from annotator.evaluate.store import Run
from annotator.maps.service import MapService
from annotator.people import accounts
from annotator.people.actor import Actor
from annotator.settings import Settings
from annotator.store.times import utc_now

log = logging.getLogger("mapqator.evaluate")

LOOK_EVERY_S = 1.0
TRY_FOR_S = 600.0
"""After its start that a program looks for such runs: the job of a killed one seems alive for a while, and the server
of models may take longer to start than this one."""
MAX_TRIES = 3
"""To go on with a run that gets no further, since it may be what the program dies of."""

_ENDED = (jobs.DIED, runner.STOPPED)


@dataclass
class Interrupted:
    """Takes up runs that a web program left.

    Args:
        jobs: of this program, which work on them.
    """

    service: MapService
    settings: Settings
    jobs: JobRunner
    _started_at: datetime = field(default_factory=utc_now)
    _given_up: set[str] = field(default_factory=set)

    async def take_up(self, *, for_s: float = TRY_FOR_S, every_s: float = LOOK_EVERY_S) -> None:
        """Goes on with them, the oldest first and one after the other, as soon as each can."""
        started_s = time.monotonic()
        while await asyncio.to_thread(self.look) and time.monotonic() - started_s < for_s:
            await asyncio.sleep(every_s)

    def look(self) -> bool:
        """Goes on with what can go on now; gives whether there may be more later."""
        now = utc_now()
        with self.service.store.database.reading() as connection:
            found = [
                (run, job)
                for run in store.unfinished_runs(connection)
                if run.id not in self._given_up
                for job in (jobs.get(connection, run.project_id, run.job_id, now),)
                if job.params.get("via", "command") != "command"
            ]
        if any(not job.is_over and (job.heartbeat_at or now) < self._started_at for _, job in found):
            # A dead program's job that still seems alive. All that it left goes on together, or one would take the time
            # by which another is measured.
            return True
        ended = [run for run, job in found if job.state == "failed" and job.message in _ENDED]
        taken = [made for run in ended if (made := self._take(run)) is not None]
        if taken:
            self.jobs.submit_in_turn(taken)
        # What goes on may be another program's, and may yet be left by it.
        return any(not job.is_over for _, job in found) or len(taken) < len(ended)

    def _take(self, run: Run) -> tuple[str, runner.Task] | None:
        database = self.service.store.database
        try:
            with database.reading() as connection:
                endpoint = endpoints.find(connection, self.settings, run.endpoint)
                runs.check_resume(connection, self.service.catalogue, run)
                why = _why_not(connection, run)
            if why:
                log.warning("run %s does not go on by itself: %s", run.id, why)
                self._given_up.add(run.id)
                return None
            served = asyncio.run(runs.look(endpoint))
            with database.writing() as connection:
                made = runs.resume(connection, _actor(connection, run), run, served, by_itself=True, now=utc_now())
        except UpstreamError:
            # Its server may be starting too.
            return None
        except MapqatorError as error:
            log.warning("run %s does not go on by itself: %s", run.id, error.message)
            self._given_up.add(run.id)
            return None
        log.info("run %s goes on after the program ended", run.id)
        return made.job_id, runs.run_task(self.service, self.settings, made, endpoint)


def _why_not(connection: Connection, run: Run) -> str:
    if not accounts.by_id(connection, run.created_by).is_active:
        return "whoever began it has no account any more"
    num_done = records.totals(connection, run.id).num
    tries = [one for one in run.server.get("resumed", ()) if one.get("by_itself") and one.get("num_done") == num_done]
    return f"it got no further in {MAX_TRIES} tries" if len(tries) >= MAX_TRIES else ""


def _actor(connection: Connection, run: Run) -> Actor:
    account = accounts.by_id(connection, run.created_by)
    return Actor(account.id, account.username, account.display_name, account.is_admin)
