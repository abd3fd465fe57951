"""Signing in and out, and what belongs to whoever asks: preferences, password, tokens."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from annotator.people import accounts
from annotator.store.times import utc_now
from annotator.web.access import AnyAccount, AnyWriter
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import State

router = APIRouter(prefix="/api", tags=["people"], responses=ERROR_RESPONSES)


class Me(BaseModel):
    """Whoever asks, and how they are known."""

    username: str
    display_name: str
    is_admin: bool
    via: str
    scope: str
    prefs: dict[str, Any]


class Prefs(BaseModel):
    """What somebody prefers; null takes a preference back.

    Args:
        keys: key of each action that is not the standard one.
    """

    model_config = ConfigDict(extra="forbid")

    keys: dict[str, str] | None = Field(default=None, max_length=200)
    theme: Literal["system", "light", "dark"] | None = None


@router.get("/me")
def read_me(state: State, actor: AnyAccount) -> Me:
    """Who asks."""
    with state.database.reading() as connection:
        prefs = accounts.by_id(connection, actor.account_id).prefs
    return Me(
        username=actor.username,
        display_name=actor.display_name,
        is_admin=actor.is_admin,
        via=actor.via,
        scope=actor.scope,
        prefs=prefs,
    )


@router.put("/me/prefs")
def change_prefs(state: State, actor: AnyWriter, body: Prefs) -> dict[str, Any]:
    """Changes what is given and leaves the rest."""
    with state.database.writing() as connection:
        return accounts.set_prefs(connection, actor, body.model_dump(exclude_unset=True), now=utc_now())
