"""What all tables share: one metadata, and columns by what they mean."""

from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, MetaData
from sqlalchemy.types import TypeEngine

from annotator.store.columns import String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def identity(name: str) -> Column[Any]:
    """A key, or a part of one."""
    return Column(name, String, primary_key=True)


def required(name: str, kind: TypeEngine[Any] = String) -> Column[Any]:
    """A value that every row has."""
    return Column(name, kind, nullable=False)


def optional(name: str, kind: TypeEngine[Any] = String) -> Column[Any]:
    """A value that may be missing."""
    return Column(name, kind, nullable=True)


def refers(name: str, to: str, *, nullable: bool = False, primary_key: bool = False) -> Column[Any]:
    """A key of another table, which must exist there."""
    return Column(name, String, ForeignKey(to), nullable=nullable, primary_key=primary_key)


def one_of(column: str, *words: str) -> CheckConstraint:
    """The words that a column may hold."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)
