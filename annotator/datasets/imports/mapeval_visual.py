"""MapEval Visual: `[{image_path, question, options("1)..\\n2).."), answer("1-based"), classification, map_url?}]`.

The images stay where they are: the context is a note with the image's path and the map's address.
"""

import re
from collections.abc import Iterator
from typing import Any

from annotator.datasets.imports.choices import choice, index_of, row_of, text_of, texts_of
from annotator.datasets.imports.model import BadRow, ImportFormat, NewQuestion, Row, text_context
from annotator.datasets.imports.source import Source, check
from annotator.errors import InputError

_NUMBERED = re.compile(r"^\s*(\d{1,2})\s*[).:]+\s?", re.MULTILINE)
_URLS = ("map_url", "url", "context")


def read(source: Source) -> Iterator[Row | BadRow]:
    """Rows of the file."""
    for where, value in source.json_values():
        try:
            check(value)
            yield _row(where, row_of(value))
        except InputError as error:
            yield BadRow(where, error.message)


def _row(where: str, row: dict[str, Any]) -> Row:
    image = text_of(row, "image_path")
    url = next((row[name] for name in _URLS if isinstance(row.get(name), str) and row[name].strip()), "")
    number = index_of(row.get("answer"), "answer")
    content = choice(
        text_of(row, "question"),
        _options(row.get("options")),
        # The file counts from 1, and 0 is unanswerable.
        [number - 1],
        category=text_of(row, "classification", required=False),
    )
    text = f"Image: {image}\nMap: {url}" if url else f"Image: {image}"
    question = NewQuestion(content, source_id=str(row.get("id", "")))
    return Row(where, text_context(text), (question,))


def _options(value: Any) -> list[str]:
    """Options of a numbered text, or of a list."""
    if not isinstance(value, str):
        return texts_of(value, "options")
    parts = _NUMBERED.split(value)
    numbers, texts = parts[1::2], [text.rstrip() for text in parts[2::2]]
    if not numbers or [int(number) for number in numbers] != list(range(1, len(numbers) + 1)):
        raise InputError("'options' is no list numbered 1), 2), …")
    return texts


FORMAT = ImportFormat(
    key="mapeval-visual",
    title="MapEval Visual",
    sentence="MapEval's list of questions about map images; the images stay where they are, their paths become notes.",
    read=read,
    suffixes=(".json",),
)
