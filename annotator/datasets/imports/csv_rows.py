"""CSV with a header line: the columns of `simple.FIELDS`, of which only `question` must be there.

`options` has one option a line, or a JSON list. `answer` has a key (several: `A, C`), a whole text or JSON; `gold` has
an open-ended answer as JSON and wins. `tags` are separated by commas.
"""

import json
from collections.abc import Iterator
from typing import Any

from annotator.datasets.formulas import restored
from annotator.datasets.imports.model import BadRow, ImportFormat, Row
from annotator.datasets.imports.simple import simple_row
from annotator.datasets.imports.source import Source, check
from annotator.errors import InputError


def read(source: Source) -> Iterator[Row | BadRow]:
    """Rows of the file."""
    for where, cells in source.csv_rows():
        try:
            row = _row({name: restored(cell) for name, cell in cells.items()})
            check(row)
            yield simple_row(where, row)
        except InputError as error:
            yield BadRow(where, error.message)


def _row(cells: dict[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = dict(cells)
    options = cells.get("options", "")
    row["options"] = _json(options) if options.startswith("[") else options.splitlines() or None
    row["tags"] = [tag.strip() for tag in cells.get("tags", "").split(",")]
    row["answer"] = _answer(cells, row["options"])
    return row


def _answer(cells: dict[str, str], options: Any) -> Any:
    answer = cells.get("answer", "")
    if gold := cells.get("gold", ""):
        return _json(gold)
    if answer.strip() == "-1":
        return -1
    if not options or not answer.strip():
        return answer or None
    if cells.get("type", "").strip() == "multiple_choice":
        return _json(answer) if answer.startswith("[") else [part.strip() for part in answer.split(",")]
    return answer


def _json(text: str) -> Any:
    if len(text) > 100_000:
        raise InputError("a cell of JSON has more than 100000 characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"the cell '{text[:40]}' begins like JSON and is none") from None


FORMAT = ImportFormat(
    key="csv",
    title="CSV",
    sentence="A table with the columns question, options, answer and context, as spreadsheets save it.",
    read=read,
    suffixes=(".csv", ".tsv"),
)
