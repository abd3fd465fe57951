"""The places that a question is about, for maps, exports and splits."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from annotator.cache.stored_results import StoredResult
from annotator.questions.answers import PlaceAnswer
from annotator.questions.locate import place_around
from annotator.questions.model import QuestionContent


class NamedPlace(TypedDict):
    """A place as lists of places name it; degrees."""

    pid: str
    name: str
    lat: float
    lon: float


def places(content: QuestionContent, results: Mapping[str, StoredResult]) -> list[NamedPlace]:
    """The places of a question's evidence, options and gold answer, each once, in this order.

    Args:
        results: of the calls of its evidence and of its context, by id; an option's place is looked up in all.
    """
    found: dict[str, NamedPlace] = {}
    for item in content.evidence:
        call = results.get(item.tool_call_id)
        around = None if call is None or call.result is None else place_around(call.result, item.pointer)
        if around is not None:
            found.setdefault(around["pid"], _named(around))
    named = [option.pid for option in content.options]
    if isinstance(content.gold, PlaceAnswer) and content.type == "open_ended":
        named.append(content.gold.pid)
    wanted = [pid for pid in named if pid]
    known = {}
    if any(pid not in found for pid in wanted):
        known = places_of(call.result for call in results.values())
    for pid in wanted:
        if pid in known:
            found.setdefault(pid, known[pid])
    gold = content.gold
    if isinstance(gold, PlaceAnswer) and gold.pid and gold.lat is not None and gold.lon is not None:
        found.setdefault(gold.pid, {"pid": gold.pid, "name": gold.name, "lat": gold.lat, "lon": gold.lon})
    return list(found.values())


def places_of(results: Iterable[Mapping[str, Any] | None]) -> dict[str, NamedPlace]:
    """Every place that some results hold, by id, in order."""
    found: dict[str, NamedPlace] = {}
    for result in results:
        for place in listed(result):
            found.setdefault(place["pid"], _named(place))
    return found


def listed(result: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The places of one result as they stand there."""
    if result is None:
        return []
    one = result.get("place")
    return [*([one] if one else []), *result.get("places", ())]


def _named(place: Mapping[str, Any]) -> NamedPlace:
    return {"pid": place["pid"], "name": place["name"], "lat": place["lat"], "lon": place["lon"]}
