"""Calls about ways between places that the context shows, and what is computed."""

from typing import Any

from annotator.contexts.words import clean
from annotator.demo.questions.draft import Draft, Piece, at
from annotator.demo.questions.landmarks import Place
from annotator.demo.questions.menu_places import MODE_WEIGHTS, MODES, moment
from annotator.demo.questions.views import fields_of, heading_of

_ROUTE_TOKENS = 45
_CELL_TOKENS = 8
_ROW_TOKENS = 40


def compute_routes(draft: Draft) -> Piece | None:
    """A way, with alternatives, instructions or stops."""
    stream = draft.stream
    has_stops = len(draft.shown) > 3 and draft.room > 3 * _ROUTE_TOKENS and stream.chance(0.35)
    stops = draft.stops(2 + (stream.integer(1, 4) if has_stops else 0))
    if len(stops) < 2 or draft.room < _ROUTE_TOKENS:
        return None
    mode = stream.pick_weighted(MODES, MODE_WEIGHTS)
    origin, *between, destination = stops
    if between and stream.chance(0.3):
        destination = origin
    params: dict[str, Any] = {
        "origin": _stop(draft, origin),
        "destination": _stop(draft, destination),
        "mode": mode,
        "language": draft.language,
    }
    if between:
        params["intermediates"] = [_stop(draft, place) for place in between]
        params["optimize_order"] = len(between) > 1 and stream.chance(0.6)
    elif stream.chance(0.45):
        params["alternatives"] = stream.integer(1, 2)
    if stream.chance(0.06):
        # Only who drives has a choice about tolls and motorways.
        is_motor = mode in ("drive", "motorcycle")
        params["avoid"] = [stream.pick(("ferries", "tolls", "highways") if is_motor else ("ferries",))]
    has_steps = draft.room > 5 * _ROUTE_TOKENS and stream.chance(0.35)
    ends = {"place": clean(origin["name"]), "other": clean(destination["name"])}
    heading = heading_of(stream, "compute_routes", mode=mode, **ends)
    fields = fields_of(stream, "compute_routes")
    return Piece("compute_routes", params, heading, fields, show_steps=has_steps, may_be_empty=stream.chance(0.2))


def travel_matrix(draft: Draft) -> Piece | None:
    """A table of times from some places to others."""
    stream = draft.stream
    num_origins, num_destinations = stream.integer(1, 4), stream.integer(2, 4)
    if num_origins * num_destinations * _CELL_TOKENS > draft.room:
        return None
    stops = draft.stops(num_origins + num_destinations)
    if len(stops) < num_origins + 1:
        return None
    mode = stream.pick_weighted(MODES, MODE_WEIGHTS)
    params = {
        "origins": [_stop(draft, place) for place in stops[:num_origins]],
        "destinations": [_stop(draft, place) for place in stops[num_origins:]],
        "mode": mode,
    }
    return Piece(
        "travel_matrix", params, heading_of(stream, "travel_matrix", mode=mode), fields_of(stream, "travel_matrix")
    )


def search_along_route(draft: Draft) -> Piece | None:
    """Places on the way between two places."""
    stream, stops = draft.stream, draft.stops(2)
    # The dearest question to ask, and one that is long at best.
    if len(stops) < 2 or draft.room < 3 * _ROW_TOKENS:
        return None
    kind, mode = draft.kind(), stream.pick_weighted(MODES, MODE_WEIGHTS)
    params: dict[str, Any] = {
        "origin": _stop(draft, stops[0]),
        "destination": _stop(draft, stops[1]),
        "mode": mode,
        "type": kind,
        "limit": draft.num_rows(8, _ROW_TOKENS),
        "language": draft.language,
    }
    if stream.chance(0.3):
        params["rank"] = "route"
    if stream.chance(0.2):
        params["max_detour_s"] = stream.pick((60, 120, 300, 600))
    ends = {"place": clean(stops[0]["name"]), "other": clean(stops[1]["name"])}
    heading = heading_of(stream, "search_along_route", kind=kind, mode=mode, **ends)
    fields = fields_of(stream, "search_along_route")
    return Piece("search_along_route", params, heading, fields, may_be_empty=stream.chance(0.2))


def distance_bearing(draft: Draft) -> Piece | None:
    """The straight line between two places."""
    stops = draft.stops(2)
    if len(stops) < 2:
        return None
    origin, destination = stops
    ends = {"place": clean(origin["name"]), "other": clean(destination["name"])}
    heading = heading_of(draft.stream, "distance_bearing", **ends)
    return Piece("distance_bearing", {"origin": at(origin), "destination": at(destination)}, heading)


def open_at(draft: Draft) -> Piece | None:
    """Whether a place is open at some time."""
    known = [place for place in draft.shown if place.get("opening_hours", {}).get("raw")]
    if not known:
        return None
    place = draft.stream.pick(known)
    params = {"opening_hours": place["opening_hours"]["raw"], "at": moment(draft), **at(place)}
    return Piece("open_at", params, heading_of(draft.stream, "open_at", place=clean(place["name"])))


def _stop(draft: Draft, place: Place) -> dict[str, Any]:
    return {"place_id": place["pid"]} if draft.stream.chance(0.25) else dict(at(place))
