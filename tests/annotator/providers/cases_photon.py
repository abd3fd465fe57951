"""Hand-written answers of Photon's API, around the harbour of Monaco; the places are invented."""

from typing import Any

from monaco import HARBOUR
from provider_case import Case

from annotator.errors import UpstreamFormatError
from annotator.maps.results import PlaceList


def answer(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def feature(lat: float, lon: float, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": properties,
    }


CAFE = feature(
    43.7350,
    7.4210,
    osm_type="N",
    osm_id=1001,
    osm_key="amenity",
    osm_value="cafe",
    type="house",
    name="The Anchor Café",
    street="Quai du Phare",
    housenumber="12",
    postcode="98000",
    city="Monaco",
    district="La Condamine",
    country="Monaco",
    countrycode="MC",
    extra={"opening_hours": "Mo-Su 08:00-20:00", "website": "https://anchor.example"},
)
FAR_CAFE = feature(
    43.7385, 7.4270, osm_type="W", osm_id=1009, osm_key="amenity", osm_value="cafe", type="house", name="Far Café"
)
NEAREST_CAFE = feature(
    43.7348, 7.4206, osm_type="R", osm_id=1010, osm_key="amenity", osm_value="cafe", type="house", name="Nearest"
)
STREET = feature(
    43.7351,
    7.4211,
    osm_type="W",
    osm_id=3003,
    osm_key="highway",
    osm_value="residential",
    type="street",
    name="Quai du Phare",
    postcode="98000",
    city="Monaco",
    country="Monaco",
    countrycode="MC",
    extent=[7.42, 43.736, 7.43, 43.734],
)
HOUSE = feature(
    43.7347,
    7.4207,
    osm_type="N",
    osm_id=4004,
    osm_key="place",
    osm_value="house",
    type="house",
    street="Quai du Phare",
    housenumber="14",
    city="Monaco",
    countrycode="MC",
)
POSTCODE = feature(43.7384, 7.4246, osm_key="place", osm_value="postcode", type="other", name="98000", country="Monaco")


def found_cafe(result: Any) -> None:
    assert isinstance(result, PlaceList)
    cafe, street = result.places
    assert (cafe.pid, cafe.provider, cafe.lat, cafe.lon) == ("osm:n1001", "photon", 43.735, 7.421)
    assert (cafe.name, cafe.categories, cafe.kind) == ("The Anchor Café", ("cafe",), "amenity=cafe")
    assert cafe.address == "12 Quai du Phare, 98000 Monaco, Monaco"
    assert cafe.address_parts["district"] == "La Condamine"
    assert cafe.website == "https://anchor.example"
    assert cafe.opening_hours is not None
    assert cafe.opening_hours.raw == "Mo-Su 08:00-20:00"
    assert cafe.distance_m is None
    assert (street.name, street.address) == ("Quai du Phare", "Quai du Phare, 98000 Monaco, Monaco")


def only_the_cafe(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:n1001"]
    assert result.places[0].distance_m == 46.3


def found_address(result: Any) -> None:
    (place,) = result.places
    assert (place.pid, place.name, place.address) == ("osm:n4004", "", "14 Quai du Phare, Monaco")
    assert place.distance_m == 8.0


def found_nearest_first(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:r1010", "osm:n1001"]
    assert [place.distance_m for place in result.places] == [11.1, 46.3]


def found_postcode(result: Any) -> None:
    (place,) = result.places
    assert (place.pid, place.name, place.kind) == ("osm:address:43.738400,7.424600", "98000", "place=postcode")


def nothing(result: Any) -> None:
    assert result.places == ()


SEARCH: dict[str, Any] = {"query": "anchor café"}
NEAR: dict[str, Any] = {"query": "anchor", "lat": HARBOUR[0], "lon": HARBOUR[1]}
HERE: dict[str, Any] = {"lat": HARBOUR[0], "lon": HARBOUR[1]}
NEARBY: dict[str, Any] = HERE | {"type": "cafe", "radius_m": 500}

UNKNOWN_LANGUAGE = {"message": "Language is not supported. Supported are: default, en, de, fr"}
NO_TERM = {"message": "missing search term 'q': /?q=berlin"}
PAGE = "<html><body>502 Bad Gateway</body></html>"
WITHOUT_POSITION = {"type": "Feature", "properties": CAFE["properties"]}

CASES = [
    Case("a café and a street", "text_search", SEARCH, ((200, answer(CAFE, STREET)),), check=found_cafe),
    Case(
        "what lies in the corners of the box is not within the radius",
        "text_search",
        NEAR | {"radius_m": 500},
        ((200, answer(FAR_CAFE, CAFE)),),
        check=only_the_cafe,
    ),
    Case(
        "no more than asked for",
        "text_search",
        NEAR | {"limit": 1},
        ((200, answer(CAFE, STREET)),),
        check=only_the_cafe,
    ),
    Case(
        "a postcode is no object", "text_search", {"query": "98000"}, ((200, answer(POSTCODE)),), check=found_postcode
    ),
    Case("nothing of that name", "text_search", {"query": "xyzzy"}, ((200, answer()),), "empty", nothing),
    Case(
        "search: an unknown language", "text_search", SEARCH | {"language": "xx"}, ((400, UNKNOWN_LANGUAGE),), "error"
    ),
    Case("search: no term", "text_search", SEARCH, ((400, NO_TERM),), "error"),
    Case("search: the server is down", "text_search", SEARCH, ((502, PAGE),), "error"),
    Case("search: HTML", "text_search", SEARCH, ((200, PAGE),), "error", None, UpstreamFormatError),
    Case("search: no features", "text_search", SEARCH, ((200, NO_TERM),), "error", None, UpstreamFormatError),
    Case(
        "search: a place without a position",
        "text_search",
        SEARCH,
        ((200, answer(WITHOUT_POSITION)),),
        "error",
        None,
        UpstreamFormatError,
    ),
    Case("the address at a position", "reverse_geocode", HERE, ((200, answer(HOUSE)),), check=found_address),
    Case("the open sea", "reverse_geocode", {"lat": 43.0, "lon": 8.0}, ((200, answer()),), "empty", nothing),
    Case("reverse: an unknown language", "reverse_geocode", HERE, ((400, UNKNOWN_LANGUAGE),), "error"),
    Case(
        "reverse: half a body", "reverse_geocode", HERE, ((200, '{"features": [{'),), "error", None, UpstreamFormatError
    ),
    Case(
        "cafés by true distance, and none beyond the radius",
        "nearby_search",
        NEARBY,
        ((200, answer(CAFE, NEAREST_CAFE, FAR_CAFE)),),
        check=found_nearest_first,
    ),
    Case("no café", "nearby_search", NEARBY, ((200, answer()),), "empty", nothing),
    Case("nearby: throttled", "nearby_search", NEARBY, ((429, {"message": "slow down"}),), "error"),
    Case(
        "nearby: an object of no type",
        "nearby_search",
        NEARBY,
        ((200, answer(feature(43.73, 7.42, osm_type="X", osm_id=5, name="?"))),),
        "error",
        None,
        UpstreamFormatError,
    ),
]
