"""What an OpenStreetMap object is to a place index: which class of place its tags make it, if any."""

from collections.abc import Mapping

from annotator.maps.embedded.schema import PlaceClass
from annotator.maps.embedded.synonyms import kinds_of
from annotator.maps.osm_place import KIND_KEYS

_SETTLEMENTS = (
    "country state region province county district city town village municipality borough suburb quarter neighbourhood "
    "city_block hamlet isolated_dwelling allotments"
)
SETTLEMENTS = frozenset(_SETTLEMENTS.split())
"""Values of `place` where people live; islands, squares and localities are places of interest like others."""

# Tags that tell more of a place and make none.
_ATTRIBUTES = ("cuisine", "diet", "bus", "internet_access", "outdoor_seating", "religion", "sport", "building")
# What a router or a mapper needs and nobody goes to.
_NO_DESTINATIONS = frozenset({"public_transport=stop_position", "railway=stop", "shop=vacant", "highway=proposed"})
ADDRESS_KEYS = ("addr:street", "addr:place", "addr:city", "addr:postcode", "addr:country", "opening_hours", "phone")
"""Other keys that matter most of a place."""

_LINE_KEYS = ("highway", "waterway")
_NO_LINES = frozenset({"highway=proposed", "highway=construction", "highway=platform", "waterway=dam"})
_WORTHY_BOUNDARIES = frozenset({"national_park", "protected_area", "aboriginal_lands"})
# Open ways with other keys (railways, barriers, boundaries) are no places; these are.
_OPEN_PLACES = ("amenity", "leisure", "tourism", "historic", "man_made", "public_transport", "aerialway", "natural")

FILTER_KEYS = tuple(
    dict.fromkeys(["name", "addr:housenumber", "addr:conscriptionnumber", "boundary", *KIND_KEYS[:-1], "diplomatic"])
)
"""An object without any of these keys is nothing to a place index: most buildings, for instance."""


def is_line(tags: Mapping[str, str]) -> bool:
    """Whether a way is part of a named street or waterway; whole streets are merged from such parts."""
    return (
        bool(tags.get("name", "").strip())
        and any(key in tags and f"{key}={tags[key]}" not in _NO_LINES for key in _LINE_KEYS)
        and tags.get("area") != "yes"
        and "place" not in tags
    )


def class_of(tags: Mapping[str, str], *, is_area: bool) -> PlaceClass | None:
    """The class of a node, an area or a way that is no line; None for what nobody would look for.

    Args:
        tags: of the object.
        is_area: it has an inside; only areas can be boundaries.
    """
    is_named = bool(tags.get("name", "").strip())
    boundary = tags.get("boundary", "")
    if boundary in ("administrative", "postal_code"):
        return PlaceClass.BOUNDARY if is_area and (is_named or "postal_code" in tags) else None
    if boundary == "land_area":
        return PlaceClass.BOUNDARY if is_area and is_named and "admin_level" in tags else None
    kinds = [kind for kind in kinds_of(tags) if kind.partition("=")[0].partition(":")[0] not in _ATTRIBUTES]
    if tags.get("place") in SETTLEMENTS and is_named and not kinds:
        return PlaceClass.SETTLEMENT
    shown = [f"{key}={tags[key]}" for key in KIND_KEYS if tags.get(key, "no") not in ("", "no")]
    shown = [kind for kind in shown if kind not in _NO_DESTINATIONS]
    if shown == [f"boundary={boundary}"] and boundary not in _WORTHY_BOUNDARIES:
        return None
    if kinds or (is_named and shown):
        return PlaceClass.POI
    if has_address(tags):
        return PlaceClass.ADDRESS
    return None


def is_open_place(tags: Mapping[str, str]) -> bool:
    """Whether a way that is not closed can be a place by itself, as a pier or a platform is."""
    return any(key in tags for key in _OPEN_PLACES)


def has_address(tags: Mapping[str, str]) -> bool:
    """Whether it has a house number."""
    return bool(tags.get("addr:housenumber") or tags.get("addr:conscriptionnumber"))
