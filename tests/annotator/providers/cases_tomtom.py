"""What TomTom is asked, and what its answers must be read as."""

from answers_tomtom import (
    ALONG,
    CAFE,
    FORBIDDEN,
    MATRIX,
    NO_ROUTE,
    OLD_NO_MATCH,
    ONE_LEG,
    OPEN_CAFE,
    PIZZERIA,
    REVERSE,
    STOPPED,
    STREET,
    THREE_LEGS,
    answer,
    cell,
    cell_error,
    leg,
    moment,
    route,
    route_summary,
)
from monaco import CASINO, GARDEN, HARBOUR, PAIRS, PALACE, TOUR, WAY
from provider_case import Case

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.results import AlongRoute, Matrix, PlaceList, PlaceResult, RouteList

SEARCH = {"query": "café du quai", "lat": 43.7347, "lon": 7.4206}
AT = {"lat": 43.7347, "lon": 7.4206}
DETAILS = {"place_id": "tomtom:pUsTa4Rq7L0"}
CAFES = {"origin": WAY["origin"], "destination": WAY["destination"], "type": "cafe"}


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
    assert (street.pid, street.name) == ("tomtom:sTrEet0", "Quai Antoine Ier")
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
    for part in only.legs:
        assert sum(step.distance_m for step in part.steps) == part.distance_m
        assert sum(step.duration_s for step in part.steps) == part.duration_s
    assert [[step.text for step in part.steps] for part in only.legs] == [
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
