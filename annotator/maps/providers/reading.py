"""Reading a provider's JSON without trust: what is there and of the right type, or a clear word on what is missing."""

from collections.abc import Sequence
from typing import Any

from annotator.errors import UpstreamFormatError

_MAX_NUMBER = 1e300
"""Beyond it, arithmetic on what a provider says would overflow."""


def get[T](value: Any, *path: str | int, kind: type[T]) -> T | None:
    """The value under keys and indices, or None when it is missing, null or of another type.

    Whole numbers count as floats; booleans are no numbers, and neither are NaN and infinities, which Python's JSON
    reads. Numbers written as strings are not converted: see `number`.
    """
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < _MAX_NUMBER else None
    if isinstance(value, float) and not abs(value) < _MAX_NUMBER:
        return None
    if isinstance(value, bool) and kind in (int, float):
        return None
    return value if isinstance(value, kind) else None


def need[T](value: Any, *path: str | int, kind: type[T]) -> T:
    """As `get`, for what the documented shape always has.

    Raises:
        UpstreamFormatError: names the path that is missing or of another type.
    """
    found = get(value, *path, kind=kind)
    if found is None:
        raise UpstreamFormatError(f"the answer lacks {_dotted(path)} ({kind.__name__})")
    return found


def items(value: Any, *path: str | int) -> list[dict[str, Any]]:
    """The objects of a list; nothing when it is missing, and other entries are passed over."""
    return [entry for entry in get(value, *path, kind=list) or [] if isinstance(entry, dict)]


def number(value: Any, *path: str | int) -> float:
    """A number that the provider may write as a string, as Nominatim writes coordinates.

    Raises:
        UpstreamFormatError: it is missing or no finite number.
    """
    text = get(value, *path, kind=str)
    if text is None:
        return need(value, *path, kind=float)
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not abs(found) < _MAX_NUMBER:
        raise UpstreamFormatError(f"the answer's {_dotted(path)} is '{text[:40]}', not a number")
    return found


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "a value"
