"""CSV for spreadsheets, which comes back by import: the columns of `imports.simple.FIELDS` and a few that only inform.

No cell can run as a formula: those that begin like one get an apostrophe in front, which the import takes off again.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotator.datasets.exports.answers import right_indices
from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.text import dumped, opened
from annotator.datasets.formulas import defused
from annotator.datasets.imports.choices import options_of
from annotator.datasets.native import ItemOption, NativeItem
from annotator.datasets.own_text import own_text
from annotator.errors import InputError

COLUMNS = (
    "id",
    "split",
    "status",
    "type",
    "question",
    "options",
    "answer",
    "gold",
    "explanation",
    "category",
    "tags",
    "difficulty",
    "context_title",
    "context",
    "evidence",
    "authors",
    "licence",
)


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the table."""
    with opened(path) as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for item in items:
            outcome.num_items += 1
            row = _row(item)
            table.writerow([defused(row[name]) for name in COLUMNS])


def _row(item: NativeItem) -> dict[str, str]:
    return {
        "id": str(item.number),
        "split": item.split or "",
        "status": item.status,
        "type": item.type,
        "question": item.question,
        "options": _options(item.options),
        "answer": _answer(item),
        "gold": "" if item.answer_spec is None else dumped(item.answer_spec.model_dump(mode="json")),
        "explanation": item.explanation,
        "category": item.category,
        "tags": ", ".join(item.tags),
        "difficulty": item.difficulty,
        "context_title": item.context.title,
        "context": own_text(item) or "",
        "evidence": "\n".join(_evidence(item)),
        "authors": ", ".join(item.authors),
        "licence": item.licence,
    }


def _options(options: tuple[ItemOption, ...]) -> str:
    """One a line where the import makes the same options of that, otherwise JSON."""
    lines = "\n".join(option.text for option in options)
    plain: list[Any] = [(option.key, option.text, option.pid) for option in options]
    try:
        found = [(option.key, option.text, None) for option in options_of(lines.splitlines()) if option is not None]
    except InputError:
        found = []
    if found == plain and not lines.startswith("["):
        return lines
    return json.dumps([option.model_dump(exclude_none=True) for option in options], ensure_ascii=False)


def _answer(item: NativeItem) -> str:
    if item.type == "open_ended":
        return ""
    return ", ".join(item.options[index].key for index in right_indices(item))


def _evidence(item: NativeItem) -> Iterator[str]:
    for evidence in item.evidence:
        value = "" if evidence.value is None else f" = {dumped(evidence.value)}"
        yield f"{evidence.role} {evidence.provider} {evidence.tool} {evidence.pointer}{value}"


FORMAT = ExportFormat(
    key="csv",
    title="CSV",
    sentence="A table for spreadsheets, which can be changed there and imported again.",
    write=write,
    suffix=".csv",
)
