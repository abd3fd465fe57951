"""Hand-written answers of the Overpass API, around the harbour of Monaco; the places are invented."""

from typing import Any

from monaco import HARBOUR
from provider_case import Case

from annotator.errors import InputError, UpstreamError, UpstreamFormatError
from annotator.maps.providers.overpass_ql import MAX_ELEMENTS
from annotator.maps.results import PlaceList, PlaceResult


def answer(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": 0.6,
        "generator": "Overpass API 0.7.62.5",
        "osm3s": {
            "timestamp_osm_base": "2026-01-05T10:21:33Z",
            "copyright": "The data included in this document is from www.openstreetmap.org under ODbL.",
        },
        "elements": list(elements),
    } | more


def node(number: int, lat: float, lon: float, **tags: str) -> dict[str, Any]:
    return {"type": "node", "id": number, "lat": lat, "lon": lon, "tags": tags}


def area(kind: str, number: int, lat: float, lon: float, **tags: str) -> dict[str, Any]:
    return {"type": kind, "id": number, "center": {"lat": lat, "lon": lon}, "tags": tags}


FAR = node(11, 43.7371, 7.4240, amenity="cafe", name="Far Café", cuisine="cake")
NEAR = area(
    "way",
    12,
    43.7349,
    7.4208,
    **{
        "amenity": "cafe",
        "name": "Café de l'Ancre",
        "name:en": "The Anchor Café",
        "wheelchair": "yes",
        "cuisine": "coffee_shop;ice_cream",
        "opening_hours": "Tu 08:00-14:00",
        "addr:street": "Quai du Phare",
        "addr:housenumber": "12",
    },
)
SHUT = node(18, 43.7348, 7.4206, amenity="cafe", name="Shut", opening_hours="Mo-Su 18:00-24:00")
ODD = node(19, 43.7348, 7.4206, amenity="cafe", name="Odd", opening_hours="whenever we like")
NAMELESS = node(13, 43.7351, 7.4206, amenity="cafe")
OUTSIDE = area("relation", 14, 43.7600, 7.4206, amenity="cafe", name="Café of a Large Garden")
NOWHERE: dict[str, Any] = {"type": "relation", "id": 15, "tags": {"amenity": "cafe", "name": "Café Nowhere"}}
STREET = area("way", 16, 43.7350, 7.4200, highway="residential", name="Rue de l'Ancre")
BRAND = node(17, 43.7352, 7.4206, shop="ship_chandler", name="Marine", brand="Ancre de Nuit")


def found_nearest_first(result: Any) -> None:
    assert isinstance(result, PlaceList)
    assert [place.pid for place in result.places] == ["osm:w12", "osm:n13", "osm:n11"]
    assert result.total == 3
    anchor, nameless, far = result.places
    assert (anchor.name, anchor.provider) == ("The Anchor Café", "overpass")
    assert anchor.names == {"local": "Café de l'Ancre"}
    assert anchor.address == "12 Quai du Phare"
    assert anchor.categories == ("cafe",)
    assert anchor.wheelchair == "yes"
    assert nameless.name == ""
    assert anchor.distance_m is not None
    assert nameless.distance_m is not None
    assert far.distance_m is not None
    assert anchor.distance_m < nameless.distance_m < far.distance_m < 400


def only_the_anchor(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:w12"]


def only_the_brand(result: Any) -> None:
    assert [(place.pid, place.name) for place in result.places] == [("osm:n17", "Marine")]
    assert result.total == 1


def closest_name_first(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:n17", "osm:w12", "osm:w16"]
    assert result.places[2].kind == "highway=residential"


def found_object(result: Any) -> None:
    assert isinstance(result, PlaceResult)
    assert result.place is not None
    assert (result.place.pid, result.place.lat, result.place.lon) == ("osm:w12", 43.7349, 7.4208)
    assert result.place.distance_m is None


def nothing(result: Any) -> None:
    assert (result.places, result.total) == ((), 0)


def no_place(result: Any) -> None:
    assert result.place is None


def error_page(message: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml">\n<body>\n\n'
        "<p>The data included in this document is from www.openstreetmap.org.</p>\n"
        f'<p><strong style="color:#FF0000">Error</strong>: {message} </p>\n\n</body>\n</html>\n'
    )


BUSY = error_page("runtime error: open64: 0 Success /osm3s_osm_base Dispatcher_Client::request_read_and_idx::timeout.")
BAD_QUERY = error_page("line 1: parse error: Key expected - &#039;%&#039; found.")
TIMED_OUT = 'runtime error: Query timed out in "query" at line 1 after 16 seconds.'

NEARBY: dict[str, Any] = {"lat": HARBOUR[0], "lon": HARBOUR[1], "radius_m": 500, "type": "cafe"}
SEARCH: dict[str, Any] = {"query": "ancre", "lat": HARBOUR[0], "lon": HARBOUR[1], "radius_m": 500}
DETAILS = {"place_id": "osm:w12"}

CASES = [
    Case(
        "cafés by true distance, and none beyond the radius",
        "nearby_search",
        NEARBY,
        ((200, answer(FAR, NAMELESS, NEAR, OUTSIDE, NOWHERE)),),
        check=found_nearest_first,
    ),
    Case(
        "the nearest only", "nearby_search", NEARBY | {"limit": 1}, ((200, answer(FAR, NEAR)),), check=only_the_anchor
    ),
    Case(
        "a keyword is judged again here",
        "nearby_search",
        NEARBY | {"keyword": "anchor CAFÉ"},
        ((200, answer(FAR, NEAR, NAMELESS)),),
        check=only_the_anchor,
    ),
    Case(
        "a cuisine is one of the entries",
        "nearby_search",
        NEARBY | {"cuisine": "Ice cream"},
        ((200, answer(FAR, NEAR, NAMELESS)),),
        check=only_the_anchor,
    ),
    Case(
        "only what surely is open on a Tuesday at noon in Monaco",
        "nearby_search",
        NEARBY | {"open_at": "2026-05-05T10:00:00Z"},
        ((200, answer(FAR, NEAR, SHUT, ODD)),),
        check=only_the_anchor,
    ),
    Case("no café", "nearby_search", NEARBY, ((200, answer()),), "empty", nothing),
    Case("nearby: busy", "nearby_search", NEARBY, ((504, BUSY),), "error"),
    Case("nearby: too many requests", "nearby_search", NEARBY, ((429, error_page("rate_limited")),), "error"),
    Case(
        "nearby: broken off",
        "nearby_search",
        NEARBY,
        ((200, answer(NEAR, remark=TIMED_OUT)),),
        "error",
        None,
        UpstreamError,
    ),
    Case(
        "nearby: more than can be ranked",
        "nearby_search",
        NEARBY,
        ((200, answer(*[node(number, 43.7, 7.4) for number in range(1, MAX_ELEMENTS + 2)])),),
        "error",
        None,
        InputError,
    ),
    Case(
        "nearby: HTML that calls itself fine",
        "nearby_search",
        NEARBY,
        ((200, BUSY),),
        "error",
        None,
        UpstreamFormatError,
    ),
    Case(
        "nearby: a way without a middle",
        "nearby_search",
        NEARBY,
        ((200, answer({"type": "way", "id": 3, "tags": {"amenity": "cafe"}})),),
        "error",
        None,
        UpstreamFormatError,
    ),
    Case(
        "all words must be in the names, brands among them",
        "text_search",
        SEARCH | {"query": "ancre de nuit"},
        ((200, answer(STREET, NEAR, BRAND)),),
        check=only_the_brand,
    ),
    Case(
        "a name that begins so comes before one that holds it",
        "text_search",
        SEARCH,
        ((200, answer(STREET, NEAR, BRAND, FAR)),),
        check=closest_name_first,
    ),
    Case("no such name", "text_search", SEARCH, ((200, answer()),), "empty", nothing),
    Case("search: a query that it cannot read", "text_search", SEARCH, ((400, BAD_QUERY),), "error"),
    Case("search: no elements", "text_search", SEARCH, ((200, {"version": 0.6}),), "error", None, UpstreamFormatError),
    Case("an object", "place_details", DETAILS, ((200, answer(NEAR)),), check=found_object),
    Case("an object that was deleted", "place_details", DETAILS, ((200, answer()),), "empty", no_place),
    Case("details: busy", "place_details", DETAILS, ((504, BUSY),), "error"),
    Case(
        "details: broken off",
        "place_details",
        DETAILS,
        ((200, answer(remark=TIMED_OUT)),),
        "error",
        None,
        UpstreamError,
    ),
]
