"""Units of length and time as people write them, and what one is of another."""

from collections.abc import Mapping

_LENGTHS: dict[float, str] = {
    0.01: "cm centimetre centimetres centimeter centimeters",
    0.3048: "ft foot feet",
    0.9144: "yd yard yards",
    1.0: "m metre metres meter meters",
    1000.0: "km kms kilometre kilometres kilometer kilometers",
    1609.344: "mi mile miles",
    1852.0: "nmi",
}
_TIMES: dict[float, str] = {
    1.0: "s sec secs second seconds",
    60.0: "min mins minute minutes",
    3600.0: "h hr hrs hour hours",
    86400.0: "d day days",
    604800.0: "week weeks",
}


def _by_name(units: Mapping[float, str]) -> dict[str, float]:
    return {name: size for size, names in units.items() for name in names.split()}


METRES: Mapping[str, float] = _by_name(_LENGTHS)
SECONDS: Mapping[str, float] = _by_name(_TIMES) | {"m": 60.0}
"""Where a time is meant, `m` is minutes; where it is not known what is meant, it is metres."""

_PER_HOUR = {"km/h": 1.0, "kmh": 1.0, "kph": 1.0, "mph": 1.609344, "m/s": 3.6}
_FAMILIES: tuple[Mapping[str, float], ...] = (METRES, _by_name(_TIMES), _PER_HOUR)


def is_measure(unit: str) -> bool:
    """Whether it measures length, time or speed, and does not just say what is counted."""
    return any(_plain(unit) in family for family in _FAMILIES)


def factor(unit: str, wanted: str) -> float | None:
    """What to multiply by to have a value in another unit; None where the two do not measure the same."""
    for family in _FAMILIES:
        of, to = family.get(_plain(unit)), family.get(_plain(wanted))
        if of and to:
            return of / to
    return None


def _plain(unit: str) -> str:
    return unit.strip().rstrip(".").casefold()
