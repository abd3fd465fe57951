"""Hand-written answers of HERE's search, routing, matrix and sequence services; places and numbers are invented."""

from typing import Any

import flexpolyline
from provider_case import Case

from annotator.errors import UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import AlongRoute, Matrix, PlaceList, PlaceResult, RouteList

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


def item(native: str, lat: float, lon: float, title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "id": f"here:pds:place:{native}",
        "resultType": "place",
        "address": {"label": f"{title}, Quai des Figues, 98000 Porto Lume, Monaco", "countryCode": "MCO"},
        "position": {"lat": lat, "lng": lon},
        "access": [{"lat": lat, "lng": lon}],
        "distance": 1,
        "categories": [
            {"id": "100-1000-0009", "name": "Fast Food"},
            {"id": "100-1100-0010", "name": "Coffee Shop", "primary": True},
        ],
    } | more


NEAR = item("near", 43.7345, 7.421, "Blue Kettle")
FAR = item("far", 43.739, 7.421, "Old Mill Coffee")
OUTSIDE = item("outside", 43.80, 7.5, "Hill Cafe")
BARE = {"id": "here:pds:place:bare", "position": {"lat": 43.7341, "lng": 7.4211}}
DETAILS = item(
    "near",
    43.7345,
    7.421,
    "Blue Kettle",
    address={
        "label": "Blue Kettle, 7 Quai des Figues, 98000 Porto Lume, Monaco",
        "countryCode": "MCO",
        "countryName": "Monaco",
        "city": "Porto Lume",
        "district": "Harbour",
        "street": "Quai des Figues",
        "houseNumber": "7",
        "postalCode": "98000",
    },
    contacts=[
        {
            "phone": [{"value": "+37799000001"}],
            "www": [{"value": "https://kettle.example/"}],
            "email": [{"value": "tea@kettle.example"}],
        }
    ],
    openingHours=[{"text": ["Mon-Fri: 08:00 - 18:00", "Sat: 09:00 - 12:00"], "isOpen": True, "structured": []}],
    foodTypes=[{"id": "800-061", "name": "Breakfast", "primary": True}],
    chains=[{"id": "1", "name": "Kettle & Co"}],
)
ADDRESS = item("addr", 43.73402, 7.42101, "7 Quai des Figues", resultType="houseNumber", categories=[])


def found(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(entries)}


def section(
    points: list[tuple[float, float]], length: int, seconds: int, mode: str = "car", **more: Any
) -> dict[str, Any]:
    return {
        "id": "x",
        "type": "vehicle",
        "departure": {"place": {"type": "place", "location": {"lat": points[0][0], "lng": points[0][1]}}},
        "arrival": {"place": {"type": "place", "location": {"lat": points[-1][0], "lng": points[-1][1]}}},
        "summary": {"duration": seconds, "length": length, "baseDuration": seconds},
        "polyline": flexpolyline.encode(points),
        "actions": [
            {"action": "depart", "duration": seconds - 10, "length": length, "instruction": "Head east.", "offset": 0},
            {"action": "turn", "direction": "left", "severity": "quite", "duration": 10, "instruction": "Turn left."},
        ],
        "transport": {"mode": mode},
    } | more


def ways(*sections: list[dict[str, Any]], notices: tuple[str, ...] = ()) -> dict[str, Any]:
    body: dict[str, Any] = {"routes": [{"id": "r", "sections": parts} for parts in sections]}
    return body | ({"notices": [{"title": title, "code": "x"} for title in notices]} if notices else {})


DIRECT = [section([CENTER, MIDDLE, END], 1500, 246)]
OTHER = [section([CENTER, QUAY, END], 1900, 300)]
WITH_FERRY = [
    section([CENTER, QUAY], 900, 100, notices=[{"title": "Violates avoid: ferry", "code": "violatedAvoidFerry"}]),
    section([QUAY, (43.737, 7.427)], 400, 200, "ferry"),
    section([(43.737, 7.427), MIDDLE], 300, 50),
    section([MIDDLE, END], 800, 90),
]
NO_WAYS = ways(notices=("Route calculation failed: Couldn't find a route.",))


def sequence(*ids: str) -> dict[str, Any]:
    waypoints = [{"id": native, "lat": 1, "lng": 1, "sequence": index} for index, native in enumerate(ids)]
    return {
        "results": [{"waypoints": waypoints, "distance": "3000", "time": "500"}],
        "errors": [],
        "responseCode": "200",
    }


ORDER = sequence("start", "destination2", "destination1", "end")


def matrix(times: list[int], distances: list[int], codes: list[int] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"numOrigins": 1, "numDestinations": 1, "travelTimes": times, "distances": distances}
    return {"matrixId": "m", "matrix": body | ({"errorCodes": codes} if codes else {}), "regionDefinition": {}}


MATRIX = matrix([95, 60, 0, 0], [800, 500, 0, 0], [0, 0, 1, 0])
NO_PAIRS = matrix([0] * 4, [0] * 4, [1, 2, 3, 99])

DENIED = (401, {"error": "Unauthorized", "error_description": "apiKey invalid. apiKey not found."})
FORBIDDEN = (403, {"error": "Forbidden", "error_description": "These credentials do not authorize access"})
BAD = (
    400,
    {"title": "Illegal input for parameter 'categories'", "status": 400, "cause": "Actual value: x", "action": ""},
)
BUSY = (429, {"error": "Too Many Requests", "error_description": "Rate limit exceeded"})
BROKEN = (500, {"title": "Internal Server Error", "status": 500})


def _nearest(result: PlaceList) -> None:
    assert [place.pid.removeprefix("here:here:pds:place:") for place in result.places] == ["bare", "near", "far"]
    bare, near, far = result.places
    assert (bare.name, bare.categories, bare.kind, bare.address) == ("", (), None, None)
    assert near.categories == ("cafe", "fast_food", "restaurant")
    assert (near.kind, near.distance_m, far.distance_m) == ("100-1100-0010", 55.6, 556.0)


def _texts(result: PlaceList) -> None:
    assert [place.name for place in result.places] == ["Old Mill Coffee", "Blue Kettle"]


def _anywhere(result: PlaceList) -> None:
    assert [(place.name, place.distance_m) for place in result.places] == [("Hill Cafe", None)]


def _with_walks(result: PlaceList) -> None:
    near, far = result.places
    assert near.travel is not None
    assert (near.travel.mode, near.travel.duration_s, near.travel.distance_m) == ("walk", 61, 70)
    assert far.travel is None


def _details(result: PlaceResult) -> None:
    place = result.place
    assert place is not None
    assert place.address_parts == {
        "street": "Quai des Figues",
        "house_number": "7",
        "postcode": "98000",
        "city": "Porto Lume",
        "district": "Harbour",
        "country": "Monaco",
    }
    assert (place.phone, place.website, place.email) == (
        "+37799000001",
        "https://kettle.example/",
        "tea@kettle.example",
    )
    assert place.opening_hours is not None
    assert place.opening_hours.weekdays == ("Mon-Fri: 08:00 - 18:00", "Sat: 09:00 - 12:00")
    assert place.attributes == {"chains": ["Kettle & Co"], "foodTypes": ["Breakfast"]}


def _no_place(result: PlaceResult) -> None:
    assert result.place is None


def _an_address(result: PlaceList) -> None:
    (only,) = result.places
    assert (only.name, only.kind, only.distance_m) == ("7 Quai des Figues", "houseNumber", 2.4)


def _no_places(result: PlaceList) -> None:
    assert result.places == ()


def _a_way(result: RouteList) -> None:
    (only,) = result.routes
    assert (only.distance_m, only.duration_s, only.has_ferry) == (1500, 246, False)
    assert decode_shape(only.geometry) == [CENTER, MIDDLE, END]
    first, second = only.legs[0].steps
    assert (first.text, first.maneuver, first.distance_m) == ("Head east.", "depart", 1500)
    assert (second.maneuver, second.distance_m, second.duration_s) == ("quite left turn", 0, 10)


def _two_ways(result: RouteList) -> None:
    assert [way.distance_m for way in result.routes] == [1500, 1900]


def _over_the_water(result: RouteList) -> None:
    (only,) = result.routes
    assert [(leg.distance_m, leg.duration_s) for leg in only.legs] == [(1600, 350), (800, 90)]
    assert (only.distance_m, only.has_ferry) == (2400, True)
    assert only.warnings == (
        "Violates avoid: ferry",
        "no way was found without ferries",
        "the destination is 482 m from the road that the way takes",
    )
    assert decode_shape(only.geometry) == [CENTER, QUAY, (43.737, 7.427), MIDDLE, END]


def _best_order(result: RouteList) -> None:
    (only,) = result.routes
    assert only.waypoint_order == (1, 0)
    assert [leg.distance_m for leg in only.legs] == [700, 900, 800]


def _no_way(result: RouteList) -> None:
    assert result.routes == ()
    assert result.reason == "Route calculation failed: Couldn't find a route."


def _no_order(result: RouteList) -> None:
    assert result.routes == ()
    assert result.reason == "No route found"


def _pairs(result: Matrix) -> None:
    assert [[(cell.duration_s, cell.distance_m) for cell in row] for row in result.cells] == [
        [(95, 800), (60, 500)],
        [(None, None), (0, 0)],
    ]


def _no_pairs(result: Matrix) -> None:
    assert {(cell.duration_s, cell.distance_m) for row in result.cells for cell in row} == {(None, None)}


def _detours(result: AlongRoute) -> None:
    assert result.route is not None
    near, far = result.places
    assert near.detour is not None
    assert far.detour is not None
    assert (near.name, near.detour.duration_s, near.detour.distance_m) == ("Blue Kettle", 0, 50)
    assert (far.name, far.detour.duration_s, far.detour.distance_m) == ("Old Mill Coffee", 134, 400)


def _small_detours(result: AlongRoute) -> None:
    assert [place.name for place in result.places] == ["Blue Kettle"]


def _nothing_along(result: AlongRoute) -> None:
    assert result.route is not None
    assert result.places == ()


def _no_way_to_search(result: AlongRoute) -> None:
    assert (result.route, result.places) == (None, ())
    assert result.reason


VISITS = ways(
    [
        section([CENTER, MIDDLE], 700, 100),
        section([MIDDLE, QUAY], 900, 150),
        section([QUAY, END], 800, 90),
    ]
)
TO_CAFES = matrix([200, 60, 0], [900, 300, 0], [0, 0, 1])
ONWARD = matrix([180, 180, 10], [1000, 1250, 10])
ALONG_ANSWERS = ((200, ways(DIRECT)), (200, found(FAR, NEAR, BARE)), (200, TO_CAFES), (200, ONWARD))

CASES: list[Case] = [
    Case("text", "text_search", HERE | {"query": "coffee"}, ((200, found(FAR, NEAR)),), check=_texts),
    Case(
        "text within a radius",
        "text_search",
        HERE | {"query": "coffee", "radius_m": 1000},
        ((200, found(OUTSIDE, FAR, NEAR)),),
        check=_texts,
    ),
    Case("text anywhere", "text_search", {"query": "hill"}, ((200, found(OUTSIDE)),), check=_anywhere),
    Case("text without hits", "text_search", {"query": "zzzz"}, ((200, found()),), "empty", _no_places),
    Case("text denied", "text_search", {"query": "coffee"}, (DENIED,), "error"),
    Case("text of no shape", "text_search", {"query": "x"}, ((200, {}),), "error", raises=UpstreamFormatError),
    Case("nearest", "nearby_search", CAFES, ((200, found(FAR, NEAR, BARE, OUTSIDE)),), check=_nearest),
    Case(
        "nearest on foot",
        "nearby_search",
        CAFES | {"travel_mode": "walk"},
        ((200, found(FAR, NEAR)), (200, matrix([61, 0], [70, 0], [0, 1]))),
        check=_with_walks,
    ),
    Case("none near", "nearby_search", CAFES | {"travel_mode": "walk"}, ((200, found()),), "empty", _no_places),
    Case("an unknown category", "nearby_search", CAFES, (BAD,), "error"),
    Case(
        "walks of the wrong size",
        "nearby_search",
        CAFES | {"travel_mode": "walk"},
        ((200, found(FAR, NEAR)), (200, matrix([61], [70]))),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("details", "place_details", {"place_id": "here:here:pds:place:near"}, ((200, DETAILS),), check=_details),
    Case(
        "gone",
        "place_details",
        {"place_id": "here:here:pds:place:gone"},
        ((404, {"title": "No place found", "status": 404}),),
        "empty",
        _no_place,
    ),
    Case("details forbidden", "place_details", {"place_id": "here:x"}, (FORBIDDEN,), "error"),
    Case("details at a wrong address", "place_details", {"place_id": "here:x"}, ((404, "<html>"),), "error"),
    Case("an address", "reverse_geocode", HERE, ((200, found(ADDRESS)),), check=_an_address),
    Case("no address", "reverse_geocode", HERE, ((200, found()),), "empty", _no_places),
    Case("addresses over quota", "reverse_geocode", HERE, (BUSY,), "error"),
    Case("a way", "compute_routes", WAY, ((200, ways(DIRECT, OTHER)),), check=_a_way),
    Case("two ways", "compute_routes", WAY | {"alternatives": 3}, ((200, ways(DIRECT, OTHER)),), check=_two_ways),
    Case(
        "over the water",
        "compute_routes",
        WAY | {"intermediates": BETWEEN[1:], "avoid": ["ferries"], "destination": {"lat": 43.744, "lon": 7.437}},
        ((200, ways(WITH_FERRY)),),
        check=_over_the_water,
    ),
    Case(
        "a tour",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, ORDER), (200, VISITS)),
        check=_best_order,
    ),
    Case("no way", "compute_routes", WAY, ((200, NO_WAYS),), "empty", _no_way),
    Case(
        "no order",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, {"results": [], "errors": ["No route found"], "responseCode": "404"}),),
        "empty",
        _no_order,
    ),
    Case("a way that breaks", "compute_routes", WAY, (BROKEN,), "error"),
    Case(
        "too few sections",
        "compute_routes",
        TOUR,
        ((200, ways(DIRECT)),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case(
        "a way with another provider's shape",
        "compute_routes",
        WAY,
        ((200, ways([DIRECT[0] | {"polyline": "_p~iF~ps|U"}])),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case(
        "a tour in no order",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, sequence("start", "destination2", "end")), (200, VISITS)),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("pairs", "travel_matrix", PAIRS, ((200, MATRIX),), check=_pairs),
    Case("no pairs", "travel_matrix", PAIRS, ((200, NO_PAIRS),), "empty", _no_pairs),
    Case("pairs refused", "travel_matrix", PAIRS, ((400, {"title": "Malformed request", "status": 400}),), "error"),
    Case("half of the pairs", "travel_matrix", PAIRS, ((200, matrix([1], [1])),), "error", raises=UpstreamFormatError),
    Case("along", "search_along_route", ALONG, ALONG_ANSWERS, check=_detours),
    Case("along, not far out", "search_along_route", ALONG | {"max_detour_s": 90}, ALONG_ANSWERS, check=_small_detours),
    Case("none along", "search_along_route", ALONG, ((200, ways(DIRECT)), (200, found())), "empty", _nothing_along),
    Case("no way to search along", "search_along_route", ALONG, ((200, NO_WAYS),), "empty", _no_way_to_search),
    Case("along denied", "search_along_route", ALONG, ((200, ways(DIRECT)), DENIED), "error"),
]
