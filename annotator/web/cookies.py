"""The session's cookie: out of scripts' reach, not sent along by other sites, and over TLS only where there is TLS."""

from fastapi import Request, Response

from annotator.people.sessions import LIFETIME, NewSession
from annotator.web.access import SESSION_COOKIE
from annotator.web.state import AppState


def give_session(response: Response, state: AppState, made: NewSession) -> None:
    """Puts a new session's cookie into an answer. How long the session lasts the server says, not the cookie."""
    response.set_cookie(
        SESSION_COOKIE,
        made.secret,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_tls(state),
        path="/",
    )


def take_session(response: Response, state: AppState) -> None:
    """Takes the cookie out of the browser."""
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax", secure=is_tls(state), path="/")


def is_tls(state: AppState) -> bool:
    """Whether others reach this program over TLS."""
    return (state.settings.public_url or "").startswith("https://")


def address_of(request: Request) -> str | None:
    """Where a request comes from; behind a proxy of this machine, what it forwards."""
    return request.client.host if request.client else None


def safe_next(target: str | None) -> str:
    """Where to go after signing in: a path of this program, and nothing that a browser reads as another's address."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\", "/login", "/setup")):
        return "/"
    return "/" if any(ord(sign) < 0x20 or sign == "\\" for sign in target) else target
