"""Hand-written answers of TomTom's APIs, around the harbour of Monaco; all places and numbers are invented."""

from typing import Any

from monaco import CASINO, GARDEN, HARBOUR, PAIRS, PALACE, TOUR, WAY
from provider_case import Case

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import AlongRoute, Matrix, PlaceList, PlaceResult, RouteList

CAFE: dict[str, Any] = {
    "type": "POI",
    "id": "pUsTa4Rq7L0",
    "score": 2.5,
    "dist": 61.0,
    "info": "search:ta:1-MC",
    "poi": {
        "name": "Café du Quai",
        "phone": "+377 00 00 00 01",
        "url": "cafe-du-quai.example",
        "brands": [{"name": "Quai"}],
        "categorySet": [{"id": 9376002}],
        "categories": ["café", "café/pub"],
        "classifications": [{"code": "CAFE_PUB", "names": [{"nameLocale": "en-US", "name": "café"}]}],
    },
    "address": {
        "streetNumber": "7",
        "streetName": "Quai Albert Ier",
        "municipality": "Monaco",
        "postalCode": "98000",
        "countryCode": "MC",
        "country": "Monaco",
        "countryCodeISO3": "MCO",
        "freeformAddress": "7 Quai Albert Ier, 98000 Monaco",
        "localName": "Monaco",
    },
    "position": {"lat": 43.7351, "lon": 7.4211},
    "viewport": {"topLeftPoint": {"lat": 43.736, "lon": 7.42}, "btmRightPoint": {"lat": 43.734, "lon": 7.422}},
    "entryPoints": [{"type": "main", "position": {"lat": 43.7351, "lon": 7.4212}}],
}
PIZZERIA: dict[str, Any] = {
    "type": "POI",
    "id": "pUsTa4Rq7L1",
    "poi": {"name": "Da Nessuno", "categorySet": [{"id": 7315036}]},
    "address": {"freeformAddress": "Monaco"},
    "position": {"lat": 43.7348, "lon": 7.4207},
}
STREET: dict[str, Any] = {
    "type": "Street",
    "address": {"streetName": "Quai Antoine Ier", "municipality": "Monaco", "countryCode": "MC"},
    "position": {"lat": 43.7330, "lon": 7.4200},
}


def answer(*results: dict[str, Any], total: int | None = None) -> dict[str, Any]:
    return {
        "summary": {
            "query": "x",
            "queryType": "NON_NEAR",
            "queryTime": 12,
            "numResults": len(results),
            "offset": 0,
            "totalResults": len(results) if total is None else total,
            "fuzzyLevel": 1,
        },
        "results": list(results),
    }


def moment(day: str, hour: int, minute: int) -> dict[str, Any]:
    return {"date": day, "hour": hour, "minute": minute}


OPEN_CAFE: dict[str, Any] = CAFE | {
    "poi": CAFE["poi"]
    | {
        "openingHours": {
            "mode": "nextSevenDays",
            "timeRanges": [
                # A Wednesday, so that the week wraps; the last range is Wednesday's again, a week later.
                {"startTime": moment("2026-03-04", 8, 0), "endTime": moment("2026-03-04", 12, 30)},
                {"startTime": moment("2026-03-04", 14, 0), "endTime": moment("2026-03-04", 18, 0)},
                {"startTime": moment("2026-03-06", 20, 0), "endTime": moment("2026-03-07", 2, 0)},
                {"startTime": moment("2026-03-08", 0, 0), "endTime": moment("2026-03-10", 12, 0)},
                {"startTime": moment("2026-03-11", 9, 0), "endTime": moment("2026-03-11", 10, 0)},
            ],
        },
        "timeZone": {"ianaId": "Europe/Monaco"},
    }
}


def route_summary(metres: int, seconds: int) -> dict[str, Any]:
    return {
        "lengthInMeters": metres,
        "travelTimeInSeconds": seconds,
        "trafficDelayInSeconds": 0,
        "trafficLengthInMeters": 0,
        "departureTime": "2026-03-04T10:00:00+01:00",
        "arrivalTime": "2026-03-04T10:05:00+01:00",
    }


def leg(shape: list[tuple[float, float]], metres: int, seconds: int) -> dict[str, Any]:
    return {
        "summary": route_summary(metres, seconds),
        "points": [{"latitude": lat, "longitude": lon} for lat, lon in shape],
    }


def instruction(offset: int, seconds: int, kind: str, message: str, **more: Any) -> dict[str, Any]:
    return {
        "routeOffsetInMeters": offset,
        "travelTimeInSeconds": seconds,
        "point": {"latitude": 43.73, "longitude": 7.42},
        "pointIndex": 0,
        "instructionType": kind,
        "message": message,
        "drivingSide": "RIGHT",
        "possibleCombineWithNext": False,
    } | more


def route(metres: int, seconds: int, *legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "summary": route_summary(metres, seconds),
        "legs": list(legs),
        "sections": [{"startPointIndex": 0, "endPointIndex": 2, "sectionType": "TRAVEL_MODE", "travelMode": "car"}],
    } | more


DEPART = instruction(
    0, 0, "LOCATION_DEPARTURE", "Leave from Avenue d'Ostende", street="Avenue d'Ostende", maneuver="DEPART"
)
TURN = instruction(420, 61, "TURN", "Turn left onto Boulevard Albert Ier", roadNumbers=["M6098"], maneuver="TURN_LEFT")
ARRIVE = instruction(731, 110, "LOCATION_ARRIVAL", "You have arrived", maneuver="ARRIVE_RIGHT")

ONE_LEG: dict[str, Any] = {
    "formatVersion": "0.0.12",
    "routes": [
        route(
            731,
            110,
            leg([CASINO, (43.7370, 7.4250), HARBOUR], 731, 110),
            guidance={"instructions": [DEPART, TURN, ARRIVE], "instructionGroups": []},
        ),
        route(
            900,
            150,
            leg([CASINO, (43.7365, 7.4225), HARBOUR], 900, 150),
            sections=[
                {"startPointIndex": 0, "endPointIndex": 1, "sectionType": "TOLL_ROAD"},
                {"startPointIndex": 0, "endPointIndex": 1, "sectionType": "FERRY"},
            ],
        ),
    ],
}

THREE_LEGS: dict[str, Any] = {
    "formatVersion": "0.0.12",
    "optimizedWaypoints": [
        {"providedIndex": 0, "optimizedIndex": 1},
        {"providedIndex": 1, "optimizedIndex": 0},
    ],
    "routes": [
        route(
            3000,
            400,
            leg([CASINO, HARBOUR], 731, 110),
            leg([HARBOUR, CASINO, GARDEN], 1269, 190),
            leg([GARDEN, PALACE], 1000, 100),
            guidance={
                "instructions": [
                    DEPART,
                    TURN,
                    instruction(
                        731, 110, "LOCATION_WAYPOINT", "Stop reached", street="Avenue du Port", maneuver="WAYPOINT_LEFT"
                    ),
                    instruction(1000, 150, "TURN", "Turn right", maneuver="TURN_RIGHT"),
                    instruction(2000, 300, "LOCATION_WAYPOINT", "Second stop reached", maneuver="WAYPOINT_REACHED"),
                    instruction(3000, 400, "LOCATION_ARRIVAL", "You have arrived", maneuver="ARRIVE"),
                ]
            },
        )
    ],
}

NO_ROUTE = {
    "formatVersion": "0.0.12",
    "detailedError": {
        "code": "NO_ROUTE_FOUND",
        "message": "Engine error while executing route request: NO_ROUTE_FOUND",
    },
}
OLD_NO_MATCH = {
    "formatVersion": "0.0.12",
    "error": {"description": "Engine error while executing route request: MAP_MATCHING_FAILURE: Origin (43, 7)"},
}
STOPPED = {
    "formatVersion": "0.0.12",
    "detailedError": {
        "code": "COMPUTE_TIME_LIMIT_EXCEEDED",
        "message": "Engine error while executing route request: STOPPED: too long",
    },
}


def cell(i: int, j: int, **more: Any) -> dict[str, Any]:
    return {"originIndex": i, "destinationIndex": j} | more


def cell_error(i: int, j: int, code: str, message: str) -> dict[str, Any]:
    return cell(
        i,
        j,
        detailedError={
            "code": "CELL_PROCESSING_ERROR",
            "message": "Cell could not be processed",
            "innerError": {"code": code, "message": message},
        },
    )


MATRIX: dict[str, Any] = {
    "data": [
        cell(0, 0, routeSummary=route_summary(0, 0)),
        cell(0, 1, routeSummary=route_summary(982, 81)),
        cell(1, 0, routeSummary=route_summary(2192, 160)),
        cell_error(1, 1, "NO_ROUTE_FOUND", "Engine error while executing route request: NO_ROUTE_FOUND"),
    ],
    "statistics": {"totalCount": 4, "successes": 3, "failures": 1, "failureDetails": {"CELL_PROCESSING_ERROR": 1}},
}


def _search(result: PlaceList) -> None:
    cafe, pizzeria, street = result.places
    assert result.total == 12
    assert (cafe.pid, cafe.name, cafe.kind, cafe.categories) == (
        "tomtom:pUsTa4Rq7L0",
        "Café du Quai",
        "CAFE_PUB",
        ("cafe",),
    )
    assert (cafe.phone, cafe.website) == ("+377 00 00 00 01", "cafe-du-quai.example")
    assert cafe.address == "7 Quai Albert Ier, 98000 Monaco"
    assert cafe.address_parts == {
        "street": "Quai Albert Ier",
        "house_number": "7",
        "postcode": "98000",
        "city": "Monaco",
        "country": "Monaco",
        "country_code": "MC",
    }
    assert cafe.attributes == {"brands": ["Quai"], "categories": ["café", "café/pub"]}
    assert (cafe.rating, cafe.opening_hours) == (None, None)
    assert (pizzeria.categories, pizzeria.kind, pizzeria.attributes) == (("restaurant",), "POI", {})
    assert (street.pid, street.name) == ("geo:43.733000,7.420000", "Quai Antoine Ier")
    assert street.address == "Quai Antoine Ier, Monaco"


def _nothing(result: PlaceList) -> None:
    assert result.places == ()


def _hours(result: PlaceResult) -> None:
    assert result.place is not None
    hours = result.place.opening_hours
    assert hours is not None
    assert hours.timezone == "Europe/Monaco"
    assert hours.weekdays == (
        "Monday: 00:00-24:00",
        "Tuesday: 00:00-12:00",
        "Wednesday: 08:00-12:30, 14:00-18:00",
        "Thursday: closed",
        "Friday: 20:00-02:00",
        "Saturday: closed",
        "Sunday: 00:00-24:00",
    )


def _no_place(result: PlaceResult) -> None:
    assert result.place is None


def _address(result: PlaceList) -> None:
    (place,) = result.places
    assert (place.pid, place.name, place.kind) == ("tomtom:addr1", "", "Address")
    assert (place.lat, place.lon) == (43.73474, 7.42061)
    assert place.address == "3 Quai Albert Ier, 98000 Monaco"
    assert place.distance_m is not None
    assert 4 < place.distance_m < 5


def _nearest_first(result: PlaceList) -> None:
    assert [place.name for place in result.places] == ["Da Nessuno", "Café du Quai"]
    distances = [place.distance_m or 0 for place in result.places]
    assert distances == sorted(distances)


def _by_words(result: PlaceList) -> None:
    assert [place.name for place in result.places] == ["Café du Quai"]


def _with_travel(result: PlaceList) -> None:
    nearest, other = result.places
    assert nearest.travel is not None
    assert (nearest.travel.mode, nearest.travel.duration_s, nearest.travel.distance_m) == ("walk", 40.0, 50.0)
    assert other.travel is None


def _route(result: RouteList) -> None:
    first, second = result.routes
    assert (first.distance_m, first.duration_s) == (731.0, 110.0)
    assert decode_shape(first.geometry) == [CASINO, (43.737, 7.425), HARBOUR]
    assert [(step.text, step.distance_m, step.duration_s, step.road) for step in first.legs[0].steps] == [
        ("Leave from Avenue d'Ostende", 420.0, 61.0, "Avenue d'Ostende"),
        ("Turn left onto Boulevard Albert Ier", 311.0, 49.0, "M6098"),
        ("You have arrived", 0.0, 0.0, None),
    ]
    assert [step.maneuver for step in first.legs[0].steps] == ["DEPART", "TURN_LEFT", "ARRIVE_RIGHT"]
    assert first.summary == "Avenue d'Ostende, M6098"
    assert (first.has_toll, first.has_highway, first.has_ferry) == (False, False, False)
    assert first.warnings == ()
    assert (second.has_toll, second.has_highway, second.has_ferry) == (True, False, True)
    assert second.warnings == ("no way was found without tolls",)
    assert second.legs[0].steps == ()


def _all_legs(result: RouteList) -> None:
    (only,) = result.routes
    assert only.waypoint_order == (1, 0)
    # Upstream drew the first leg only: all of them are the way.
    assert decode_shape(only.geometry) == [CASINO, HARBOUR, CASINO, GARDEN, PALACE]
    for leg in only.legs:
        assert sum(step.distance_m for step in leg.steps) == leg.distance_m
        assert sum(step.duration_s for step in leg.steps) == leg.duration_s
    assert [[step.text for step in leg.steps] for leg in only.legs] == [
        ["Leave from Avenue d'Ostende", "Turn left onto Boulevard Albert Ier", "Stop reached"],
        ["Avenue du Port", "Turn right", "Second stop reached"],
        ["Second stop reached", "You have arrived"],
    ]
    assert only.warnings == ()


def _bare(result: RouteList) -> None:
    (only,) = result.routes
    assert only.legs[0].steps == ()
    assert (only.summary, only.has_toll, only.has_highway, only.has_ferry) == ("", None, None, None)


def _no_way(result: RouteList) -> None:
    assert result.routes == ()
    assert result.reason


def _matrix(result: Matrix) -> None:
    assert [[cell.duration_s for cell in row] for row in result.cells] == [[0.0, 81.0], [160.0, None]]
    assert [[cell.distance_m for cell in row] for row in result.cells] == [[0.0, 982.0], [2192.0, None]]


def _no_pair(result: Matrix) -> None:
    assert [[cell.duration_s for cell in row] for row in result.cells] == [[None, None], [None, None]]


def _along(result: AlongRoute) -> None:
    assert result.route is not None
    assert result.route.distance_m == 731.0
    first, second = result.places
    assert first.detour is not None
    assert second.detour is not None
    # TomTom says that the way through the second one is quicker than its own; that is no detour.
    assert (second.name, second.detour.duration_s, second.detour.distance_m) == ("Loin", 95.0, 400.0)
    assert (first.name, first.detour.duration_s, first.detour.distance_m) == ("Café du Quai", 0.0, 0.0)
    assert first.detour.offset_m is not None
    assert 600 < first.detour.offset_m < 780


def _nothing_along(result: AlongRoute) -> None:
    assert result.route is not None
    assert result.places == ()


def _no_way_along(result: AlongRoute) -> None:
    assert (result.route, result.places) == (None, ())
    assert result.reason


SEARCH = {"query": "café du quai", "lat": 43.7347, "lon": 7.4206}
AT = {"lat": 43.7347, "lon": 7.4206}
DETAILS = {"place_id": "tomtom:pUsTa4Rq7L0"}
CAFES = {"origin": WAY["origin"], "destination": WAY["destination"], "type": "cafe"}
REVERSE = {
    "summary": {"queryTime": 3, "numResults": 1},
    "addresses": [
        {
            "address": {
                "streetNumber": "3",
                "streetName": "Quai Albert Ier",
                "municipality": "Monaco",
                "country": "Monaco",
                "freeformAddress": "3 Quai Albert Ier, 98000 Monaco",
            },
            "position": "43.734740,7.420610",
            "id": "addr1",
        }
    ],
}
ALONG = answer(
    CAFE | {"detourTime": -12, "detourDistance": -30},
    CAFE | {"id": "far", "poi": CAFE["poi"] | {"name": "Loin"}, "detourTime": 95, "detourDistance": 400},
    CAFE | {"id": "unknown", "poi": CAFE["poi"] | {"name": "Sans détour"}},
    PIZZERIA | {"detourTime": 10, "detourDistance": 20},
)
FORBIDDEN = {"detailedError": {"code": "Forbidden", "message": "You are not allowed to access this endpoint"}}

CASES = [
    Case("search", "text_search", SEARCH, ((200, answer(CAFE, PIZZERIA, STREET, total=12)),), check=_search),
    Case("no results", "text_search", SEARCH, ((200, answer()),), kind="empty", check=_nothing),
    Case("forbidden", "text_search", SEARCH, ((403, FORBIDDEN),), kind="error", raises=UpstreamError),
    Case(
        "search without results",
        "text_search",
        SEARCH,
        ((200, {"summary": {}}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case("place", "place_details", DETAILS, ((200, answer(OPEN_CAFE)),), check=_hours),
    Case("no place", "place_details", DETAILS, ((200, answer()),), kind="empty", check=_no_place),
    Case(
        "unknown place",
        "place_details",
        DETAILS,
        ((404, {"errorText": "No entity with this id", "httpStatusCode": 404}),),
        kind="empty",
        check=_no_place,
    ),
    Case(
        "impossible hours",
        "place_details",
        DETAILS,
        (
            (
                200,
                answer(
                    CAFE
                    | {
                        "poi": CAFE["poi"]
                        | {
                            "openingHours": {
                                "timeRanges": [
                                    {"startTime": moment("soon", 8, 0), "endTime": moment("2026-03-04", 9, 0)}
                                ]
                            }
                        }
                    }
                ),
            ),
        ),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case("not found page", "place_details", DETAILS, ((404, "<h1>596</h1>"),), kind="error", raises=UpstreamError),
    Case("reverse", "reverse_geocode", AT, ((200, REVERSE),), check=_address),
    Case(
        "in the sea",
        "reverse_geocode",
        AT,
        ((200, {"summary": {"numResults": 0}, "addresses": []}),),
        kind="empty",
        check=_nothing,
    ),
    Case(
        "position that is none",
        "reverse_geocode",
        AT,
        ((200, {"addresses": [{"address": {}, "position": "here"}]}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case("nearby", "nearby_search", AT, ((200, answer(CAFE, PIZZERIA)),), check=_nearest_first),
    Case(
        "nearby by words and type",
        "nearby_search",
        AT | {"keyword": "quai", "type": "cafe", "radius_m": 100},
        ((200, answer(PIZZERIA, STREET, CAFE)),),
        check=_by_words,
    ),
    Case(
        "nearby with the way there",
        "nearby_search",
        AT | {"travel_mode": "walk"},
        (
            (200, answer(CAFE, PIZZERIA)),
            (200, {"data": [cell(0, 0, routeSummary=route_summary(50, 40))], "statistics": {"totalCount": 2}}),
        ),
        check=_with_travel,
    ),
    Case("nothing nearby", "nearby_search", AT, ((200, answer()),), kind="empty", check=_nothing),
    Case(
        "nearby out of bounds",
        "nearby_search",
        AT,
        ((400, {"errorText": "Invalid request: radius", "httpStatusCode": 400}),),
        kind="error",
        raises=UpstreamError,
    ),
    Case("route", "compute_routes", WAY | {"alternatives": 1, "avoid": ["tolls"]}, ((200, ONE_LEG),), check=_route),
    Case("tour", "compute_routes", TOUR | {"optimize_order": True}, ((200, THREE_LEGS),), check=_all_legs),
    Case(
        "only what every route has",
        "compute_routes",
        WAY,
        (
            (
                200,
                {
                    "routes": [
                        {
                            "summary": {"lengthInMeters": 731, "travelTimeInSeconds": 110},
                            "legs": [leg([CASINO, HARBOUR], 731, 110)],
                        }
                    ]
                },
            ),
        ),
        check=_bare,
    ),
    Case("no route", "compute_routes", WAY, ((400, NO_ROUTE),), kind="empty", check=_no_way),
    Case("no road, in the old shape", "compute_routes", WAY, ((400, OLD_NO_MATCH),), kind="empty", check=_no_way),
    Case("given up", "compute_routes", WAY, ((400, STOPPED),), kind="error", raises=UpstreamError),
    Case("no routes", "compute_routes", WAY, ((200, {"routes": []}),), kind="error", raises=UpstreamFormatError),
    Case(
        "a leg is missing",
        "compute_routes",
        TOUR,
        ((200, ONE_LEG),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case(
        "a leg without points",
        "compute_routes",
        WAY,
        ((200, {"routes": [route(1, 1, leg([], 1, 1))]}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case(
        "an order of other stops",
        "compute_routes",
        TOUR | {"optimize_order": True},
        ((200, THREE_LEGS | {"optimizedWaypoints": [{"providedIndex": 2, "optimizedIndex": 0}]}),),
        kind="error",
        raises=UpstreamFormatError,
    ),
    Case("matrix", "travel_matrix", PAIRS, ((200, MATRIX),), check=_matrix),
    Case("no pair", "travel_matrix", PAIRS, ((200, {"data": []}),), kind="empty", check=_no_pair),
    Case(
        "a pair given up",
        "travel_matrix",
        PAIRS,
        (
            (
                200,
                {
                    "data": [
                        cell_error(
                            0, 0, "NO_ROUTE_FOUND", "Engine error while executing route request: STOPPED: too long"
                        )
                    ]
                },
            ),
        ),
        kind="error",
        raises=UpstreamError,
    ),
    Case("matrix without data", "travel_matrix", PAIRS, ((200, {}),), kind="error", raises=UpstreamFormatError),
    Case("along", "search_along_route", CAFES | {"max_detour_s": 600}, ((200, ONE_LEG), (200, ALONG)), check=_along),
    Case(
        "nothing along",
        "search_along_route",
        CAFES,
        ((200, ONE_LEG), (200, answer())),
        kind="empty",
        check=_nothing_along,
    ),
    Case("no way along", "search_along_route", CAFES, ((400, NO_ROUTE),), kind="empty", check=_no_way_along),
    Case(
        "half a body along",
        "search_along_route",
        CAFES,
        ((200, ONE_LEG), (200, '{"summary": {"query": "caf')),
        kind="error",
        raises=UpstreamFormatError,
    ),
]
