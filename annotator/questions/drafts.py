"""What somebody has typed into a form and not sent yet, kept for them alone, so that a crash costs nothing."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from annotator.cache.json_text import canonical
from annotator.errors import NotFoundError, TooLargeError
from annotator.store.sessions import insert_into
from annotator.store.tables import draft

MAX_DRAFTS = 200
"""Of one account; the oldest make room."""

MAX_CHARACTERS = 300_000
"""Of a draft's JSON."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A form's values as they were typed.

    Args:
        base_n: the revision that the form was filled from; None for something new.
    """

    payload: Any
    base_n: int | None
    updated_at: datetime


def put(
    connection: Connection,
    account_id: str,
    project_id: str,
    form_key: str,
    payload: Any,
    *,
    base_n: int | None = None,
    now: datetime,
) -> Draft:
    """Keeps a draft in place of the one before it.

    Raises:
        TooLargeError: it is larger than any form of ours.
        InputError: it holds what JSON cannot.
    """
    text = canonical(payload).decode()
    if len(text) > MAX_CHARACTERS:
        raise TooLargeError(f"a draft may have at most {MAX_CHARACTERS:,} characters", param="payload")
    insert = insert_into(connection, draft).values(
        account_id=account_id, form_key=_key(project_id, form_key), base_n=base_n, payload_json=text, updated_at=now
    )
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["account_id", "form_key"],
            set_={name: insert.excluded[name] for name in ("base_n", "payload_json", "updated_at")},
        )
    )
    old = (
        select(draft.c.form_key)
        .where(draft.c.account_id == account_id)
        .order_by(draft.c.updated_at.desc(), draft.c.form_key)
        .offset(MAX_DRAFTS)
        .limit(MAX_DRAFTS)
    )
    too_many = list(connection.execute(old).scalars())
    if too_many:
        connection.execute(draft.delete().where(draft.c.account_id == account_id, draft.c.form_key.in_(too_many)))
    return get(connection, account_id, project_id, form_key)


def get(connection: Connection, account_id: str, project_id: str, form_key: str) -> Draft:
    """A draft of one's own.

    Raises:
        NotFoundError: there is none.
    """
    row = connection.execute(
        select(draft).where(draft.c.account_id == account_id, draft.c.form_key == _key(project_id, form_key))
    ).first()
    if row is None:
        raise NotFoundError(f"there is no draft '{form_key}'")
    return Draft(json.loads(row.payload_json), row.base_n, row.updated_at)


def drop(connection: Connection, account_id: str, project_id: str, form_key: str) -> None:
    """Forgets a draft; that it is gone already is no error."""
    connection.execute(
        draft.delete().where(draft.c.account_id == account_id, draft.c.form_key == _key(project_id, form_key))
    )


def _key(project_id: str, form_key: str) -> str:
    # One form in two projects is two drafts.
    return f"{project_id}/{form_key}"
