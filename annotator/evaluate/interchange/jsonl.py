"""JSON lines that come back whole: the run in the first line, then an item a line with its question and messages."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from annotator.datasets.exports.text import dumped, opened
from annotator.errors import InputError
from annotator.evaluate.baselines import MemberRun
from annotator.evaluate.interchange.model import ResultFormat, Sample
from annotator.evaluate.model import ItemResult, RunFacts

RUN_SCHEMA = "mapqator.run/1"
RESULT_SCHEMA = "mapqator.result/1"
"""Names and versions; a number goes up when a field changes its meaning or goes."""


def write(run: RunFacts, samples: Iterable[Sample], path: Path) -> int:
    """Writes the lines."""
    num = 0
    with opened(path) as file:
        file.write(f"{dumped({'schema': RUN_SCHEMA, **run.model_dump(mode='json')})}\n")
        for sample in samples:
            num += 1
            file.write(f"{dumped(_line(run, sample))}\n")
    return num


def read(path: Path) -> MemberRun:
    """A run and its results, without the conversations.

    Raises:
        InputError: it cannot be read, or is no such file.
    """
    try:
        with path.open(encoding="utf-8") as file:
            header = _values(file.readline(), RUN_SCHEMA, path.name)
            run = RunFacts.model_validate(header)
            results = []
            for line in file:
                values = _values(line, RESULT_SCHEMA, path.name)
                results.append(ItemResult.model_validate(values["result"]))
    except OSError as error:
        raise InputError(f"cannot read {path.name}: {error.strerror}") from None
    except (ValidationError, KeyError, ValueError, RecursionError):
        raise InputError(f"{path.name} is no file of results, or one that was changed") from None
    return MemberRun(run, results)


def _values(line: str, schema: str, name: str) -> dict[str, Any]:
    values = json.loads(line)
    if not isinstance(values, dict) or values.pop("schema", None) != schema:
        raise InputError(f"{name} is no file of results: a line is not of {schema}")
    return values


def _line(run: RunFacts, sample: Sample) -> dict[str, Any]:
    return {
        "schema": RESULT_SCHEMA,
        "run_id": run.run_id,
        "result": sample.result.model_dump(mode="json"),
        "question": sample.item.question,
        "choices": [
            {"label": label, "text": text} for label, text in zip(sample.labels(), sample.choices(), strict=True)
        ],
        "target": sample.target(),
        "answer": sample.answer(),
        "reply": sample.words(),
        "messages": sample.conversation(),
        "may_leave": sample.may_leave,
    }


FORMAT = ResultFormat(
    key="jsonl",
    title="JSON lines",
    sentence="Everything about a run, which comes back whole.",
    write=write,
    suffix=".jsonl",
)
