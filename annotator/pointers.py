"""JSON Pointers (RFC 6901): how evidence names a value inside recorded JSON."""

from collections.abc import Iterator
from typing import Any

from annotator.errors import InputError

MISSING = object()
"""What `look_up` gives where there is nothing, which is not null."""


def join(*steps: str | int) -> str:
    """The pointer of some steps; none is the whole document."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def split(pointer: str) -> tuple[str, ...]:
    """The steps of a pointer.

    Raises:
        InputError: it does not begin with a slash.
    """
    if pointer and not pointer.startswith("/"):
        raise InputError(f"'{pointer[:100]}' is no JSON Pointer; it must begin with /", param="pointer")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def look_up(document: Any, pointer: str) -> Any:
    """The value at a pointer, or `MISSING`.

    Raises:
        InputError: the pointer is malformed.
    """
    value = document
    for step in split(pointer):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and _is_index(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def walk(document: Any) -> Iterator[tuple[str, Any]]:
    """Every value of a document with its pointer, containers before what they hold, in the document's order."""
    left = [("", document)]
    while left:
        pointer, value = left.pop()
        yield pointer, value
        if isinstance(value, dict):
            left += [(f"{pointer}{join(step)}", child) for step, child in reversed(value.items())]
        elif isinstance(value, list):
            left += [(f"{pointer}/{index}", value[index]) for index in reversed(range(len(value)))]


def _is_index(step: str) -> bool:
    return step.isascii() and step.isdigit() and (step == "0" or not step.startswith("0")) and len(step) < 10
