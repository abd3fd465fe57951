"""What a tool call asked, in a few words, from its canonical parameters alone."""

from collections.abc import Mapping
from typing import Any

from annotator.contexts.words import distance, kind_name, position, travel_by

_ARROW = " → "


def summarise(tool: str, params: Mapping[str, Any]) -> str:
    """For instance `cafe within 800 m of 45.39265, -65.32871`."""
    match tool:
        case "text_search":
            near = f" near {_at(params)}" if "lat" in params else ""
            return f"“{params['query']}”{near}"
        case "place_details":
            return str(params["place_id"])
        case "reverse_geocode":
            return _at(params)
        case "nearby_search":
            return f"{_wanted(params) or 'places'} within {distance(params['radius_m'])} of {_at(params)}"
        case "compute_routes":
            return f"{_way(params)} {travel_by(params['mode'])}"
        case "search_along_route":
            return f"{_wanted(params)} along {_way(params)} {travel_by(params['mode'])}"
        case "travel_matrix":
            size = f"{len(params['origins'])} by {len(params['destinations'])}"
            return f"{size} places {travel_by(params['mode'])}"
        case "distance_bearing":
            return f"{_at(params['origin'])}{_ARROW}{_at(params['destination'])}"
        case "open_at":
            return f"{params['opening_hours'][:80]} at {params['at'][:16].replace('T', ' ')}"
    return tool.replace("_", " ")


def _wanted(params: Mapping[str, Any]) -> str:
    kind = kind_name(params["type"]) if "type" in params else ""
    keyword = f"“{params['keyword']}”" if "keyword" in params else ""
    return " ".join(filter(None, (kind, keyword)))


def _way(params: Mapping[str, Any]) -> str:
    stops = (params["origin"], *params.get("intermediates", ()), params["destination"])
    return _ARROW.join(str(stop.get("place_id") or _at(stop)) for stop in stops)


def _at(point: Mapping[str, Any]) -> str:
    return position(point["lat"], point["lon"])
