"""Single sign-on with OpenID Connect: the authorization code flow with PKCE, state and nonce.

The issuer's address is the operator's, so it may be anywhere; what comes back is trusted only as far as its signature.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from annotator.errors import ForbiddenError, UpstreamError

SCOPE = "openid profile email"
TIMEOUT_S = 10.0
_METADATA_S = 3600.0
"""How long the issuer's description of itself is believed; its keys are asked for at each login."""
_LEEWAY_S = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Signatures that need the issuer's private key. `none` and those made with a shared secret are not among them."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that has begun and waits for the browser to come back.

    Args:
        state: ties the answer to the browser that asked.
        nonce: ties the ID token to this login.
        verifier: proves to the issuer that who redeems the code is who asked for it.
    """

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the issuer vouches for.

    Args:
        subject: issuer and subject, which together never change.
        username: what they would like to be called; may be empty.
    """

    subject: str
    username: str
    display_name: str


class OidcProvider:
    """One issuer.

    Args:
        issuer: its address, as it names itself.
        client_id: of this program there.
        client_secret: None for a public client.
    """

    def __init__(self, issuer: str, client_id: str, client_secret: str | None) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._lock = threading.Lock()

    def begin(self, redirect_uri: str) -> tuple[str, Pending]:
        """Where to send the browser, and what to remember until it comes back.

        Raises:
            UpstreamError: the issuer does not answer as it should.
        """
        pending = Pending(generate_token(32), generate_token(32), generate_token(64))
        url = prepare_grant_uri(
            self._discover()["authorization_endpoint"],
            self._client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=SCOPE,
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return url, pending

    def finish(self, pending: Pending, query: Mapping[str, str], redirect_uri: str) -> Identity:
        """Whom the issuer vouches for.

        Args:
            query: what the browser came back with.

        Raises:
            ForbiddenError: the answer is not one to this login, or the issuer let nobody in.
            UpstreamError: the issuer does not answer as it should.
        """
        if query.get("state") != pending.state:
            raise ForbiddenError("this login was not begun in this browser; begin it again")
        # RFC 9207: an answer that another issuer gave is refused.
        if query.get("iss", self._issuer).rstrip("/") != self._issuer:
            raise ForbiddenError("this login was answered by another issuer; begin it again")
        if "error" in query:
            raise ForbiddenError(f"the issuer let nobody in: {query.get('error_description') or query['error']}"[:300])
        metadata = self._discover()
        try:
            token = self._redeem(metadata["token_endpoint"], query.get("code", ""), pending.verifier, redirect_uri)
            keys = httpx.get(metadata["jwks_uri"], timeout=TIMEOUT_S).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise UpstreamError(f"the issuer {self._issuer} did not answer: {error}") from None
        return self._identity(token, keys, pending.nonce)

    def _identity(self, token: Mapping[str, Any], keys: Any, nonce: str) -> Identity:
        try:
            decoded = jwt.decode(str(token.get("id_token", "")), KeySet.import_key_set(keys), algorithms=_ALGORITHMS)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={
                    "iss": {"essential": True, "values": [self._issuer, f"{self._issuer}/"]},
                    "aud": {"essential": True, "value": self._client_id},
                },
                params={"nonce": nonce, "client_id": self._client_id, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=_LEEWAY_S)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ForbiddenError(f"the issuer's ID token is not good: {error}"[:300]) from None
        email = str(claims.get("email") or "")
        username = str(claims.get("preferred_username") or email).partition("@")[0]
        return Identity(
            subject=f"{self._issuer} {claims['sub']}",
            username=username,
            display_name=str(claims.get("name") or username),
        )

    def _redeem(self, endpoint: str, code: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        auth = None
        if self._client_secret is None:
            form["client_id"] = self._client_id
        else:
            # RFC 6749, 2.3.1: both are encoded as in a form before they are joined.
            auth = httpx.BasicAuth(quote_plus(self._client_id), quote_plus(self._client_secret))
        answer = httpx.post(endpoint, data=form, auth=auth, headers={"accept": "application/json"}, timeout=TIMEOUT_S)
        token = answer.json()
        if not isinstance(token, dict) or "id_token" not in token:
            reason = token.get("error_description") or token.get("error") if isinstance(token, dict) else None
            raise ForbiddenError(f"the issuer refused this login: {reason or answer.status_code}"[:300])
        return token

    def _discover(self) -> dict[str, Any]:
        with self._lock:
            if self._metadata is not None and time.monotonic() - self._metadata[0] < _METADATA_S:
                return self._metadata[1]
            url = f"{self._issuer}/.well-known/openid-configuration"
            try:
                answer = httpx.get(url, timeout=TIMEOUT_S)
                answer.raise_for_status()
                metadata: dict[str, Any] = answer.json()
                named = str(metadata["issuer"]).rstrip("/")
                missing = {"authorization_endpoint", "token_endpoint", "jwks_uri"} - metadata.keys()
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                raise UpstreamError(f"the issuer {self._issuer} did not describe itself: {error}") from None
            if named != self._issuer or missing:
                raise UpstreamError(f"{url} describes '{named}', not {self._issuer}; correct --oidc-issuer")
            self._metadata = (time.monotonic(), metadata)
            return metadata
