"""What Google's answers mean, case by case."""

from answers_google import (
    ALONG,
    ALONG_CAFES,
    BAD,
    BARE,
    BROKEN,
    BUSY,
    CAFES,
    DENIED,
    DETAILS,
    FAR,
    GEOCODED,
    HERE,
    MATRIX,
    NEAR,
    NO_PAIRS,
    OTHER,
    OUTSIDE,
    PAIRS,
    ROUNDTRIP,
    ROUTE,
    SHAPE,
    TOUR,
    WALKS,
    WAY,
    cell,
    error,
    place,
)
from provider_case import Case

from annotator.errors import RateLimitedError, UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import AlongRoute, Matrix, PlaceList, PlaceResult, RouteList


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
