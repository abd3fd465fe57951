"""MapQaTor's `dataset.json`: its rows of today, one question each.

MapQaTor has no unanswerable questions; they become single choices without a right option (-1), as MapEval has them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotator.datasets.exports.answers import NO_CONTEXT, NO_GOLD, open_texts, right_indices
from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.text import write_list
from annotator.datasets.native import NativeItem
from annotator.datasets.own_text import own_text

_TYPES = {
    "yes_no": "yes-no",
    "single_choice": "single-choice",
    "multiple_choice": "multiple-choice",
    "open_ended": "open-ended",
    "unanswerable": "single-choice",
}


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the list."""
    write_list(path, _rows(items, outcome))


def _rows(items: Iterator[NativeItem], outcome: Outcome) -> Iterator[dict[str, Any]]:
    for item in items:
        answer = _answer(item)
        text = own_text(item)
        if text is None:
            outcome.leave_out(item, NO_CONTEXT)
        elif answer is None:
            outcome.leave_out(item, NO_GOLD)
        else:
            outcome.num_items += 1
            yield {
                "id": item.number,
                "name": item.context.title,
                "context": text,
                "context_json": {
                    "places": {place["id"]: place for place in _places(item)},
                    "place_details": {},
                    "nearby_places": [],
                    "directions": [],
                    "route_places": [],
                },
                "context_gpt": None,
                "question": item.question,
                "answer": answer,
                "classification": item.category,
                "username": item.authors[0] if item.authors else "",
                "created_at": item.created_at,
                "deleted": False,
                "api_call_logs": [],
                "evaluation": [],
            }


def _answer(item: NativeItem) -> dict[str, Any] | None:
    if item.type == "open_ended":
        texts = open_texts(item)
        return {"type": "open-ended", "options": [], "correct": texts[0]} if texts else None
    right = right_indices(item)
    if not right and item.type != "unanswerable":
        return None
    correct: int | list[int] = right if item.type == "multiple_choice" else right[0] if right else -1
    return {"type": _TYPES[item.type], "options": [option.text for option in item.options], "correct": correct}


def _places(item: NativeItem) -> Iterator[dict[str, Any]]:
    for place in item.places:
        made: dict[str, Any] = {"id": place.pid, "displayName": {"text": place.name or ""}}
        if place.lat is not None and place.lon is not None:
            made["location"] = {"latitude": place.lat, "longitude": place.lon}
        yield made


FORMAT = ExportFormat(
    key="mapqator",
    title="MapQaTor",
    sentence="The dataset.json that MapQaTor itself saves, one question a row.",
    write=write,
    suffix=".json",
)
