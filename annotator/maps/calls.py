"""HTTP requests and answers as values: what a provider builds, the cache keys, and the transport sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from annotator.errors import UpstreamFormatError


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that only the transport puts in, from the environment; it is in no key, row, log or export.

    Args:
        env: name of the environment variable, for instance `GOOGLE_MAPS_API_KEY`.
        name: header or query parameter that carries it.
        place: where it goes.
        prefix: what stands before the value, such as `Bearer `.
    """

    env: str
    name: str
    place: Literal["header", "query"] = "header"
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request to a provider, without its secrets.

    Args:
        method: GET or POST.
        url: scheme, host and path; the embedded maps use `osm://{build}/{tool}`.
        query: parameters in the order to send; the request key sorts them.
        headers: lower-case names; those in the key are `accept-language` and `x-goog-fieldmask`.
        json: JSON body of a POST; coordinates in it already have six decimals.
        form: form fields of a POST; at most one of `json` and `form` is given.
        secrets: what the transport adds.
        volatile: names of query parameters that differ from call to call (session tokens) and are not in the key.
    """

    method: Literal["GET", "POST"]
    url: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: tuple[tuple[str, str], ...] | None = None
    secrets: tuple[Secret, ...] = ()
    volatile: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A provider's answer, or a recording of one: the bytes are the evidence.

    Args:
        status: HTTP status.
        headers: lower-case names.
        body: decoded of any content encoding, otherwise as received.
        data_vintage: age and version of the data behind it, where the transport knows (the embedded maps).
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    data_vintage: str | None = None

    def json(self) -> Any:
        """The parsed body.

        Raises:
            UpstreamFormatError: it is not JSON; the message quotes its beginning.
        """
        try:
            value = json.loads(self.body)
            if b"\xed" in self.body or b"\\ud" in self.body.lower():
                # Half of a surrogate pair is no character: it could be neither hashed, stored nor sent on.
                json.dumps(value, ensure_ascii=False).encode()
            return value
        except (ValueError, RecursionError):
            start = " ".join(self.body[:80].decode("utf-8", "replace").split())
            raise UpstreamFormatError(f"the answer is not JSON; it begins with '{start}'", status=self.status) from None


class Transport(Protocol):
    """Sends calls of one kind of address: HTTP to providers, `osm://` to the maps on this machine."""

    async def send(self, call: HttpCall) -> HttpResponse:
        """The answer, whatever its status.

        Raises:
            UpstreamError: there was no whole answer: refused, timed out, cut off, too large, redirected.
        """
        ...
