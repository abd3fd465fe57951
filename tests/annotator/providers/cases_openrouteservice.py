"""Hand-written answers of openrouteservice, around the harbour of Monaco; places and numbers are invented."""

from typing import Any

import polyline
from monaco import CASINO, GARDEN, HARBOUR, PAIRS, PALACE, TOUR, WAY
from provider_case import Case

from annotator.errors import InputError, UpstreamError, UpstreamFormatError
from annotator.geo import decode_shape
from annotator.maps.providers.ors_places import MAX_POIS
from annotator.maps.results import Matrix, PlaceList, RouteList


def collection(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def feature(lat: float, lon: float, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, "properties": properties}


def geocoded(*features: dict[str, Any]) -> dict[str, Any]:
    return {
        "geocoding": {
            "version": "0.2",
            "attribution": "https://openrouteservice.org/terms-of-service/#attribution-geocode",
            "query": {"size": 10, "sources": ["openstreetmap"]},
            "engine": {"name": "Pelias", "author": "Mapzen", "version": "1.0"},
        }
    } | collection(*features)


VENUE = feature(
    43.7350,
    7.4210,
    id="node/1001",
    gid="openstreetmap:venue:node/1001",
    layer="venue",
    source="openstreetmap",
    source_id="node/1001",
    name="The Anchor Café",
    housenumber="12",
    street="Quai du Phare",
    postalcode="98000",
    confidence=0.9,
    distance=0.046,
    accuracy="point",
    country="Monaco",
    country_a="MCO",
    country_code="MC",
    locality="Monaco",
    neighbourhood="La Condamine",
    label="The Anchor Café, Monaco",
    addendum={"osm": {"website": "https://anchor.example", "opening_hours": "Mo-Su 08:00-20:00"}},
)
FAR = feature(43.7385, 7.4270, id="way/1009", layer="venue", source="openstreetmap", name="Far", label="Far, Monaco")
BY_COLON = feature(
    43.7348, 7.4206, id="relation:77", layer="address", source="openstreetmap", name="1 Quai", label="1 Quai"
)
STREET = feature(43.7348, 7.4206, id="polyline:99:4", layer="street", source="openstreetmap", name="Quai", label="Quai")


def poi(osm_type: int, osm_id: int, lat: float, lon: float, number: int | None = 564, **tags: str) -> dict[str, Any]:
    found = feature(lat, lon, osm_id=osm_id, osm_type=osm_type, distance=123.45)
    if number is not None:
        found["properties"]["category_ids"] = {str(number): {"category_name": "?", "category_group": "?"}}
    if tags:
        found["properties"]["osm_tags"] = tags
    return found


ANCHOR = poi(2, 12, 43.7349, 7.4208, name="The Anchor", wheelchair="yes", phone="+377 00 00 00", opening_hours="24/7")
NAMELESS = poi(1, 13, 43.7351, 7.4206)
STEEP = poi(1, 11, 43.7371, 7.4240, name="Anchor on the Hill", wheelchair="no")
OUTSIDE = poi(1, 14, 43.7600, 7.4206, name="Anchor far away", wheelchair="yes")
UNKNOWN = poi(3, 15, 43.7352, 7.4206, 9999, name="Something")


def step(kind: int, text: str, name: str, distance: float, duration: float) -> dict[str, Any]:
    return {
        "distance": distance,
        "duration": duration,
        "type": kind,
        "instruction": text,
        "name": name,
        "way_points": [0, 1],
    }


def segment(*steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "distance": sum(part["distance"] for part in steps),
        "duration": sum(part["duration"] for part in steps),
        "steps": list(steps),
    }


def route(shape: list[tuple[float, float]], *segments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "summary": {
            "distance": sum(part["distance"] for part in segments),
            "duration": sum(part["duration"] for part in segments),
        },
        "segments": list(segments),
        "bbox": [7.41, 43.73, 7.43, 43.75],
        "geometry": polyline.encode(shape, 5),
        "way_points": list(range(len(shape))),
    } | more


def routed(*routes: dict[str, Any]) -> dict[str, Any]:
    return {
        "bbox": [7.41, 43.73, 7.43, 43.75],
        "routes": list(routes),
        "metadata": {
            "attribution": "openrouteservice.org | OpenStreetMap contributors",
            "service": "routing",
            "engine": {"version": "9.0.0", "graph_date": "2026-01-04T00:00:00Z"},
        },
    }


def error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}, "info": {"engine": {"version": "9.0.0"}}}


TO_HARBOUR = segment(
    step(11, "Head west on Avenue d'Ostende", "Avenue d'Ostende", 420.4, 61.2),
    step(0, "Turn left", "-", 310.1, 48.8),
    step(10, "Arrive at your destination, on the right", "-", 0.0, 0.0),
)
UP = segment(step(11, "Head north on Rue du Port", "Rue du Port", 900.0, 120.0))
NO_WAY = error(2009, "Route could not be found - Unable to find a route between points 1 (7.4 43.7) and 2 (7.5 43.8).")
NO_ROAD = error(2010, "Could not find routable point within a radius of 350.0 meters of specified coordinate 0.")
TOO_FAR = error(2004, "Request parameters exceed the server configuration limits.")
BAD_KEY = {"error": "Access to this API has been disallowed"}
OVER_QUOTA = {"error": "Rate limit exceeded"}
PELIAS_ERROR = {"geocoding": {"version": "0.2", "errors": ["invalid param 'point.lat'"]}, "features": []}
POI_ERROR = {"error": {"code": 4008, "message": "Geometry size does not meet the restrictions."}}
PAGE = "<html><body><h1>503 Service Unavailable</h1></body></html>"


def found_venue(result: Any) -> None:
    assert isinstance(result, PlaceList)
    (place,) = result.places
    assert (place.pid, place.provider, place.lat, place.lon) == ("osm:n1001", "openrouteservice", 43.735, 7.421)
    assert (place.name, place.distance_m) == ("The Anchor Café", 46.3)
    assert place.address == "12 Quai du Phare, 98000 Monaco, Monaco"
    assert place.address_parts["district"] == "La Condamine"
    assert place.website == "https://anchor.example"
    assert place.opening_hours is not None
    assert place.attributes == {"layer": "venue", "confidence": 0.9}


def found_two(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:r77", "osm:w1009"]
    assert [place.address for place in result.places] == ["1 Quai", "Far, Monaco"]


def found_street(result: Any) -> None:
    assert [(place.pid, place.name) for place in result.places] == [("osm:address:43.734800,7.420600", "Quai")]


def found_nearest_first(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:w12", "osm:n13", "osm:r15", "osm:n11"]
    anchor, nameless, unknown, _ = result.places
    assert (anchor.name, anchor.categories, anchor.kind) == ("The Anchor", ("cafe",), "amenity=cafe")
    assert (anchor.wheelchair, anchor.phone) == ("yes", "+377 00 00 00")
    assert anchor.distance_m == 27.4
    assert nameless.name == ""
    assert (unknown.categories, unknown.kind) == ((), None)


def only_the_anchor(result: Any) -> None:
    assert [place.pid for place in result.places] == ["osm:w12"]


def found_with_travel(result: Any) -> None:
    anchor, nameless = result.places
    assert (anchor.travel.mode, anchor.travel.duration_s, anchor.travel.distance_m) == ("walk", 31.5, 40.2)
    assert nameless.travel is None


def found_route(result: Any) -> None:
    assert isinstance(result, RouteList)
    (way,) = result.routes
    assert (way.mode, way.distance_m, way.duration_s) == ("drive", 730.5, 110.0)
    assert decode_shape(way.geometry) == [CASINO, HARBOUR]
    assert way.summary == "Avenue d'Ostende"
    assert [(part.text, part.road, part.maneuver) for part in way.legs[0].steps] == [
        ("Head west on Avenue d'Ostende", "Avenue d'Ostende", "depart"),
        ("Turn left", None, "left"),
        ("Arrive at your destination, on the right", None, "arrive"),
    ]
    assert way.warnings == ("There may be restrictions on some roads",)
    assert way.waypoint_order == ()
    assert (way.has_toll, way.has_ferry, way.has_highway) == (None, None, None)


def found_alternatives(result: Any) -> None:
    assert [way.duration_s for way in result.routes] == [110.0, 120.0]


def found_order(result: Any) -> None:
    (way,) = result.routes
    assert way.waypoint_order == (1, 0)
    assert len(way.legs) == 3
    assert way.warnings == ()


def nowhere_to_go(result: Any) -> None:
    (way,) = result.routes
    assert (way.distance_m, way.duration_s) == (0.0, 0.0)


def far_from_a_road(result: Any) -> None:
    (way,) = result.routes
    assert way.warnings == ("the origin is 755 m from the road that the way takes",)


def no_route(result: Any) -> None:
    assert result.routes == ()
    assert result.reason


def found_matrix(result: Any) -> None:
    assert isinstance(result, Matrix)
    assert [[cell.duration_s for cell in row] for row in result.cells] == [[0.0, 300.5], [120.0, None]]
    assert [[cell.distance_m for cell in row] for row in result.cells] == [[0.0, 2100.2], [800.0, None]]


def no_cells(result: Any) -> None:
    assert all(cell.duration_s is None and cell.distance_m is None for row in result.cells for cell in row)


def nothing(result: Any) -> None:
    assert result.places == ()


HERE: dict[str, Any] = {"lat": HARBOUR[0], "lon": HARBOUR[1]}
SEARCH: dict[str, Any] = {"query": "anchor café"} | HERE
NEARBY: dict[str, Any] = HERE | {"type": "cafe", "radius_m": 500}
WALK = NEARBY | {"travel_mode": "walk"}
ORDERED: dict[str, Any] = TOUR | {"optimize_order": True}
POIS = collection(STEEP, NAMELESS, ANCHOR, OUTSIDE, UNKNOWN)
WALKS = {"durations": [[31.5, None]], "distances": [[40.2, None]]}
VISIT = {
    "code": 0,
    "unassigned": [],
    "routes": [
        {
            "vehicle": 1,
            "steps": [
                {"type": "start", "location": [CASINO[1], CASINO[0]]},
                {"type": "job", "id": 2, "job": 2, "location": [HARBOUR[1], HARBOUR[0]]},
                {"type": "job", "id": 1, "job": 1, "location": [GARDEN[1], GARDEN[0]]},
                {"type": "end", "location": [PALACE[1], PALACE[0]]},
            ],
        }
    ],
}
LEFT_OUT = VISIT | {"unassigned": [{"id": 2, "location": [HARBOUR[1], HARBOUR[0]]}]}
MATRIX = {"durations": [[0.0, 300.5], [120.0, None]], "distances": [[0.0, 2100.2], [800.0, None]]}
NO_MATRIX = {"durations": [[None, None], [None, None]], "distances": [[None, None], [None, None]]}
ROUTE = route(
    [CASINO, HARBOUR], TO_HARBOUR, warnings=[{"code": 1, "message": "There may be restrictions on some roads"}]
)
TOUR_ROUTE = route([CASINO, HARBOUR, GARDEN, PALACE], UP, UP, UP)
STANDSTILL: dict[str, Any] = {
    "summary": {},
    "segments": [{"steps": [{"instruction": "Arrive", "type": 10, "name": "-"}]}],
    "geometry": polyline.encode([CASINO, CASINO], 5),
    "way_points": [0, 1],
}
FAR_START = route([GARDEN, HARBOUR], UP)


def broken(name: str, tool: Any, params: dict[str, Any], *bodies: Any) -> Case:
    return Case(name, tool, params, tuple((200, body) for body in bodies), "error", None, UpstreamFormatError)


CASES = [
    Case("a venue", "text_search", SEARCH, ((200, geocoded(VENUE)),), check=found_venue),
    Case(
        "venues within a radius",
        "text_search",
        SEARCH | {"radius_m": 1000},
        ((200, geocoded(BY_COLON, FAR)),),
        check=found_two,
    ),
    Case("nothing of that name", "text_search", {"query": "xyzzy"}, ((200, geocoded()),), "empty", nothing),
    Case("search: a bad key", "text_search", SEARCH, ((403, BAD_KEY),), "error"),
    Case("search: a bad request", "text_search", SEARCH, ((400, PELIAS_ERROR),), "error"),
    Case("a street is no object", "text_search", SEARCH, ((200, geocoded(STREET)),), check=found_street),
    broken("search: no number", "text_search", SEARCH, geocoded(feature(43.7, 7.4, id="node/one", name="?"))),
    broken("search: HTML", "text_search", SEARCH, PAGE),
    Case("the venue at a position", "reverse_geocode", HERE, ((200, geocoded(VENUE)),), check=found_venue),
    Case("the open sea", "reverse_geocode", HERE, ((200, geocoded()),), "empty", nothing),
    Case("reverse: over quota", "reverse_geocode", HERE, ((429, OVER_QUOTA),), "error"),
    broken("reverse: no features", "reverse_geocode", HERE, {"geocoding": {}}),
    Case("cafés by true distance", "nearby_search", NEARBY, ((200, POIS),), check=found_nearest_first),
    Case("cafés in a list of one collection", "nearby_search", NEARBY, ((200, [POIS]),), check=found_nearest_first),
    Case(
        "those that wheelchairs can enter",
        "nearby_search",
        NEARBY | {"wheelchair": True},
        ((200, POIS),),
        check=only_the_anchor,
    ),
    Case(
        "those that surely are open",
        "nearby_search",
        NEARBY | {"open_at": "2026-05-05T03:00"},
        ((200, POIS),),
        check=only_the_anchor,
    ),
    Case(
        "those that hold a word",
        "nearby_search",
        NEARBY | {"keyword": "ANCHOR the", "limit": 1},
        ((200, POIS),),
        check=only_the_anchor,
    ),
    Case(
        "how long it takes to walk there",
        "nearby_search",
        WALK | {"limit": 2},
        ((200, POIS), (200, WALKS)),
        check=found_with_travel,
    ),
    Case("no café", "nearby_search", NEARBY, ((200, collection()),), "empty", nothing),
    Case("no café to walk to", "nearby_search", WALK, ((200, collection()),), "empty", nothing),
    Case("nearby: too large", "nearby_search", NEARBY, ((500, POI_ERROR),), "error"),
    Case(
        "nearby: what is wanted may be further away",
        "nearby_search",
        NEARBY | {"keyword": "zebra"},
        ((200, collection(*[ANCHOR] * (MAX_POIS - 1))),),
        "error",
        None,
        InputError,
    ),
    broken("nearby: half a matrix", "nearby_search", WALK, POIS, WALKS),
    broken("nearby: no type of object", "nearby_search", NEARBY, collection(poi(4, 1, 43.7, 7.4))),
    Case("a way", "compute_routes", WAY, ((200, routed(ROUTE)),), check=found_route),
    Case(
        "an alternative",
        "compute_routes",
        WAY | {"alternatives": 1},
        ((200, routed(ROUTE, route([CASINO, HARBOUR], UP))),),
        check=found_alternatives,
    ),
    Case("the best order", "compute_routes", ORDERED, ((200, VISIT), (200, routed(TOUR_ROUTE))), check=found_order),
    Case(
        "numbers that are nothing are left out",
        "compute_routes",
        {"origin": WAY["origin"], "destination": WAY["origin"]},
        ((200, routed(STANDSTILL)),),
        check=nowhere_to_go,
    ),
    Case("a start far from any road", "compute_routes", WAY, ((200, routed(FAR_START)),), check=far_from_a_road),
    Case("no way", "compute_routes", WAY, ((404, NO_WAY),), "empty", no_route),
    Case("no road", "compute_routes", WAY, ((404, NO_ROAD),), "empty", no_route),
    Case("a stop that cannot be visited", "compute_routes", ORDERED, ((200, LEFT_OUT),), "empty", no_route),
    Case("route: too far", "compute_routes", WAY, ((400, TOO_FAR),), "error"),
    Case("route: no such path", "compute_routes", WAY, ((404, {"message": "no Route matched"}),), "error"),
    Case("route: an error in disguise", "compute_routes", WAY, ((200, TOO_FAR),), "error", None, UpstreamError),
    broken("route: an order of other stops", "compute_routes", ORDERED, VISIT | {"routes": [{"steps": []}]}),
    broken("route: no shape", "compute_routes", WAY, routed({**ROUTE, "geometry": ""})),
    broken("route: half a body", "compute_routes", WAY, '{"routes": ['),
    Case("times and distances", "travel_matrix", PAIRS, ((200, MATRIX),), check=found_matrix),
    Case("no way at all", "travel_matrix", PAIRS, ((200, NO_MATRIX),), "empty", no_cells),
    Case("matrix: too large", "travel_matrix", PAIRS, ((400, error(6004, "Too many locations")),), "error"),
    broken("matrix: of another size", "travel_matrix", PAIRS, WALKS),
]
