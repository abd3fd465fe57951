"""Every format in which results can leave, one line each."""

from annotator.errors import InputError
from annotator.evaluate.interchange import inspect_log, jsonl, lm_eval, parquet
from annotator.evaluate.interchange.model import ResultFormat

RESULT_FORMATS: dict[str, ResultFormat] = {
    item.key: item for item in (jsonl.FORMAT, parquet.FORMAT, inspect_log.FORMAT, lm_eval.FORMAT)
}


def result_format(key: str) -> ResultFormat:
    """The format of that key.

    Raises:
        InputError: there is none.
    """
    if key not in RESULT_FORMATS:
        raise InputError(f"there is no format '{key[:40]}'; there are {', '.join(RESULT_FORMATS)}", param="format")
    return RESULT_FORMATS[key]
