"""API calls that another program logged, kept as recordings that are flagged as imported and unverified.

Nobody here saw the provider's bytes, so such a recording never answers a tool: it is no head of the cache, its adapter
version is 0, and its vintage says what it is. A provider's terms count from the moment of the call, as for our own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import Connection

from annotator.cache.blobs import pack_blob, put_blob
from annotator.cache.json_text import canonical
from annotator.cache.keys import request_key
from annotator.cache.records import Exchange, exchange_row
from annotator.cache.storing import storable
from annotator.datasets.imports.model import LoggedCall
from annotator.datasets.imports.recorded import IMPORTED_HEADER
from annotator.errors import InputError
from annotator.maps.calls import HttpCall
from annotator.maps.provider import ProviderInfo
from annotator.maps.providers.registry import provider_type
from annotator.store.ids import new_id
from annotator.store.tables import exchange

UNVERIFIED_VERSION = 0
"""Adapter version of recordings that no adapter of ours made."""

VINTAGE = "imported, unverified"

_DAY_S = 86_400
_HOSTS = {
    "googleapis.com": "google",
    "nominatim.openstreetmap.org": "nominatim",
    "overpass-api.de": "overpass",
    "photon.komoot.io": "photon",
    "router.project-osrm.org": "osrm",
    "routing.openstreetmap.de": "osrm",
    "valhalla1.openstreetmap.de": "valhalla",
    "openrouteservice.org": "openrouteservice",
    "graphhopper.com": "graphhopper",
    "mapbox.com": "mapbox",
    "tomtom.com": "tomtom",
    "hereapi.com": "here",
    "atlas.microsoft.com": "azure",
}
_SECRETS = frozenset(
    {
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "app_code",
        "app_id",
        "key",
        "session_token",
        "sessiontoken",
        "signature",
        "subscription-key",
        "token",
    }
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A call that may not or cannot be kept, and why."""

    reason: str


def provider_of(url: str) -> ProviderInfo | None:
    """Whose address this is; None for a host whose terms nobody here knows."""
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return None
    key = next((key for domain, key in _HOSTS.items() if host == domain or host.endswith(f".{domain}")), None)
    return None if key is None else provider_type(key).info


def record_logged(connection: Connection, call: LoggedCall, now: datetime) -> Exchange | LeftOut:
    """Writes a logged call down, if its provider's terms let it.

    Raises:
        InputError: its answer holds what JSON cannot.
    """
    info = provider_of(call.url)
    if info is None:
        return LeftOut("their host is none whose terms are known here")
    expires_at = _ends(info, call, now)
    if isinstance(expires_at, LeftOut):
        return expires_at
    http = _http(call)
    if http is None or call.result is None:
        return LeftOut("they hold no whole request with its answer")
    key = request_key(info.key, http)
    body = canonical(call.result)
    made = Exchange(
        id=new_id(now),
        request_hash=key.sha256,
        provider=info.key,
        adapter_version=UNVERIFIED_VERSION,
        method=key.method,
        url=key.redacted_url,
        request_json=key.canonical_json,
        request_body_sha=key.body_sha,
        status=200,
        headers={IMPORTED_HEADER: "unverified"},
        body_sha=put_blob(connection, pack_blob(body, "application/json")),
        body_bytes=len(body),
        is_answer=True,
        fetched_at=call.at or now,
        elapsed_ms=max(0.0, round(call.elapsed_ms, 3)),
        data_vintage=VINTAGE,
        expires_at=expires_at,
        state="live",
        supersedes=None,
    )
    connection.execute(exchange.insert(), exchange_row(made))
    return made


def _ends(info: ProviderInfo, call: LoggedCall, now: datetime) -> datetime | LeftOut | None:
    """When the storage of an answer ends; None is never."""
    keep = storable(info.policy, 200)
    if keep is None:
        return LeftOut(f"the terms of {info.title} forbid storing them")
    if keep.ttl_s is None:
        return None
    days = keep.ttl_s // _DAY_S
    if call.at is None:
        return LeftOut(f"{info.title} lets them be kept for {days} days, and they do not say when they were made")
    ends = call.at + timedelta(seconds=keep.ttl_s)
    return ends if ends > now else LeftOut(f"{info.title} lets them be kept for {days} days, and they are older")


def _http(call: LoggedCall) -> HttpCall | None:
    """The call without secrets; None where it is none that we could make."""
    if call.method not in ("GET", "POST"):
        return None
    method: Literal["GET", "POST"] = "POST" if call.method == "POST" else "GET"
    query = tuple((str(name), str(value)) for name, value in call.query.items() if value is not None)
    hidden = {
        name
        for name, value in (*query, *parse_qsl(urlsplit(call.url).query, keep_blank_values=True))
        if name.lower() in _SECRETS or value.startswith("key:")
    }
    try:
        return HttpCall(
            method,
            call.url.partition("#")[0],
            query,
            {str(name).lower(): str(value) for name, value in call.headers.items()},
            json=_without_secrets(call.body) if isinstance(call.body, dict | list) and call.body else None,
            volatile=frozenset(hidden),
        )
    except ValueError:
        raise InputError("a logged call's address is none") from None


def _without_secrets(body: Any) -> Any:
    if isinstance(body, dict):
        return {
            name: _without_secrets(value)
            for name, value in body.items()
            if name.lower() not in _SECRETS and not (isinstance(value, str) and value.startswith("key:"))
        }
    return [_without_secrets(item) for item in body] if isinstance(body, list) else body
