"""Use of evidence: which supporting values of a question a model's calls brought to light, and which its answer cites.

Every result of a tool has a `ref`, by which an answer can name it. What is cited is held against the evidence that
annotators attached to the question: precision says how much of what is cited shows any of it, recall how much of it is
shown by what is cited.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from annotator.datasets.native import ItemEvidence, NativeItem
from annotator.evaluate.model import Citing
from annotator.evaluate.tools_mode import Called

MAX_REFS = 500
"""Of one answer that are looked at; no question has so many results."""

_REF = re.compile(r"\br\d{1,4}\b")
_LINE = re.compile(r"^[ \t]*\**Evidence\**[ \t]*:\**[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)


def ref_of(index: int) -> str:
    """What the result of a question's call is named by, counted from 0."""
    return f"r{index + 1}"


def evidence_found(item: NativeItem, calls: Sequence[Called]) -> tuple[int, int]:
    """How many of an item's supporting values the calls brought before the model, and how many there are.

    A value counts where the same tool showed it in a field of the same name, or, where terms keep the value itself,
    where a call gave the very result or bytes that the evidence names.
    """
    wanted = {(one.result_sha, one.pointer): one for one in item.evidence if one.role == "supports"}
    return sum(any(_shows(call, one) for call in calls) for one in wanted.values()), len(wanted)


def cited_in_call(arguments: str) -> tuple[str, ...]:
    """The refs that a call of `submit_answer` names as evidence, each once; what is no ref stands for itself.

    Args:
        arguments: as the model wrote them, which may be no JSON.
    """
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return ()
    named = value.get("evidence") if isinstance(value, Mapping) else None
    if isinstance(named, str):
        named = _REF.findall(named) or ([named] if named.strip() else [])
    if not isinstance(named, list):
        return ()
    # A list may hold the results themselves; they have their ref in them.
    refs = (one.get("ref") if isinstance(one, Mapping) else one for one in named[:MAX_REFS])
    return tuple(dict.fromkeys(str(one).strip()[:64] for one in refs))


def cited_in_words(reply: str) -> tuple[str, ...]:
    """The refs behind the last `Evidence:` of a reply, each once."""
    lines = _LINE.findall(reply)
    return tuple(dict.fromkeys(_REF.findall(lines[-1])))[:MAX_REFS] if lines else ()


def citing_of(item: NativeItem, calls: Sequence[Called], refs: Sequence[str]) -> Citing:
    """What the refs of an answer are worth.

    Args:
        refs: each once; one that names no result shows nothing.
    """
    by_ref = {ref_of(index): call for index, call in enumerate(calls)}
    cited = [by_ref[ref] for ref in refs if ref in by_ref]
    num_supporting = sum(evidence_found(item, [call])[0] > 0 for call in cited)
    return Citing(refs=tuple(refs), num_supporting=num_supporting, num_values=evidence_found(item, cited)[0])


def _shows(call: Called, evidence: ItemEvidence) -> bool:
    if evidence.value is None:
        return bool({evidence.result_sha, evidence.body_sha} & call.hashes)
    name = next((step for step in reversed(evidence.pointer.split("/")) if not step.isdigit()), "")
    return call.name == evidence.tool and _holds(call.shown, name, evidence.value)


def _holds(part: Any, name: str, value: Any) -> bool:
    if isinstance(part, dict):
        return any(
            (key == name and (inner == value or (isinstance(inner, list) and value in inner)))
            or _holds(inner, name, value)
            for key, inner in part.items()
        )
    return isinstance(part, list) and any(_holds(inner, name, value) for inner in part)
