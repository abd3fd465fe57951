"""Tags as fields of a place, for every provider of OpenStreetMap data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.maps.categories import categories_of_osm
from annotator.maps.osm_place import address_line, fields_from_tags, kind_of
from annotator.maps.results import OpeningHours, Place

CAFE = {
    "amenity": "cafe",
    "name": "Zur Post",
    "name:en": "The Post",
    "name:zh-Hant": "郵局",
    "alt_name": "Postcafé",
    "addr:street": "Hauptstraße",
    "addr:housenumber": "3a",
    "addr:postcode": "12345",
    "addr:city": "Salzhafen",
    "addr:country": "de",
    "opening_hours": "Mo-Fr 08:00-18:00",
    "contact:phone": "+49 1 23",
    "contact:website": "https://post.example",
    "email": "post@example.org",
    "wheelchair": "designated",
    "cuisine": "cake;coffee_shop , tea",
    "takeaway": "yes",
    "source": "survey",
    "check_date:opening_hours": "2024-01-01",
    "note": "ask again",
}


def test_everything_that_tags_say_of_a_cafe() -> None:
    assert fields_from_tags(CAFE, "en-GB") == {
        "name": "The Post",
        "names": {"alt": "Postcafé", "local": "Zur Post", "zh-Hant": "郵局"},
        "address": "Hauptstraße 3a, 12345 Salzhafen",
        "address_parts": {
            "street": "Hauptstraße",
            "house_number": "3a",
            "postcode": "12345",
            "city": "Salzhafen",
            "country_code": "DE",
        },
        "categories": ("cafe",),
        "kind": "amenity=cafe",
        "opening_hours": OpeningHours(raw="Mo-Fr 08:00-18:00"),
        "phone": "+49 1 23",
        "website": "https://post.example",
        "email": "post@example.org",
        "wheelchair": "yes",
        "attributes": {"cuisine": ["cake", "coffee_shop", "tea"], "takeaway": "yes"},
    }


@pytest.mark.parametrize(
    ("tags", "language", "name"),
    [
        ({"name": "Köln", "name:en": "Cologne"}, "en", "Cologne"),
        ({"name": "Köln", "name:en": "Cologne"}, "fr", "Köln"),
        ({"int_name": "Moscow", "brand": "B"}, "en", "Moscow"),
        ({"brand": "B", "operator": "O"}, "en", "B"),
        ({"operator": "O"}, "en", "O"),
        ({"name": "   ", "operator": "O"}, "en", "O"),
        ({"amenity": "bench"}, "en", ""),
    ],
)
def test_a_name_falls_back_in_the_documented_order(tags: dict[str, str], language: str, name: str) -> None:
    assert fields_from_tags(tags, language)["name"] == name


@pytest.mark.parametrize(
    ("country", "line"),
    [
        ("", "5 High St, 123 Town"),
        ("FR", "5 High St, 123 Town"),
        ("DE", "High St 5, 123 Town"),
        ("GB", "5 High St, Town, 123"),
        ("US", "5 High St, Town, CA 123"),
    ],
)
def test_addresses_follow_their_country(country: str, line: str) -> None:
    parts = {"house_number": "5", "street": "High St", "postcode": "123", "city": "Town", "district": "Hill"}
    parts |= {"country_code": country} if country else {}
    parts |= {"state": "CA"} if country == "US" else {}
    assert address_line(parts) == line
    assert address_line({**parts, "country_code": ""}, country) == line


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "ftp://x.example", "JAVASCRIPT:x"])
def test_only_web_addresses_are_websites(url: str) -> None:
    assert "website" not in fields_from_tags({"website": url, "amenity": "cafe"}, "en")
    assert fields_from_tags({"website": url, "url": "www.x.example:80/a"}, "en")["website"] == "www.x.example:80/a"


def test_the_most_specific_type_comes_first() -> None:
    assert categories_of_osm({"tourism": "attraction", "amenity": "casino", "office": "yes"}) == (
        "casino",
        "attraction",
        "office",
    )
    assert categories_of_osm({"office": "no"}) == ()
    assert kind_of({"building": "yes", "amenity": "no", "shop": "bakery"}) == "shop=bakery"


KEYS = st.sampled_from(
    ["name", "name:de", "alt_name", "amenity", "shop", "addr:street", "addr:country", "addr:full", "phone", "website",
     "wheelchair", "cuisine", "opening_hours", "note", "", "x:y", "name:"]
)  # fmt: skip


@given(st.dictionaries(KEYS, st.text(max_size=30), max_size=10), st.sampled_from(["en", "de-AT", "zh-Hant"]))
def test_any_tags_make_a_place(tags: dict[str, str], language: str) -> None:
    place = Place(pid="osm:n1", provider="x", lat=0.0, lon=0.0, **fields_from_tags(tags, language))
    assert list(place.attributes) == sorted(place.attributes)
    assert place.name not in place.names.values()
