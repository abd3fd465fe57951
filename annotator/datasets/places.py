"""Which places a question is about: those that its context shows, and those that evidence, options and answer name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from annotator.cache.stored_results import StoredResult
from annotator.contexts.model import ContextContent
from annotator.datasets.native import ItemPlace
from annotator.pointers import look_up, split, walk
from annotator.questions.answers import PlaceAnswer
from annotator.questions.model import QuestionContent


def places_of(
    context: ContextContent, question: QuestionContent, calls: Mapping[str, StoredResult]
) -> tuple[ItemPlace, ...]:
    """Places by id, each once: in the order of the context, then those of the question alone.

    Args:
        calls: of the context and the evidence; results whose content has expired have only the ids of their parameters.
    """
    found: dict[str, ItemPlace] = {}
    for place in (*_shown(context, calls), *_of_question(question, calls)):
        known = found.get(place.pid)
        if known is None or (known.lat is None and place.lat is not None):
            found[place.pid] = place
    return tuple(found.values())


def _shown(context: ContextContent, calls: Mapping[str, StoredResult]) -> Iterator[ItemPlace]:
    for item in context.items:
        if item.tool_call_id is None:
            continue
        call = calls[item.tool_call_id]
        yield from _named_in(call.params)
        hidden = item.view.hidden
        for pointer, place in _in_result(call.result):
            if not any(pointer == row or pointer.startswith(f"{row}/") for row in hidden):
                yield place


def _of_question(question: QuestionContent, calls: Mapping[str, StoredResult]) -> Iterator[ItemPlace]:
    for item in question.evidence:
        call = calls[item.tool_call_id]
        yield from _named_in(call.params)
        yield from _around(call.result, item.pointer)
    for option in question.options:
        if option.pid:
            yield ItemPlace(pid=option.pid)
    if isinstance(question.gold, PlaceAnswer) and question.gold.pid:
        yield ItemPlace(
            pid=question.gold.pid, name=question.gold.name or None, lat=question.gold.lat, lon=question.gold.lon
        )


def _in_result(result: Any) -> Iterator[tuple[str, ItemPlace]]:
    """Every place of a result with its pointer."""
    for pointer, value in walk(result):
        place = _place(value)
        if place is not None:
            yield pointer, place


def _around(result: Any, pointer: str) -> Iterator[ItemPlace]:
    """The place in which a value stands."""
    steps = split(pointer)
    for length in range(len(steps), -1, -1):
        holder = "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps[:length])
        place = _place(look_up(result, holder))
        if place is not None:
            yield place
            return


def _place(value: Any) -> ItemPlace | None:
    if isinstance(value, dict) and isinstance(value.get("pid"), str) and "lat" in value and "lon" in value:
        return ItemPlace(pid=value["pid"], name=value.get("name") or None, lat=value["lat"], lon=value["lon"])
    return None


def _named_in(params: Mapping[str, Any]) -> Iterator[ItemPlace]:
    """Places that parameters name by id."""
    for _, value in walk(dict(params)):
        for pid in _ids(value):
            yield ItemPlace(pid=pid)


def _ids(value: Any) -> Iterable[str]:
    if isinstance(value, dict) and isinstance(value.get("place_id"), str):
        return (value["place_id"],)
    return ()
