"""A place of Google's Places API (New) and Geocoding API as ours: https://developers.google.com/maps/documentation."""

from collections.abc import Mapping
from typing import Any

from annotator.maps.provider import Provider
from annotator.maps.providers.google_types import canonical_types
from annotator.maps.providers.positions import on_earth
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import OpeningHours, Place

LIST_FIELDS = (
    "businessStatus",
    "displayName",
    "formattedAddress",
    "id",
    "location",
    "priceLevel",
    "primaryType",
    "rating",
    "types",
    "userRatingCount",
)
"""What a search asks of each place. The fields decide the price of a request: these are what a list of places shows."""

_FLAGS = (
    "allowsDogs",
    "curbsidePickup",
    "delivery",
    "dineIn",
    "goodForChildren",
    "goodForGroups",
    "liveMusic",
    "outdoorSeating",
    "reservable",
    "restroom",
    "servesBreakfast",
    "servesDinner",
    "servesLunch",
    "servesVegetarianFood",
    "takeout",
)
DETAIL_FIELDS = (
    *LIST_FIELDS,
    *_FLAGS,
    "accessibilityOptions",
    "addressComponents",
    "editorialSummary",
    "googleMapsUri",
    "internationalPhoneNumber",
    "regularOpeningHours.weekdayDescriptions",
    "timeZone",
    "websiteUri",
)

_PRICE_LEVELS = (
    "PRICE_LEVEL_FREE",
    "PRICE_LEVEL_INEXPENSIVE",
    "PRICE_LEVEL_MODERATE",
    "PRICE_LEVEL_EXPENSIVE",
    "PRICE_LEVEL_VERY_EXPENSIVE",
)

_ADDRESS_TYPES = {
    "street": ("route",),
    "house_number": ("street_number",),
    "postcode": ("postal_code",),
    "city": ("locality", "postal_town"),
    "district": ("sublocality_level_1", "sublocality", "neighborhood"),
    "state": ("administrative_area_level_1",),
    "country": ("country",),
}


def price_level_name(level: int) -> str:
    """Google's name of a price level from 0 to 4."""
    return _PRICE_LEVELS[level]


def read_place(provider: Provider, raw: Mapping[str, Any]) -> Place:
    """A place of Places API (New).

    Raises:
        UpstreamFormatError: it has no id or position.
    """
    lat, lon = on_earth(
        need(raw, "location", "latitude", kind=float),
        need(raw, "location", "longitude", kind=float),
    )
    level = get(raw, "priceLevel", kind=str)
    primary = get(raw, "primaryType", kind=str)
    step_free = get(raw, "accessibilityOptions", "wheelchairAccessibleEntrance", kind=bool)
    return Place(
        pid=provider.pid(need(raw, "id", kind=str)),
        provider=provider.info.key,
        name=get(raw, "displayName", "text", kind=str) or "",
        lat=lat,
        lon=lon,
        address=get(raw, "formattedAddress", kind=str),
        address_parts=_address_parts(items(raw, "addressComponents"), "longText", "shortText"),
        categories=canonical_types([*([primary] if primary else []), *_texts(raw, "types")]),
        kind=primary,
        rating=get(raw, "rating", kind=float),
        rating_count=get(raw, "userRatingCount", kind=int),
        price_level=_PRICE_LEVELS.index(level) if level in _PRICE_LEVELS else None,
        opening_hours=_opening_hours(raw),
        phone=get(raw, "internationalPhoneNumber", kind=str),
        website=get(raw, "websiteUri", kind=str),
        wheelchair=None if step_free is None else "yes" if step_free else "no",
        attributes=_attributes(raw),
    )


def read_geocoded(provider: Provider, raw: Mapping[str, Any]) -> Place:
    """A result of the Geocoding API: an address, and only for named things a name.

    Raises:
        UpstreamFormatError: it has no id or position.
    """
    lat, lon = on_earth(
        need(raw, "geometry", "location", "lat", kind=float),
        need(raw, "geometry", "location", "lng", kind=float),
    )
    types = _texts(raw, "types")
    named = ("point_of_interest", "establishment", "premise")
    names = [
        get(component, "long_name", kind=str) or ""
        for component in items(raw, "address_components")
        if any(kind in named for kind in _texts(component, "types"))
    ]
    return Place(
        pid=provider.pid(need(raw, "place_id", kind=str)),
        provider=provider.info.key,
        name=names[0] if names else "",
        lat=lat,
        lon=lon,
        address=get(raw, "formatted_address", kind=str),
        address_parts=_address_parts(items(raw, "address_components"), "long_name", "short_name"),
        categories=canonical_types(types),
        kind=types[0] if types else None,
    )


def _address_parts(components: list[dict[str, Any]], long: str, short: str) -> dict[str, str]:
    parts = {}
    for part, types in _ADDRESS_TYPES.items():
        for component in components:
            text = get(component, long, kind=str)
            if text and part not in parts and any(kind in types for kind in _texts(component, "types")):
                parts[part] = text
                code = get(component, short, kind=str)
                if part == "country" and code:
                    parts["country_code"] = code
    return parts


def _opening_hours(raw: Mapping[str, Any]) -> OpeningHours | None:
    weekdays = tuple(_texts(get(raw, "regularOpeningHours", kind=dict) or {}, "weekdayDescriptions"))
    return OpeningHours(weekdays=weekdays, timezone=get(raw, "timeZone", "id", kind=str)) if weekdays else None


def _attributes(raw: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: get(raw, name, kind=bool) for name in _FLAGS}
    found["businessStatus"] = get(raw, "businessStatus", kind=str)
    found["editorialSummary"] = get(raw, "editorialSummary", "text", kind=str)
    found["googleMapsUri"] = get(raw, "googleMapsUri", kind=str)
    return {name: found[name] for name in sorted(found) if found[name] is not None}


def _texts(raw: Mapping[str, Any], name: str) -> list[str]:
    return [text for text in get(raw, name, kind=list) or [] if isinstance(text, str)]
