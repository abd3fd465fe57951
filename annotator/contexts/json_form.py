"""A context as JSON: what its items show and nothing else, in canonical form (RFC 8785), so that equal is equal bytes.

```
{"schema": "mapqator.context/1", "title": …, "items": [ITEM…]}
ITEM: {"kind": "note", "role": "note" | "rewrite", "title"?: …, "text": …}
    | {"kind": …, "title"?: …, "tool": …, "provider": …, "params": {…}, "result": RESULT}
    | {"kind": …, "title"?: …, "tool": …, "provider": …, "is_expired": true}
```
`params` are the call's canonical parameters. RESULT is its canonical result with these left out: hidden rows (a hidden
cell of a matrix is null, and with a hidden row of it goes its origin), the fields of places that the view does not show
(`pid` and `name` always stay), the geometry of routes, their steps unless the view shows them, `names`,
`prominence` and everything else that no field names. Items all of whose rows are hidden are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from annotator.cache.json_text import canonical
from annotator.contexts.fields import JSON_KEYS
from annotator.contexts.model import ContextContent, Item
from annotator.contexts.seen import Seen

SCHEMA = "mapqator.context/1"

_PLACE_ALWAYS = ("pid", "name")
_ROUTE_KEYS = {"via": ("summary",), "notes": ("warnings", "has_toll", "has_ferry", "has_highway")}
_CELL_KEYS = {"duration": "duration_s", "distance": "distance_m"}


def write_json(content: ContextContent, items: Sequence[dict[str, Any]]) -> str:
    """The context's JSON.

    Raises:
        InputError: a text holds what JSON cannot, such as half a surrogate pair.
    """
    return canonical({"schema": SCHEMA, "title": content.title, "items": list(items)}).decode()


def note_json(item: Item) -> dict[str, Any]:
    """A note."""
    return _named(item, {"role": item.role, "text": item.text})


def gone_json(item: Item, tool: str, provider: str) -> dict[str, Any]:
    """An answer that may no longer be shown."""
    return _named(item, {"tool": tool, "provider": provider, "is_expired": True})


def answer_json(
    item: Item, tool: str, provider: str, params: Mapping[str, Any], seen: Seen, fields: Sequence[str]
) -> dict[str, Any]:
    """A recorded answer as the view shows it."""
    result = seen.pruned()
    shown = dict(params)
    match result["kind"]:
        case "places":
            # How many there are in all would tell of hidden ones.
            result = {"kind": "places", "places": [_place(place, fields) for place in result["places"]]}
        case "place":
            result = {"kind": "place", "place": _place(result["place"], fields) if result.get("place") else None}
        case "routes":
            routes = [_route(route, fields, has_steps=item.view.show_steps) for route in result["routes"]]
            result = {**result, "routes": routes}
        case "along_route":
            # The way itself is no row of this item: its length is told, and what it passes is the route item's.
            route = result.get("route")
            way = {key: route[key] for key in ("mode", "distance_m", "duration_s")} if route else None
            result = {**result, "route": way, "places": [_place(place, fields) for place in result["places"]]}
        case "matrix":
            shown["origins"] = [stop for _, stop in seen.rows(params["origins"], "cells")]
            result = {**result, "cells": [[_cell(cell, fields) for cell in row] for row in result["cells"]]}
    return _named(item, {"tool": tool, "provider": provider, "params": shown, "result": result})


def _named(item: Item, values: dict[str, Any]) -> dict[str, Any]:
    return {"kind": item.kind, **({"title": item.title} if item.title else {}), **values}


def _place(place: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    keys = {*_PLACE_ALWAYS, *(key for field in fields for key in JSON_KEYS[field])}
    return {key: value for key, value in place.items() if key in keys}


def _route(route: Mapping[str, Any], fields: Sequence[str], *, has_steps: bool) -> dict[str, Any]:
    keys = {"mode", "distance_m", "duration_s", *(key for field in fields for key in _ROUTE_KEYS.get(field, ()))}
    shown = {key: value for key, value in route.items() if key in keys}
    if "legs" in fields or has_steps:
        left_out = () if has_steps else ("steps",)
        shown["legs"] = [{key: leg[key] for key in leg if key not in left_out} for leg in route["legs"]]
        if route.get("waypoint_order"):
            shown["waypoint_order"] = route["waypoint_order"]
    return shown


def _cell(cell: Mapping[str, Any] | None, fields: Sequence[str]) -> dict[str, Any] | None:
    if cell is None:
        return None
    keys = {_CELL_KEYS[field] for field in fields}
    return {key: value for key, value in cell.items() if key in keys}
