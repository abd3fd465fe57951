"""What a context says of routes, of tables of travel times, and of places along a way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annotator.contexts.document import Block, Line, Numbered, Row, Table
from annotator.contexts.gazetteer import Gazetteer
from annotator.contexts.seen import Seen
from annotator.contexts.words import clean, distance, duration, kind_names, listed, travel_by
from annotator.maps.results import AlongRoute, Matrix, MatrixCell, Place, Route, RouteList

_LEFT_OUT = "-"
"""A hidden cell of a table."""


def route_section(
    params: Mapping[str, Any],
    result: RouteList,
    seen: Seen,
    fields: Sequence[str],
    names: Gazetteer,
    *,
    has_steps: bool,
) -> tuple[str, list[Block]]:
    """Heading and blocks of a route's answer; no blocks where all ways are hidden."""
    way = _way(params, names)
    heading = f"{way[:1].upper()}{way[1:]}"
    shown = list(seen.rows(result.routes, "routes"))
    if not result.routes:
        return heading, [Line((f"There is no way {way}{_because(result.reason)}.",))]
    rows = tuple(_route_row(params, index, route, seen, fields, names, has_steps) for index, route in shown)
    number = "is one way" if len(rows) == 1 else f"are {len(rows)} ways"
    blocks: list[Block] = [Line((f"There {number} {way}:",)), Numbered(rows)]
    return heading, blocks if rows else []


def along_section(
    params: Mapping[str, Any],
    result: AlongRoute,
    seen: Seen,
    names: Gazetteer,
    row: Callable[[Place], Row],
) -> tuple[str, list[Block]]:
    """Heading and blocks of places along a way; no blocks where all places are hidden."""
    way = _way(params, names)
    kinds = kind_names(params["type"]) if "type" in params else "Places"
    what = f"{kinds} matching “{clean(params['keyword'])}”" if "keyword" in params else kinds
    heading = f"{what} along the way {way}"
    if result.route is None:
        return heading, [Line((f"There is no way {way}{_because(result.reason)}.",))]
    rows = tuple(row(place) for _, place in seen.rows(result.places, "places"))
    limits = f", with a detour of at most {duration(params['max_detour_s'])}" if "max_detour_s" in params else ""
    limits += f", rated {params['min_rating']:g} or better" if "min_rating" in params else ""
    length = f"{distance(result.route.distance_m)}, {duration(result.route.duration_s)}"
    if rows:
        order = _ALONG_ORDER[params.get("rank", "detour")]
        return heading, [Line((f"{what} along the way {way} ({length}){limits}, {order}:",)), Numbered(rows)]
    if result.places:
        return heading, []
    nothing = f"No {what[:1].lower()}{what[1:]} were found along the way {way} ({length}){limits}."
    return heading, [Line((nothing,))]


_ALONG_ORDER = {
    "detour": "smallest detour first",
    "route": "in the order of the journey",
    "prominence": "most prominent first",
}


def matrix_section(
    params: Mapping[str, Any], result: Matrix, seen: Seen, fields: Sequence[str], names: Gazetteer
) -> tuple[str, list[Block]]:
    """Heading and blocks of a table of travel times; no blocks where all origins are hidden."""
    is_timed, is_measured = "duration" in fields, "distance" in fields
    what = {
        (True, True): "Travel time and distance",
        (True, False): "Travel time",
        (False, True): "Distance",
        (False, False): "Connections",
    }[is_timed, is_measured]
    avoid = _avoided(params)
    heading = f"{what} {travel_by(result.mode)}"
    head = ("From \\ To", *(names.stop(stop) for stop in params["destinations"]))

    def cell(value: MatrixCell, row: int, column: int) -> str:
        if not seen.shows("cells", row, column):
            return _LEFT_OUT
        if value.duration_s is None and value.distance_m is None:
            return "no way"
        time = duration(value.duration_s) if is_timed and value.duration_s is not None else ""
        length = distance(value.distance_m) if is_measured and value.distance_m is not None else ""
        return f"{time} ({length})" if time and length else time or length or "there is a way"

    rows = tuple(
        (names.stop(params["origins"][index]), *(cell(value, index, column) for column, value in enumerate(cells)))
        for index, cells in seen.rows(result.cells, "cells")
    )
    blocks: list[Block] = [Line((f"{what} {travel_by(result.mode)}{avoid}, from each row to each column:",))]
    return heading, [*blocks, Table(head, rows)] if rows else []


def _way(params: Mapping[str, Any], names: Gazetteer) -> str:
    """For instance `from A to C with a stop at B on foot, avoiding ferries`."""
    stops = [names.stop(stop) for stop in params.get("intermediates", ())]
    via = f" with {'a stop' if len(stops) == 1 else 'stops'} at {listed(stops)}" if stops else ""
    ends = f"from {names.stop(params['origin'])} to {names.stop(params['destination'])}"
    return f"{ends}{via} {travel_by(params['mode'])}{_avoided(params)}"


def _avoided(params: Mapping[str, Any]) -> str:
    return f", avoiding {listed(params['avoid'])}" if params.get("avoid") else ""


def _because(reason: str | None) -> str:
    words = clean(reason or "").rstrip(".")
    return f": {words}" if words else ""


def _route_row(
    params: Mapping[str, Any],
    index: int,
    route: Route,
    seen: Seen,
    fields: Sequence[str],
    names: Gazetteer,
    has_steps: bool,
) -> Row:
    words = f"{distance(route.distance_m)}, {duration(route.duration_s)}"
    if "via" in fields and clean(route.summary):
        words += f", via {clean(route.summary)}"
    if "notes" in fields and (notes := _notes(route)):
        words += f"; {'; '.join(notes)}"
    stops = _stops(params, route, names)
    parts: list[str] = []
    steps: list[str] = []
    legs = list(seen.rows(route.legs, "routes", index, "legs"))
    if "legs" in fields and len(route.legs) > 1:
        if route.waypoint_order:
            parts.append(f"Quickest order of the stops: {', '.join(stops[1:-1])}")
        for number, leg in legs:
            ends = f"{stops[number]} to {stops[number + 1]}" if number + 1 < len(stops) else f"part {number + 1}"
            parts.append(f"From {ends}: {distance(leg.distance_m)}, {duration(leg.duration_s)}")
    if has_steps:
        for number, leg in legs:
            for _, step in seen.rows(leg.steps, "routes", index, "legs", number, "steps"):
                far = f" ({distance(step.distance_m)}, {duration(step.duration_s)})" if step.distance_m else ""
                steps.append(f"{clean(step.text).rstrip('.')}{far}")
    return Row((words,), tuple(parts), tuple(steps))


def _stops(params: Mapping[str, Any], route: Route, names: Gazetteer) -> list[str]:
    """Names of the ends and stops in the order of visit."""
    between = [names.stop(stop) for stop in params.get("intermediates", ())]
    if len(route.waypoint_order) == len(between):
        between = [between[place] for place in route.waypoint_order]
    return [names.stop(params["origin"]), *between, names.stop(params["destination"])]


def _notes(route: Route) -> list[str]:
    flags = ((route.has_toll, "has tolls"), (route.has_ferry, "takes a ferry"), (route.has_highway, "uses a motorway"))
    return [words for is_so, words in flags if is_so] + [clean(warning) for warning in route.warnings if clean(warning)]
