"""MapEval's JSON list; reading it back gives equal questions.

It knows one right option, or none at all (-1): what has several, or is open-ended, is left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotator.datasets.exports.answers import NO_CONTEXT, NO_GOLD, right_indices
from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.text import write_list
from annotator.datasets.native import NativeItem
from annotator.datasets.own_text import own_text


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the list."""
    write_list(path, _rows(items, outcome))


def _rows(items: Iterator[NativeItem], outcome: Outcome) -> Iterator[dict[str, Any]]:
    for item in items:
        right = right_indices(item)
        text = own_text(item)
        if text is None:
            outcome.leave_out(item, NO_CONTEXT)
        elif item.type in ("open_ended", "multiple_choice"):
            outcome.leave_out(item, f"MapEval has no questions of the type {item.type}")
        elif item.type != "unanswerable" and not right:
            outcome.leave_out(item, NO_GOLD)
        else:
            outcome.num_items += 1
            yield {
                "id": item.number,
                "question": item.question,
                "answer": {
                    "type": "mcq",
                    "options": [option.text for option in item.options],
                    "correct": right[0] if right else -1,
                },
                "context": text,
                "classification": item.category or None,
            }


FORMAT = ExportFormat(
    key="mapeval",
    title="MapEval",
    sentence="MapEval's JSON list, for its evaluators: questions with one right option, or none, and contexts as text.",
    write=write,
    suffix=".json",
)
