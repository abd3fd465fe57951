"""The key of a request: equal questions have equal keys, however they were written, and no secret is in one.

The key is the sha256 of canonical JSON of provider, method, address, query, the headers that change answers, and body.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from annotator.cache.json_text import canonical, sha256_hex
from annotator.geo import round_degrees
from annotator.maps.calls import HttpCall

KEY_VERSION = 1

_COORDINATES = frozenset({"lat", "lon", "lng", "latitude", "longitude"})
_COORDINATE_LISTS = frozenset(
    {
        "bbox",
        "center",
        "coordinates",
        "destinations",
        "exclude_locations",
        "from_points",
        "locations",
        "origins",
        "point",
        "points",
        "shape",
        "to_points",
    }
)
"""Names under which JSON bodies hold positions as bare arrays of numbers, as GeoJSON does."""

_DEFAULT_PORTS = {"http": 80, "https": 443}

type Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request as the cache knows it; nothing in it is secret.

    Args:
        sha256: the key itself.
        canonical_json: what it is the hash of.
        body_sha: sha256 of the body, its JSON in canonical form; None without a body.
        method: GET or POST.
        redacted_url: the whole address without user, password, secrets and session tokens.
    """

    sha256: str
    canonical_json: str
    body_sha: str | None
    method: str
    redacted_url: str


def normalised(call: HttpCall) -> HttpCall:
    """The call as it is hashed and has to be sent.

    Coordinates in its JSON body get six decimals, members that are null go, form fields are in the order of names.
    """
    return replace(
        call,
        json=_tidy(call.json, is_position=False),
        form=None if call.form is None else _by_name(call.form),
    )


def request_key(provider_key: str, call: HttpCall) -> RequestKey:
    """The key of a call to a provider.

    Raises:
        InputError: the body holds what JSON cannot, such as NaN.
    """
    call = normalised(call)
    address, query = _address(call)
    document: dict[str, Any] = {
        "v": KEY_VERSION,
        "provider": provider_key,
        "method": call.method,
        "url": address,
        "query": query,
        "headers": _headers(call.headers),
    }
    body = None
    if call.json is not None:
        document["json"], body = call.json, canonical(call.json)
    elif call.form is not None:
        document["form"], body = call.form, urlencode(call.form).encode()
    text = canonical(document)
    return RequestKey(
        sha256=sha256_hex(text),
        canonical_json=text.decode(),
        body_sha=None if body is None else sha256_hex(body),
        method=call.method,
        redacted_url=f"{address}?{urlencode(query)}" if query else address,
    )


def _address(call: HttpCall) -> tuple[str, Pairs]:
    """Scheme, host and path, and the query in the order of names; both without secrets."""
    parts = urlsplit(call.url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme in _DEFAULT_PORTS:
        host = host.lower().removesuffix(f":{_DEFAULT_PORTS[parts.scheme]}")
    hidden = call.volatile | {secret.name for secret in call.secrets if secret.place == "query"}
    pairs = (*parse_qsl(parts.query, keep_blank_values=True), *call.query)
    return urlunsplit((parts.scheme, host, parts.path, "", "")), _by_name(
        pair for pair in pairs if pair[0] not in hidden
    )


def _by_name(pairs: Iterable[tuple[str, str]]) -> Pairs:
    # Pairs of one name keep their order: the first `point` of a route is its origin.
    return tuple(sorted(((name, value) for name, value in pairs), key=lambda pair: pair[0]))


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that change what a provider answers."""
    found = {name.lower(): value for name, value in headers.items()}
    kept = {}
    if language := found.get("accept-language", "").strip():
        kept["accept-language"] = language
    if mask := {field.strip() for field in found.get("x-goog-fieldmask", "").split(",")} - {""}:
        kept["x-goog-fieldmask"] = ",".join(sorted(mask))
    return kept


def _tidy(value: Any, *, is_position: bool) -> Any:
    """The value with rounded coordinates and without members that are null; `is_position` says what an array holds."""
    if isinstance(value, Mapping):
        return {
            name: round_degrees(item)
            if name in _COORDINATES and isinstance(item, float)
            else _tidy(item, is_position=name in _COORDINATE_LISTS)
            for name, item in value.items()
            if item is not None
        }
    if isinstance(value, list | tuple):
        return [
            round_degrees(item) if is_position and isinstance(item, float) else _tidy(item, is_position=is_position)
            for item in value
        ]
    return value
