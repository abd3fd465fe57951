"""Checks the audit log's chain: every row's hash, and that each names the hash of the one before it."""

from dataclasses import dataclass

from sqlalchemy import Connection, select, type_coerce

from annotator.people.audit import FIRST_HASH, row_hash
from annotator.store.columns import String
from annotator.store.tables import audit_log

MAX_FAULTS = 100
"""Faults that a report lists."""
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """A row at which the chain is broken.

    Args:
        reason: what is wrong, in a sentence.
    """

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a check of the log found.

    Args:
        head: hash of the last row. Whoever notes it elsewhere can later tell that no row was taken off the end.
        faults: the first `MAX_FAULTS`.
    """

    num_rows: int
    head: str
    faults: tuple[Fault, ...]


def verify_chain(connection: Connection) -> ChainReport:
    """Recomputes the whole chain.

    A row that was changed has another hash than it says; one that was taken out or put in leaves a gap in the numbers
    or a name of a hash that is not the one before.
    """
    faults: list[Fault] = []
    num_rows, seq, head = 0, 0, FIRST_HASH
    # Points in time as the text that was hashed: a changed one may be none any more.
    columns = [
        type_coerce(column, String).label("at") if column.name == "at" else column for column in audit_log.columns
    ]
    while (
        rows := connection.execute(
            select(*columns).where(audit_log.c.seq > seq).order_by(audit_log.c.seq).limit(_AT_ONCE)
        )
        .mappings()
        .all()
    ):
        for row in rows:
            num_rows += 1
            if row["seq"] != seq + 1:
                faults.append(Fault(row["seq"], f"row {seq + 1} is missing before it"))
            elif row["prev_hash"] != head:
                faults.append(Fault(row["seq"], "it does not follow from the row before it"))
            if row_hash(dict(row)) != row["row_hash"]:
                faults.append(Fault(row["seq"], "its content is not what was written"))
            seq, head = row["seq"], row["row_hash"]
    return ChainReport(num_rows, head, tuple(faults[:MAX_FAULTS]))


def has_row(connection: Connection, hash_of_row: str) -> bool:
    """Whether some row has this hash: of a whole chain, it proves that everything up to it is as it was then."""
    return connection.execute(select(audit_log.c.seq).where(audit_log.c.row_hash == hash_of_row)).first() is not None
