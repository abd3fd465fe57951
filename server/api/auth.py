"""Bearer keys: kept as hashes, compared in constant time, demanded everywhere but on the health routes."""

import hashlib
import hmac
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.errors import ApiError
from server.api.rejection import reject

PUBLIC_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/ready", "/ping"})


class KeyRing:
    """The accepted keys. Only their SHA-256 digests are kept."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepts(self, key: bytes) -> bool:
        """Whether `key` is one of them. Looks at every digest, so that time tells nothing."""
        digest = hashlib.sha256(key).digest()
        is_known = False
        for known in self._digests:
            is_known |= hmac.compare_digest(digest, known)
        return is_known


def bearer_key(scope: Scope) -> bytes | None:
    """The key of the one `Authorization: Bearer` header; None if there is none, several, or another scheme."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, key = values[0].partition(b" ")
    return key.strip() or None if scheme.lower() == b"bearer" else None


class Auth:
    """Answers 401 unless the request brings a known key or asks for a public path."""

    def __init__(self, app: ASGIApp, keys: KeyRing, *, public_metrics: bool) -> None:
        self._app = app
        self._keys = keys
        self._public = PUBLIC_PATHS | {"/metrics"} if public_metrics else PUBLIC_PATHS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._keys or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        key = bearer_key(scope)
        if key is not None and self._keys.accepts(key):
            await self._app(scope, receive, send)
            return
        message = (
            "You did not provide an API key. Send it in the header 'Authorization: Bearer YOUR_KEY'."
            if key is None
            else "Incorrect API key provided."
        )
        error = ApiError(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})
        await reject(error, scope, receive, send)
