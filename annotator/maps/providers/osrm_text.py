"""Instructions in English from OSRM's maneuvers, which come as a type, a direction and a road without any words.

Source: the maneuver types and modifiers of OSRM's HTTP API, version 1.
"""

from typing import Any

from annotator.maps.providers.reading import get

_HEADINGS = ("north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest")

_TURNS = {
    "uturn": "Make a U-turn",
    "sharp right": "Turn sharp right",
    "right": "Turn right",
    "slight right": "Bear right",
    "straight": "Go straight",
    "slight left": "Bear left",
    "left": "Turn left",
    "sharp left": "Turn sharp left",
}

_ROUNDABOUTS = ("roundabout", "rotary")


def road_name(step: dict[str, Any]) -> str | None:
    """Name of the road that a step follows, with its number where it has one."""
    name, ref = get(step, "name", kind=str) or "", get(step, "ref", kind=str) or ""
    if name and ref and ref != name:
        return f"{name} ({ref})"
    return name or ref or None


def instruction(step: dict[str, Any]) -> str:
    """One sentence for a route step; types that are not known here read like turns, as the API asks of clients."""
    kind = get(step, "maneuver", "type", kind=str) or "turn"
    side = _side(step)
    road = road_name(step)
    onto = f" onto {road}" if road else ""
    if kind == "depart":
        text = f"Head {_heading(step)}" + (f" on {road}" if road else "")
    elif kind == "arrive":
        text = "Arrive at your destination" + (f", on the {side}" if side in ("left", "right") else "")
    elif get(step, "mode", kind=str) == "ferry":
        text = f"Take the ferry{f' {road}' if road else ''}"
    elif kind in ("new name", "notification", "use lane"):
        text = f"Continue{onto}"
    elif kind == "continue":
        text = _continue(step, road)
    elif kind == "merge":
        text = f"Merge{f' {side}' if side in ('left', 'right') else ''}{onto}"
    elif kind in ("on ramp", "off ramp", "ramp"):
        text = _ramp(step, kind, side, road)
    elif kind == "fork":
        text = f"Keep {side or 'straight'} at the fork{onto}"
    elif kind == "end of road":
        text = f"At the end of the road {_turn(step)}{onto}"
    elif kind in _ROUNDABOUTS:
        text = _roundabout(step, onto)
    elif kind in ("exit roundabout", "exit rotary"):
        text = f"Leave the roundabout{onto}"
    elif kind == "roundabout turn":
        text = f"At the roundabout {_turn(step)}{onto}"
    else:
        text = f"{_TURNS.get(_modifier(step), 'Continue')}{onto}"
    return text + "."


def _modifier(step: dict[str, Any]) -> str:
    return get(step, "maneuver", "modifier", kind=str) or ""


def _side(step: dict[str, Any]) -> str:
    """`left` or `right` if the maneuver leans to one, else `straight` or nothing."""
    return _modifier(step).split(" ")[-1].replace("uturn", "")


def _turn(step: dict[str, Any]) -> str:
    text = _TURNS.get(_modifier(step), "Continue")
    return text[0].lower() + text[1:]


def _heading(step: dict[str, Any]) -> str:
    bearing_deg = get(step, "maneuver", "bearing_after", kind=float)
    return "out" if bearing_deg is None else _HEADINGS[round(bearing_deg / 45) % 8]


def _continue(step: dict[str, Any], road: str | None) -> str:
    if _modifier(step) in ("straight", ""):
        return "Continue straight" + (f" on {road}" if road else "")
    return _TURNS.get(_modifier(step), "Continue") + (f" to stay on {road}" if road else "")


def _ramp(step: dict[str, Any], kind: str, side: str, road: str | None) -> str:
    exits = get(step, "exits", kind=str)
    what = f"exit {exits}" if kind == "off ramp" and exits else "the exit" if kind == "off ramp" else "the ramp"
    where = f" on the {side}" if side in ("left", "right") else ""
    towards = get(step, "destinations", kind=str)
    return f"Take {what}{where}" + (f" towards {towards}" if towards else f" onto {road}" if road else "")


def _roundabout(step: dict[str, Any], onto: str) -> str:
    name = get(step, "rotary_name", kind=str) or "the roundabout"
    number = get(step, "maneuver", "exit", kind=int)
    return f"Enter {name}{onto}" if number is None else f"Enter {name} and take the {ordinal(number)} exit{onto}"


def ordinal(number: int) -> str:
    """The number as English counts things: 1st, 2nd, 3rd, 11th."""
    last = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 <= number % 100 <= 20 else last}"
