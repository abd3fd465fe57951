"""Open answers of every kind, from a text or a JSON value. What is not wholly such a value gives None."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from annotator.evaluate import quantities
from annotator.evaluate.units import METRES, SECONDS
from annotator.questions.answers import (
    DistanceAnswer,
    DurationAnswer,
    NumberAnswer,
    OpenAnswer,
    OpenKind,
    OrderedListAnswer,
    PlaceAnswer,
    PointAnswer,
    SetAnswer,
    TextAnswer,
    TimeAnswer,
    is_empty,
)

_PID = re.compile(r"[a-z][a-z0-9_-]*:[^\s()\[\]]+")
_NAMED_PID = re.compile(r"(?P<name>.+?)\s*[(\[,]\s*(?P<pid>[a-z][a-z0-9_-]*:[^\s()\[\]]+)[)\]]?", re.DOTALL)
_BULLET = re.compile(r"^\s*(?:\d{1,3}[.)]|[-*\u2022])\s+")
_ARROW = re.compile(r"\s*(?:->|\u2192|=>)\s*")
_LAST = re.compile(r"^(?:and|then)\s+", re.IGNORECASE)


def open_answer(kind: OpenKind, value: Any, unit: str = "") -> OpenAnswer | None:
    """An answer of one kind.

    Args:
        value: a text, a number, a list, or an object with the kind's own fields (or `value` and `unit`).
        unit: of a bare number.
    """
    try:
        found = _answer(kind, value, unit)
    except ValidationError:
        # A latitude of 200, a text of a book's length: written as a value, and none.
        return None
    return None if found is None or is_empty(found) else found


def _answer(kind: OpenKind, value: Any, unit: str) -> OpenAnswer | None:
    if isinstance(value, Mapping) and "value" in value:
        value, unit = value["value"], str(value.get("unit") or unit)
    match kind:
        case "text":
            text = _text(value)
            return None if text is None else TextAnswer(value=text)
        case "number":
            return _number(value, unit)
        case "duration":
            amount = _amount(value, "value_s", unit)
            return None if amount is None else DurationAnswer(value_s=amount)
        case "distance":
            amount = _amount(value, "value_m", unit)
            return None if amount is None else DistanceAnswer(value_m=amount)
        case "time":
            when = quantities.time(value) if isinstance(value, str) else None
            return None if when is None else TimeAnswer(value=when)
        case "place":
            return _place(value)
        case "point":
            position = _position(value)
            return None if position is None else PointAnswer(lat=position[0], lon=position[1])
        case "ordered_list":
            items = _items(value)
            return None if items is None else OrderedListAnswer(items=items)
        case "set":
            items = _items(value)
            return None if items is None else SetAnswer(items=items)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        number = quantities.finite(value)
        return None if number is None else f"{number:.15g}"
    return value.strip() if isinstance(value, str) else None


def _number(value: Any, unit: str) -> NumberAnswer | None:
    if isinstance(value, str):
        found = quantities.number(value)
        return None if found is None else NumberAnswer(value=quantities.finite(found[0]), unit=(found[1] or unit)[:40])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return NumberAnswer(value=quantities.finite(value), unit=unit[:40])
    return None


def _amount(value: Any, name: str, unit: str) -> float | None:
    """Seconds or metres."""
    is_time = name == "value_s"
    if isinstance(value, Mapping):
        value, unit = value.get(name), "s" if is_time else "m"
    if isinstance(value, str):
        return quantities.seconds(value, unit) if is_time else quantities.metres(value, unit)
    size = (SECONDS if is_time else METRES).get(unit.strip().casefold())
    if size is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = quantities.finite(value)
    return None if number is None else quantities.finite(number * size)


def _place(value: Any) -> PlaceAnswer | None:
    if isinstance(value, Mapping):
        pid, name = value.get("pid") or value.get("id") or "", value.get("name") or ""
        if not isinstance(pid, str) or not isinstance(name, str):
            return None
        position = _position(value)
        lat, lon = position if position is not None else (None, None)
        return PlaceAnswer(pid=pid.strip(), name=name.strip(), lat=lat, lon=lon)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _PID.fullmatch(text):
        return PlaceAnswer(pid=text)
    if found := _NAMED_PID.fullmatch(text):
        return PlaceAnswer(pid=found["pid"], name=found["name"])
    position = quantities.point(text)
    lat, lon = position if position is not None else (None, None)
    return PlaceAnswer(name=text, lat=lat, lon=lon)


def _position(value: Any) -> tuple[float, float] | None:
    if isinstance(value, str):
        return quantities.point(value)
    if isinstance(value, Mapping):
        value = [value.get("lat", value.get("latitude")), value.get("lon", value.get("lng", value.get("longitude")))]
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        return None
    lat, lon = quantities.finite(value[0]), quantities.finite(value[1])
    return None if lat is None or lon is None else (lat, lon)


def _items(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, Mapping):
        value = value.get("items")
    if isinstance(value, str):
        value = _parts(value)
    if not isinstance(value, list):
        return None
    texts = [one.get("name") if isinstance(one, Mapping) else _text(one) for one in value]
    items = tuple(text for text in texts if isinstance(text, str))
    return items if len(items) == len(texts) else None


def _parts(text: str) -> list[str]:
    """A list as a text writes it: lines, arrows, semicolons or commas, the first of them that occurs."""
    text = text.strip().strip("[]")
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        return lines
    text = lines[0] if lines else ""
    if _ARROW.search(text):
        return _ARROW.split(text)
    parts = text.split(";" if ";" in text else ",")
    if len(parts) == 1:
        parts = re.split(r"\s+and\s+", text)
    elif ";" not in text and " and " in parts[-1] and not _LAST.match(parts[-1].strip()):
        # `one, two and three`, without a comma before the last.
        parts = [*parts[:-1], *parts[-1].rsplit(" and ", 1)]
    return [_LAST.sub("", part.strip()).strip("\"'") for part in parts if part.strip()]
