"""What adapters of OpenStreetMap services share: ids of its objects, places from their tags, and who is open."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from annotator.errors import InputError, UpstreamFormatError
from annotator.maps.hours import FIRST_YEAR, LAST_YEAR, is_open
from annotator.maps.osm_place import address_line, fields_from_tags
from annotator.maps.provider import Provider
from annotator.maps.providers.positions import lat_lon, on_earth
from annotator.maps.results import Place

type ObjectType = Literal["node", "way", "relation"]

_TYPES: dict[str, ObjectType] = {"n": "node", "w": "way", "r": "relation"}
_LETTERS: dict[str | int, str] = {
    **{name: letter for letter, name in _TYPES.items()},
    **{letter.upper(): letter for letter in _TYPES},
    **dict(zip((1, 2, 3), _TYPES, strict=True)),
}
_NATIVE = re.compile(r"([nwr])([1-9]\d{0,18})")


def object_id(kind: Any, number: Any) -> str:
    """Our native id of an object, as `n123`.

    Args:
        kind: `node`, `N` or 1; `way`, `W` or 2; `relation`, `R` or 3, as services write them.
        number: the object's id.

    Raises:
        UpstreamFormatError: there is no such object.
    """
    letter = _LETTERS.get(kind) if isinstance(kind, str | int) and not isinstance(kind, bool) else None
    if letter is None or isinstance(number, bool) or not isinstance(number, int) or number <= 0:
        raise UpstreamFormatError(f"the answer names an object {str(kind)[:20]} {str(number)[:20]}, which is none")
    return f"{letter}{number}"


def object_of(provider: Provider, place_id: str) -> tuple[ObjectType, int]:
    """The OpenStreetMap object behind a canonical place id.

    Raises:
        InputError: the id is another family's, or no object's.
    """
    found = _NATIVE.fullmatch(provider.native_id(place_id))
    if found is None:
        raise InputError(
            f"'{place_id}' is no OpenStreetMap object: osm: is followed by n, w or r and a number, as in osm:n123",
            param="place_id",
        )
    return _TYPES[found[1]], int(found[2])


def open_at_refusals(at: datetime | None) -> list[str]:
    """Why opening hours cannot be asked about a time."""
    if at is None or FIRST_YEAR < at.year < LAST_YEAR:
        return []
    return [f"opening hours are known between the years {FIRST_YEAR} and {LAST_YEAR}: give an open_at among them"]


def surely_open(places: Iterable[Place], at: datetime | None) -> list[Place]:
    """The places whose hours say open at a time; all of them when there is none. Those without hours are left out."""
    return [
        place
        for place in places
        if at is None
        or (
            place.opening_hours is not None
            and place.opening_hours.raw is not None
            and is_open(place.opening_hours.raw, at, place.lat, place.lon)
        )
    ]


def texts(value: Any) -> dict[str, str]:
    """Those entries of an answer's object that are texts with something in them."""
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str) and text.strip()}


def place_of(
    provider: Provider,
    native_id: str | None,
    position: tuple[float, float],
    tags: Mapping[str, str],
    language: str,
    *,
    parts: Mapping[str, str | None] | None = None,
    address: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Place:
    """A place from an object's tags and what the service itself knows of it.

    Args:
        native_id: see `object_id`; None for what is no object, such as the middle of a postcode. Where it is then names
            it, as in `osm:address:43.738400,7.424600`.
        position: latitude and longitude.
        tags: as OpenStreetMap has them; a service that gives only a name gives it as `name`.
        language: of the name.
        parts: of the address, as `Place.address_parts` names them; they win over those of the tags.
        address: one line, where there are no parts that give one.
        attributes: beside those of the tags; what is None is left out.

    Raises:
        UpstreamFormatError: the position is nowhere on earth.
    """
    lat, lon = on_earth(*position)
    fields = fields_from_tags(tags, language)
    known = {**fields.get("address_parts", {}), **_present(parts)}
    fields["address_parts"] = known
    fields["address"] = address_line(known) or fields.get("address") or address
    fields["attributes"] = {**fields.get("attributes", {}), **_present(attributes)}
    pid = provider.pid(native_id or f"address:{lat_lon((lat, lon))}")
    return Place(pid=pid, provider=provider.info.key, lat=lat, lon=lon, **fields)


def kilometres(metres: float) -> str:
    """A length as services that count in kilometres take it: to the millimetre, and more than nothing."""
    return f"{max(metres / 1000, 1e-6):.6f}".rstrip("0").rstrip(".")


def _present(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if value is not None and value != ""}
