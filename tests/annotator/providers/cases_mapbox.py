"""Hand-written answers of Mapbox's Search Box, Directions, Optimization and Matrix APIs; places are invented."""

from typing import Any

import polyline
from provider_case import Case

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import AlongRoute, Matrix, PlaceList, PlaceResult, RouteList

CENTER = (43.734, 7.421)
HERE = {"lat": CENTER[0], "lon": CENTER[1]}
THERE = {"lat": 43.744, "lon": 7.431}
BETWEEN = [{"lat": 43.736, "lon": 7.43}, {"lat": 43.737, "lon": 7.422}]
SHAPE = [CENTER, (43.738, 7.424), (43.744, 7.431)]
WAY = {"origin": HERE, "destination": THERE}
TOUR = WAY | {"intermediates": BETWEEN, "optimize_order": True}
PAIRS = {"origins": [HERE, THERE], "destinations": BETWEEN}
CAFES = HERE | {"type": "cafe"}


def feature(native: str, lat: float, lon: float, name: str, **more: Any) -> dict[str, Any]:
    properties = {
        "mapbox_id": native,
        "name": name,
        "feature_type": "poi",
        "full_address": f"{name}, 98000 Porto Lume, Monaco",
        "place_formatted": "98000 Porto Lume, Monaco",
        "coordinates": {"latitude": lat, "longitude": lon},
        "poi_category": ["café", "food and drink"],
        "poi_category_ids": ["cafe", "food_and_drink"],
    }
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": properties | more,
    }


def collection(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), "attribution": "© 2026 Mapbox"}


NEAR = feature("bmVhcg", 43.7345, 7.421, "Blue Kettle")
FAR = feature("ZmFy", 43.739, 7.421, "Old Mill Coffee")
OUTSIDE = feature("b3V0", 43.80, 7.5, "Hill Cafe")
BARE = {"geometry": {"coordinates": [7.4211, 43.7341]}, "properties": {"mapbox_id": "YmFyZQ"}}
DETAILS = feature(
    "bmVhcg",
    43.7345,
    7.421,
    "Blue Kettle",
    context={
        "country": {"name": "Monaco", "country_code": "MC"},
        "postcode": {"name": "98000"},
        "place": {"name": "Porto Lume"},
        "address": {"name": "7 Quai des Figues", "address_number": "7", "street_name": "Quai des Figues"},
        "street": {"name": "Quai des Figues"},
    },
    metadata={
        "phone": "+37799000001",
        "website": "https://kettle.example/",
        "open_hours": {"weekday_text": ["Monday: 8:00 AM - 6:00 PM"]},
        "wheelchair_accessible": False,
    },
    brand=["Kettle & Co"],
)
ADDRESS = feature("YWRkcg", 43.73402, 7.42101, "7 Quai des Figues", feature_type="address", poi_category_ids=None)


def step(words: str, metres: float, seconds: float, *classes: str, **more: Any) -> dict[str, Any]:
    return {
        "maneuver": {"type": "turn", "modifier": "left", "instruction": words, "location": [7.42, 43.73]},
        "name": "Quai des Figues",
        "distance": metres,
        "duration": seconds,
        "intersections": [{"location": [7.42, 43.73], "classes": list(classes)}],
    } | more


def leg(metres: float, seconds: float, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"distance": metres, "duration": seconds, "summary": "", "steps": list(steps)}


def route(*legs: dict[str, Any]) -> dict[str, Any]:
    return {
        "distance": sum(part["distance"] for part in legs),
        "duration": sum(part["duration"] for part in legs),
        "geometry": polyline.encode(SHAPE, 5),
        "legs": list(legs),
    }


ROUTE = route(
    leg(
        1500.4,
        245.6,
        step("Turn left onto Quai des Figues.", 1400.4, 200.6, "toll", "motorway"),
        step("Continue.", 100, 45, name="", ref="M 6"),
    )
)
OTHER = route(leg(1900, 300, {"distance": 1900, "duration": 300}))


def waypoint(point: tuple[float, float], **more: Any) -> dict[str, Any]:
    return {"name": "", "distance": 1.5, "location": [point[1], point[0]]} | more


def ways(*routes: dict[str, Any]) -> dict[str, Any]:
    waypoints = [waypoint(CENTER), waypoint((43.744, 7.431))]
    return {"code": "Ok", "uuid": "x", "waypoints": waypoints, "routes": list(routes)}


TRIP = {
    "code": "Ok",
    "trips": [route(leg(1000, 200), leg(1000, 200), leg(2000, 300))],
    "waypoints": [
        waypoint(CENTER, waypoint_index=0),
        waypoint((43.736, 7.43), waypoint_index=2),
        waypoint((43.737, 7.422), waypoint_index=1),
        waypoint((43.744, 7.431), waypoint_index=3),
    ],
}
NO_ROUTE = {"code": "NoRoute", "message": "No route found", "routes": []}


def matrix(durations: list[list[float | None]], distances: list[list[float | None]]) -> dict[str, Any]:
    return {"code": "Ok", "durations": durations, "distances": distances, "sources": [], "destinations": []}


MATRIX = matrix([[95.5, 60], [None, 0]], [[800.4, 500], [None, 0]])
THERE_TO_CAFES = matrix([[200, 60, None]], [[900, 300, None]])
ONWARD = matrix([[180], [180], [10]], [[1000], [1250], [10]])

DENIED = (401, {"message": "Not Authorized - Invalid Token", "error_code": "INVALID_TOKEN"})
FORBIDDEN = (403, {"message": "Forbidden"})
BAD = (400, {"message": "Invalid category", "error_code": "INVALID_CATEGORY"})
BUSY = (429, {"message": "Too Many Requests"})
BROKEN = (500, {"message": "Internal Server Error"})


def _nearest(result: PlaceList) -> None:
    assert [found.pid for found in result.places] == ["mapbox:YmFyZQ", "mapbox:bmVhcg", "mapbox:ZmFy"]
    bare, near, far = result.places
    assert (bare.name, bare.categories, bare.kind, bare.address) == ("", (), None, None)
    assert (near.categories, near.kind, near.distance_m) == (("cafe",), "cafe", 55.6)
    assert far.distance_m == 556.0


def _texts(result: PlaceList) -> None:
    assert [found.name for found in result.places] == ["Old Mill Coffee", "Blue Kettle"]


def _anywhere(result: PlaceList) -> None:
    assert [(found.name, found.distance_m) for found in result.places] == [("Hill Cafe", None)]


def _with_walks(result: PlaceList) -> None:
    near, far = result.places
    assert near.travel is not None
    assert (near.travel.mode, near.travel.duration_s, near.travel.distance_m) == ("walk", 61.5, 70.0)
    assert far.travel is None


def _details(result: PlaceResult) -> None:
    found = result.place
    assert found is not None
    assert found.address_parts == {
        "street": "Quai des Figues",
        "house_number": "7",
        "postcode": "98000",
        "city": "Porto Lume",
        "country": "Monaco",
        "country_code": "MC",
    }
    assert (found.phone, found.website, found.wheelchair) == ("+37799000001", "https://kettle.example/", "no")
    assert found.opening_hours is not None
    assert found.opening_hours.weekdays == ("Monday: 8:00 AM - 6:00 PM",)
    assert found.attributes == {"brand": ["Kettle & Co"]}


def _no_place(result: PlaceResult) -> None:
    assert result.place is None


def _an_address(result: PlaceList) -> None:
    (only,) = result.places
    assert (only.name, only.kind, only.distance_m) == ("7 Quai des Figues", "address", 2.4)


def _no_places(result: PlaceList) -> None:
    assert result.places == ()


def _a_way(result: RouteList) -> None:
    (only,) = result.routes
    assert (only.distance_m, only.duration_s) == (1500.4, 245.6)
    assert decode_shape(only.geometry) == SHAPE
    assert (only.has_toll, only.has_highway, only.has_ferry) == (True, True, False)
    first, second = only.legs[0].steps
    assert (first.text, first.road, first.maneuver) == (
        "Turn left onto Quai des Figues.",
        "Quai des Figues",
        "turn left",
    )
    assert second.road == "M 6"
    assert only.summary == "Quai des Figues, M 6"


def _another_way_than_asked_for(result: RouteList) -> None:
    assert result.routes[0].warnings == (
        "no way was found without tolls",
        "the destination is 667 m from the road that the way takes",
    )


def _two_ways(result: RouteList) -> None:
    assert [found.distance_m for found in result.routes] == [1500.4, 1900.0]
    assert result.routes[1].has_toll is None


def _best_order(result: RouteList) -> None:
    (only,) = result.routes
    assert only.waypoint_order == (1, 0)
    assert [part.duration_s for part in only.legs] == [200, 200, 300]


def _no_way(result: RouteList) -> None:
    assert result.routes == ()
    assert result.reason == "there is no way between the stops for this mode of travel"


def _pairs(result: Matrix) -> None:
    assert [[(cell.duration_s, cell.distance_m) for cell in row] for row in result.cells] == [
        [(95.5, 800.4), (60.0, 500.0)],
        [(None, None), (0.0, 0.0)],
    ]


def _no_pairs(result: Matrix) -> None:
    assert {(cell.duration_s, cell.distance_m) for row in result.cells for cell in row} == {(None, None)}


def _detours(result: AlongRoute) -> None:
    assert result.route is not None
    near, far = result.places
    assert near.detour is not None
    assert far.detour is not None
    assert (near.name, near.detour.duration_s, near.detour.distance_m) == ("Blue Kettle", 0.0, 49.6)
    assert (far.name, far.detour.duration_s, far.detour.distance_m) == ("Old Mill Coffee", 134.4, 399.6)


def _small_detours(result: AlongRoute) -> None:
    assert [found.name for found in result.places] == ["Blue Kettle"]


def _nothing_along(result: AlongRoute) -> None:
    assert result.route is not None
    assert result.places == ()


def _no_way_to_search(result: AlongRoute) -> None:
    assert (result.route, result.places) == (None, ())
    assert result.reason


ALONG = WAY | {"type": "cafe"}
ALONG_ANSWERS = ((200, ways(ROUTE)), (200, collection(FAR, NEAR, BARE)), (200, THERE_TO_CAFES), (200, ONWARD))

CASES: list[Case] = [
    Case("text", "text_search", HERE | {"query": "coffee"}, ((200, collection(FAR, NEAR)),), check=_texts),
    Case(
        "text within a radius",
        "text_search",
        HERE | {"query": "coffee", "radius_m": 1000},
        ((200, collection(OUTSIDE, FAR, NEAR)),),
        check=_texts,
    ),
    Case("text anywhere", "text_search", {"query": "hill"}, ((200, collection(OUTSIDE)),), check=_anywhere),
    Case("text without hits", "text_search", {"query": "zzzz"}, ((200, collection()),), "empty", _no_places),
    Case("text denied", "text_search", {"query": "coffee"}, (DENIED,), "error"),
    Case("text of no shape", "text_search", {"query": "x"}, ((200, {}),), "error", raises=UpstreamFormatError),
    Case("nearest", "nearby_search", CAFES, ((200, collection(FAR, NEAR, BARE, OUTSIDE)),), check=_nearest),
    Case(
        "nearest on foot",
        "nearby_search",
        CAFES | {"travel_mode": "walk"},
        ((200, collection(FAR, NEAR)), (200, matrix([[61.5, None]], [[70, None]]))),
        check=_with_walks,
    ),
    Case(
        "nearest by words",
        "nearby_search",
        CAFES | {"keyword": "kettle", "limit": 10},
        ((200, collection(FAR, NEAR, BARE)),),
        check=_nearest,
    ),
    Case("none near", "nearby_search", CAFES, ((200, collection(OUTSIDE)),), "empty", _no_places),
    Case(
        "none near to walk to",
        "nearby_search",
        CAFES | {"travel_mode": "walk"},
        ((200, collection()),),
        "empty",
        _no_places,
    ),
    Case("an unknown category", "nearby_search", CAFES, (BAD,), "error"),
    Case(
        "walks of the wrong size",
        "nearby_search",
        CAFES | {"travel_mode": "walk"},
        ((200, collection(FAR, NEAR)), (200, matrix([[61.5]], [[70]]))),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("details", "place_details", {"place_id": "mapbox:bmVhcg"}, ((200, collection(DETAILS)),), check=_details),
    Case("no details", "place_details", {"place_id": "mapbox:Z29uZQ"}, ((200, collection()),), "empty", _no_place),
    Case(
        "gone", "place_details", {"place_id": "mapbox:Z29uZQ"}, ((404, {"message": "Not Found"}),), "empty", _no_place
    ),
    Case("details forbidden", "place_details", {"place_id": "mapbox:bmVhcg"}, (FORBIDDEN,), "error"),
    Case("an address", "reverse_geocode", HERE, ((200, collection(ADDRESS)),), check=_an_address),
    Case("no address", "reverse_geocode", HERE, ((200, collection()),), "empty", _no_places),
    Case("addresses over quota", "reverse_geocode", HERE, (BUSY,), "error"),
    Case("a way", "compute_routes", WAY, ((200, ways(ROUTE, OTHER)),), check=_a_way),
    Case(
        "another way than asked for",
        "compute_routes",
        WAY | {"avoid": ["ferries", "tolls"]},
        ((200, ways(ROUTE) | {"waypoints": [waypoint(CENTER), waypoint((43.738, 7.431))]}),),
        check=_another_way_than_asked_for,
    ),
    Case("two ways", "compute_routes", WAY | {"alternatives": 2}, ((200, ways(ROUTE, OTHER)),), check=_two_ways),
    Case("a tour", "compute_routes", TOUR, ((200, TRIP),), check=_best_order),
    Case("no way", "compute_routes", WAY, ((200, NO_ROUTE),), "empty", _no_way),
    Case("no way, said with 422", "compute_routes", WAY, ((422, NO_ROUTE),), "empty", _no_way),
    Case("a way that breaks", "compute_routes", WAY, (BROKEN,), "error"),
    Case(
        "a way that is an error in disguise",
        "compute_routes",
        WAY,
        ((200, {"code": "ProfileNotFound", "message": "Not found"}),),
        "error",
        raises=UpstreamError,
    ),
    Case("a way without routes", "compute_routes", WAY, ((200, ways()),), "error", raises=UpstreamFormatError),
    Case(
        "a tour in no order",
        "compute_routes",
        TOUR,
        ((200, TRIP | {"waypoints": [waypoint(CENTER, waypoint_index=0)] * 4}),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("pairs", "travel_matrix", PAIRS, ((200, MATRIX),), check=_pairs),
    Case("no pairs", "travel_matrix", PAIRS, ((200, {"code": "NoRoute", "message": "No route"}),), "empty", _no_pairs),
    Case("pairs refused", "travel_matrix", PAIRS, ((422, {"code": "InvalidInput", "message": "Too many"}),), "error"),
    Case(
        "half of the pairs",
        "travel_matrix",
        PAIRS,
        ((200, matrix([[1, 2]], [[1, 2]])),),
        "error",
        raises=UpstreamFormatError,
    ),
    Case("along", "search_along_route", ALONG, ALONG_ANSWERS, check=_detours),
    Case("along, not far out", "search_along_route", ALONG | {"max_detour_s": 90}, ALONG_ANSWERS, check=_small_detours),
    Case("none along", "search_along_route", ALONG, ((200, ways(ROUTE)), (200, collection())), "empty", _nothing_along),
    Case("no way to search along", "search_along_route", ALONG, ((200, NO_ROUTE),), "empty", _no_way_to_search),
    Case("along denied", "search_along_route", ALONG, ((200, ways(ROUTE)), DENIED), "error"),
]
