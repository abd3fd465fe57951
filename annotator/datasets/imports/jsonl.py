"""JSON lines: simple rows (see `simple`), one a line."""

from collections.abc import Iterator

from annotator.datasets.imports.choices import row_of
from annotator.datasets.imports.model import BadRow, ImportFormat, Row
from annotator.datasets.imports.simple import simple_row
from annotator.datasets.imports.source import Source, check
from annotator.errors import InputError


def read(source: Source) -> Iterator[Row | BadRow]:
    """Rows of the file."""
    for where, value in source.json_lines():
        try:
            if isinstance(value, InputError):
                raise value
            check(value)
            yield simple_row(where, row_of(value))
        except InputError as error:
            yield BadRow(where, error.message)


FORMAT = ImportFormat(
    key="jsonl",
    title="JSON lines",
    sentence="One JSON object a line with question, options, answer and context.",
    read=read,
    suffixes=(".jsonl", ".ndjson"),
)
