"""Hand-written answers of Google's Places, Geocoding and Routes APIs; places and numbers are invented."""

from typing import Any

import polyline
from provider_case import Case

from annotator.errors import RateLimitedError, UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import AlongRoute, Matrix, PlaceList, PlaceResult, RouteList

CENTER = (43.734, 7.421)
HERE = {"lat": CENTER[0], "lon": CENTER[1]}
THERE = {"lat": 43.744, "lon": 7.431}
SHAPE = [CENTER, (43.738, 7.424), (43.744, 7.431)]
WAY = {"origin": HERE, "destination": THERE}
TOUR = WAY | {"intermediates": [{"lat": 43.736, "lon": 7.43}, {"place_id": "google:ChIJfountain"}]}
PAIRS = {"origins": [HERE, THERE], "destinations": [THERE, {"place_id": "google:ChIJharbour"}]}


def place(native: str, lat: float, lon: float, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": native,
        "types": ["cafe", "food", "point_of_interest", "establishment"],
        "formattedAddress": f"{name}, 98000 Porto Lume",
        "location": {"latitude": lat, "longitude": lon},
        "displayName": {"text": name, "languageCode": "en"},
        "primaryType": "cafe",
        "businessStatus": "OPERATIONAL",
    } | more


NEAR = place(
    "ChIJnear", 43.7345, 7.421, "Blue Kettle", rating=4.4, userRatingCount=31, priceLevel="PRICE_LEVEL_MODERATE"
)
FAR = place("ChIJfar", 43.739, 7.421, "Old Mill Coffee", rating=4.8, userRatingCount=7)
BARE = {"id": "ChIJbare", "location": {"latitude": 43.7341, "longitude": 7.4211}}
OUTSIDE = place("ChIJoutside", 43.80, 7.5, "Hill Cafe", rating=5.0)

DETAILS = NEAR | {
    "addressComponents": [
        {"longText": "7", "shortText": "7", "types": ["street_number"]},
        {"longText": "Quai des Figues", "shortText": "Quai des Figues", "types": ["route"]},
        {"longText": "Porto Lume", "shortText": "Porto Lume", "types": ["locality", "political"]},
        {"longText": "Monaco", "shortText": "MC", "types": ["country", "political"]},
    ],
    "internationalPhoneNumber": "+377 99 00 00 01",
    "websiteUri": "https://kettle.example/",
    "googleMapsUri": "https://maps.example/?cid=1",
    "regularOpeningHours": {"weekdayDescriptions": ["Monday: 8:00 AM - 6:00 PM", "Tuesday: Closed"]},
    "timeZone": {"id": "Europe/Monaco"},
    "accessibilityOptions": {"wheelchairAccessibleEntrance": True},
    "outdoorSeating": True,
    "delivery": False,
    "editorialSummary": {"text": "Tea by the water.", "languageCode": "en"},
}

GEOCODED: dict[str, Any] = {
    "status": "OK",
    "plus_code": {"global_code": "8FM9PCMC+XX"},
    "results": [
        {
            "place_id": "ChIJstreet7",
            "formatted_address": "7 Quai des Figues, 98000 Porto Lume",
            "types": ["street_address"],
            "geometry": {"location": {"lat": 43.73402, "lng": 7.42101}, "location_type": "ROOFTOP"},
            "address_components": [
                {"long_name": "7", "short_name": "7", "types": ["street_number"]},
                {"long_name": "Quai des Figues", "short_name": "Q. des Figues", "types": ["route"]},
                {"long_name": "98000", "short_name": "98000", "types": ["postal_code"]},
            ],
        },
        {
            "place_id": "ChIJtown",
            "formatted_address": "Porto Lume",
            "types": ["locality", "political"],
            "geometry": {"location": {"lat": 43.735, "lng": 7.42}},
            "address_components": [],
        },
    ],
}


def step(words: str, metres: int, seconds: int) -> dict[str, Any]:
    return {
        "distanceMeters": metres,
        "staticDuration": f"{seconds}s",
        "navigationInstruction": {"maneuver": "TURN_LEFT", "instructions": words},
    }


def leg(metres: int, seconds: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"distanceMeters": metres, "duration": seconds, "steps": list(steps)}


def route(metres: int, seconds: str, *legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "legs": list(legs),
        "distanceMeters": metres,
        "duration": seconds,
        "description": "Quai des Figues",
        "polyline": {"encodedPolyline": polyline.encode(SHAPE, 5)},
    } | more


ROUTE = route(
    1500,
    "245.5s",
    leg(1500, "245.5s", step("Turn left onto Quai des Figues", 1400, 200), {"staticDuration": "45s"}),
    warnings=["Some of this route is narrow."],
)
OTHER = route(1900, "300s", leg(1900, "300s"))
ROUNDTRIP = route(
    4000,
    "700s",
    leg(1000, "200s"),
    leg(1000, "200s"),
    leg(2000, "300s"),
    optimizedIntermediateWaypointIndex=[1, 0],
)


def cell(i: int, j: int, **more: Any) -> dict[str, Any]:
    return {"originIndex": i, "destinationIndex": j, "status": {}} | more


MATRIX = [
    cell(0, 1, condition="ROUTE_EXISTS", distanceMeters=800, duration="95s"),
    cell(0, 0, condition="ROUTE_EXISTS", distanceMeters=1500, duration="245s"),
    cell(1, 0, condition="ROUTE_EXISTS", duration="0s"),
    cell(1, 1, condition="ROUTE_NOT_FOUND"),
]
NO_PAIRS = [cell(i, j, condition="ROUTE_NOT_FOUND") for i in range(2) for j in range(2)]

ALONG = {
    "places": [FAR, NEAR, BARE],
    "routingSummaries": [
        {"legs": [{"duration": "200s", "distanceMeters": 900}, {"duration": "180s", "distanceMeters": 1000}]},
        {"legs": [{"duration": "60s", "distanceMeters": 300}, {"duration": "180s", "distanceMeters": 1250}]},
        {},
    ],
}


def error(status: int, name: str, words: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": words, "status": name}}


BAD = (400, error(400, "INVALID_ARGUMENT", "Unsupported types: cafee."))
DENIED = (403, error(403, "PERMISSION_DENIED", "Places API (New) has not been used in this project."))
BUSY = (429, error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric."))
BROKEN = (500, error(500, "INTERNAL", "Internal error encountered."))


def _two_nearest(result: PlaceList) -> None:
    assert [found.pid for found in result.places] == ["google:ChIJbare", "google:ChIJnear", "google:ChIJfar"]
    bare, near, far = result.places
    assert (bare.name, bare.categories, bare.rating, bare.address) == ("", (), None, None)
    assert (near.rating, near.rating_count, near.price_level) == (4.4, 31, 2)
    assert near.categories == ("cafe",)
    assert near.distance_m == 55.6
    assert near.attributes == {"businessStatus": "OPERATIONAL"}
    assert far.distance_m == 556.0


def _as_google_ranks(result: PlaceList) -> None:
    assert [found.name for found in result.places] == ["Old Mill Coffee", "Blue Kettle"]


def _walks(result: PlaceList) -> None:
    first, second = result.places
    assert first.travel is not None
    assert (first.travel.mode, first.travel.duration_s, first.travel.distance_m) == ("walk", 61.0, 70.0)
    assert second.travel is None


def _only_well_rated(result: PlaceList) -> None:
    assert [found.name for found in result.places] == ["Blue Kettle"]


def _texts(result: PlaceList) -> None:
    assert [found.name for found in result.places] == ["Old Mill Coffee", "Blue Kettle"]
    assert result.places[1].distance_m == 55.6


def _nowhere_near(result: PlaceList) -> None:
    assert [(found.name, found.distance_m) for found in result.places] == [("Hill Cafe", None)]


def _all_details(result: PlaceResult) -> None:
    found = result.place
    assert found is not None
    assert found.address_parts == {
        "street": "Quai des Figues",
        "house_number": "7",
        "city": "Porto Lume",
        "country": "Monaco",
        "country_code": "MC",
    }
    assert found.opening_hours is not None
    assert found.opening_hours.weekdays[1] == "Tuesday: Closed"
    assert found.opening_hours.timezone == "Europe/Monaco"
    assert (found.wheelchair, found.phone, found.website) == ("yes", "+377 99 00 00 01", "https://kettle.example/")
    assert found.attributes == {
        "businessStatus": "OPERATIONAL",
        "delivery": False,
        "editorialSummary": "Tea by the water.",
        "googleMapsUri": "https://maps.example/?cid=1",
        "outdoorSeating": True,
    }


def _no_place(result: PlaceResult) -> None:
    assert result.place is None


def _an_address(result: PlaceList) -> None:
    (only,) = result.places
    assert (only.pid, only.name, only.kind) == ("google:ChIJstreet7", "", "street_address")
    assert only.address_parts == {"street": "Quai des Figues", "house_number": "7", "postcode": "98000"}
    assert only.distance_m == 2.4
    assert result.total == 2


def _no_places(result: PlaceList) -> None:
    assert result.places == ()


def _one_way(result: RouteList) -> None:
    (only,) = result.routes
    assert (only.distance_m, only.duration_s) == (1500.0, 245.5)
    assert decode_shape(only.geometry) == SHAPE
    assert only.summary == "Quai des Figues"
    assert only.warnings == ("Some of this route is narrow.",)
    first, last = only.legs[0].steps
    assert (first.text, first.maneuver, first.distance_m) == ("Turn left onto Quai des Figues", "TURN_LEFT", 1400.0)
    assert (last.text, last.distance_m, last.duration_s) == ("", 0.0, 45.0)


def _by_timetable(result: RouteList) -> None:
    assert "timetable" in result.routes[0].warnings[-1]


def _two_ways(result: RouteList) -> None:
    assert [found.distance_m for found in result.routes] == [1500.0, 1900.0]


def _in_the_best_order(result: RouteList) -> None:
    (only,) = result.routes
    assert only.waypoint_order == (1, 0)
    assert [part.duration_s for part in only.legs] == [200.0, 200.0, 300.0]


def _no_way(result: RouteList) -> None:
    assert result.routes == ()
    assert result.reason == "Google Maps found no way between the stops for drive"


def _pairs(result: Matrix) -> None:
    assert [[(cell.duration_s, cell.distance_m) for cell in row] for row in result.cells] == [
        [(245.0, 1500.0), (95.0, 800.0)],
        [(0.0, 0.0), (None, None)],
    ]


def _no_pairs(result: Matrix) -> None:
    assert {(cell.duration_s, cell.distance_m) for row in result.cells for cell in row} == {(None, None)}


def _detours(result: AlongRoute) -> None:
    assert result.route is not None
    near, far, bare = result.places
    assert near.detour is not None
    assert far.detour is not None
    # The way by the kettle is 5.5 s quicker than the route: a detour never counts as a gain.
    assert (near.detour.duration_s, near.detour.distance_m) == (0.0, 50.0)
    assert (far.detour.duration_s, far.detour.distance_m) == (134.5, 400.0)
    assert 0 < (near.detour.offset_m or 0) < (far.detour.offset_m or 0)
    assert bare.detour is None


def _small_detours(result: AlongRoute) -> None:
    assert [found.name for found in result.places] == ["Blue Kettle"]


def _in_order_of_the_journey(result: AlongRoute) -> None:
    assert [found.name for found in result.places] == ["Blue Kettle", "Old Mill Coffee"]


def _nothing_along(result: AlongRoute) -> None:
    assert result.route is not None
    assert result.places == ()


def _no_way_to_search(result: AlongRoute) -> None:
    assert (result.route, result.places) == (None, ())
    assert result.reason


WALKS = {
    "places": [NEAR, FAR],
    "routingSummaries": [{"legs": [{"duration": "61s", "distanceMeters": 70}]}, {}],
}
CAFES = HERE | {"type": "cafe"}
ALONG_CAFES = WAY | {"type": "cafe"}

CASES: list[Case] = [
    Case(
        "text near a position",
        "text_search",
        HERE | {"query": "coffee"},
        ((200, {"places": [FAR, NEAR]}),),
        check=_texts,
    ),
    Case("text anywhere", "text_search", {"query": "hill"}, ((200, {"places": [OUTSIDE]}),), check=_nowhere_near),
    Case(
        "text within a radius",
        "text_search",
        HERE | {"query": "coffee", "radius_m": 1000},
        ((200, {"places": [OUTSIDE, FAR, NEAR]}),),
        check=_texts,
    ),
    Case("text without hits", "text_search", {"query": "zzzz"}, ((200, {}),), "empty", _no_places),
    Case("text refused", "text_search", {"query": "coffee"}, (BAD,), "error"),
    Case("text as HTML", "text_search", {"query": "x"}, ((200, "<html>"),), "error", raises=UpstreamFormatError),
    Case("text as a list", "text_search", {"query": "x"}, ((200, []),), "error", raises=UpstreamFormatError),
    Case(
        "text with places of no shape",
        "text_search",
        {"query": "x"},
        ((200, {"places": "many"}),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case(
        "nearest cafes",
        "nearby_search",
        CAFES | {"type": None},
        ((200, {"places": [FAR, NEAR, BARE, OUTSIDE]}),),
        check=_two_nearest,
    ),
    Case(
        "prominent cafes",
        "nearby_search",
        CAFES | {"rank": "prominence", "limit": 2},
        ((200, {"places": [FAR, NEAR, BARE]}),),
        check=_as_google_ranks,
    ),
    Case("cafes with walks", "nearby_search", CAFES | {"travel_mode": "walk"}, ((200, WALKS),), check=_walks),
    Case(
        "rated and priced cafes",
        "nearby_search",
        CAFES | {"min_rating": 4.2, "price_levels": [1, 2]},
        ((200, {"places": [FAR, NEAR, BARE]}),),
        check=_only_well_rated,
    ),
    Case("no cafes", "nearby_search", CAFES, ((200, {}),), "empty", _no_places),
    Case("cafes over quota", "nearby_search", CAFES, (BUSY,), "error"),
    Case(
        "a cafe nowhere on earth",
        "nearby_search",
        CAFES,
        ((200, {"places": [place("ChIJx", 143.7, 7.4, "Off")]}),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("details", "place_details", {"place_id": "google:ChIJnear"}, ((200, DETAILS),), check=_all_details),
    Case(
        "details of a place that is no more",
        "place_details",
        {"place_id": "google:ChIJgone"},
        ((404, error(404, "NOT_FOUND", "The Place ID is no longer valid.")),),
        "empty",
        _no_place,
    ),
    Case("details denied", "place_details", {"place_id": "google:ChIJnear"}, (DENIED,), "error"),
    Case("details at a wrong address", "place_details", {"place_id": "google:ChIJnear"}, ((404, "<html>"),), "error"),
    Case(
        "details of nothing",
        "place_details",
        {"place_id": "google:ChIJnear"},
        ((200, {}),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("an address", "reverse_geocode", HERE, ((200, GEOCODED),), check=_an_address),
    Case(
        "no address", "reverse_geocode", HERE, ((200, {"status": "ZERO_RESULTS", "results": []}),), "empty", _no_places
    ),
    Case(
        "geocoding denied",
        "reverse_geocode",
        HERE,
        ((200, {"status": "REQUEST_DENIED", "results": [], "error_message": "The provided API key is invalid."}),),
        "error",
        raises=UpstreamError,
    ),
    Case(
        "geocoding over quota",
        "reverse_geocode",
        HERE,
        ((200, {"status": "OVER_QUERY_LIMIT", "results": []}),),
        "error",
        raises=RateLimitedError,
    ),
    Case("a way", "compute_routes", WAY, ((200, {"routes": [ROUTE, OTHER]}),), check=_one_way),
    Case(
        "two ways", "compute_routes", WAY | {"alternatives": 2}, ((200, {"routes": [ROUTE, OTHER]}),), check=_two_ways
    ),
    Case("transit", "compute_routes", WAY | {"mode": "transit"}, ((200, {"routes": [ROUTE]}),), check=_by_timetable),
    Case(
        "a tour",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, {"routes": [ROUNDTRIP]}),),
        check=_in_the_best_order,
    ),
    Case("no way", "compute_routes", WAY, ((200, {}),), "empty", _no_way),
    Case("a way that breaks", "compute_routes", WAY, (BROKEN,), "error"),
    Case(
        "a way without a shape",
        "compute_routes",
        WAY,
        ((200, {"routes": [ROUTE | {"polyline": {}}]}),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case(
        "a way of unreadable length",
        "compute_routes",
        WAY,
        ((200, {"routes": [ROUTE | {"duration": "4 min"}]}),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case(
        "a tour in no order",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, {"routes": [ROUNDTRIP | {"optimizedIntermediateWaypointIndex": [0, 0]}]}),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("pairs", "travel_matrix", PAIRS, ((200, MATRIX),), check=_pairs),
    Case("pairs without ways", "travel_matrix", PAIRS, ((200, NO_PAIRS),), "empty", _no_pairs),
    Case(
        "pairs refused",
        "travel_matrix",
        PAIRS,
        ((400, [error(400, "INVALID_ARGUMENT", "Too many elements.")]),),
        "error",
    ),
    Case("half of the pairs", "travel_matrix", PAIRS, ((200, MATRIX[:2]),), "error", raises=UpstreamFormatError),
    Case(
        "a pair that fails",
        "travel_matrix",
        PAIRS,
        ((200, [*MATRIX[:3], cell(1, 1, status={"code": 13, "message": "internal"})]),),
        "error",
        raises=UpstreamError,
    ),
    Case(
        "cafes along",
        "search_along_route",
        ALONG_CAFES | {"type": None, "keyword": "coffee"},
        ((200, {"routes": [ROUTE]}), (200, ALONG)),
        check=_detours,
    ),
    Case(
        "cafes not far out",
        "search_along_route",
        ALONG_CAFES | {"max_detour_s": 60},
        ((200, {"routes": [ROUTE]}), (200, ALONG)),
        check=_small_detours,
    ),
    Case(
        "cafes on the way",
        "search_along_route",
        ALONG_CAFES | {"rank": "route", "min_rating": 4.1},
        ((200, {"routes": [ROUTE]}), (200, ALONG)),
        check=_in_order_of_the_journey,
    ),
    Case(
        "no cafes along",
        "search_along_route",
        ALONG_CAFES,
        ((200, {"routes": [ROUTE]}), (200, {})),
        "empty",
        _nothing_along,
    ),
    Case("no way to search along", "search_along_route", ALONG_CAFES, ((200, {}),), "empty", _no_way_to_search),
    Case("cafes along denied", "search_along_route", ALONG_CAFES, ((200, {"routes": [ROUTE]}), DENIED), "error"),
]
