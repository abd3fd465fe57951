"""Writers of questions: each reads what a context tells and asks about it. Answers come from tool results alone.

To add a writer, give a module a table of shapes and a way to make what they take say something that the context does
not tell, and add its attempts below. Questions of one kind must be answerable as often as all others, and nothing but
the context may tell which option is right: `floor.py` measures that.
"""

from collections.abc import Callable, Iterator, Sequence

from annotator.demo.questions.scene import Scene, Written
from annotator.demo.questions.writers import bearings, changes, facts, journeys, opening, shapes
from annotator.demo.questions.writers.make import unanswerable
from annotator.demo.questions.writers.phrases import wording
from annotator.demo.questions.writers.question import Question
from annotator.demo.questions.writers.reading import Reading
from annotator.demo.questions.writers.series import Series
from annotator.demo.questions.writers.series_places import along_series, nearby_series
from annotator.demo.questions.writers.series_ways import table_series, way_series
from annotator.demo.stream import Stream

__all__ = ["write_questions"]

UNANSWERABLE_SHARE = 0.13
"""Of every kind's questions, about as many are asked about something that the context does not tell."""

_TRIES = 12
"""For each question that is wanted."""

_TWIN_TRIES, _OWN_TRIES = 12, 5
"""For each unanswerable question, since all kinds must have as many; the first are about the same thing."""

type Make = Callable[[], Question | None]
type Attempt = Callable[[Stream], tuple[Make, Make]]
"""Chooses what to ask about: ways to write the question, and its unanswerable twin."""


def write_questions(scene: Scene, stream: Stream, most: int) -> list[Written]:
    """Questions about a context.

    Args:
        stream: decides what is asked and how; the same gives the same questions.
        most: how many at most; fewer where the context tells too little.
    """
    reading = Reading(scene)
    found = list(_attempts(reading))
    attempts, weights = [attempt for attempt, _ in found], [weight for _, weight in found]
    written: list[Written] = []
    bodies: set[str] = set()
    for _ in range(_TRIES * most if attempts else 0):
        if len(written) >= most:
            break
        attempt = stream.pick_weighted(attempts, weights)
        make, make_twin = attempt(stream)
        question = make()
        # Tossed only where the context answers one of the kind: else the kind would tell what it does not answer.
        if question is not None and stream.chance(UNANSWERABLE_SHARE):
            question = _absent(attempt, make_twin, stream)
        if question is not None and question.body not in bodies:
            bodies.add(question.body)
            written.append(question)
    return written


def _absent(attempt: Attempt, make_twin: Make, stream: Stream) -> Question | None:
    """A twin of a question; where it has none, of another question of its kind."""
    for number in range(_TWIN_TRIES):
        twin = make_twin() if number < _OWN_TRIES else attempt(stream)[1]()
        if twin is not None:
            return unanswerable(twin)
    return None


def _attempts(reading: Reading) -> Iterator[tuple[Attempt, float]]:
    """By what they are about, so that what contexts tell much of does not drown the rest."""
    yield from _of_facts(reading, 1.0)
    yield from _of_series(nearby_series(reading), 1.0)
    yield from _of_series(along_series(reading), 0.6)
    yield from _of_series(way_series(reading), 0.6)
    yield from _of_series(table_series(reading), 0.6)
    yield from _of_hours(reading, 1.0)
    yield from _of_journeys(reading, 0.8)
    yield from _of_lines(reading, 0.8)


def _of_series(every: Sequence[Series], share: float) -> Iterator[tuple[Attempt, float]]:
    for name, (writer, weight) in shapes.SHAPES.items():
        if found := [series for series in every if shapes.can_ask(series, name)]:
            yield _series_attempt(name, writer, found), weight * share


def _series_attempt(name: str, writer: shapes.Writer, found: Sequence[Series]) -> Attempt:
    def attempt(stream: Stream) -> tuple[Make, Make]:
        series, how = stream.pick(found), wording(stream)

        def twin() -> Question | None:
            strange = series.strange(stream, name)
            return None if strange is None else writer(strange, stream, how)

        return lambda: writer(series, stream, how), twin

    return attempt


def _of_facts(reading: Reading, share: float) -> Iterator[tuple[Attempt, float]]:
    if found := facts.groups(reading):
        for writer, weight in facts.SHAPES.values():
            yield _fact_attempt(writer, found, reading), weight * share


def _fact_attempt(writer: facts.Writer, found: Sequence[facts.Group], reading: Reading) -> Attempt:
    def attempt(stream: Stream) -> tuple[Make, Make]:
        group, how = stream.pick(found), wording(stream)

        def twin() -> Question | None:
            strange = facts.strange(group, reading, stream)
            return None if strange is None else writer(strange, stream, how)

        return lambda: writer(group, stream, how), twin

    return attempt


def _of_hours(reading: Reading, share: float) -> Iterator[tuple[Attempt, float]]:
    clock = opening.Clock(reading)
    if found := opening.trades(reading):
        for name, (writer, weight) in opening.SHAPES.items():
            yield _hours_attempt(name, writer, found, reading, clock), weight * share
    if told := changes.changes(reading):
        yield _change_attempt(told, reading), 0.6 * share


def _change_attempt(found: Sequence[changes.Change], reading: Reading) -> Attempt:
    def attempt(stream: Stream) -> tuple[Make, Make]:
        change, how = stream.pick(found), wording(stream)

        def twin() -> Question | None:
            strange = changes.strange(change, reading, stream)
            return None if strange is None else changes.next_change(strange, stream, how)

        return lambda: changes.next_change(change, stream, how), twin

    return attempt


def _hours_attempt(
    name: str, writer: opening.Writer, found: Sequence[opening.Trade], reading: Reading, clock: opening.Clock
) -> Attempt:
    def attempt(stream: Stream) -> tuple[Make, Make]:
        trade, how = stream.pick(found), wording(stream)

        def twin() -> Question | None:
            strange = opening.strange(trade, name, reading, stream)
            return None if strange is None else writer(strange, clock, stream, how)

        return lambda: writer(trade, clock, stream, how), twin

    return attempt


def _of_journeys(reading: Reading, share: float) -> Iterator[tuple[Attempt, float]]:
    if found := journeys.journeys(reading):
        for writer, weight in journeys.SHAPES.values():
            yield _journey_attempt(writer, found, reading), weight * share


def _journey_attempt(writer: journeys.Writer, found: Sequence[journeys.Journey], reading: Reading) -> Attempt:
    def attempt(stream: Stream) -> tuple[Make, Make]:
        journey, how = stream.pick(found), wording(stream)

        def twin() -> Question | None:
            strange = journeys.strange(journey, found, reading, stream)
            return None if strange is None else writer(strange, found, stream, how)

        return lambda: writer(journey, found, stream, how), twin

    return attempt


def _of_lines(reading: Reading, share: float) -> Iterator[tuple[Attempt, float]]:
    if found := bearings.lines(reading):
        for writer, weight in bearings.SHAPES.values():
            yield _line_attempt(writer, found, reading), weight * share


def _line_attempt(writer: bearings.Writer, found: Sequence[bearings.Line], reading: Reading) -> Attempt:
    def attempt(stream: Stream) -> tuple[Make, Make]:
        line, how = stream.pick(found), wording(stream)

        def twin() -> Question | None:
            strange = bearings.strange(line, reading, stream)
            return None if strange is None else writer(strange, stream, how)

        return lambda: writer(line, stream, how), twin

    return attempt
