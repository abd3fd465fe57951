"""Hand-written answers of OSRM's HTTP API, around the harbour of Monaco; the numbers are invented."""

from typing import Any

import polyline
from monaco import CASINO, GARDEN, HARBOUR, PAIRS, PALACE, TOUR, WAY
from provider_case import Case

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import Matrix, RouteList


def step(kind: str, modifier: str | None, name: str, distance: float, duration: float, **more: Any) -> dict[str, Any]:
    maneuver = {"type": kind, "location": [7.42, 43.73], "bearing_before": 0, "bearing_after": 200}
    if modifier is not None:
        maneuver["modifier"] = modifier
    maneuver |= more.pop("maneuver", {})
    return {
        "name": name,
        "distance": distance,
        "duration": duration,
        "weight": duration,
        "mode": "driving",
        "driving_side": "right",
        "geometry": "",
        "maneuver": maneuver,
        "intersections": [{"location": [7.42, 43.73], "bearings": [20, 200], "entry": [True, True], "out": 1}],
    } | more


def leg(*steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": "",
        "distance": sum(part["distance"] for part in steps),
        "duration": sum(part["duration"] for part in steps),
        "weight": 0,
        "steps": list(steps),
    }


def route(shape: list[tuple[float, float]], *legs: dict[str, Any]) -> dict[str, Any]:
    return {
        "geometry": polyline.encode(shape, 5),
        "distance": sum(part["distance"] for part in legs),
        "duration": sum(part["duration"] for part in legs),
        "weight": 0,
        "weight_name": "routability",
        "legs": list(legs),
    }


def waypoint(point: tuple[float, float], **more: Any) -> dict[str, Any]:
    return {"name": "", "distance": 2.5, "location": [point[1], point[0]]} | more


TO_HARBOUR = leg(
    step("depart", None, "Avenue d'Ostende", 420.4, 61.2),
    step("turn", "left", "Boulevard Albert Ier", 310.1, 48.8, ref="M 6098"),
    step("arrive", "right", "Boulevard Albert Ier", 0, 0),
)
TO_PALACE = leg(
    step("depart", None, "Boulevard Albert Ier", 150, 20),
    step("roundabout", "right", "Avenue du Port", 500, 75.5, maneuver={"exit": 2}),
    step("arrive", None, "Avenue du Port", 0, 0),
)

ONE_LEG: dict[str, Any] = {
    "code": "Ok",
    "routes": [
        route([CASINO, (43.7370, 7.4250), HARBOUR], TO_HARBOUR),
        route([CASINO, (43.7365, 7.4225), HARBOUR], leg(step("depart", None, "Boulevard des Moulins", 900, 130))),
    ],
    "waypoints": [waypoint(CASINO), waypoint(HARBOUR)],
}

TRIP: dict[str, Any] = {
    "code": "Ok",
    "trips": [route([CASINO, HARBOUR, GARDEN, PALACE], TO_HARBOUR, TO_PALACE, TO_PALACE)],
    "waypoints": [
        waypoint(CASINO, trips_index=0, waypoint_index=0),
        waypoint(GARDEN, trips_index=0, waypoint_index=2),
        waypoint(HARBOUR, trips_index=0, waypoint_index=1),
        waypoint(PALACE, trips_index=0, waypoint_index=3),
    ],
}

FERRY: dict[str, Any] = {
    "code": "Ok",
    "routes": [
        route(
            [CASINO, HARBOUR],
            leg(
                step("depart", None, "", 100, 20, intersections=[{"classes": ["toll", "motorway"]}]),
                step("notification", "straight", "Bateau Bus", 350, 300, mode="ferry"),
                step("arrive", None, "", 0, 0),
            ),
        )
    ],
    "waypoints": [waypoint(CASINO), waypoint((43.7400, 7.4206))],
}


def _route_with_alternative(result: RouteList) -> None:
    first, second = result.routes
    assert first.distance_m == 730.5
    assert first.duration_s == 110.0
    assert decode_shape(first.geometry)[0] == CASINO
    assert [part.text for part in first.legs[0].steps] == [
        "Head south on Avenue d'Ostende.",
        "Turn left onto Boulevard Albert Ier (M 6098).",
        "Arrive at your destination, on the right.",
    ]
    assert first.summary == "Avenue d'Ostende, Boulevard Albert Ier (M 6098)"
    assert first.has_ferry is False
    assert first.has_toll is None
    assert second.summary == "Boulevard des Moulins"


def _visits_the_harbour_first(result: RouteList) -> None:
    (only,) = result.routes
    assert only.waypoint_order == (1, 0)
    assert len(only.legs) == 3
    assert only.warnings == ()


def _knows_what_it_uses(result: RouteList) -> None:
    (only,) = result.routes
    assert (only.has_ferry, only.has_toll, only.has_highway) == (True, True, True)
    assert only.legs[0].steps[1].text == "Take the ferry Bateau Bus."
    assert only.warnings == ("the destination is 589 m from the road that the way takes",)


def _bare(result: RouteList) -> None:
    (only,) = result.routes
    assert only.legs[0].steps == ()
    assert only.summary == ""
    assert only.has_ferry is None


def _no_way(result: RouteList) -> None:
    assert result.routes == ()
    assert result.reason


def _matrix(result: Matrix) -> None:
    assert [[cell.duration_s for cell in row] for row in result.cells] == [[0.0, 81.4], [160.2, None]]
    assert result.cells[0][1].distance_m == 982.0
    assert result.cells[1][1].distance_m is None


def _empty_matrix(result: Matrix) -> None:
    assert [[cell.duration_s for cell in row] for row in result.cells] == [[None, None], [None, None]]


CASES = [
    Case("route", "compute_routes", WAY | {"alternatives": 1}, ((200, ONE_LEG),), check=_route_with_alternative),
    Case("trip", "compute_routes", TOUR | {"optimize_order": True}, ((200, TRIP),), check=_visits_the_harbour_first),
    Case("ferry", "compute_routes", WAY, ((200, FERRY),), check=_knows_what_it_uses),
    Case(
        "a route with only what every route has",
        "compute_routes",
        WAY,
        (
            (
                200,
                {
                    "code": "Ok",
                    "routes": [
                        {
                            "geometry": polyline.encode([CASINO, HARBOUR], 5),
                            "distance": 700,
                            "duration": 90,
                            "legs": [{"distance": 700, "duration": 90}],
                        }
                    ],
                    "waypoints": [waypoint(CASINO), waypoint(HARBOUR)],
                },
            ),
        ),
        check=_bare,
    ),
    Case(
        "no way",
        "compute_routes",
        WAY,
        ((400, {"code": "NoRoute", "message": "Impossible route between points"}),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "no road",
        "compute_routes",
        WAY,
        ((400, {"code": "NoSegment", "message": "Could not find a matching segment for coordinate 1"}),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "no trip",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((400, {"code": "NoTrips", "message": "No trip visiting all destinations possible."}),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "two trips",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, TRIP | {"trips": TRIP["trips"] * 2}),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "bad order",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, TRIP | {"waypoints": list(reversed(TRIP["waypoints"]))}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case(
        "two stops at one place in the order",
        "compute_routes",
        TOUR | {"optimize_order": True},
        (
            (
                200,
                TRIP
                | {
                    "waypoints": [
                        stop | {"waypoint_index": index}
                        for stop, index in zip(TRIP["waypoints"], (0, 1, 1, 3), strict=False)
                    ]
                },
            ),
        ),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case(
        "excluding is not supported",
        "compute_routes",
        WAY | {"avoid": ["tolls"]},
        ((400, {"code": "InvalidValue", "message": "Exclude flag combination is not supported."}),),
        kind="error",
        raises=UpstreamError,
    ),
    Case(
        "no routes",
        "compute_routes",
        WAY,
        ((200, {"code": "Ok", "routes": []}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case("html", "compute_routes", WAY, ((200, "<html>busy</html>"),), kind="error", raises=UpstreamFormatError),
    Case(
        "table",
        "travel_matrix",
        PAIRS,
        (
            (
                200,
                {
                    "code": "Ok",
                    "durations": [[0, 81.4], [160.2, None]],
                    "distances": [[0, 982], [2192.4, None]],
                    "sources": [waypoint(CASINO), waypoint(PALACE)],
                    "destinations": [waypoint(CASINO), waypoint(GARDEN)],
                },
            ),
        ),
        check=_matrix,
    ),
    Case("no table", "travel_matrix", PAIRS, ((400, {"code": "NoTable"}),), kind="empty", check=_empty_matrix),
    Case(
        "table too big",
        "travel_matrix",
        PAIRS,
        ((400, {"code": "TooBig", "message": "Too many table coordinates"}),),
        kind="error",
        raises=UpstreamError,
    ),
    Case(
        "table of another size",
        "travel_matrix",
        PAIRS,
        ((200, {"code": "Ok", "durations": [[0, 1]], "distances": [[0, 1]]}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
]
