"""One import as a task: reads a file, writes its good rows in bounded transactions, lists its bad ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from annotator.datasets.imports.model import BadRow, Row
from annotator.datasets.imports.registry import import_format
from annotator.datasets.imports.source import Source
from annotator.datasets.imports.write import Writer
from annotator.datasets.runner import Progress, Task
from annotator.errors import InputError
from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.questions.model import QuestionContent
from annotator.store.sessions import Database
from annotator.store.times import utc_now

ROWS_AT_ONCE = 25
"""Rows of one transaction: other writers wait no longer than these take."""

MAX_LISTED = 1000
"""Bad rows that the result lists; it counts all of them."""

NUM_EXAMPLES = 5
_SHOWN_CHARACTERS = 300


@dataclass(slots=True)
class _Tally:
    """What the result says of the file, as far as it has been read."""

    num_rows: int = 0
    num_bad: int = 0
    bad: list[dict[str, str]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, row: BadRow) -> None:
        self.num_bad += 1
        if len(self.bad) < MAX_LISTED:
            self.bad.append({"where": row.where, "reason": " ".join(row.reason.split())[:500]})


def import_task(
    database: Database,
    actor: Actor,
    project: Project,
    source: Source,
    format_key: str,
    *,
    is_dry_run: bool,
    num_expected: int | None = None,
) -> Task:
    """An import, to be run as a job.

    Args:
        is_dry_run: read everything and write nothing.
        num_expected: rows, where an earlier look at the file counted them.
    """

    def run(progress: Progress) -> Mapping[str, Any]:
        found = import_format(format_key, source)
        origin = {"job": progress.job_id, "file": source.name[:200], "format": found.key}
        writer = Writer(actor, project, origin)
        tally = _Tally()
        notes: list[str] = []

        def result(message: str) -> dict[str, Any]:
            written = writer.written
            return {
                "message": message,
                "format": found.key,
                "file": source.name[:200],
                "is_dry_run": is_dry_run,
                "num_rows": tally.num_rows,
                "num_contexts": written.num_contexts,
                "num_questions": written.num_questions,
                "num_recordings": written.num_recordings,
                "num_bad": tally.num_bad,
                "bad": tally.bad,
                "examples": tally.examples,
                "notes": [*notes, *(f"{num} logged calls were not kept: {why}" for why, num in _reasons(writer))],
            }

        progress.result = result("Nothing yet")
        with source.keep:
            for batch in batched(_read(found.read(source), tally, notes), ROWS_AT_ONCE):
                if is_dry_run:
                    for row in batch:
                        writer.count_only(row)
                    progress(tally.num_rows, num_expected, f"Read {tally.num_rows} rows")
                else:
                    _write(database, writer, batch, tally, progress, num_expected)
                progress.result = result("Stopped on the way")
        return result(_summary(tally, writer))

    return run


def _read(rows: Iterator[Row | BadRow], tally: _Tally, notes: list[str]) -> Iterator[Row]:
    try:
        for row in rows:
            tally.num_rows += 1
            if isinstance(row, BadRow):
                tally.refuse(row)
                continue
            for question in row.questions[: NUM_EXAMPLES - len(tally.examples)]:
                tally.examples.append(_example(row, question.content))
            yield row
    except InputError as error:
        # What was read until here is good; from here on the file is of no use.
        if not tally.num_rows:
            raise
        notes.append(f"The rest of the file was not read: {error.message}")


def _write(
    database: Database,
    writer: Writer,
    batch: tuple[Row, ...],
    tally: _Tally,
    progress: Progress,
    num_expected: int | None,
) -> None:
    now = utc_now()
    with database.writing() as connection:
        for row in batch:
            try:
                with connection.begin_nested():
                    writer.write(connection, row, now)
            except InputError as error:
                tally.refuse(BadRow(row.where, error.message))
        message = f"{writer.written.num_questions} questions in {writer.written.num_contexts} contexts"
        progress.within(connection, tally.num_rows, num_expected, message)


def _reasons(writer: Writer) -> list[tuple[str, int]]:
    return sorted(writer.written.left_out.items())


def _example(row: Row, content: QuestionContent) -> dict[str, Any]:
    """A question for the preview."""
    answer: Any = [_short(option.text) for option in content.options if option.key in content.gold_keys]
    if content.gold is not None:
        answer = content.gold.model_dump(mode="json", exclude_defaults=True)
    text = next((item.text for item in row.context.items if item.text), "")
    return {
        "where": row.where,
        "question": _short(content.body),
        "type": content.type,
        "category": content.category,
        "options": [_short(option.text) for option in content.options],
        "answer": answer,
        "context": _short(text),
        "title": row.context.title,
    }


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _summary(tally: _Tally, writer: Writer) -> str:
    made = f"{_counted(writer.written.num_questions, 'question')} in {_counted(writer.written.num_contexts, 'context')}"
    left = f"; {_counted(tally.num_bad, 'bad row')} left out" if tally.num_bad else ""
    return f"{made}{left}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else f'{noun}s'}"
