"""Hand-written answers of Nominatim's `jsonv2` API, around the harbour of Monaco; what they say is invented."""

from typing import Any

from monaco import CASINO, HARBOUR
from provider_case import Case

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.maps.results import PlaceList, PlaceResult

LICENCE = "Data © OpenStreetMap contributors, ODbL 1.0. http://osm.org/copyright"

CAFE: dict[str, Any] = {
    "place_id": 88001,
    "licence": LICENCE,
    "osm_type": "node",
    "osm_id": 1001,
    "lat": "43.7350000",
    "lon": "7.4210000",
    "category": "amenity",
    "type": "cafe",
    "place_rank": 30,
    "importance": 0.0000999,
    "addresstype": "amenity",
    "name": "The Anchor Café",
    "display_name": "The Anchor Café, 12, Quai du Phare, La Condamine, Monaco, 98000, Monaco",
    "address": {
        "amenity": "The Anchor Café",
        "house_number": "12",
        "road": "Quai du Phare",
        "suburb": "La Condamine",
        "city": "Monaco",
        "postcode": "98000",
        "country": "Monaco",
        "country_code": "mc",
        "ISO3166-2-lvl15": "MC-CO",
    },
    "extratags": {"opening_hours": "Mo-Su 08:00-20:00", "wheelchair": "limited", "cuisine": "coffee_shop;cake"},
    "namedetails": {"name": "Café de l'Ancre", "name:en": "The Anchor Café", "alt_name": "L'Ancre"},
    "boundingbox": ["43.7349500", "43.7350500", "7.4209500", "7.4210500"],
}

QUARTER: dict[str, Any] = {
    "place_id": 88002,
    "licence": LICENCE,
    "osm_type": "relation",
    "osm_id": 2002,
    "lat": "43.7340",
    "lon": "7.4190",
    "category": "boundary",
    "type": "administrative",
    "place_rank": 20,
    "importance": 0.41,
    "addresstype": "suburb",
    "name": "Harbour Quarter",
    "display_name": "Harbour Quarter, Monaco",
    "boundingbox": ["43.73", "43.74", "7.41", "7.43"],
}

FAR: dict[str, Any] = CAFE | {
    "osm_id": 1009,
    "lat": "43.7385",
    "lon": "7.4270",
    "name": "Far Café",
    "namedetails": None,
}

POSTCODE: dict[str, Any] = {
    "place_id": 88003,
    "licence": LICENCE,
    "lat": "43.7384",
    "lon": "7.4246",
    "category": "place",
    "type": "postcode",
    "name": "98000",
    "display_name": "98000, Monaco",
}


def found_cafe(result: Any) -> None:
    assert isinstance(result, PlaceList)
    (place,) = result.places
    assert (place.pid, place.provider, place.lat, place.lon) == ("osm:n1001", "nominatim", 43.735, 7.421)
    assert place.name == "The Anchor Café"
    assert place.names == {"alt": "L'Ancre", "local": "Café de l'Ancre"}
    assert place.address == "12 Quai du Phare, 98000 Monaco, Monaco"
    assert place.address_parts == {
        "street": "Quai du Phare",
        "house_number": "12",
        "postcode": "98000",
        "city": "Monaco",
        "district": "La Condamine",
        "country": "Monaco",
        "country_code": "MC",
    }
    assert place.categories == ("cafe",)
    assert place.kind == "amenity=cafe"
    assert place.opening_hours is not None
    assert place.opening_hours.raw == "Mo-Su 08:00-20:00"
    assert place.wheelchair == "limited"
    assert place.attributes["cuisine"] == ["coffee_shop", "cake"]
    assert place.attributes["addresstype"] == "amenity"
    assert place.rating is None
    assert place.distance_m is None


def found_with_distances(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:n1001", "osm:r2002"]
    assert result.places[0].distance_m == 46.3
    assert result.places[1].name == "Harbour Quarter"
    assert result.places[1].address == "Harbour Quarter, Monaco"
    assert result.places[1].categories == ()
    assert result.places[1].kind == "boundary=administrative"


def found_within(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:n1001"]


def found_details(result: Any) -> None:
    assert isinstance(result, PlaceResult)
    assert result.place is not None
    assert result.place.pid == "osm:n1001"
    assert result.place.name == "Café de l'Ancre"
    assert result.place.names["en"] == "The Anchor Café"


def found_address(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:n1001"]
    assert result.places[0].distance_m == 46.3


def found_postcode(result: Any) -> None:
    (place,) = result.places
    assert (place.pid, place.name, place.kind) == ("osm:address:43.738400,7.424600", "98000", "place=postcode")


def nothing(result: Any) -> None:
    assert result.places == ()


def no_place(result: Any) -> None:
    assert result.place is None


SEARCH: dict[str, Any] = {"query": "anchor café"}
NEAR: dict[str, Any] = {"query": "anchor", "lat": HARBOUR[0], "lon": HARBOUR[1]}
HERE: dict[str, Any] = {"lat": HARBOUR[0], "lon": HARBOUR[1]}
BAD_REQUEST = {"error": {"code": 400, "message": "Parameter 'lat' must be a number."}}
FORBIDDEN = "<html><head><title>Access blocked</title></head><body><h1>Access blocked</h1></body></html>"

CASES = [
    Case("a café by name", "text_search", SEARCH, ((200, [CAFE]),), check=found_cafe),
    Case(
        "results near a position keep Nominatim's order",
        "text_search",
        NEAR,
        ((200, [CAFE, QUARTER]),),
        check=found_with_distances,
    ),
    Case(
        "what lies in the corners of the box is not within the radius",
        "text_search",
        NEAR | {"radius_m": 500},
        ((200, [FAR, CAFE]),),
        check=found_within,
    ),
    Case("no more than asked for", "text_search", NEAR | {"limit": 1}, ((200, [CAFE, FAR]),), check=found_within),
    Case("a postcode is no object", "text_search", {"query": "98000"}, ((200, [POSTCODE]),), check=found_postcode),
    Case("nothing of that name", "text_search", {"query": "xyzzy"}, ((200, []),), "empty", nothing),
    Case("search: a bad request", "text_search", SEARCH, ((400, BAD_REQUEST),), "error"),
    Case("search: blocked for its user agent", "text_search", SEARCH, ((403, FORBIDDEN),), "error"),
    Case("search: too fast", "text_search", SEARCH, ((429, "<html>Bandwidth limit exceeded</html>"),), "error"),
    Case(
        "search: an error that calls itself fine",
        "text_search",
        SEARCH,
        ((200, BAD_REQUEST),),
        "error",
        None,
        UpstreamError,
    ),
    Case("search: HTML", "text_search", SEARCH, ((200, FORBIDDEN),), "error", None, UpstreamFormatError),
    Case(
        "search: half a body",
        "text_search",
        SEARCH,
        ((200, '[{"place_id": 88001,'),),
        "error",
        None,
        UpstreamFormatError,
    ),
    Case(
        "search: a place without a position",
        "text_search",
        SEARCH,
        ((200, [{key: value for key, value in CAFE.items() if key != "lat"}]),),
        "error",
        None,
        UpstreamFormatError,
    ),
    Case(
        "search: nowhere on earth",
        "text_search",
        SEARCH,
        ((200, [CAFE | {"lat": "743.5"}]),),
        "error",
        None,
        UpstreamFormatError,
    ),
    Case(
        "details by id, in the local language",
        "place_details",
        {"place_id": "osm:n1001", "language": "fr"},
        ((200, [CAFE]),),
        check=found_details,
    ),
    Case("no such object", "place_details", {"place_id": "osm:w7"}, ((200, []),), "empty", no_place),
    Case("details: the server is down", "place_details", {"place_id": "osm:w7"}, ((503, "<html>503</html>"),), "error"),
    Case(
        "details: an error in disguise",
        "place_details",
        {"place_id": "osm:w7"},
        ((200, {"error": "no"}),),
        "error",
        None,
        UpstreamError,
    ),
    Case("the address at a position", "reverse_geocode", HERE, ((200, CAFE),), check=found_address),
    Case(
        "the open sea",
        "reverse_geocode",
        {"lat": 43.0, "lon": 8.0},
        ((200, {"error": "Unable to geocode"}),),
        "empty",
        nothing,
    ),
    Case("reverse: a bad request", "reverse_geocode", HERE, ((400, BAD_REQUEST),), "error"),
    Case(
        "reverse: another error",
        "reverse_geocode",
        {"lat": CASINO[0], "lon": CASINO[1]},
        ((200, {"error": "Database is being updated"}),),
        "error",
        None,
        UpstreamError,
    ),
]
