"""The pace at which providers are asked, kept by all processes on one database together.

A token bucket in the form of the generic cell rate algorithm (ITU-T I.371): one row says when the next request would
be due if all came evenly; how far that lies ahead is how much of the burst is used up.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from annotator.maps.provider import RateLimit
from annotator.store.sessions import Database, insert_into
from annotator.store.tables import provider_pace

MICROSECONDS = 1_000_000
CLOCK_STEP_US = 60 * MICROSECONDS
"""A clock this far behind what was seen before has been set back; less is processes that waited for each other."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Row:
    """Microseconds since 1970: when the next request is due, until when all must wait, and the latest time seen."""

    next_us: int = 0
    held_until_us: int = 0
    seen_us: int = 0

    def seen_at(self, now_us: int) -> "_Row":
        """The row by a clock that says `now_us`: set back by a day, it must not stop all requests for a day."""
        back_us = self.seen_us - now_us
        if back_us <= CLOCK_STEP_US:
            return self
        return _Row(self.next_us - back_us, self.held_until_us - back_us, now_us)


_COLUMNS = (provider_pace.c.next_us, provider_pace.c.held_until_us, provider_pace.c.seen_us)


class Pace:
    """Hands out the moments at which a provider may be asked. Safe to use from many threads and processes.

    Args:
        database: with this program's tables.
        clock: the present; read while the row is locked, so that requests get their turns in the order of asking.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._clock = clock

    def reserve(self, key: str, limit: RateLimit, max_wait_s: float = math.inf) -> float:
        """Seconds to wait before asking. When they are more than `max_wait_s`, nothing is reserved and nothing asked.

        Without a rate limit nothing is reserved either, and only a pause that the provider asked for has to be waited.

        Raises:
            StorageError: the database cannot be written.
        """
        interval_us = math.ceil(limit.interval_s * MICROSECONDS)
        if interval_us <= 0:
            return self.held_s(key)
        with self._database.writing(is_durable=False) as connection:
            now_us, row = self._locked(connection, key)
            earliest_us = max(now_us, row.held_until_us)
            turn_us = max(earliest_us, row.next_us - (limit.burst - 1) * interval_us)
            wait_s = (turn_us - now_us) / MICROSECONDS
            if wait_s <= max_wait_s:
                due_us = max(row.next_us, turn_us) + interval_us
                _write(connection, key, _Row(due_us, row.held_until_us, max(now_us, row.seen_us)))
        return wait_s

    def held_s(self, key: str) -> float:
        """Seconds for which nobody may ask, because the provider said so.

        Raises:
            StorageError: the database cannot be read.
        """
        with self._database.reading() as connection:
            found = connection.execute(select(*_COLUMNS).where(provider_pace.c.key == key)).first()
        now_us = _microseconds(self._clock())
        row = _Row(*found or ()).seen_at(now_us)
        return max(0.0, (row.held_until_us - now_us) / MICROSECONDS)

    def hold(self, key: str, pause_s: float) -> None:
        """Lets nobody ask a provider for some seconds, because it said so; a longer pause that was ordered stays.

        Raises:
            StorageError: the database cannot be written.
        """
        with self._database.writing(is_durable=False) as connection:
            now_us, row = self._locked(connection, key)
            held_until_us = max(row.held_until_us, now_us + math.ceil(pause_s * MICROSECONDS))
            _write(connection, key, _Row(row.next_us, held_until_us, max(now_us, row.seen_us)))

    def _locked(self, connection: Connection, key: str) -> tuple[int, _Row]:
        """The present and a provider's row, which no other process changes before this transaction ends."""
        empty = insert_into(connection, provider_pace).values(key=key, next_us=0, held_until_us=0, seen_us=0)
        connection.execute(empty.on_conflict_do_nothing())
        locked = select(*_COLUMNS).where(provider_pace.c.key == key).with_for_update()
        row = _Row(*connection.execute(locked).one())
        now_us = _microseconds(self._clock())
        return now_us, row.seen_at(now_us)


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _write(connection: Connection, key: str, row: _Row) -> None:
    connection.execute(
        provider_pace.update()
        .where(provider_pace.c.key == key)
        .values(next_us=row.next_us, held_until_us=row.held_until_us, seen_us=row.seen_us)
    )
