"""Which places a question is about: those that its context shows, and those that evidence, options and answer name."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from annotator.cache.stored_results import StoredResult
from annotator.contexts.model import ContextContent
from annotator.datasets.native import ItemPlace
from annotator.pointers import look_up, split, walk
from annotator.questions.answers import PlaceAnswer
from annotator.questions.model import QuestionContent

_HELD_CALLS = 200
"""Calls whose places stay in memory."""


@dataclass(frozen=True, slots=True)
class _InCall:
    """Places that a call's parameters name, and those of its result with their pointers."""

    named: tuple[ItemPlace, ...]
    places: tuple[tuple[str, ItemPlace], ...]


class PlaceFinder:
    """Finds the places of questions, and remembers those of the calls that neighbouring questions share."""

    def __init__(self) -> None:
        self._in_calls: OrderedDict[tuple[str, bool], _InCall] = OrderedDict()

    def find(
        self, context: ContextContent, question: QuestionContent, calls: Mapping[str, StoredResult]
    ) -> tuple[ItemPlace, ...]:
        """Places by id, each once: in the order of the context, then those of the question alone.

        Args:
            calls: of the context and the evidence; results whose content has expired have only the ids of their
                parameters.
        """
        found: dict[str, ItemPlace] = {}
        for place in (*self._shown(context, calls), *self._of_question(question, calls)):
            known = found.get(place.pid)
            if known is None or (known.lat is None and place.lat is not None):
                found[place.pid] = place
        return tuple(found.values())

    def _shown(self, context: ContextContent, calls: Mapping[str, StoredResult]) -> Iterator[ItemPlace]:
        for item in context.items:
            if item.tool_call_id is None:
                continue
            held = self._held(calls[item.tool_call_id])
            yield from held.named
            hidden = item.view.hidden
            for pointer, place in held.places:
                if not any(pointer == row or pointer.startswith(f"{row}/") for row in hidden):
                    yield place

    def _of_question(self, question: QuestionContent, calls: Mapping[str, StoredResult]) -> Iterator[ItemPlace]:
        for item in question.evidence:
            call = calls[item.tool_call_id]
            yield from self._held(call).named
            yield from _around(call.result, item.pointer)
        for option in question.options:
            if option.pid:
                yield ItemPlace(pid=option.pid)
        if isinstance(question.gold, PlaceAnswer) and question.gold.pid:
            gold = question.gold
            yield ItemPlace(pid=gold.pid, name=gold.name or None, lat=gold.lat, lon=gold.lon)

    def _held(self, call: StoredResult) -> _InCall:
        key = call.tool_call_id, call.result is None
        if key in self._in_calls:
            self._in_calls.move_to_end(key)
            return self._in_calls[key]
        made = _InCall(tuple(_named_in(call.params)), tuple(_in_result(call.result)))
        self._in_calls[key] = made
        if len(self._in_calls) > _HELD_CALLS:
            self._in_calls.popitem(last=False)
        return made


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
