"""Whoever asks: a person at a browser, a program with a token, or whoever sits at this machine."""

from dataclasses import dataclass
from typing import Literal

Scope = Literal["read", "write", "admin"]
"""What a token may be used for, from least to most: reading, also changing, also managing."""


@dataclass(frozen=True, slots=True)
class Actor:
    """An account that is known to be who it says.

    Args:
        account_id: of the account.
        username: for people and logs.
        display_name: as others see it.
        is_admin: of this installation: accounts, all projects.
        via: how it is known.
        scope: what it may do this way; a browser may everything.
        project_id: a token's only project; None is all of the account's.
        csrf: of the session; None where no cookie is involved.
    """

    account_id: str
    username: str
    display_name: str
    is_admin: bool = False
    via: Literal["local", "session", "token", "command"] = "session"
    scope: Scope = "admin"
    project_id: str | None = None
    csrf: str | None = None


LOCAL_ACCOUNT_ID = "00000000000000000000LOCAL0"
"""Account of whoever sits at this machine while no login is asked for; a ULID's shape, so that it fits everywhere."""
