"""Every format that can be imported, one line each."""

from annotator.datasets.imports import csv_rows, jsonl, mapeval, mapeval_visual, mapqator, native
from annotator.datasets.imports.detect import detect
from annotator.datasets.imports.model import ImportFormat
from annotator.datasets.imports.source import Source
from annotator.errors import InputError

AUTO = "auto"

IMPORTS: dict[str, ImportFormat] = {
    item.key: item
    for item in (
        mapqator.FORMAT,
        mapeval.FORMAT,
        mapeval_visual.FORMAT,
        jsonl.FORMAT,
        csv_rows.FORMAT,
        native.FORMAT,
    )
}


def import_format(key: str, source: Source) -> ImportFormat:
    """The format of that key; `auto` looks at the file.

    Raises:
        InputError: there is none.
    """
    found = IMPORTS.get(detect(source) if key == AUTO else key)
    if found is None:
        raise InputError(
            f"there is no import format '{key[:40]}'; there are auto, {', '.join(IMPORTS)}", param="format"
        )
    return found
