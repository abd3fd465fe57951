"""What OpenStreetMap tags say about a place, as fields of `Place`: one reading for all providers of OpenStreetMap data.

Nothing is guessed: a tag that is absent, empty or of no use gives no field.
"""

import re
from collections.abc import Mapping
from typing import Any

from annotator.maps.categories import categories_of_osm
from annotator.maps.results import OpeningHours

KIND_KEYS = (
    "amenity",
    "shop",
    "tourism",
    "leisure",
    "historic",
    "healthcare",
    "office",
    "craft",
    "club",
    "emergency",
    "aeroway",
    "railway",
    "public_transport",
    "aerialway",
    "highway",
    "man_made",
    "natural",
    "waterway",
    "place",
    "boundary",
    "landuse",
    "military",
    "power",
    "building",
)
"""Keys that say what an object is, the most telling first."""

NAME_KEYS = ("name", "int_name", "official_name", "short_name", "brand", "operator", "addr:housename")
"""Where a name comes from when there is none in the asked-for language, in this order."""

_OTHER_NAMES = {
    "alt_name": "alt",
    "old_name": "old",
    "short_name": "short",
    "official_name": "official",
    "int_name": "int",
    "loc_name": "loc",
    "nat_name": "nat",
    "reg_name": "reg",
    "sorting_name": "sorting",
}

_ADDRESS_KEYS = {
    "street": ("addr:street", "addr:place"),
    "house_number": ("addr:housenumber", "addr:conscriptionnumber"),
    "postcode": ("addr:postcode",),
    "city": ("addr:city", "addr:town", "addr:village", "addr:municipality", "addr:hamlet"),
    "district": ("addr:suburb", "addr:district", "addr:quarter", "addr:neighbourhood", "addr:city_district"),
    "state": ("addr:state", "addr:province"),
    "country": (),
    "country_code": (),
}

_NUMBER_LAST = (
    "AL AR AT BA BE BG BO BR BY CH CL CO CY CZ DE DK EE ES FI GR HR HU IS IT LI LT LV ME MK MX NL NO PE PL PT PY RO RS "
    "RU SE SI SK SM TR UA UY VA"
)
_POSTCODE_LAST = "AU CA GB GG IE IM IN JE NZ SG TH US ZA"

_PHONE_KEYS = ("phone", "contact:phone", "contact:mobile", "phone:mobile", "mobile")
_WEBSITE_KEYS = ("website", "contact:website", "url", "website:official")
_EMAIL_KEYS = ("email", "contact:email")
_WHEELCHAIR = {"yes": "yes", "designated": "yes", "limited": "limited", "no": "no"}

_ELSEWHERE = frozenset(
    {*_PHONE_KEYS, *_WEBSITE_KEYS, *_EMAIL_KEYS, *_OTHER_NAMES, "name", "opening_hours", "wheelchair"}
)
# Keys about the mapping, not about the place.
_NOISE = re.compile(
    r"^(source|note|fixme|created_by|attribution|import|check_date|survey|lastcheck|tiger|gnis|noname|type|area|layer|"
    r"description:source|todo|comment|mapillary|odbl|openGeoDB|is_in)(:|_|$)",
    re.IGNORECASE,
)
_LANGUAGE_TAG = re.compile(r"^[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")
_OTHER_SCHEME = re.compile(r"^(?!https?://)[a-z][a-z0-9+.-]*:(?!\d)", re.IGNORECASE)


def fields_from_tags(tags: Mapping[str, str], language: str) -> dict[str, Any]:
    """Keyword arguments of `Place` that an object's tags tell; those that they don't tell are absent.

    `name` is always there: in `language` (or its primary subtag), else from the first of `NAME_KEYS`, else empty.
    `names` holds the others: languages by tag, `alt`, `old`, `short`, `official` and so on by kind, and `local` for
    the plain `name` where a translation was taken. `attributes` are all other tags that are about the place, by key;
    `cuisine` is a list.

    Args:
        tags: of one object, as in the data.
        language: BCP 47 tag.
    """
    said = {key: text for key, value in tags.items() if (text := " ".join(value.split()))}
    parts = address_parts(said)
    hours = said.get("opening_hours")
    fields: dict[str, Any] = {
        "name": name_in(said, language),
        "names": other_names(said, language),
        "address": address_line(parts) or said.get("addr:full"),
        "address_parts": parts,
        "categories": categories_of_osm(said),
        "kind": kind_of(said),
        "opening_hours": OpeningHours(raw=hours) if hours else None,
        "phone": _first(said, _PHONE_KEYS),
        "website": _website(said),
        "email": _first(said, _EMAIL_KEYS),
        "wheelchair": _WHEELCHAIR.get(said.get("wheelchair", "").lower()),
        "attributes": _attributes(said),
    }
    return {key: value for key, value in fields.items() if value or key == "name"}


def name_in(tags: Mapping[str, str], language: str) -> str:
    """The name in `language`, else in the next best way of `NAME_KEYS`, else nothing."""
    keys = (f"name:{language}", f"name:{language.partition('-')[0]}", *NAME_KEYS)
    return _first(tags, keys) or ""


def other_names(tags: Mapping[str, str], language: str) -> dict[str, str]:
    """All names but the one that `name_in` gives, by language tag or kind, sorted."""
    shown = name_in(tags, language)
    names = {kind: tags[key] for key, kind in _OTHER_NAMES.items() if key in tags}
    for key, value in tags.items():
        head, _, tag = key.partition(":")
        if head == "name" and _LANGUAGE_TAG.match(tag):
            names[tag] = value
    if "name" in tags:
        names["local"] = tags["name"]
    return {tag: names[tag] for tag in sorted(names) if names[tag] and names[tag] != shown}


def kind_of(tags: Mapping[str, str]) -> str | None:
    """The main tag as `key=value`: the first of `KIND_KEYS` that is set; None if the tags say nothing of what it is."""
    return next((f"{key}={tags[key]}" for key in KIND_KEYS if tags.get(key, "no") not in ("", "no")), None)


def address_parts(tags: Mapping[str, str]) -> dict[str, str]:
    """The parts of an address as `Place.address_parts` names them, in the order of that list."""
    found = {part: value for part, keys in _ADDRESS_KEYS.items() if (value := _first(tags, keys))}
    country = tags.get("addr:country", "")
    if len(country) == 2:
        found["country_code"] = country.upper()
    elif country:
        found["country"] = country
    return found


def address_line(parts: Mapping[str, str], default_country: str = "") -> str | None:
    """One line in the order of the country: number and street, postcode and city.

    Args:
        parts: as in `Place.address_parts`; the district is left out where street and city say enough.
        default_country: whose order to follow where there is no `country_code`; without one the number comes first and
            the postcode before the city.
    """
    country = parts.get("country_code") or default_country
    number, street = parts.get("house_number", ""), parts.get("street", "")
    city, postcode = parts.get("city", ""), parts.get("postcode", "")
    first = f"{street} {number}" if country in _NUMBER_LAST.split() else f"{number} {street}"
    lines = [first, "" if city and street else parts.get("district", "")]
    if country in _POSTCODE_LAST.split():
        lines += [city, f"{parts.get('state', '')} {postcode}"]
    else:
        lines.append(f"{postcode} {city}")
    lines.append(parts.get("country", ""))
    return ", ".join(line for text in lines if (line := text.strip())) or None


def _first(tags: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((tags[key] for key in keys if tags.get(key)), None)


def _website(tags: Mapping[str, str]) -> str | None:
    """The first address that is on the web: other schemes (`javascript:` for one) are nothing to link to."""
    found = (tags[key] for key in _WEBSITE_KEYS if tags.get(key))
    return next((url for url in found if not _OTHER_SCHEME.match(url)), None)


def _attributes(tags: Mapping[str, str]) -> dict[str, Any]:
    kind_key = (kind_of(tags) or "").partition("=")[0]
    found: dict[str, Any] = {}
    for key in sorted(tags):
        head = key.partition(":")[0]
        if key in _ELSEWHERE or head in ("name", "addr") or key == kind_key or _NOISE.match(key):
            continue
        found[key] = split_values(tags[key]) if key == "cuisine" else tags[key]
    return found


def split_values(value: str) -> list[str]:
    """The entries of a tag that holds several, as in `pizza;burger`."""
    return [entry for part in re.split(r"[;,]", value) if (entry := part.strip())]
