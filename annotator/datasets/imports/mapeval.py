"""MapEval Textual and API: `[{id, question, answer{type: "mcq", options, correct}, context, classification}]`.

Dihan et al., "MapEval" (2025). `correct` counts from 0, -1 is unanswerable; short lists are padded with blank options.
"""

from collections.abc import Iterator
from typing import Any

from annotator.datasets.imports.choices import choice, index_of, row_of, text_of, texts_of
from annotator.datasets.imports.model import BadRow, ImportFormat, NewQuestion, Row, text_context
from annotator.datasets.imports.source import Source, check
from annotator.errors import InputError


def read(source: Source) -> Iterator[Row | BadRow]:
    """Rows of the file."""
    for where, value in source.json_values():
        try:
            check(value)
            yield _row(where, row_of(value))
        except InputError as error:
            yield BadRow(where, error.message)


def _row(where: str, row: dict[str, Any]) -> Row:
    answer = row_of(row.get("answer"))
    if answer.get("type", "mcq") != "mcq":
        raise InputError(f"the answer's type is '{str(answer['type'])[:40]}', and MapEval knows only mcq")
    content = choice(
        text_of(row, "question"),
        texts_of(answer.get("options"), "answer.options"),
        [index_of(answer.get("correct"), "answer.correct")],
        category=text_of(row, "classification", required=False),
    )
    question = NewQuestion(content, source_id=str(row.get("id", "")))
    return Row(where, text_context(text_of(row, "context")), (question,))


FORMAT = ImportFormat(
    key="mapeval",
    title="MapEval Textual or API",
    sentence="The JSON list that MapEval publishes: questions with options and a context as text.",
    read=read,
    suffixes=(".json",),
)
