"""Which format a file has, by how it begins."""

import json
import re
from typing import Any

from annotator.datasets.imports.source import ZSTD, Source
from annotator.errors import InputError

_TAR_MAGIC = slice(257, 262)


def detect(source: Source) -> str:
    """The key of a file's format.

    Raises:
        InputError: it has none that is known; the message says what to do.
    """
    if source.path.is_dir():
        return "native"
    start = source.beginning(64 * 1024)
    if not start:
        raise InputError(f"{source.name} is empty")
    if start[_TAR_MAGIC] == b"ustar":
        return "native"
    if start.startswith((b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"%PDF", b"PAR1", ZSTD)):
        raise InputError(
            f"{source.name} is of no format that can be imported; unpack it first, or save it as JSON or CSV"
        )
    try:
        text = start.decode("utf-8-sig", "strict" if len(start) < 64 * 1024 else "ignore")
    except UnicodeDecodeError:
        raise InputError(f"{source.name} is not UTF-8; save it as UTF-8") from None
    body = text.lstrip()
    if body.startswith("["):
        return _of_list(source)
    if body.startswith("{"):
        return _of_object(source, body)
    if re.search(r"(?i)\bquestion\b", body.partition("\n")[0]):
        return "csv"
    raise InputError(
        f"{source.name} begins like none of the formats that can be imported; "
        "name its format, or give its table a header line with a column 'question'"
    )


def _of_list(source: Source) -> str:
    _, first = next(source.json_values(), ("", None))
    return _of_row(first)


def _of_object(source: Source, body: str) -> str:
    line = body.partition("\n")[0]
    try:
        first: Any = json.loads(line)
    except (ValueError, RecursionError):
        # It goes on in the next line, or is longer than what was looked at.
        _, first = next(source.json_values() if "\n" in body else source.json_lines(), ("", None))
        return _of_row(first)
    if _is_native(first):
        return "native"
    # One object with nothing after it is JSON and a JSON line alike; what it holds tells.
    kind = _of_row(first)
    return kind if kind in ("mapqator", "mapeval-visual") and not body.partition("\n")[2].strip() else "jsonl"


def _is_native(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("schema", "")).startswith("mapqator.item/")


def _of_row(row: Any) -> str:
    if not isinstance(row, dict):
        return "mapeval"
    if "image_path" in row:
        return "mapeval-visual"
    if row.keys() & {"context_json", "api_call_logs", "questions", "username", "context_gpt"}:
        return "mapqator"
    answer = row.get("answer")
    kind = answer.get("type") if isinstance(answer, dict) else None
    return "mapqator" if kind in ("yes-no", "single-choice", "multiple-choice", "open-ended") else "mapeval"
