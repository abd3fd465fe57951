"""Hand-written answers of the GraphHopper Directions API, around the harbour of Monaco; the numbers are invented."""

from typing import Any

import polyline
from monaco import CASINO, GARDEN, HARBOUR, PAIRS, PALACE, TOUR, WAY
from provider_case import Case

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import Matrix, PlaceList, RouteList

INFO = {"copyrights": ["GraphHopper", "OpenStreetMap contributors"], "took": 3}


def instruction(sign: int, text: str, metres: float, ms: int, street: str = "") -> dict[str, Any]:
    return {"sign": sign, "text": text, "distance": metres, "time": ms, "street_name": street, "interval": [0, 1]}


def path(shape: list[tuple[float, float]], *instructions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "distance": sum(part["distance"] for part in instructions),
        "time": sum(part["time"] for part in instructions),
        "weight": 1.0,
        "transfers": 0,
        "points_encoded": True,
        "points_encoded_multiplier": 100000.0,
        "bbox": [7.4197, 43.7315, 7.433, 43.745],
        "points": polyline.encode(shape, 5),
        "instructions": list(instructions),
        "details": {
            "toll": [[0, 2, "no"]],
            "road_class": [[0, 1, "secondary"], [1, 2, "residential"]],
            "road_environment": [[0, 2, "road"]],
        },
        "ascend": 12.0,
        "descend": 40.0,
        "snapped_waypoints": polyline.encode([shape[0], shape[-1]], 5),
    } | more


def problem(message: str, exception: str) -> dict[str, Any]:
    return {
        "message": message,
        "hints": [{"message": message, "details": f"com.graphhopper.util.exceptions.{exception}"}],
    }


DEPART = instruction(0, "Continue onto Avenue d'Ostende", 420.4, 61234, "Avenue d'Ostende")
TURN = instruction(-2, "Turn left onto Boulevard Albert Ier", 310.1, 48766, "Boulevard Albert Ier")
VIA = instruction(5, "Waypoint 1", 0.0, 0)
ARRIVE = instruction(4, "Arrive at destination", 0.0, 0)

ROUTE: dict[str, Any] = {
    "paths": [path([CASINO, (43.7370, 7.4250), HARBOUR], DEPART, TURN, ARRIVE)],
    "info": INFO,
}
FERRY: dict[str, Any] = {
    "paths": [
        path(
            [CASINO, HARBOUR],
            DEPART,
            ARRIVE,
            details={
                "toll": [[0, 1, "all"]],
                "road_class": [[0, 1, "motorway"]],
                "road_environment": [[0, 1, "ferry"]],
            },
            snapped_waypoints=polyline.encode([CASINO, (43.7380, 7.4206)], 5),
        )
    ],
    "info": INFO,
}
TRIP: dict[str, Any] = {
    "paths": [
        path(
            [CASINO, HARBOUR, GARDEN, PALACE],
            DEPART,
            VIA,
            TURN,
            VIA,
            DEPART,
            ARRIVE,
            points_order=[0, 2, 1, 3],
            snapped_waypoints=polyline.encode([CASINO, HARBOUR, GARDEN, PALACE], 5),
        )
    ],
    "info": INFO,
}

CAFE: dict[str, Any] = {
    "point": {"lat": 43.7351, "lng": 7.4211},
    "osm_id": 4200000001,
    "osm_type": "N",
    "osm_key": "amenity",
    "osm_value": "cafe",
    "name": "Café du Quai",
    "street": "Quai Albert Ier",
    "housenumber": "7",
    "postcode": "98000",
    "city": "Monaco",
    "country": "Monaco",
    "countrycode": "mc",
}
HITS: dict[str, Any] = {
    "hits": [
        CAFE,
        {"point": {"lat": 43.7352, "lng": 7.4212}, "name": "9 Quai Albert Ier", "osm_key": "place"},
        {"point": {"lat": 43.7353, "lng": 7.4213}, "osm_id": "77", "osm_type": "W"},
    ],
    "took": 4,
}


def _route(result: RouteList) -> None:
    (only,) = result.routes
    assert (only.distance_m, only.duration_s) == (730.5, 110.0)
    assert decode_shape(only.geometry)[1] == (43.737, 7.425)
    assert [step.maneuver for step in only.legs[0].steps] == ["continue", "left", "finish"]
    assert only.legs[0].steps[0].duration_s == 61.2
    assert only.summary == "Avenue d'Ostende, Boulevard Albert Ier"
    assert (only.has_toll, only.has_highway, only.has_ferry) == (False, False, False)
    assert only.warnings == ()


def _two_ways(result: RouteList) -> None:
    assert len(result.routes) == 2


def _warned(result: RouteList) -> None:
    (only,) = result.routes
    assert (only.has_toll, only.has_highway, only.has_ferry) == (True, True, True)
    assert only.warnings == (
        "no way was found without ferries",
        "the destination is 367 m from the road that the way takes",
    )


def _visits_the_harbour_first(result: RouteList) -> None:
    (only,) = result.routes
    assert only.waypoint_order == (1, 0)
    assert [leg.distance_m for leg in only.legs] == [420.4, 310.1, 420.4]
    assert [len(leg.steps) for leg in only.legs] == [2, 2, 2]
    assert only.warnings == ()


def _bare(result: RouteList) -> None:
    (only,) = result.routes
    assert only.legs[0].steps == ()
    assert (only.has_toll, only.has_highway, only.has_ferry) == (None, None, None)


def _no_way(result: RouteList) -> None:
    assert result.routes == ()
    assert result.reason


def _matrix(result: Matrix) -> None:
    assert [[cell.duration_s for cell in row] for row in result.cells] == [[0.0, 81.0], [160.0, None]]
    assert [[cell.distance_m for cell in row] for row in result.cells] == [[0.0, 982.0], [2192.0, None]]


def _no_pair(result: Matrix) -> None:
    assert all(cell.duration_s is None and cell.distance_m is None for row in result.cells for cell in row)


def _places(result: PlaceList) -> None:
    cafe, address, way = result.places
    assert (cafe.pid, cafe.name, cafe.kind) == ("osm:n4200000001", "Café du Quai", "amenity=cafe")
    assert cafe.categories == ("cafe",)
    assert cafe.address == "7 Quai Albert Ier, 98000 Monaco, Monaco"
    assert cafe.address_parts["country_code"] == "MC"
    assert cafe.distance_m is not None
    assert 59 < cafe.distance_m < 61
    assert (address.pid, address.kind, address.categories) == ("osm:address:43.735200,7.421200", "place", ())
    assert (way.pid, way.name, way.address, way.kind) == ("osm:w77", "", None, None)


def _nothing(result: PlaceList) -> None:
    assert result.places == ()


SEARCH = {"query": "café du quai", "lat": 43.7347, "lon": 7.4206}
HERE = {"lat": 43.7347, "lon": 7.4206, "limit": 3}
MATRIX = {"times": [[0, 81], [160, None]], "distances": [[0, 982], [2192, None]], "info": INFO}

CASES = [
    Case("search", "text_search", SEARCH, ((200, HITS),), check=_places),
    Case("no hits", "text_search", SEARCH, ((200, {"hits": [], "took": 1}),), kind="empty", check=_nothing),
    Case(
        "bad key",
        "text_search",
        SEARCH,
        ((401, {"message": "Wrong credentials. Register and get a valid API key"}),),
        kind="error",
        raises=UpstreamError,
    ),
    Case(
        "a hit nowhere on earth",
        "text_search",
        SEARCH,
        ((200, {"hits": [CAFE | {"point": {"lat": 143.7, "lng": 7.4}}]}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case("reverse", "reverse_geocode", HERE, ((200, HITS),), check=_places),
    Case("in the sea", "reverse_geocode", HERE, ((200, {"hits": []}),), kind="empty", check=_nothing),
    Case("reverse without hits", "reverse_geocode", HERE, ((200, {}),), kind="error", raises=UpstreamFormatError),
    Case("route", "compute_routes", WAY, ((200, ROUTE),), check=_route),
    Case(
        "alternative",
        "compute_routes",
        WAY | {"alternatives": 1},
        ((200, ROUTE | {"paths": ROUTE["paths"] + FERRY["paths"]}),),
        check=_two_ways,
    ),
    Case("ferry", "compute_routes", WAY | {"avoid": ["ferries"]}, ((200, FERRY),), check=_warned),
    Case("tour", "compute_routes", TOUR | {"optimize_order": True}, ((200, TRIP),), check=_visits_the_harbour_first),
    Case(
        "only what every path has",
        "compute_routes",
        WAY,
        ((200, {"paths": [{"distance": 700, "time": 90000, "points": polyline.encode([CASINO, HARBOUR], 5)}]}),),
        check=_bare,
    ),
    Case(
        "no connection",
        "compute_routes",
        WAY,
        ((400, problem("Connection between locations not found", "ConnectionNotFoundException")),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "no point",
        "compute_routes",
        WAY,
        ((400, {"message": "Cannot find point 1: 43.0,7.0"}),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "out of bounds",
        "compute_routes",
        WAY,
        ((400, problem("Point 0 is out of bounds: 43.0,7.0", "PointOutOfBoundsException")),),
        kind="empty",
        check=_no_way,
    ),
    Case(
        "too many points",
        "compute_routes",
        WAY,
        ((400, {"message": "Too many points for Routing API: 25, allowed: 5"}),),
        kind="error",
        raises=UpstreamError,
    ),
    Case("no paths", "compute_routes", WAY, ((200, {"info": INFO}),), kind="error", raises=UpstreamFormatError),
    Case(
        "the end moved",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, {"paths": [TRIP["paths"][0] | {"points_order": [0, 3, 1, 2]}]}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case(
        "legs without stops",
        "compute_routes",
        TOUR,
        ((200, ROUTE),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case("matrix", "travel_matrix", PAIRS, ((200, MATRIX),), check=_matrix),
    Case(
        "no pair",
        "travel_matrix",
        PAIRS,
        ((200, {"times": [[None, None]] * 2, "distances": [[None, None]] * 2}),),
        kind="empty",
        check=_no_pair,
    ),
    Case(
        "matrix too large",
        "travel_matrix",
        PAIRS,
        ((400, {"message": "Too many locations"}),),
        kind="error",
        raises=UpstreamError,
    ),
    Case(
        "matrix without distances",
        "travel_matrix",
        PAIRS,
        ((200, {"times": MATRIX["times"]}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
]
