"""Writers of questions: each reads what a context tells and asks about it. Answers come from tool results alone.

To add a writer, give a module a table of shapes and a way to make what they take say something that the context does
not tell, and add its attempts below. Questions of one kind must be answerable as often as all others, and nothing but
the context may tell which option is right: `floor.py` measures that.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

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


def _attempt[T](
    found: Sequence[T],
    write: Callable[[T, Stream, str], Question | None],
    make_strange: Callable[[T, Stream], T | None],
) -> Attempt:
    """Asks about one of what was found, or about something like it that the context does not tell.

    Args:
        found: what can be asked about.
        write: asks about one, in a wording.
        make_strange: one like it, of which the context tells nothing; None if there is none.
    """

    def attempt(stream: Stream) -> tuple[Make, Make]:
        one, how = stream.pick(found), wording(stream)

        def twin() -> Question | None:
            strange = make_strange(one, stream)
            return None if strange is None else write(strange, stream, how)

        return lambda: write(one, stream, how), twin

    return attempt


def _of_series(every: Sequence[Series], share: float) -> Iterator[tuple[Attempt, float]]:
    for name, (writer, weight) in shapes.SHAPES.items():
        if found := [series for series in every if shapes.can_ask(series, name)]:
            yield _attempt(found, writer, partial(_strange_series, name)), weight * share


def _strange_series(name: str, series: Series, stream: Stream) -> Series | None:
    return series.strange(stream, name)


def _of_facts(reading: Reading, share: float) -> Iterator[tuple[Attempt, float]]:
    if found := facts.groups(reading):
        for writer, weight in facts.SHAPES.values():
            yield _attempt(found, writer, lambda group, stream: facts.strange(group, reading, stream)), weight * share


def _of_hours(reading: Reading, share: float) -> Iterator[tuple[Attempt, float]]:
    clock = opening.Clock(reading)
    if found := opening.trades(reading):
        for name, (writer, weight) in opening.SHAPES.items():
            write, make_strange = partial(_ask_hours, writer, clock), partial(_strange_trade, name, reading)
            yield _attempt(found, write, make_strange), weight * share
    if told := changes.changes(reading):
        attempt = _attempt(told, changes.next_change, lambda change, stream: changes.strange(change, reading, stream))
        yield attempt, 0.6 * share


def _ask_hours(
    writer: opening.Writer, clock: opening.Clock, trade: opening.Trade, stream: Stream, how: str
) -> Question | None:
    return writer(trade, clock, stream, how)


def _strange_trade(name: str, reading: Reading, trade: opening.Trade, stream: Stream) -> opening.Trade | None:
    return opening.strange(trade, name, reading, stream)


def _of_journeys(reading: Reading, share: float) -> Iterator[tuple[Attempt, float]]:
    if found := journeys.journeys(reading):
        for writer, weight in journeys.SHAPES.values():
            write, make_strange = partial(_ask_journey, writer, found), partial(_strange_journey, found, reading)
            yield _attempt(found, write, make_strange), weight * share


def _ask_journey(
    writer: journeys.Writer, found: Sequence[journeys.Journey], journey: journeys.Journey, stream: Stream, how: str
) -> Question | None:
    return writer(journey, found, stream, how)


def _strange_journey(
    found: Sequence[journeys.Journey], reading: Reading, journey: journeys.Journey, stream: Stream
) -> journeys.Journey | None:
    return journeys.strange(journey, found, reading, stream)


def _of_lines(reading: Reading, share: float) -> Iterator[tuple[Attempt, float]]:
    if found := bearings.lines(reading):
        for writer, weight in bearings.SHAPES.values():
            yield _attempt(found, writer, lambda line, stream: bearings.strange(line, reading, stream)), weight * share
