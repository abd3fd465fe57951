"""Every format in which datasets can leave, one line each."""

from annotator.datasets.exports import (
    csv_rows,
    geojson,
    hugging_face,
    inspect_lines,
    lm_eval,
    mapeval,
    mapqator,
    native,
    parquet,
)
from annotator.datasets.exports.model import ExportFormat
from annotator.errors import InputError

EXPORTS: dict[str, ExportFormat] = {
    item.key: item
    for item in (
        native.FORMAT,
        parquet.FORMAT,
        hugging_face.FORMAT,
        mapeval.FORMAT,
        mapqator.FORMAT,
        lm_eval.FORMAT,
        inspect_lines.FORMAT,
        csv_rows.FORMAT,
        geojson.FORMAT,
    )
}


def export_format(key: str) -> ExportFormat:
    """The format of that key.

    Raises:
        InputError: there is none.
    """
    if key not in EXPORTS:
        raise InputError(f"there is no export format '{key[:40]}'; there are {', '.join(EXPORTS)}", param="format")
    return EXPORTS[key]
