"""What a question stands in, as far as lint looks: the places and words of its context, and its neighbours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from annotator import pointers
from annotator.cache.stored_results import StoredResult
from annotator.contexts.model import ContextContent, Item
from annotator.maps.embedded.folding import fold
from annotator.questions.places import NamedPlace, listed, places_of

_UNREAD = frozenset({"geometry", "pid", "provider", "timezone", "maneuver", "mode", "kind"})
"""Names of values that are no words of the context."""


class Other(NamedTuple):
    """Another question of the project; a tuple, because there are thousands."""

    number: int
    body: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A context as lint reads it.

    Args:
        places: those that the context shows, by id.
        names: words of each name in it, of places and roads.
        text: every word of it, folded, in one line with spaces around.
        notes: words of notes alone, in the same way.
        results: of the context's calls and of those behind the question's evidence, by id.
        others: questions that this one may repeat.
    """

    places: Mapping[str, NamedPlace]
    names: frozenset[tuple[str, ...]]
    text: str
    notes: str
    results: Mapping[str, StoredResult]
    others: Sequence[Other] = ()


def surroundings(content: ContextContent, results: Mapping[str, StoredResult]) -> Surroundings:
    """What a context says; rows that it hides are not in it, and a rewrite takes the place of everything else.

    Args:
        results: of its calls, by id; those that have expired may be missing.
    """
    rewrites = [item for item in content.items if item.role == "rewrite"]
    notes = rewrites or [item for item in content.items if item.kind == "note"]
    calls = [] if rewrites else [item for item in content.items if item.kind != "note"]
    shown = [(item, _shown(item, results.get(item.tool_call_id or ""))) for item in calls]
    words = [content.title, *(item.title for item in content.items)]
    note_words = [item.text for item in notes]
    for _, result in shown:
        words.extend(_strings(result))
    names = {fold(name) for _, result in shown for name in _names(result)}
    return Surroundings(
        places=places_of(result for _, result in shown),
        names=frozenset(name for name in names if name),
        text=_line([*words, *note_words]),
        notes=_line(note_words),
        results=results,
    )


def _shown(item: Item, call: StoredResult | None) -> dict[str, Any] | None:
    """A call's result without the rows that the context hides."""
    if call is None or call.result is None:
        return None
    hidden: dict[str, set[str]] = {}
    for pointer in item.view.hidden:
        steps = pointers.split(pointer)
        if len(steps) == 2:
            hidden.setdefault(steps[0], set()).add(steps[1])
    return {
        name: [row for index, row in enumerate(value) if str(index) not in hidden[name]]
        if name in hidden and isinstance(value, list)
        else value
        for name, value in call.result.items()
    }


def _names(result: Mapping[str, Any] | None) -> Iterator[str]:
    for place in listed(result):
        yield place["name"]
        yield from place.get("names", {}).values()
        if street := place.get("address_parts", {}).get("street"):
            yield street
    for route in _routes(result):
        yield route.get("summary", "")
        for leg in route.get("legs", ()):
            yield from (step["road"] for step in leg.get("steps", ()) if step.get("road"))


def _routes(result: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if result is None:
        return []
    return [*result.get("routes", ()), *([result["route"]] if result.get("route") else [])]


def _strings(result: Mapping[str, Any] | None) -> Iterator[str]:
    waiting: list[Any] = [result]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(child for name, child in value.items() if name not in _UNREAD)
        elif isinstance(value, list):
            waiting.extend(value)


def _line(texts: Sequence[str]) -> str:
    # A mark that is no word between texts: what ends one and begins the next is no phrase.
    return f" {' | '.join(' '.join(fold(text)) for text in texts if text)} "
