"""Which account belongs to whom the issuer vouches for."""

import re
from datetime import datetime

from sqlalchemy import Connection, select

from annotator.errors import ForbiddenError
from annotator.people import accounts
from annotator.people.login import begin
from annotator.people.oidc import Identity
from annotator.people.sessions import NewSession
from annotator.store.tables import account


def sign_in_with(
    connection: Connection, identity: Identity, *, may_sign_up: bool, old_secret: str | None, now: datetime
) -> NewSession:
    """Begins a session for whom the issuer vouches for.

    An account is found by issuer and subject alone. A name is what anybody can choose at an issuer, so one that is
    taken here never gives its account away: who comes new gets another.

    Args:
        may_sign_up: whether somebody without an account gets one.

    Raises:
        ForbiddenError: they have no account, or it is disabled.
    """
    row = connection.execute(
        select(account.c.id, account.c.is_active).where(account.c.oidc_subject == identity.subject)
    ).first()
    if row is not None and not row.is_active:
        raise ForbiddenError("this account is disabled; an administrator can enable it")
    if row is None and not may_sign_up:
        raise ForbiddenError("you have no account here yet; ask an administrator for one")
    account_id = row.id if row is not None else _sign_up(connection, identity, now)
    return begin(connection, account_id, how="oidc", old_secret=old_secret, now=now)


def _sign_up(connection: Connection, identity: Identity, now: datetime) -> str:
    wanted = re.sub(r"[^a-z0-9._-]+", "-", identity.username.lower()).strip("-._")[:48] or "user"
    taken = set(
        connection.execute(
            select(account.c.username).where(account.c.username.startswith(wanted, autoescape=True))
        ).scalars()
    )
    username = next(
        name for name in (wanted, *(f"{wanted}-{n}" for n in range(2, len(taken) + 3))) if name not in taken
    )
    made = accounts.create(
        connection,
        None,
        username=username,
        display_name=identity.display_name[: accounts.MAX_DISPLAY_NAME] or username,
        oidc_subject=identity.subject,
        now=now,
    )
    return made.id
