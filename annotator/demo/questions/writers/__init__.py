"""Writers of questions: each reads what a context tells and asks about it. Answers come from tool results alone."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from annotator.demo.questions.scene import Scene, Written
from annotator.demo.questions.writers import facts, shapes
from annotator.demo.questions.writers.make import unanswerable
from annotator.demo.questions.writers.phrases import wording
from annotator.demo.questions.writers.question import Question
from annotator.demo.questions.writers.reading import Reading
from annotator.demo.questions.writers.series import Series
from annotator.demo.questions.writers.series_places import along_series, nearby_series
from annotator.demo.stream import Stream

__all__ = ["write_questions"]

UNANSWERABLE_SHARE = 0.13
"""Of every kind's questions, about as many are asked about something that the context does not tell."""

_TRIES = 12
"""For each question that is wanted."""

type Attempt = Callable[[Stream], tuple[Question | None, Callable[[], Question | None]]]
"""Tries to write a question; gives it, and a way to write its unanswerable twin."""


def write_questions(scene: Scene, stream: Stream, most: int) -> list[Written]:
    """Questions about a context.

    Args:
        stream: decides what is asked and how; the same gives the same questions.
        most: how many at most; fewer where the context tells too little.
    """
    reading = Reading(scene)
    attempts = list(_attempts(reading))
    written: list[Written] = []
    bodies: set[str] = set()
    if not attempts:
        return written
    for _ in range(_TRIES * most):
        if len(written) >= most:
            break
        question, twin = stream.pick_weighted([one for one, _ in attempts], [weight for _, weight in attempts])(stream)
        is_absent = stream.chance(UNANSWERABLE_SHARE)
        if question is None:
            continue
        if is_absent:
            question = twin()
        if question is not None and question.body not in bodies:
            bodies.add(question.body)
            written.append(question)
    return written


def _attempts(reading: Reading) -> Iterator[tuple[Attempt, float]]:
    yield from _of_groups(reading)
    yield from _of_series(list(chain(nearby_series(reading), along_series(reading))))


def _of_groups(reading: Reading) -> Iterator[tuple[Attempt, float]]:
    found = facts.groups(reading)
    for name, (writer, weight) in facts.SHAPES.items():

        def attempt(
            stream: Stream, writer: facts.Writer = writer
        ) -> tuple[Question | None, Callable[[], Question | None]]:
            group = stream.pick(found)
            how = wording(stream)

            def twin() -> Question | None:
                strange = facts.strange(group, reading, stream)
                made = writer(strange, reading, stream, how) if strange else None
                return unanswerable(made) if made else None

            return writer(group, reading, stream, how), twin

        if found:
            yield attempt, weight


def _of_series(found: Sequence[Series]) -> Iterator[tuple[Attempt, float]]:
    for name, (writer, weight) in shapes.SHAPES.items():

        def attempt(
            stream: Stream, name: str = name, writer: shapes.Writer = writer
        ) -> tuple[Question | None, Callable[[], Question | None]]:
            series = stream.pick(found)
            how = wording(stream)

            def twin() -> Question | None:
                strange = series.strange(stream, name)
                made = writer(strange, stream, how) if strange else None
                return unanswerable(made) if made else None

            return writer(series, stream, how), twin

        if found:
            yield attempt, weight
