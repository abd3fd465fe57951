"""Distances and durations wherever they stand: in gold answers, in evidence, in the words of an option."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from annotator.questions.answers import DistanceAnswer, DurationAnswer, NumberAnswer, OpenAnswer
from annotator.questions.locate import name_at
from annotator.questions.model import Evidence

Kind = Literal["distance", "duration", "number"]

UNITS: dict[str, tuple[Kind, float]] = {
    "m": ("distance", 1.0),
    "metre": ("distance", 1.0),
    "metres": ("distance", 1.0),
    "meter": ("distance", 1.0),
    "meters": ("distance", 1.0),
    "km": ("distance", 1000.0),
    "kilometre": ("distance", 1000.0),
    "kilometres": ("distance", 1000.0),
    "kilometer": ("distance", 1000.0),
    "kilometers": ("distance", 1000.0),
    "mi": ("distance", 1609.344),
    "mile": ("distance", 1609.344),
    "miles": ("distance", 1609.344),
    "ft": ("distance", 0.3048),
    "feet": ("distance", 0.3048),
    "yd": ("distance", 0.9144),
    "s": ("duration", 1.0),
    "sec": ("duration", 1.0),
    "second": ("duration", 1.0),
    "seconds": ("duration", 1.0),
    "min": ("duration", 60.0),
    "mins": ("duration", 60.0),
    "minute": ("duration", 60.0),
    "minutes": ("duration", 60.0),
    "h": ("duration", 3600.0),
    "hour": ("duration", 3600.0),
    "hours": ("duration", 3600.0),
}
"""Unit words, what they measure, and how many metres or seconds one of them is."""

ROUNDING = 0.06
"""Metres or seconds that results are rounded by, and a little for the arithmetic."""

_QUANTITY = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*([A-Za-z]*)\.?")


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount in metres, seconds, or of nothing in particular, and how far from it is still right."""

    kind: Kind
    value: float
    abs_tol: float = 0.0
    rel_tol: float = 0.0

    def takes(self, other: float) -> bool:
        """Whether another amount of the kind is within the tolerance, or within rounding."""
        allowed = max(self.abs_tol, self.rel_tol * abs(self.value), ROUNDING)
        return abs(other - self.value) <= allowed


def of_gold(gold: OpenAnswer | None) -> Quantity | None:
    """A gold answer's distance or duration; None for other answers and unknown units."""
    match gold:
        case DistanceAnswer(value_m=value, abs_tol_m=tolerance) if value is not None:
            return Quantity("distance", value, tolerance, gold.rel_tol)
        case DurationAnswer(value_s=value, abs_tol_s=tolerance) if value is not None:
            return Quantity("duration", value, tolerance, gold.rel_tol)
        case NumberAnswer(value=value, unit=unit) if value is not None and unit.strip().casefold() in UNITS:
            kind, factor = UNITS[unit.strip().casefold()]
            return Quantity(kind, value * factor, gold.abs_tol * factor, gold.rel_tol)
        case _:
            return None


def of_evidence(evidence: list[Evidence], kind: Kind) -> list[float]:
    """The distances or durations that evidence says, in metres or seconds."""
    suffix = {"distance": "_m", "duration": "_s"}.get(kind, "")
    found = []
    for item in evidence:
        name = name_at(item.pointer)
        values: list[tuple[str, Any]] = (
            list(item.value.items()) if isinstance(item.value, dict) else [(name, item.value)]
        )
        of_kind = [value for key, value in values if suffix and key.endswith(suffix) and _is_number(value)]
        # More than one in one object, such as a place's distance and its detour, says nothing by itself.
        found += of_kind if len(of_kind) == 1 else []
    return found


def reachable(values: list[float]) -> Iterator[float]:
    """What a question may ask of some amounts: each, all together, and how much one is more than another."""
    yield from values
    if len(values) > 1:
        yield sum(values)
        yield from (abs(one - two) for one, two in combinations(values[:50], 2))


def read_quantity(text: str) -> Quantity | None:
    """A text that is nothing but an amount: `450 m`, `12 min`, `4.5`."""
    found = _QUANTITY.fullmatch(" ".join(text.split()))
    if found is None:
        return None
    value, unit = float(found[1].replace(",", ".")), found[2].casefold()
    if not unit:
        return Quantity("number", value)
    if unit not in UNITS:
        return None
    kind, factor = UNITS[unit]
    return Quantity(kind, value * factor)


def words_of(kind: Kind, value: float) -> str:
    """An amount for people, in its own unit."""
    return f"{value:g} {'m' if kind == 'distance' else 's'}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
