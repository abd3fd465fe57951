"""Hand-written answers of Azure Maps' Search and Route services; places and numbers are invented."""

from itertools import pairwise
from typing import Any

from provider_case import Case

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import AlongRoute, Matrix, PlaceList, RouteList

CENTER = (43.734, 7.421)
HERE = {"lat": CENTER[0], "lon": CENTER[1]}
THERE = {"lat": 43.744, "lon": 7.431}
MIDDLE = (43.738, 7.424)
END = (43.744, 7.431)
QUAY = (43.736, 7.43)
WAY = {"origin": HERE, "destination": THERE}
BETWEEN = [{"lat": QUAY[0], "lon": QUAY[1]}, {"lat": MIDDLE[0], "lon": MIDDLE[1]}]
TOUR = WAY | {"intermediates": BETWEEN}
PAIRS = {"origins": [HERE, THERE], "destinations": BETWEEN}
CAFES = HERE | {"type": "cafe"}
ALONG = WAY | {"type": "cafe"}

ADDRESS = {
    "streetNumber": "7",
    "streetName": "Quai des Figues",
    "municipality": "Porto Lume",
    "municipalitySubdivision": "Harbour",
    "postalCode": "98000",
    "countryCode": "MC",
    "country": "Monaco",
    "freeformAddress": "7 Quai des Figues, 98000 Porto Lume",
}


def result(native: str, lat: float, lon: float, name: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "POI",
        "id": f"MC/POI/p0/{native}",
        "score": 2.5,
        "dist": 1.0,
        "info": "search:ta:1-MC",
        "poi": {
            "name": name,
            "phone": "+377 99 00 00 01",
            "url": "www.kettle.example",
            "brands": [{"name": "Kettle & Co"}],
            "categorySet": [{"id": 9376002}],
            "classifications": [{"code": "CAFE_PUB", "names": [{"nameLocale": "en-US", "name": "café"}]}],
        },
        "address": ADDRESS,
        "position": {"lat": lat, "lon": lon},
    } | more


NEAR = result("near", 43.7345, 7.421, "Blue Kettle")
FAR = result("far", 43.739, 7.421, "Old Mill Coffee", poi={"name": "Old Mill Coffee", "categorySet": [{"id": 7315036}]})
OUTSIDE = result("outside", 43.80, 7.5, "Hill Cafe")
BARE = {"id": "MC/POI/p0/bare", "position": {"lat": 43.7341, "lon": 7.4211}}
TOWN = {
    "type": "Geography",
    "id": "MC/GEO/p0/1",
    "entityType": "Municipality",
    "address": {"municipality": "Porto Lume", "freeformAddress": "Porto Lume"},
    "position": {"lat": 43.735, "lon": 7.42},
}


def found(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"summary": {"numResults": len(entries), "totalResults": 40, "offset": 0}, "results": list(entries)}


REVERSED = {"summary": {"numResults": 1}, "addresses": [{"address": ADDRESS, "position": "43.734020,7.421010"}]}


def leg(points: list[tuple[float, float]], metres: int, seconds: int, **more: Any) -> dict[str, Any]:
    return {
        "summary": {
            "lengthInMeters": metres,
            "travelTimeInSeconds": seconds + 60,
            "trafficDelayInSeconds": 0,
            "noTrafficTravelTimeInSeconds": seconds,
        }
        | more,
        "points": [{"latitude": lat, "longitude": lon} for lat, lon in points],
    }


def instruction(offset: int, time: int, kind: str, message: str, **more: Any) -> dict[str, Any]:
    return {
        "routeOffsetInMeters": offset,
        "travelTimeInSeconds": time,
        "point": {"latitude": 43.7, "longitude": 7.4},
        "instructionType": kind,
        "maneuver": "TURN_LEFT",
        "message": message,
    } | more


def route(*legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    metres = sum(part["summary"]["lengthInMeters"] for part in legs)
    return {"summary": {"lengthInMeters": metres, "travelTimeInSeconds": 999}, "legs": list(legs)} | more


ROUTE = route(
    leg([CENTER, MIDDLE, END], 1500, 246),
    sections=[
        {"startPointIndex": 0, "endPointIndex": 1, "sectionType": "TOLL_ROAD"},
        {"startPointIndex": 0, "endPointIndex": 1, "sectionType": "MOTORWAY"},
    ],
    guidance={
        "instructions": [
            instruction(0, 0, "LOCATION_DEPARTURE", "Leave from Quai des Figues", street="Quai des Figues"),
            instruction(1400, 250, "TURN", "Turn left onto M 6", roadNumbers=["M 6"]),
            instruction(1500, 306, "LOCATION_ARRIVAL", "You have arrived"),
        ]
    },
)
OTHER = route(leg([CENTER, QUAY, END], 1900, 300))
VIA = route(
    leg([CENTER, MIDDLE], 700, 100),
    leg([MIDDLE, END], 800, 90),
    sections=[],
    guidance={
        "instructions": [
            instruction(0, 0, "LOCATION_DEPARTURE", "Leave"),
            instruction(700, 100, "LOCATION_WAYPOINT", "You have reached the waypoint"),
            instruction(700, 100, "TURN", "Turn left"),
            instruction(1500, 190, "LOCATION_ARRIVAL", "You have arrived"),
        ]
    },
)
VISITS = route(leg([CENTER, MIDDLE], 700, 100), leg([MIDDLE, QUAY], 900, 150), leg([QUAY, END], 800, 90))
THREE = [(43.735, 7.422), (43.740, 7.426), (43.742, 7.429)]
THREE_STOPS = [{"lat": lat, "lon": lon} for lat, lon in THREE]


def visits(order: list[int]) -> dict[str, Any]:
    """A route through the three stops in an order of visit."""
    places = [CENTER, *(THREE[index] for index in order), END]
    return route(*(leg(list(pair), 100, 10) for pair in pairwise(places)))


def ways(*routes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"formatVersion": "0.0.12", "routes": list(routes)} | more


def optimized(*pairs: tuple[int, int]) -> list[dict[str, int]]:
    return [{"providedIndex": provided, "optimizedIndex": to} for provided, to in pairs]


def cell(metres: int, seconds: int) -> dict[str, Any]:
    summary = {"lengthInMeters": metres, "travelTimeInSeconds": seconds + 9, "noTrafficTravelTimeInSeconds": seconds}
    return {"statusCode": 200, "response": {"routeSummary": summary}}


def failed(words: str, status: int = 400) -> dict[str, Any]:
    return {"statusCode": status, "response": {"error": {"code": "400 BadRequest", "message": words}}}


NO_WAY_WORDS = "Engine error while executing route request: NO_ROUTE_FOUND"
NO_ROAD_WORDS = "Engine error while executing route request: MAP_MATCHING_FAILURE"


def matrix(*rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"formatVersion": "0.0.1", "matrix": list(rows), "summary": {"successfulRoutes": 1, "totalRoutes": 1}}


MATRIX = matrix([cell(800, 95), cell(500, 60)], [failed(NO_WAY_WORDS), cell(0, 0)])
NO_PAIRS = matrix([failed(NO_WAY_WORDS)] * 2, [failed(NO_ROAD_WORDS)] * 2)


def error(status: int, words: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"code": f"{status}", "message": words}}


DENIED = error(401, "The provided credentials were incorrect.")
FORBIDDEN = error(403, "Permission, capacity, or authentication issues.")
BAD = error(400, "Invalid request parameter: categorySet")
BUSY = error(429, "Too many requests were received.")
BROKEN = error(500, "An error occurred while processing the request.")
NO_ROUTE = error(400, NO_WAY_WORDS)


def _nearest(answer: PlaceList) -> None:
    assert [place.pid for place in answer.places] == [
        "azure:MC/POI/p0/bare",
        "azure:MC/POI/p0/near",
        "azure:MC/POI/p0/far",
    ]
    bare, near, far = answer.places
    assert (bare.name, bare.categories, bare.kind, bare.address) == ("", (), None, None)
    assert (near.categories, near.kind, near.distance_m) == (("cafe",), "CAFE_PUB", 55.6)
    assert (near.phone, near.website) == ("+377 99 00 00 01", "www.kettle.example")
    assert near.attributes == {"brands": ["Kettle & Co"]}
    assert near.address_parts["district"] == "Harbour"
    assert (far.categories, far.distance_m) == (("restaurant",), 556.0)


def _texts(answer: PlaceList) -> None:
    assert [place.name for place in answer.places] == ["Old Mill Coffee", "Blue Kettle"]
    assert answer.total == 40


def _anywhere(answer: PlaceList) -> None:
    assert [(place.name, place.kind, place.distance_m) for place in answer.places] == [
        ("Porto Lume", "Geography", None)
    ]


def _with_walks(answer: PlaceList) -> None:
    near, far = answer.places
    assert near.travel is not None
    assert (near.travel.mode, near.travel.duration_s, near.travel.distance_m) == ("walk", 61, 70)
    assert far.travel is None


def _an_address(answer: PlaceList) -> None:
    (only,) = answer.places
    assert (only.pid, only.name, only.kind) == ("azure:address:43.734020,7.421010", "", "address")
    assert (only.address, only.distance_m) == ("7 Quai des Figues, 98000 Porto Lume", 2.4)
    assert only.address_parts["country_code"] == "MC"


def _no_places(answer: PlaceList) -> None:
    assert answer.places == ()


def _a_way(answer: RouteList) -> None:
    (only,) = answer.routes
    assert (only.distance_m, only.duration_s) == (1500, 246)
    assert decode_shape(only.geometry) == [CENTER, MIDDLE, END]
    assert (only.has_toll, only.has_highway, only.has_ferry) == (True, True, False)
    first, second, last = only.legs[0].steps
    assert (first.text, first.road) == ("Leave from Quai des Figues", "Quai des Figues")
    assert (first.distance_m, first.duration_s) == (1400, 250)
    assert (second.road, second.distance_m) == ("M 6", 100)
    assert (last.distance_m, last.duration_s) == (0, 0)
    assert only.summary == "Quai des Figues, M 6"


def _another_way_than_asked_for(answer: RouteList) -> None:
    assert answer.routes[0].warnings == (
        "no way was found without tolls",
        "the destination is 667 m from the road that the way takes",
    )


def _two_ways(answer: RouteList) -> None:
    assert [way.distance_m for way in answer.routes] == [1500, 1900]
    assert answer.routes[1].has_toll is None


def _two_legs(answer: RouteList) -> None:
    (only,) = answer.routes
    assert [(part.distance_m, part.duration_s) for part in only.legs] == [(700, 100), (800, 90)]
    assert [[step.text for step in part.steps] for part in only.legs] == [
        ["Leave", "You have reached the waypoint"],
        ["Turn left", "You have arrived"],
    ]
    assert decode_shape(only.geometry) == [CENTER, MIDDLE, END]


def _best_order(answer: RouteList) -> None:
    (only,) = answer.routes
    assert only.waypoint_order == (1, 0)
    assert [part.distance_m for part in only.legs] == [700, 900, 800]


def _third_first(answer: RouteList) -> None:
    assert answer.routes[0].waypoint_order == (2, 0, 1)


def _no_way(answer: RouteList) -> None:
    assert answer.routes == ()
    assert answer.reason == "there is no way between the stops for this mode of travel"


def _no_routes(answer: RouteList) -> None:
    assert answer.routes == ()
    assert answer.reason


def _pairs(answer: Matrix) -> None:
    assert [[(pair.duration_s, pair.distance_m) for pair in row] for row in answer.cells] == [
        [(95, 800), (60, 500)],
        [(None, None), (0, 0)],
    ]


def _no_pairs(answer: Matrix) -> None:
    assert {(pair.duration_s, pair.distance_m) for row in answer.cells for pair in row} == {(None, None)}


def _detours(answer: AlongRoute) -> None:
    assert answer.route is not None
    near, far, bare = answer.places
    assert near.detour is not None
    assert far.detour is not None
    assert (near.name, near.detour.duration_s, near.detour.distance_m) == ("Blue Kettle", 0, None)
    assert (far.name, far.detour.duration_s) == ("Old Mill Coffee", 134)
    assert bare.detour is None


def _small_detours(answer: AlongRoute) -> None:
    assert [place.name for place in answer.places] == ["Blue Kettle"]


def _nothing_along(answer: AlongRoute) -> None:
    assert answer.route is not None
    assert answer.places == ()


def _no_way_to_search(answer: AlongRoute) -> None:
    assert (answer.route, answer.places) == (None, ())
    assert answer.reason


ALONG_ANSWERS = ((200, ways(ROUTE)), (200, found(FAR | {"detourTime": 134}, BARE, NEAR | {"detourTime": -55})))
BEST = TOUR | {"optimize_order": True}
BEST_OF_THREE = WAY | {"intermediates": THREE_STOPS, "optimize_order": True}

CASES: list[Case] = [
    Case("text", "text_search", HERE | {"query": "coffee"}, ((200, found(FAR, NEAR)),), check=_texts),
    Case(
        "text within a radius",
        "text_search",
        HERE | {"query": "coffee", "radius_m": 1000},
        ((200, found(OUTSIDE, FAR, NEAR)),),
        check=_texts,
    ),
    Case("text anywhere", "text_search", {"query": "porto"}, ((200, found(TOWN)),), check=_anywhere),
    Case("text without hits", "text_search", {"query": "zzzz"}, ((200, found()),), "empty", _no_places),
    Case("text denied", "text_search", {"query": "coffee"}, (DENIED,), "error"),
    Case("text of no shape", "text_search", {"query": "x"}, ((200, {}),), "error", raises=UpstreamFormatError),
    Case("nearest", "nearby_search", CAFES, ((200, found(FAR, NEAR, BARE, OUTSIDE)),), check=_nearest),
    Case(
        "nearest on foot",
        "nearby_search",
        CAFES | {"travel_mode": "walk"},
        ((200, found(FAR, NEAR)), (200, matrix([cell(70, 61), failed(NO_ROAD_WORDS)]))),
        check=_with_walks,
    ),
    Case("none near", "nearby_search", CAFES | {"travel_mode": "walk"}, ((200, found()),), "empty", _no_places),
    Case("an unknown category", "nearby_search", CAFES, (BAD,), "error"),
    Case("an address", "reverse_geocode", HERE, ((200, REVERSED),), check=_an_address),
    Case("no address", "reverse_geocode", HERE, ((200, {"addresses": []}),), "empty", _no_places),
    Case("addresses over quota", "reverse_geocode", HERE, (BUSY,), "error"),
    Case(
        "an address nowhere",
        "reverse_geocode",
        HERE,
        ((200, {"addresses": [{"address": {}, "position": "43.7 7.4"}]}),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("a way", "compute_routes", WAY, ((200, ways(ROUTE)),), check=_a_way),
    Case(
        "another way than asked for",
        "compute_routes",
        WAY | {"avoid": ["ferries", "tolls"], "destination": {"lat": 43.75, "lon": 7.431}},
        ((200, ways(ROUTE)),),
        check=_another_way_than_asked_for,
    ),
    Case("two ways", "compute_routes", WAY | {"alternatives": 1}, ((200, ways(ROUTE, OTHER)),), check=_two_ways),
    Case("two legs", "compute_routes", WAY | {"intermediates": BETWEEN[1:]}, ((200, ways(VIA)),), check=_two_legs),
    Case(
        "a tour",
        "compute_routes",
        BEST,
        ((200, ways(VISITS, optimizedWaypoints=optimized((0, 1), (1, 0)))),),
        check=_best_order,
    ),
    Case(
        "a tour told by position",
        "compute_routes",
        BEST_OF_THREE,
        ((200, ways(visits([2, 0, 1]), optimizedWaypoints=optimized((0, 2), (1, 0), (2, 1)))),),
        check=_third_first,
    ),
    Case(
        "a tour told by stop",
        "compute_routes",
        BEST_OF_THREE,
        ((200, ways(visits([2, 0, 1]), optimizedWaypoints=optimized((0, 1), (1, 2), (2, 0)))),),
        check=_third_first,
    ),
    Case("no way", "compute_routes", WAY, (NO_ROUTE,), "empty", _no_way),
    Case("no routes", "compute_routes", WAY, ((200, ways()),), "empty", _no_routes),
    Case("a way refused", "compute_routes", WAY, (error(400, "Invalid travelMode"),), "error"),
    Case("a way that breaks", "compute_routes", WAY, (BROKEN,), "error"),
    Case("too few legs", "compute_routes", TOUR, ((200, ways(ROUTE)),), "error", raises=UpstreamFormatError),
    Case(
        "a tour in no order",
        "compute_routes",
        BEST,
        ((200, ways(VISITS, optimizedWaypoints=optimized((0, 1), (1, 1)))),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("pairs", "travel_matrix", PAIRS, ((200, MATRIX),), check=_pairs),
    Case("no pairs", "travel_matrix", PAIRS, ((200, NO_PAIRS),), "empty", _no_pairs),
    Case("pairs timed out", "travel_matrix", PAIRS, (error(408, "Timeout"),), "error"),
    Case(
        "half of the pairs", "travel_matrix", PAIRS, ((200, matrix([cell(1, 1)])),), "error", raises=UpstreamFormatError
    ),
    Case(
        "a pair that fails",
        "travel_matrix",
        PAIRS,
        ((200, matrix([cell(1, 1)] * 2, [cell(1, 1), failed("Internal", 500)])),),
        "error",
        raises=UpstreamError,
    ),
    Case("along", "search_along_route", ALONG, ALONG_ANSWERS, check=_detours),
    Case("along, not far out", "search_along_route", ALONG | {"max_detour_s": 90}, ALONG_ANSWERS, check=_small_detours),
    Case("none along", "search_along_route", ALONG, ((200, ways(ROUTE)), (200, found())), "empty", _nothing_along),
    Case("no way to search along", "search_along_route", ALONG, (NO_ROUTE,), "empty", _no_way_to_search),
    Case("along forbidden", "search_along_route", ALONG, ((200, ways(ROUTE)), FORBIDDEN), "error"),
]
