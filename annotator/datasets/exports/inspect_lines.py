"""JSON lines for Inspect: samples with `input`, `choices`, `target`, `metadata`, as its `json_dataset` reads them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotator.datasets.exports.answers import CANNOT, NO_CONTEXT, NO_GOLD, open_texts, right_indices
from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.text import write_lines
from annotator.datasets.native import NativeItem


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the lines."""
    write_lines(path, _samples(items, about, outcome))


def _samples(items: Iterator[NativeItem], about: About, outcome: Outcome) -> Iterator[dict[str, Any]]:
    for item in items:
        sample = _sample(item, offers_abstaining=about.abstain == "always")
        if isinstance(sample, str):
            outcome.leave_out(item, sample)
        else:
            outcome.num_items += 1
            yield sample


def _sample(item: NativeItem, *, offers_abstaining: bool) -> dict[str, Any] | str:
    """A sample, or why there is none."""
    if item.context.text is None:
        return NO_CONTEXT
    made: dict[str, Any] = {"id": item.id, "input": f"{item.context.text}\n\nQuestion: {item.question}"}
    if item.options:
        choices = [option.text for option in item.options] + ([CANNOT] if offers_abstaining else [])
        right = right_indices(item)
        if item.type == "unanswerable":
            if not offers_abstaining:
                return "it cannot be answered, and the project never offers to say so"
            right = [len(choices) - 1]
        if not right:
            return NO_GOLD
        letters = [chr(ord("A") + index) for index in right]
        made |= {"choices": choices, "target": letters if item.type == "multiple_choice" else letters[0]}
    else:
        texts = [CANNOT] if item.type == "unanswerable" and offers_abstaining else open_texts(item)
        if not texts:
            return NO_GOLD
        made["target"] = texts if len(texts) > 1 else texts[0]
    made["metadata"] = {
        "number": item.number,
        "type": item.type,
        "category": item.category,
        "split": item.split,
        "context_id": item.context.id,
        "question": item.question,
        "answer_spec": None if item.answer_spec is None else item.answer_spec.model_dump(mode="json"),
        "licence": item.licence,
        "attribution": list(item.attribution),
    }
    return made


FORMAT = ExportFormat(
    key="inspect",
    title="Inspect",
    sentence="JSON lines for the evaluation framework Inspect, read with json_dataset.",
    write=write,
    suffix=".jsonl",
)
