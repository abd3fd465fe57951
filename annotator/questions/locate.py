"""Where a value of a canonical result stands in the provider's own JSON. Pure: evidence is checked offline with it too.

Adapters rename, round and rearrange, but most values go through them unchanged. A value is looked for by what it is;
where it stands several times, the object that also holds the place's id decides, and otherwise the most similar path.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

from annotator import pointers

MAX_VISITED = 2_000_000
"""Values of a body that are looked at; a larger body's evidence names the body without a place in it."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_OSM_ID = re.compile(r"[nwr](\d+)")
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_UNITS = ("m", "s", "deg")
_SIMILAR_KEY = 80.0
_OTHER_UNITS = {
    "_m": frozenset({"time", "times", "duration", "durations", "seconds"}),
    "_s": frozenset({"distance", "distances", "length", "meters", "metres", "offset"}),
}
"""Words of a provider's name by which a number is no distance, or no duration, though it is the same number."""

type Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A place in a body, and how well it fits: more is better."""

    pointer: str
    fit: tuple[float, ...]


def parse(body: bytes) -> Any:
    """A body's JSON object or array, or `pointers.MISSING` where it is neither."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return pointers.MISSING
    return document if isinstance(document, dict | list) else pointers.MISSING


def is_same(value: Any, raw: Any, key: str = "") -> bool:
    """Whether a provider's value is that of a canonical result, written as providers do.

    Args:
        value: in the result.
        raw: in the body.
        key: the value's name in the result; its unit says how far the result was rounded.
    """
    if isinstance(value, bool) or isinstance(raw, bool):
        return value is raw
    if isinstance(value, int | float):
        number = _number(raw, key)
        return number is not None and (abs(number - value) <= _rounding(key) or _is_scaled(value, number, key))
    if isinstance(value, str):
        if key == "pid":
            return _is_id(raw, _forms_of(value))
        if not isinstance(raw, str):
            return False
        if key == "country_code":
            return raw.lower() == value.lower()
        return raw == value or raw.split() == value.split() != []
    if isinstance(value, list):
        return (
            isinstance(raw, list)
            and len(raw) == len(value)
            and all(is_same(own, other, key) for own, other in zip(value, raw, strict=True))
        )
    if isinstance(value, dict):
        return (
            isinstance(raw, dict)
            and raw.keys() == value.keys()
            and all(is_same(own, raw[name], name) for name, own in value.items())
        )
    return False


def locate(document: Any, value: Any, pointer: str, place_id: str | None = None) -> Found | None:
    """The best place of a value in a body; None where it does not stand there.

    Args:
        document: the body's JSON values.
        value: in the canonical result.
        pointer: of the value in the result.
        place_id: of the place that it belongs to, `osm:n123`; None where it belongs to none.
    """
    path = pointers.split(pointer)
    key = name_at(pointer)
    candidates: list[Steps] = []
    ids: list[Steps] = []
    wanted_ids = _forms_of(place_id)
    for num_visited, (steps, raw) in enumerate(_values(document)):
        if num_visited > MAX_VISITED:
            return None
        if is_same(value, raw, key) and not _is_of_other_unit(steps, key):
            candidates.append(steps)
        if wanted_ids and _is_id(raw, wanted_ids):
            ids.append(steps)
    ranked = [(_fit(steps, path, key, ids), steps) for steps in candidates]
    if _says_little(value):
        ranked = [(fit, steps) for fit, steps in ranked if fit[0] > 0 or _key_fit(steps, key) >= _SIMILAR_KEY]
    if not ranked:
        return None
    # Of equal ones the first in the body: `max` keeps it.
    fit, steps = max(ranked, key=lambda one: one[0])
    return Found(pointers.join(*steps), fit)


def name_at(pointer: str) -> str:
    """The name of the value at a pointer, without the indexes after it; empty for a whole document."""
    return next((step for step in reversed(pointers.split(pointer)) if not step.isdigit()), "")


def place_around(result: Any, pointer: str) -> dict[str, Any] | None:
    """The place of a result that holds the value at a pointer; None where it belongs to none."""
    found: dict[str, Any] | None = None
    value = result
    for step in (None, *pointers.split(pointer)):
        value = value if step is None else pointers.look_up(value, pointers.join(step))
        if isinstance(value, dict) and isinstance(value.get("pid"), str):
            found = value
    return found


def _values(document: Any) -> Iterator[tuple[Steps, Any]]:
    # A stack instead of recursion: bodies may be nested as deep as the JSON reader can follow.
    waiting: list[tuple[Steps, Any]] = [((), document)]
    while waiting:
        steps, value = waiting.pop()
        yield steps, value
        if isinstance(value, dict):
            waiting.extend(((*steps, name), child) for name, child in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend(((*steps, index), value[index]) for index in reversed(range(len(value))))


def _is_of_other_unit(steps: Steps, key: str) -> bool:
    name = next((step for step in reversed(steps) if isinstance(step, str)), "")
    return not _OTHER_UNITS.get(key[-2:], frozenset()).isdisjoint(_words([name]).split())


def _number(raw: Any, key: str) -> float | None:
    if isinstance(raw, int | float):
        return raw
    if isinstance(raw, str) and len(raw) < 40:
        if _NUMBER.fullmatch(raw):
            return float(raw)
        if key.endswith("_s") and (seconds := _SECONDS.fullmatch(raw)):
            return float(seconds[1])
    return None


def _is_scaled(value: float, number: float, key: str) -> bool:
    """Kilometres for metres, or milliseconds for seconds, where the number is one that is hardly there by chance."""
    if key.endswith("_m"):
        return not float(number).is_integer() and abs(number * 1000 - value) <= _rounding(key)
    return key.endswith("_s") and number >= 1000 and abs(number / 1000 - value) <= _rounding(key)


def _rounding(key: str) -> float:
    """How far a value may be from the provider's by the rounding of `maps.results`."""
    # A little more than half a digit: halves are not exact in binary.
    if key in ("lat", "lon"):
        return 0.501e-6
    if key.endswith(("_m", "_s")):
        return 0.0501
    return 0.00501 if key == "bearing_deg" else 0.0


def _says_little(value: Any) -> bool:
    """Whether a value is so common that it may stand anywhere by chance."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return abs(value) < 10 and float(value).is_integer()
    return isinstance(value, str | list | dict) and len(value) < 2


def _forms_of(place_id: str | None) -> frozenset[str]:
    if place_id is None:
        return frozenset()
    own = place_id.partition(":")[2]
    numbered = _OSM_ID.fullmatch(own)
    return frozenset({place_id, own, numbered[1]} if numbered else {place_id, own}) - {""}


def _is_id(raw: Any, wanted: frozenset[str]) -> bool:
    if isinstance(raw, str):
        return raw in wanted or ("/" in raw and raw.rpartition("/")[2] in wanted)
    return isinstance(raw, int) and not isinstance(raw, bool) and str(raw) in wanted


def _fit(steps: Steps, path: Sequence[str], key: str, ids: Sequence[Steps]) -> tuple[float, ...]:
    nearness = max((_nearness(steps, of) for of in ids), default=(0, 0))
    own, other = _indexes(path), [step for step in steps if isinstance(step, int)]
    agreement = max(_common(own, other), _common(own[::-1], other[::-1])) - 0.5 * abs(len(own) - len(other))
    whole = fuzz.ratio(_words(path), _words(steps))
    return (*nearness, _key_fit(steps, key) + 40 * agreement + 0.3 * whole, -len(steps))


def _nearness(steps: Steps, of: Steps) -> tuple[int, int]:
    """2 inside the object that holds the id, 1 inside the same element of a list, else 0; and how deep that is."""
    holder = of[:-1]
    if steps[: len(holder)] == holder:
        return 2, len(holder)
    last_index = max((place for place, step in enumerate(of) if isinstance(step, int)), default=-1)
    element = of[: last_index + 1]
    return (1, len(element)) if element and steps[: len(element)] == element else (0, 0)


def _key_fit(steps: Steps, key: str) -> float:
    names = [str(step) for step in steps if isinstance(step, str)]
    # `displayName.text` and the like: the name that says what it is may be the one before the last.
    return max(
        (
            fit * fuzz.partial_ratio(_words([key]), _words([name]))
            for name, fit in zip(names[:-3:-1], (1.0, 0.9), strict=False)
        ),
        default=0.0,
    )


def _words(steps: Sequence[str | int]) -> str:
    words = [word.lower() for step in steps for word in _WORD_BORDER.split(str(step)) if word]
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in _UNITS else words)


def _indexes(path: Sequence[str]) -> list[int]:
    return [int(step) for step in path if step.isascii() and step.isdigit() and len(step) < 10]


def _common(own: list[int], other: list[int]) -> int:
    count = 0
    for one, two in zip(own, other, strict=False):
        if one != two:
            break
        count += 1
    return count
