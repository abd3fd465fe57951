"""Hand-written answers of Valhalla's HTTP API, around the harbour of Monaco; the numbers are invented."""

from typing import Any

import polyline
from monaco import CASINO, GARDEN, HARBOUR, PAIRS, PALACE, TOUR, WAY
from provider_case import Case

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import Matrix, RouteList

CORNER = (43.737512, 7.424218)


def maneuver(kind: int, text: str, km: float, seconds: float, *streets: str, **more: Any) -> dict[str, Any]:
    return (
        {
            "type": kind,
            "instruction": text,
            "verbal_pre_transition_instruction": text,
            "length": km,
            "time": seconds,
            "cost": seconds,
            "begin_shape_index": 0,
            "end_shape_index": 1,
            "travel_mode": "drive",
            "travel_type": "car",
        }
        | ({"street_names": list(streets)} if streets else {})
        | more
    )


def summary(km: float, seconds: float, **flags: bool) -> dict[str, Any]:
    return {
        "has_time_restrictions": False,
        "has_toll": False,
        "has_highway": False,
        "has_ferry": False,
        "min_lat": 43.7315,
        "min_lon": 7.4197,
        "max_lat": 43.745,
        "max_lon": 7.433,
        "time": seconds,
        "length": km,
        "cost": seconds,
    } | flags


def leg(shape: list[tuple[float, float]], *maneuvers: dict[str, Any]) -> dict[str, Any]:
    return {
        "maneuvers": list(maneuvers),
        "summary": summary(sum(part["length"] for part in maneuvers), sum(part["time"] for part in maneuvers)),
        "shape": polyline.encode(shape, 6),
    }


def trip(stops: list[tuple[float, float]], *legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "locations": [
            {"type": "break", "lat": lat, "lon": lon, "original_index": index} for index, (lat, lon) in enumerate(stops)
        ],
        "legs": list(legs),
        "summary": summary(
            sum(part["summary"]["length"] for part in legs), sum(part["summary"]["time"] for part in legs)
        ),
        "status_message": "Found route between points",
        "status": 0,
        "units": "kilometers",
        "language": "en",
    } | more


def error(code: int, text: str, status: int = 400) -> dict[str, Any]:
    return {"error_code": code, "error": text, "status_code": status, "status": "Bad Request"}


TO_HARBOUR = leg(
    [CASINO, CORNER, HARBOUR],
    maneuver(1, "Drive southwest on Avenue d'Ostende.", 0.42, 61.234, "Avenue d'Ostende"),
    maneuver(15, "Turn left onto Boulevard Albert Ier/M 6098.", 0.31, 48.766, "Boulevard Albert Ier", "M 6098"),
    maneuver(4, "You have arrived at your destination.", 0.0, 0.0),
)
TO_GARDEN = leg([HARBOUR, CASINO, GARDEN], maneuver(1, "Drive east.", 1.5, 200.0), maneuver(4, "Arrived.", 0.0, 0.0))
TO_PALACE = leg([GARDEN, HARBOUR, PALACE], maneuver(1, "Drive west.", 1.9, 260.0), maneuver(4, "Arrived.", 0.0, 0.0))

TRIP = trip([CASINO, HARBOUR], TO_HARBOUR)
BY_BOAT = trip(
    [CASINO, HARBOUR],
    leg([CASINO, HARBOUR], maneuver(28, "Take the Bateau Bus.", 0.4, 300.0, "Bateau Bus", ferry=True)),
    summary=summary(0.4, 300.0, has_ferry=True),
    language="en-US",
    warnings=[{"code": 204, "text": "A costing option was clamped"}],
)
VISIT = trip([CASINO, HARBOUR, GARDEN, PALACE], TO_HARBOUR, TO_GARDEN, TO_PALACE)
for _location, _index in zip(VISIT["locations"], (0, 2, 1, 3), strict=True):
    _location["original_index"] = _index

PAIR = {"begin_lat": 43.7396, "begin_lon": 7.4273, "cost": 1.0}
VERBOSE: dict[str, Any] = {
    "sources_to_targets": [
        [
            {"from_index": 0, "to_index": 0, "time": 0, "distance": 0.0} | PAIR,
            {"from_index": 0, "to_index": 1, "time": 81, "distance": 0.982} | PAIR,
        ],
        [
            {"from_index": 1, "to_index": 0, "time": 160, "distance": 2.192} | PAIR,
            {"from_index": 1, "to_index": 1, "time": None, "distance": None},
        ],
    ],
    "units": "kilometers",
    "algorithm": "costmatrix",
}


def _route_with_alternative(result: RouteList) -> None:
    first, second = result.routes
    assert (first.distance_m, first.duration_s) == (730.0, 110.0)
    assert decode_shape(first.geometry) == [CASINO, (43.73751, 7.42422), HARBOUR]
    steps = first.legs[0].steps
    assert [part.text for part in steps][:2] == [
        "Drive southwest on Avenue d'Ostende.",
        "Turn left onto Boulevard Albert Ier/M 6098.",
    ]
    assert [part.maneuver for part in steps] == ["start", "left", "destination"]
    assert [part.road for part in steps] == ["Avenue d'Ostende", "Boulevard Albert Ier/M 6098", None]
    assert first.summary == "Avenue d'Ostende, Boulevard Albert Ier/M 6098"
    assert (first.has_toll, first.has_highway, first.has_ferry) == (False, False, False)
    assert first.waypoint_order == ()
    assert first.warnings == ()
    assert second.has_ferry is True


def _warned(result: RouteList) -> None:
    (only,) = result.routes
    assert only.warnings == (
        "A costing option was clamped",
        "no way was found without ferries",
        "the instructions are in en-US, because this Valhalla has none in zh",
    )


def _visits_the_harbour_first(result: RouteList) -> None:
    (only,) = result.routes
    assert only.waypoint_order == (1, 0)
    assert [part.distance_m for part in only.legs] == [730.0, 1500.0, 1900.0]
    # Where two legs meet, their common point is there once.
    assert decode_shape(only.geometry)[2:4] == [HARBOUR, CASINO]


def _bare(result: RouteList) -> None:
    (only,) = result.routes
    assert only.legs[0].steps == ()
    assert only.has_toll is None


def _no_way(result: RouteList) -> None:
    assert result.routes == ()
    assert result.reason


def _matrix(result: Matrix) -> None:
    assert [[cell.duration_s for cell in row] for row in result.cells] == [[0.0, 81.0], [160.0, None]]
    assert [[cell.distance_m for cell in row] for row in result.cells] == [[0.0, 982.0], [2192.0, None]]


def _no_pair(result: Matrix) -> None:
    assert all(cell.duration_s is None and cell.distance_m is None for row in result.cells for cell in row)


BARE_LEG = {"summary": {"length": 0.7, "time": 90}, "shape": polyline.encode([CASINO, HARBOUR], 6)}

CASES = [
    Case(
        "route and alternative",
        "compute_routes",
        WAY | {"alternatives": 1},
        ((200, {"trip": TRIP, "alternates": [{"trip": BY_BOAT}]}),),
        check=_route_with_alternative,
    ),
    Case(
        "warnings",
        "compute_routes",
        WAY | {"avoid": ["ferries"], "language": "zh"},
        ((200, {"trip": BY_BOAT}),),
        check=_warned,
    ),
    Case(
        "optimized order",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, {"trip": VISIT}),),
        check=_visits_the_harbour_first,
    ),
    Case(
        "only what every trip has",
        "compute_routes",
        WAY,
        ((200, {"trip": {"legs": [BARE_LEG], "summary": {"length": 0.7, "time": 90}}}),),
        check=_bare,
    ),
    Case(
        "no path",
        "compute_routes",
        WAY,
        ((400, error(442, "No path could be found for input")),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "no edges",
        "compute_routes",
        WAY,
        ((400, error(171, "No suitable edges near location")),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "too far",
        "compute_routes",
        WAY,
        ((400, error(154, "Path distance exceeds the max distance limit: 5000000 meters")),),
        kind="error",
        raises=UpstreamError,
    ),
    Case(
        "optimized without indices",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, {"trip": VISIT | {"locations": [{"lat": 43.7, "lon": 7.4}]}}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case("no trip", "compute_routes", WAY, ((200, {"trip": {"legs": []}}),), kind="error", raises=UpstreamFormatError),
    Case(
        "broken shape",
        "compute_routes",
        WAY,
        ((200, {"trip": trip([CASINO, HARBOUR], BARE_LEG | {"shape": "_"})}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case(
        "half a body", "compute_routes", WAY, ((200, '{"trip": {"legs": ['),), kind="error", raises=UpstreamFormatError
    ),
    Case("matrix", "travel_matrix", PAIRS, ((200, VERBOSE),), check=_matrix),
    Case(
        "concise matrix",
        "travel_matrix",
        PAIRS,
        (
            (
                200,
                {
                    "sources_to_targets": {
                        "durations": [[0, 81], [160, None]],
                        "distances": [[0.0, 0.982], [2.192, None]],
                    },
                    "units": "kilometers",
                },
            ),
        ),
        check=_matrix,
    ),
    Case(
        "no pair",
        "travel_matrix",
        PAIRS,
        ((200, {"sources_to_targets": [[{"time": None, "distance": None}] * 2] * 2, "units": "kilometers"}),),
        kind="empty",
        check=_no_pair,
    ),
    Case(
        "matrix of another size",
        "travel_matrix",
        PAIRS,
        ((200, VERBOSE | {"sources_to_targets": VERBOSE["sources_to_targets"][:1]}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case(
        "matrix off the map",
        "travel_matrix",
        PAIRS,
        ((400, error(171, "No suitable edges near location")),),
        kind="error",
        raises=UpstreamError,
    ),
]
