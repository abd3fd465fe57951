"""Column types that SQLite's STRICT tables accept and that PostgreSQL stores without loss."""

from datetime import datetime
from typing import Any

from sqlalchemy import REAL, BigInteger, Dialect, Double, Integer, LargeBinary, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

from annotator.store.times import from_text, to_text

Count: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
"""A whole number of up to 64 bits."""

Number: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
"""A float of 64 bits."""

String = Text()
Bytes = LargeBinary()


class Timestamp(TypeDecorator[datetime]):
    """A point in time as text; see `times`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_text(value)


class Flag(TypeDecorator[bool]):
    """A truth value as 0 or 1: STRICT tables know no BOOLEAN."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)
