"""What all of Google's services share: the key, field masks, durations, and lists that are left out when empty.

Answers are proto3 JSON: an empty list and a number that is zero are absent, so no route and no places are both `{}`.
"""

import re
from collections.abc import Iterable
from typing import Any

from annotator.errors import UpstreamFormatError
from annotator.maps.calls import HttpCall, Secret
from annotator.maps.params import TravelMode
from annotator.maps.provider import Provider
from annotator.maps.providers.positions import service_url
from annotator.maps.providers.reading import need

KEY_ENV = "GOOGLE_MAPS_API_KEY"
HEADER_KEY = Secret(KEY_ENV, "x-goog-api-key")
QUERY_KEY = Secret(KEY_ENV, "key", "query")

TRAVEL_MODES: dict[TravelMode, str] = {
    "drive": "DRIVE",
    "walk": "WALK",
    "bicycle": "BICYCLE",
    "motorcycle": "TWO_WHEELER",
    "transit": "TRANSIT",
}
MOTOR_MODES: tuple[TravelMode, ...] = ("drive", "motorcycle")
"""Modes that have traffic and roads to avoid."""

_DURATION = re.compile(r"^\d{1,15}(\.\d{1,9})?s$", re.ASCII)


def mask(fields: Iterable[str]) -> dict[str, str]:
    """The header that names the fields to answer, sorted so that equal masks have one request key."""
    return {"x-goog-fieldmask": ",".join(sorted(fields))}


def post(provider: Provider, service: str, path: str, body: dict[str, Any], fields: Iterable[str]) -> HttpCall:
    """A JSON request to one of Google's services, such as `places`, for the given fields of the answer."""
    url = service_url(provider.base_url, service, path)
    return HttpCall("POST", url, headers=mask(fields), json=body, secrets=(HEADER_KEY,))


def listed(payload: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list that is left out when it is empty.

    Raises:
        UpstreamFormatError: the answer is no object, or the list is none.
    """
    entries = need(payload, kind=dict).get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UpstreamFormatError(f"the answer's {name} is no list of objects")
    return entries


def seconds(raw: Any, name: str = "duration") -> float:
    """Seconds of a duration such as `165s` or `3.5s`.

    Raises:
        UpstreamFormatError: there is none.
    """
    text = need(raw, name, kind=str)
    if not _DURATION.match(text):
        raise UpstreamFormatError(f"the answer's {name} is '{text[:40]}', not seconds such as 165s")
    return float(text[:-1])


def metres(raw: Any) -> float:
    """`distanceMeters`, which is left out when it is zero.

    Raises:
        UpstreamFormatError: it is no number.
    """
    return need(raw, "distanceMeters", kind=float) if "distanceMeters" in need(raw, kind=dict) else 0.0
