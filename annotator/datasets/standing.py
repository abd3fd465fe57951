"""Whether evidence still stands: its value at its pointer in the result, and in the provider's own bytes. Pure."""

from typing import Any

from annotator.datasets.reparse import is_same
from annotator.pointers import MISSING, look_up
from annotator.questions import locate
from annotator.questions.model import Evidence


def in_result(item: Evidence, result: Any) -> str | None:
    """Why the value does not stand in a result, in words; None when it does."""
    found = look_up(result, item.pointer)
    where = f"at {item.pointer}" if item.pointer else "as a whole"
    if found is MISSING:
        return f"the result has nothing {where}"
    if not is_same(found, item.value):
        return f"the result has another value {where} than the evidence says"
    return None


def in_body(item: Evidence, document: Any) -> str | None:
    """Why the value does not stand in the provider's answer, in words; None when it does, or never stood there.

    Args:
        document: what `locate.parse` makes of the answer's bytes.
    """
    if item.response is None or item.response.pointer is None:
        return None
    raw = look_up(document, item.response.pointer)
    if raw is MISSING or not locate.is_same(item.value, raw, locate.name_at(item.pointer)):
        return f"the provider's answer does not have this value at {item.response.pointer}"
    return None
