"""How much is recorded, of whom, and how often it answered."""

from dataclasses import dataclass

from sqlalchemy import func, select

from annotator.store.sessions import Database
from annotator.store.tables import blob, exchange, exchange_use, tool_call


@dataclass(frozen=True, slots=True)
class ProviderStatistics:
    """One provider's recordings.

    Args:
        num_exchanges: all of them.
        num_live: those whose content is here.
        num_hits: times that one of them answered, without those still in some process's memory.
        content_bytes: of all answers together as they came, before equal ones share a blob.
    """

    num_exchanges: int
    num_live: int
    num_hits: int
    content_bytes: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """All recordings.

    Args:
        num_tool_calls: by outcome.
        content_bytes: of all blobs.
        stored_bytes: what they take in the database, compressed.
    """

    providers: dict[str, ProviderStatistics]
    num_tool_calls: dict[str, int]
    num_blobs: int
    content_bytes: int
    stored_bytes: int


def statistics(database: Database) -> Statistics:
    """Counts everything; a full look at the database.

    Raises:
        StorageError: it cannot be read.
    """
    by_provider = (
        select(
            exchange.c.provider,
            func.count(),
            func.count().filter(exchange.c.state == "live"),
            func.coalesce(func.sum(exchange_use.c.num_hits), 0),
            func.sum(exchange.c.body_bytes),
        )
        .outerjoin(exchange_use, exchange_use.c.exchange_id == exchange.c.id)
        .group_by(exchange.c.provider)
        .order_by(exchange.c.provider)
    )
    by_outcome = select(tool_call.c.outcome, func.count()).group_by(tool_call.c.outcome).order_by(tool_call.c.outcome)
    totals = select(
        func.count(),
        func.coalesce(func.sum(blob.c.size_bytes), 0),
        func.coalesce(func.sum(func.length(blob.c.bytes)), 0),
    ).select_from(blob)
    with database.reading() as connection:
        providers = {
            # PostgreSQL sums into decimals.
            key: ProviderStatistics(*(int(number) for number in numbers))
            for key, *numbers in connection.execute(by_provider)
        }
        outcomes = {outcome: int(number) for outcome, number in connection.execute(by_outcome)}
        num_blobs, content_bytes, stored_bytes = (int(number) for number in connection.execute(totals).one())
    return Statistics(providers, outcomes, num_blobs, content_bytes, stored_bytes)
