"""What differs between two answers to one question, as JSON Pointers (RFC 6901)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from annotator.maps.answer import Change

__all__ = ["Change", "Diff", "diff"]

MAX_CHANGES = 200
MAX_VALUE_CHARACTERS = 2000
"""A longer value is shown by the beginning of its JSON."""
MAX_BRACKETS = 100
"""A value with more of them, and so possibly nested deeper than others can write, is shown as JSON text too."""

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Diff:
    """Changes in the order of the document, the newer one's members after those that both have.

    Args:
        num_more: changes beyond the first `MAX_CHANGES`.
    """

    changes: tuple[Change, ...]
    num_more: int = 0


def diff(old: bytes, new: bytes) -> Diff:
    """The differences of two bodies; arrays are compared by index, and what is no JSON as a whole."""
    if old == new:
        return Diff(())
    before, after = _parsed(old), _parsed(new)
    if before is _ABSENT or after is _ABSENT:
        return Diff((Change(kind="changed", pointer="", old=_shown_text(old), new=_shown_text(new)),))
    changes: list[Change] = []
    num_more = 0
    for change in _differences(before, after):
        if len(changes) < MAX_CHANGES:
            changes.append(_change(*change))
        else:
            num_more += 1
    return Diff(tuple(changes), num_more)


def _differences(old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Pointer, old and new value of each difference. A stack of our own: answers may be nested deeper than Python's."""
    stack = [("", old, new)]
    while stack:
        pointer, before, after = stack.pop()
        members = _members(before, after)
        if members is not None:
            stack.extend((f"{pointer}/{_escaped(name)}", *values) for name, *values in reversed(members))
        elif _is_other(before, after):
            yield pointer, before, after


def _members(old: Any, new: Any) -> list[tuple[str, Any, Any]] | None:
    """Name, old and new value of each member of two objects or two arrays; None when they are neither."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = [*old, *(name for name in new if name not in old)]
        return [(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in names]
    if isinstance(old, list) and isinstance(new, list):
        length = max(len(old), len(new))
        padded = [[*items, *[_ABSENT] * (length - len(items))] for items in (old, new)]
        return [(str(index), before, after) for index, (before, after) in enumerate(zip(*padded, strict=True))]
    return None


def _is_other(old: Any, new: Any) -> bool:
    # For Python True equals 1, for a reader of JSON it does not; 7 and 7.0 are the same number there.
    return isinstance(old, bool) != isinstance(new, bool) or old != new


def _change(pointer: str, old: Any, new: Any) -> Change:
    if old is _ABSENT:
        return Change(kind="added", pointer=pointer, new=_shown(new))
    if new is _ABSENT:
        return Change(kind="removed", pointer=pointer, old=_shown(old))
    return Change(kind="changed", pointer=pointer, old=_shown(old), new=_shown(new))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _ABSENT


def _shown(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    is_small = len(text) <= MAX_VALUE_CHARACTERS and text.count("[") + text.count("{") <= MAX_BRACKETS
    return value if is_small else _cut(text)


def _shown_text(body: bytes) -> str:
    return _cut(body[: 4 * MAX_VALUE_CHARACTERS + 4].decode("utf-8", "replace"))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"
