"""Signing in and out, and the first administrator."""

import hmac
import ipaddress
import logging

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from annotator.errors import ConflictError, ForbiddenError
from annotator.people import accounts, admin, login, sessions, throttle
from annotator.people.audit import record
from annotator.people.passwords import MAX_LENGTH, check_password, hash_password
from annotator.store.times import utc_now
from annotator.web.access import SESSION_COOKIE, Person
from annotator.web.cookies import address_of, give_session, safe_next, take_session
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import AppState, State

logger = logging.getLogger("mapqator")

router = APIRouter(prefix="/api", tags=["people"], responses=ERROR_RESPONSES)


class Credentials(BaseModel):
    """Who somebody says they are, and where they want to go then."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=MAX_LENGTH)
    next: str = Field(default="/", max_length=2000)


class Setup(BaseModel):
    """The first administrator.

    Args:
        token: the code from the program's log; not asked for on this machine itself.
    """

    model_config = ConfigDict(extra="forbid")

    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=MAX_LENGTH)
    token: str = Field(default="", max_length=64)


class Leaving(BaseModel):
    """Whether other browsers are signed out too."""

    model_config = ConfigDict(extra="forbid")

    everywhere: bool = False


class Next(BaseModel):
    """Where to go now."""

    next: str


@router.post("/login")
def sign_in(request: Request, response: Response, state: State, body: Credentials) -> Next:
    """Begins a session for whoever knows the password."""
    _require_login_mode(state)
    made = login.sign_in(
        state.database,
        username=body.username,
        password=body.password,
        address=address_of(request),
        old_secret=request.cookies.get(SESSION_COOKIE),
    )
    give_session(response, state, made)
    return Next(next=safe_next(body.next))


@router.post("/logout")
def sign_out(request: Request, response: Response, state: State, actor: Person, body: Leaving) -> Next:
    """Ends this session, or all of the account's."""
    _require_login_mode(state)
    with state.database.writing() as connection:
        if body.everywhere:
            admin.sign_out_everywhere(connection, actor, actor.account_id, now=utc_now())
        else:
            sessions.end(connection, request.cookies.get(SESSION_COOKIE, ""))
            record(connection, actor, "session.end", actor.account_id, now=utc_now())
    take_session(response, state)
    return Next(next="/login")


@router.post("/setup")
def set_up(request: Request, response: Response, state: State, body: Setup) -> Next:
    """Makes the first administrator, while there is none, and signs them in."""
    _require_login_mode(state)
    with state.database.reading() as connection:
        if accounts.has_administrator(connection):
            raise ConflictError("this installation is set up already; sign in")
    if needs_setup_code(request, state):
        with state.database.writing(is_durable=False) as connection:
            throttle.charge(connection, [throttle.address_key(address_of(request), "setup")], now=utc_now())
        if not hmac.compare_digest(body.token.strip().encode(), state.setup_code.encode()):
            raise ForbiddenError("this is not the setup code; it stands in the program's log")
    check_password(body.password, body.username)
    password_hash = hash_password(body.password)
    with state.database.writing() as connection:
        made = admin.set_up(connection, username=body.username, password_hash=password_hash, now=utc_now())
    give_session(response, state, made)
    return Next(next="/")


def announce_setup(state: AppState) -> None:
    """Tells whoever runs the program how the first administrator is made, while there is none."""
    if state.is_single_user:
        return
    with state.database.reading() as connection:
        is_done = accounts.has_administrator(connection)
    if not is_done:
        logger.warning("nobody can sign in yet; open /setup, and give the code %s there if asked", state.setup_code)


def needs_setup_code(request: Request, state: AppState) -> bool:
    """Whether somebody other than this machine's user could be asking."""
    try:
        is_here = ipaddress.ip_address(address_of(request) or "").is_loopback
    except ValueError:
        # What a proxy forwards need not be an address.
        is_here = False
    return not (is_here and state.settings.is_loopback and state.settings.public_url is None)


def _require_login_mode(state: AppState) -> None:
    if state.is_single_user:
        raise ConflictError("nobody signs in here; start with --login required to have accounts")
