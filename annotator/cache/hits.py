"""How often recordings answered. Counted in memory and written along with the next recording: no hit waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Lock

from sqlalchemy import Connection

from annotator.store.sessions import insert_into
from annotator.store.tables import exchange_use


class HitCounter:
    """Hits that are not in the database yet; a process that is killed takes them with it. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: dict[str, tuple[int, datetime]] = {}

    def count(self, exchange_id: str, now: datetime, times: int = 1) -> None:
        """Notes that an exchange answered."""
        with self._lock:
            num_hits, last_hit_at = self._pending.get(exchange_id, (0, now))
            self._pending[exchange_id] = num_hits + times, max(last_hit_at, now)

    @contextmanager
    def taken(self) -> Iterator[dict[str, tuple[int, datetime]]]:
        """The pending hits, to be written in this block; they are pending again when it raises."""
        with self._lock:
            taken, self._pending = self._pending, {}
        try:
            yield taken
        except BaseException:
            for exchange_id, (num_hits, last_hit_at) in taken.items():
                self.count(exchange_id, last_hit_at, num_hits)
            raise


def write_hits(connection: Connection, hits: dict[str, tuple[int, datetime]]) -> None:
    """Adds hits to those in the database."""
    if not hits:
        return
    # In one order for all writers, so that no two wait for each other's rows.
    rows = [
        {"exchange_id": exchange_id, "num_hits": num_hits, "last_hit_at": last_hit_at}
        for exchange_id, (num_hits, last_hit_at) in sorted(hits.items())
    ]
    insert = insert_into(connection, exchange_use)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["exchange_id"],
            set_={
                "num_hits": exchange_use.c.num_hits + insert.excluded.num_hits,
                "last_hit_at": insert.excluded.last_hit_at,
            },
        ),
        rows,
    )
