"""Lists by cursor, the latest first: a page begins after the row that the page before ended with."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from annotator.errors import InputError
from annotator.store.times import from_text, to_text


def cursor_of(moment: datetime, row_id: str) -> str:
    """Where the page after this row begins."""
    return f"{to_text(moment)}~{row_id}"


def before_cursor(cursor: str | None, moment: ColumnElement[Any], row_id: ColumnElement[Any]) -> list[Any]:
    """The condition of being on the page that a cursor names; none for the first page.

    Raises:
        InputError: the cursor is none of ours.
    """
    if cursor is None:
        return []
    text, _, last_id = cursor.partition("~")
    try:
        last = from_text(text)
        to_text(last)
    except ValueError:
        raise InputError("this cursor is none that a list gave; begin without one", param="cursor") from None
    return [or_(moment < last, and_(moment == last, row_id < last_id))]
