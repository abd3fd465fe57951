"""Hand-written answers of TomTom's APIs, around the harbour of Monaco; all places and numbers are invented."""

from typing import Any

from monaco import CASINO, GARDEN, HARBOUR, PALACE

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
    "id": "sTrEet0",
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
