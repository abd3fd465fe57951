"""What belongs to whoever asks: preferences, password, tokens."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from annotator.errors import ConflictError, NotFoundError
from annotator.people import accounts, login, sessions, tokens
from annotator.people.actor import Scope
from annotator.people.passwords import MAX_LENGTH
from annotator.people.projects import by_slug, role_in
from annotator.store.times import to_text, utc_now
from annotator.web.access import AnyAccount, AnyWriter, Person
from annotator.web.cookies import address_of, give_session
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import State

router = APIRouter(prefix="/api/me", tags=["people"], responses=ERROR_RESPONSES)


class Me(BaseModel):
    """Whoever asks, and how they are known."""

    username: str
    display_name: str
    is_admin: bool
    via: str
    scope: Scope
    prefs: dict[str, Any]
    num_sessions: int


class MeChange(BaseModel):
    """What somebody changes about themselves."""

    model_config = ConfigDict(extra="forbid")

    display_name: str = Field(max_length=400)


class Prefs(BaseModel):
    """What somebody prefers; null takes a preference back.

    Args:
        keys: key of each action that is not the standard one.
    """

    model_config = ConfigDict(extra="forbid")

    keys: dict[str, str] | None = Field(default=None, max_length=200)
    theme: Literal["system", "light", "dark"] | None = None


class PasswordChange(BaseModel):
    """Another password; an account of single sign-on has no old one at first."""

    model_config = ConfigDict(extra="forbid")

    old: str = Field(default="", max_length=MAX_LENGTH)
    new: str = Field(max_length=MAX_LENGTH)


class NewToken(BaseModel):
    """A token to be made.

    Args:
        project: slug of the only project that it is for; null or empty for all of its owner's.
        days: until it runs out; null for never.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    scope: Scope = "read"
    project: str | None = Field(default=None, max_length=63)
    days: int | None = None


class TokenOut(BaseModel):
    """A token, without its secret."""

    id: str
    name: str
    scope: Scope
    project: str | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class MadeToken(TokenOut):
    """A new token with its secret, which is shown this once."""

    secret: str


class TokenList(BaseModel):
    """The tokens that still work."""

    tokens: list[TokenOut]


@router.get("")
def read_me(state: State, actor: AnyAccount) -> Me:
    """Who asks."""
    with state.database.reading() as connection:
        found = accounts.by_id(connection, actor.account_id)
        num_sessions = sessions.num_open(connection, actor.account_id, now=utc_now())
    return Me(
        username=found.username,
        display_name=found.display_name,
        is_admin=actor.is_admin,
        via=actor.via,
        scope=actor.scope,
        prefs=found.prefs,
        num_sessions=num_sessions,
    )


@router.patch("")
def change_me(state: State, actor: Person, body: MeChange) -> Me:
    """Changes how others see whoever asks."""
    with state.database.writing() as connection:
        accounts.set_display_name(connection, actor, body.display_name, now=utc_now())
    return read_me(state, actor)


@router.put("/prefs")
def change_prefs(state: State, actor: AnyWriter, body: Prefs) -> dict[str, Any]:
    """Changes what is given and leaves the rest."""
    with state.database.writing() as connection:
        return accounts.set_prefs(connection, actor, body.model_dump(exclude_unset=True), now=utc_now())


@router.put("/password", status_code=204)
def change_password(request: Request, response: Response, state: State, actor: Person, body: PasswordChange) -> None:
    """Gives whoever asks another password and signs out all their other browsers."""
    if state.is_single_user:
        raise ConflictError("nobody signs in here, so there is no password")
    made = login.change_password(state.database, actor, old=body.old, new=body.new, address=address_of(request))
    give_session(response, state, made)


@router.get("/tokens")
def list_tokens(state: State, actor: Person) -> TokenList:
    """The tokens of whoever asks, without their secrets."""
    with state.database.reading() as connection:
        return TokenList(tokens=[token_out(token) for token in tokens.listing(connection, actor, now=utc_now())])


@router.post("/tokens", status_code=201)
def make_token(state: State, actor: Person, body: NewToken) -> MadeToken:
    """Makes a token for a program; its secret is shown this once."""
    with state.database.writing() as connection:
        project_id = None
        if body.project:
            project_id = by_slug(connection, body.project).id
            if not actor.is_admin and role_in(connection, project_id, actor.account_id) is None:
                raise NotFoundError(f"there is no project '{body.project}'")
        made, secret = tokens.create(
            connection,
            actor,
            name=body.name,
            scope=body.scope,
            project_id=project_id,
            days=body.days,
            now=utc_now(),
        )
    return MadeToken(**token_out(made).model_dump(), secret=secret)


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(state: State, actor: Person, token_id: str) -> None:
    """Ends a token of whoever asks."""
    with state.database.writing() as connection:
        tokens.revoke(connection, actor, token_id, now=utc_now())


def token_out(token: tokens.Token) -> TokenOut:
    """A token as JSON."""
    return TokenOut(
        id=token.id,
        name=token.name,
        scope=token.scope,
        project=token.project_slug,
        created_at=to_text(token.created_at),
        expires_at=None if token.expires_at is None else to_text(token.expires_at),
        last_used_at=None if token.last_used_at is None else to_text(token.last_used_at),
    )
