"""Who is asking a provider right now, so that many processes that want the same thing ask for it once.

A flight is a lease: whoever is killed in the air loses it when its time is up.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import or_, select

from annotator.store.sessions import Database, insert_into
from annotator.store.tables import flight
from annotator.store.times import utc_now


class Flights:
    """Leases by key, of which one owner at a time holds each. Safe to use from many threads and processes.

    Args:
        database: with this program's tables.
        clock: the present, by which leases end.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    def acquire(self, key: str, owner: str, ttl_s: float) -> bool:
        """Takes or renews a lease; False while another owner holds it.

        Args:
            owner: a name that nobody else uses.
            ttl_s: seconds until it ends by itself, more than asking can take.

        Raises:
            StorageError: the database cannot be written.
        """
        # Those who wait ask again and again; while they only read, they are in nobody's way.
        if self.holder(key) not in (None, owner):
            return False
        with self._database.writing(is_durable=False) as connection:
            now = self._clock()
            insert = insert_into(connection, flight).values(
                key=key, owner=owner, expires_at=now + timedelta(seconds=ttl_s)
            )
            taken = connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["key"],
                    set_={"owner": insert.excluded.owner, "expires_at": insert.excluded.expires_at},
                    where=or_(flight.c.owner == owner, flight.c.expires_at <= now),
                ).returning(flight.c.owner)
            )
            return taken.first() is not None

    def holder(self, key: str) -> str | None:
        """Who holds a lease; None when nobody does."""
        is_held = select(flight.c.owner).where(flight.c.key == key, flight.c.expires_at > self._clock())
        with self._database.reading() as connection:
            return connection.execute(is_held).scalar()

    def release(self, key: str, owner: str) -> None:
        """Gives a lease back; nothing happens when another owner has it by now.

        Raises:
            StorageError: the database cannot be written; the lease then ends by itself.
        """
        with self._database.writing(is_durable=False) as connection:
            connection.execute(flight.delete().where(flight.c.key == key, flight.c.owner == owner))
