"""Single sign-on over HTTP: to the issuer and back. What is remembered meanwhile is in a signed cookie."""

import base64
import binascii
import hmac
import json
import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from annotator.cache.json_text import canonical
from annotator.errors import ForbiddenError, NotFoundError
from annotator.people.oidc import OidcProvider, Pending
from annotator.people.oidc_accounts import sign_in_with
from annotator.people.secret_key import derive
from annotator.store.times import utc_now
from annotator.web.access import SESSION_COOKIE
from annotator.web.cookies import give_session, is_tls, safe_next
from annotator.web.state import AppState, State

router = APIRouter(include_in_schema=False)

COOKIE = "mapqator_oidc"
PATH = "/login/oidc"
LIFETIME_S = 600
"""How long somebody may take at the issuer."""


@router.get(PATH)
def begin(
    request: Request, state: State, target: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> RedirectResponse:
    """Sends the browser to the issuer."""
    provider = _provider(state)
    url, pending = provider.begin(_redirect_uri(request, state))
    answer = RedirectResponse(url, 303)
    answer.set_cookie(
        COOKIE,
        _seal(state, pending, safe_next(target)),
        max_age=LIFETIME_S,
        httponly=True,
        samesite="lax",
        secure=is_tls(state),
        path=PATH,
    )
    return answer


@router.get(f"{PATH}/callback")
def finish(request: Request, state: State) -> RedirectResponse:
    """Begins a session for whom the issuer vouches for."""
    provider = _provider(state)
    pending, target = _open(state, request.cookies.get(COOKIE, ""))
    identity = provider.finish(pending, request.query_params, _redirect_uri(request, state))
    with state.database.writing() as connection:
        made = sign_in_with(
            connection,
            identity,
            may_sign_up=state.settings.oidc_signup,
            old_secret=request.cookies.get(SESSION_COOKIE),
            now=utc_now(),
        )
    answer = RedirectResponse(target, 303)
    answer.delete_cookie(COOKIE, path=PATH)
    give_session(answer, state, made)
    return answer


def _provider(state: AppState) -> OidcProvider:
    if state.oidc is None or state.is_single_user:
        raise NotFoundError("there is no single sign-on here; --oidc-issuer and --oidc-client-id set it up")
    return state.oidc


def _redirect_uri(request: Request, state: AppState) -> str:
    base = state.settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{PATH}/callback"


def _seal(state: AppState, pending: Pending, target: str) -> str:
    content = canonical(
        {
            "state": pending.state,
            "nonce": pending.nonce,
            "verifier": pending.verifier,
            "next": target,
            "until": int(time.time()) + LIFETIME_S,
        }
    )
    return f"{base64.urlsafe_b64encode(content).decode()}.{_signature(state, content)}"


def _open(state: AppState, sealed: str) -> tuple[Pending, str]:
    encoded, _, signature = sealed.partition(".")
    try:
        content = base64.urlsafe_b64decode(encoded)
    except (binascii.Error, ValueError):
        content = b""
    if not hmac.compare_digest(_signature(state, content).encode(), signature.encode()):
        raise ForbiddenError("this login was not begun in this browser; begin it again")
    values = json.loads(content)
    if values["until"] < time.time():
        raise ForbiddenError("this login took too long; begin it again")
    return Pending(values["state"], values["nonce"], values["verifier"]), values["next"]


def _signature(state: AppState, content: bytes) -> str:
    return derive(derive(state.secret_key, "oidc"), content.hex()).hex()
