"""Parquet with a typed column for every field of an item; `hf` writes the same columns, a file for each split."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.text import dumped
from annotator.datasets.native import NativeItem
from annotator.errors import StorageError
from annotator.store.times import from_text

ROWS_AT_ONCE = 500
"""Rows of a row group: what is in memory at once."""

_TEXT = pa.string()
SCHEMA = pa.schema(
    [
        ("id", _TEXT),
        ("number", pa.int64()),
        ("rev", pa.int32()),
        ("content_sha", _TEXT),
        ("project", _TEXT),
        ("dataset", _TEXT),
        ("version", _TEXT),
        ("split", _TEXT),
        ("status", _TEXT),
        ("type", _TEXT),
        ("category", _TEXT),
        ("tags", pa.list_(_TEXT)),
        ("difficulty", _TEXT),
        ("question", _TEXT),
        ("options", pa.list_(pa.struct([("key", _TEXT), ("text", _TEXT), ("pid", _TEXT)]))),
        ("gold_keys", pa.list_(_TEXT)),
        ("gold_json", _TEXT),
        ("answer_spec_json", _TEXT),
        ("explanation", _TEXT),
        ("context_id", _TEXT),
        ("context_title", _TEXT),
        ("context", _TEXT),
        ("context_json", _TEXT),
        ("context_sha", _TEXT),
        (
            "evidence",
            pa.list_(
                pa.struct(
                    [
                        ("key", _TEXT),
                        ("role", _TEXT),
                        ("option_key", _TEXT),
                        ("tool", _TEXT),
                        ("provider", _TEXT),
                        ("params_json", _TEXT),
                        ("result_sha", _TEXT),
                        ("pointer", _TEXT),
                        ("value_json", _TEXT),
                        ("request_hash", _TEXT),
                        ("body_sha", _TEXT),
                        ("body_pointer", _TEXT),
                    ]
                )
            ),
        ),
        (
            "places",
            pa.list_(pa.struct([("pid", _TEXT), ("name", _TEXT), ("lat", pa.float64()), ("lon", pa.float64())])),
        ),
        ("authors", pa.list_(_TEXT)),
        ("reviews", pa.list_(pa.struct([("reviewer", _TEXT), ("verdict", _TEXT), ("created_at", _TEXT)]))),
        ("num_responses", pa.int32()),
        ("agreement", pa.float64()),
        ("created_at", pa.timestamp("ms", tz="UTC")),
        ("licence", _TEXT),
        ("attribution", pa.list_(_TEXT)),
    ]
)
"""What is JSON in an item and may have any shape is text in a column that ends in `_json`."""


class Table:
    """A Parquet file that is written some rows at a time.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._rows: list[dict[str, Any]] = []
        self.num_rows = 0
        try:
            self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        except OSError as error:
            raise StorageError(f"cannot write {path.name}: {error}") from None

    def add(self, item: NativeItem) -> None:
        """Writes an item, at the latest when the file is closed."""
        self._rows.append(_row(item))
        self.num_rows += 1
        if len(self._rows) >= ROWS_AT_ONCE:
            self._flush()

    def close(self) -> None:
        """Completes the file."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Lets go of a file that is not completed."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            try:
                self._writer.write_table(pa.Table.from_pylist(self._rows, SCHEMA))
            except OSError as error:
                raise StorageError(f"cannot write the Parquet file: {error}") from None
            self._rows = []


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the file."""
    table = Table(path)
    try:
        for item in items:
            outcome.num_items += 1
            table.add(item)
        table.close()
    finally:
        table.abandon()


def _row(item: NativeItem) -> dict[str, Any]:
    values = item.model_dump(mode="json")
    context = values["context"]
    is_open = item.type == "open_ended"
    return values | {
        "gold_keys": [] if is_open else values["gold"] or [],
        "gold_json": dumped(values["gold"]),
        "answer_spec_json": None if item.answer_spec is None else dumped(values["answer_spec"]),
        "context_id": context["id"],
        "context_title": context["title"],
        "context": context["text"],
        "context_json": None if context["json"] is None else json.dumps(context["json"], ensure_ascii=False),
        "context_sha": context["text_sha"],
        "evidence": [
            evidence | {"params_json": dumped(evidence["params"]), "value_json": dumped(evidence["value"])}
            for evidence in values["evidence"]
        ],
        "num_responses": item.responses.n,
        "agreement": item.responses.agreement,
        "created_at": from_text(item.created_at),
    }


FORMAT = ExportFormat(
    key="parquet",
    title="Parquet",
    sentence="One file with typed columns, for pandas, DuckDB and the like.",
    write=write,
    suffix=".parquet",
)
