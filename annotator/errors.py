"""Every error that MapQaTor raises on purpose. HTTP statuses live in `web/errors.py`, exit codes in `cli.py`.

A message is one line for a person: what happened, what was kept, what to do. `code` is for machines and never changes.
"""

MAX_QUOTED = 500
"""Characters of a message that quotes a provider."""


class MapqatorError(Exception):
    """Base of all errors whose message is meant for a user."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigError(MapqatorError):
    """A setting or flag that cannot work; the message says which and what to do."""

    code = "bad_setting"


class InputError(MapqatorError):
    """Parameters that can never give an answer as they stand; becomes a 400.

    Args:
        message: what is wrong and what would be right.
        param: the parameter at fault, as the client wrote it.
    """

    code = "bad_input"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class UnsupportedError(InputError):
    """This provider cannot do what was asked; the message gives each reason; becomes a 400."""

    code = "unsupported"


class NotFoundError(MapqatorError):
    """There is no such provider, tool, map, exchange or place; becomes a 404."""

    code = "not_found"


class ProviderDisabledError(MapqatorError):
    """The provider exists but may not be asked yet; the message says what is missing; becomes a 403."""

    code = "provider_disabled"


class OfflineMissError(MapqatorError):
    """Replay mode has no recording of this request; becomes a 409."""

    code = "offline_miss"


class UpstreamError(MapqatorError):
    """A provider failed to answer; nothing was recorded; becomes a 502.

    Args:
        message: what the provider did, without secrets. It may quote the provider, so it is made one line and not long.
        status: its HTTP status, if it gave one.
    """

    code = "upstream_error"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        line = " ".join(message.split())
        super().__init__(line if len(line) <= MAX_QUOTED else f"{line[: MAX_QUOTED - 1]}…")
        self.status = status


class UpstreamFormatError(UpstreamError):
    """A provider answered with something that is not in its documented shape: HTML, half a body, missing fields."""

    code = "upstream_format"


class UpstreamTimeoutError(UpstreamError):
    """A provider did not answer in time; becomes a 504."""

    code = "upstream_timeout"


class RateLimitedError(UpstreamError):
    """A provider's limit is used up, ours for it or its own; becomes a 429 with `retry-after`.

    Args:
        message: whose limit it is.
        retry_after_s: when to try again, in seconds.
    """

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float, status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after_s = retry_after_s


class StorageError(MapqatorError):
    """The database cannot take the write (disk full, locked, read-only); becomes a 503 or 507."""

    code = "storage"


class TamperedError(StorageError):
    """A stored blob no longer has the hash under which it was stored; becomes a 500 that names it."""

    code = "tampered"


class MapBuildError(MapqatorError):
    """An extract that cannot be turned into a map: not OpenStreetMap data, broken, empty; nothing is left behind."""

    code = "map_build"


class SignedOutError(MapqatorError):
    """Nobody is signed in, or the session or token is no longer good; becomes a 401."""

    code = "signed_out"


class ForbiddenError(MapqatorError):
    """The account may not do this; the message says which role may; becomes a 403."""

    code = "forbidden"


class ConflictError(MapqatorError):
    """Somebody else came first, or the state does not allow it; nothing was changed; becomes a 409.

    Args:
        message: what happened and what to do.
        detail: what a program needs to put it right, as JSON values.
    """

    code = "conflict"

    def __init__(self, message: str, *, detail: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.detail = detail or {}


class FreezeError(ConflictError):
    """A dataset that cannot be frozen; `detail` lists the reasons, item by item."""

    code = "cannot_freeze"


class TooLargeError(InputError):
    """More than may be sent at once; becomes a 413."""

    code = "too_large"
