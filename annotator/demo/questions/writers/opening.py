"""Opening hours: who is open when, and when places open and close, as `open_at` says; never hours that need a date.

Times are asked only where some places of a kind are open and others closed, and then each as often: so neither the
hour nor the day tells the answer.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from annotator.contexts.words import kind_names
from annotator.demo.questions.writers.make import choice, open_ended, text_of, yes_no, yes_no_body
from annotator.demo.questions.writers.phrases import filled, worded
from annotator.demo.questions.writers.question import About, Question, Told
from annotator.demo.questions.writers.reading import Reading
from annotator.demo.stream import Stream

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONDAYS = (date(2026, 1, 19), date(2026, 6, 15), date(2026, 9, 7))
"""Weeks in which hours must say the same, or they are about seasons; holidays among them speak against themselves."""
_TRIES = 5
_MOST = 6
"""Places of which it is asked who is open."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """A place whose hours are told."""

    told: Told
    raw: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Trade:
    """Places of one kind whose hours are told.

    Args:
        category: their type.
        noun: what they are, in the plural.
    """

    category: str
    noun: str
    keepers: tuple[Keeper, ...]


def trades(reading: Reading) -> list[Trade]:
    """Places by kind; those whose hours are told in two ways, or hang on dates, are left out."""
    found: defaultdict[str, dict[str, Keeper]] = defaultdict(dict)
    for sighting in reading.sightings:
        place = sighting.place
        if place.opening_hours is None or not place.opening_hours.raw or not place.categories:
            continue
        raw = place.opening_hours.raw
        for told in sighting.told("opening_hours"):
            # What no words are found for is about seasons, or the sun.
            if told.words != raw and raw in told.words:
                found[place.categories[0]].setdefault(sighting.name, Keeper(told, raw, place.lat, place.lon))
    return [
        Trade(category, f"{noun[:1].lower()}{noun[1:]}", tuple(keepers.values()))
        for category, keepers in found.items()
        for noun in (kind_names(category),)
    ]


class Clock:
    """Asks whether places are open.

    Args:
        reading: of the context whose town answers.
    """

    def __init__(self, reading: Reading) -> None:
        self._town = reading.scene.town

    def is_open(self, keeper: Keeper, weekday: int, clock: str) -> bool | None:
        """Whether a place is open on an ordinary day of the week; None where that depends on the week."""
        states = {self._ask(keeper, monday + timedelta(days=weekday), clock)["state"] for monday in _MONDAYS}
        return "open" in states if len(states) == 1 and states <= {"open", "closed"} else None

    def times(self, keeper: Keeper, weekday: int) -> tuple[str, str] | None:
        """When a place opens first and closes last on a day; None where it is closed, or open at either end of it."""
        found = {self._times(keeper, monday + timedelta(days=weekday)) for monday in _MONDAYS}
        return found.pop() if len(found) == 1 else None

    def _times(self, keeper: Keeper, day: date) -> tuple[str, str] | None:
        answer = self._ask(keeper, day, "00:00")
        if answer["state"] != "closed":
            return None
        first = last = ""
        is_open = False
        while "next_change" in answer and (change := str(answer["next_change"])).startswith(day.isoformat()):
            is_open = not is_open
            first = first or change[11:16]
            last = last if is_open else change[11:16]
            answer = self._ask(keeper, day, change[11:16])
        return (first, last) if first and last and not is_open else None

    def _ask(self, keeper: Keeper, day: date, clock: str) -> Mapping[str, object]:
        params = {"opening_hours": keeper.raw, "at": f"{day.isoformat()}T{clock}", "lat": keeper.lat, "lon": keeper.lon}
        return self._town.ask("open_at", params)


def open_yes_no(trade: Trade, clock: Clock, stream: Stream, how: str) -> Question | None:
    """Is this place open then?"""
    found = _split(trade, clock, stream, 1)
    if found is None:
        return None
    when, is_open, is_closed = found
    is_asked_open, is_so = stream.chance(0.5), stream.chance(0.5)
    keeper = stream.pick(is_open if is_asked_open == is_so else is_closed)
    predicate = _state(stream, when, how, is_open=is_asked_open)
    body = yes_no_body(stream, keeper.told.subject, predicate, how)
    return yes_no(_about("open_yes_no"), how, body, is_so, (keeper.told,))


def open_choice(trade: Trade, clock: Clock, stream: Stream, how: str) -> Question | None:
    """Which one of these is open then, or closed?"""
    is_asked_open = stream.chance(0.5)
    found = _split(trade, clock, stream, 1, 2)
    if found is None:
        return None
    when, is_open, is_closed = found
    ours, others = (is_open, is_closed) if is_asked_open else (is_closed, is_open)
    if len(others) < 2:
        return None
    right, wrong = stream.pick(ours), stream.sample(others, 3)
    told = [keeper.told for keeper in (right, *wrong)]
    body = filled(
        worded(stream, _WHICH_IS, how),
        noun=trade.noun,
        p=_state(stream, when, how, is_open=is_asked_open),
    )
    return choice(
        _about("open_choice"),
        how,
        body,
        (right.told.subject,),
        [keeper.told.subject for keeper in wrong],
        told,
        parts=told,
    )


def open_multiple(trade: Trade, clock: Clock, stream: Stream, how: str) -> Question | None:
    """Which of these are open then, or closed?"""
    found = _split(trade, clock, stream, 2)
    if found is None:
        return None
    when, is_open, is_closed = found
    size = min(4, 1 + min(len(is_open), len(is_closed)))
    num_open = stream.pick_weighted(tuple(range(1, size)), {3: (3.0, 3.0), 4: (4.0, 6.0, 4.0)}[size])
    some, others = stream.sample(is_open, num_open), stream.sample(is_closed, size - num_open)
    is_asked_open = stream.chance(0.5)
    right, wrong = (some, others) if is_asked_open else (others, some)
    told = [keeper.told for keeper in (*some, *others)]
    body = filled(
        worded(stream, _WHICH_ARE, how),
        noun=trade.noun,
        p=_state(stream, when, how, is_open=is_asked_open),
    )
    return choice(
        _about("open_multiple"),
        how,
        body,
        [keeper.told.subject for keeper in right],
        [keeper.told.subject for keeper in wrong],
        told,
        parts=told,
        shape="multiple_choice",
    )


def time_open(trade: Trade, clock: Clock, stream: Stream, how: str) -> Question | None:
    """When does it open, or close, on that day?"""
    keeper = stream.pick(trade.keepers)
    weekday = stream.integer(0, 6)
    times = clock.times(keeper, weekday)
    if times is None:
        return None
    is_closing = stream.chance(0.5)
    body = _time_body(stream, keeper.told.subject, weekday, how, is_closing=is_closing)
    return open_ended(_about("time"), how, body, times[is_closing], text_of(times[is_closing]), (keeper.told,))


def time_choice(trade: Trade, clock: Clock, stream: Stream, how: str) -> Question | None:
    """The same, with times at which other places of the kind do."""
    weekday = stream.integer(0, 6)
    is_closing = stream.chance(0.5)
    by_time: dict[str, Keeper] = {}
    for keeper in stream.sample(trade.keepers, _MOST):
        times = clock.times(keeper, weekday)
        if times is not None:
            by_time.setdefault(times[is_closing], keeper)
    options = stream.sample(sorted(by_time), 4)
    if len(options) < 3:
        return None
    right = stream.pick(options)
    told = by_time[right].told
    body = _time_body(stream, told.subject, weekday, how, is_closing=is_closing)
    wrong = [option for option in options if option != right]
    return choice(_about("time_choice"), how, body, (right,), wrong, (told,))


type Writer = Callable[[Trade, Clock, Stream, str], Question | None]

SHAPES: Mapping[str, tuple[Writer, float]] = {
    "open_yes_no": (open_yes_no, 2.5),
    "open_choice": (open_choice, 2.5),
    "open_multiple": (open_multiple, 2.5),
    "time": (time_open, 0.8),
    "time_choice": (time_choice, 1.8),
}
"""Every shape and how often it is tried."""


_OF_A_KIND = frozenset({"open_choice", "open_multiple"})
"""Shapes that say what kind of places they ask about."""


def strange(trade: Trade, shape: str, reading: Reading, stream: Stream) -> Trade | None:
    """The same hours, said to be kept by places of which the context does not tell any."""
    category = trade.category if shape in _OF_A_KIND else ""
    silent = [
        name
        for name in dict.fromkeys(one.name for one in reading.sightings if category in ("", *one.place.categories[:1]))
        if not any(one.told("opening_hours") for one in reading.sightings if one.name == name)
    ]
    count = len(trade.keepers)
    names = stream.sample(silent, count // 2 + stream.integer(0, 1))
    names = stream.shuffled(names + reading.strange_names(stream, count - len(names), category))
    if not names:
        return None
    keepers = tuple(
        replace(keeper, told=replace(keeper.told, subject=name))
        for keeper, name in zip(stream.shuffled(trade.keepers), names, strict=False)
    )
    return replace(trade, keepers=keepers)


_WHICH_IS = (
    "Which of these {noun} is {p}?",
    "Of these {noun}, which one is {p}?",
    "Only one of these {noun} is {p}. Which?",
    "Name the one of these {noun} that is {p}.",
    "Which one of the following {noun} is {p}?",
)
_WHICH_ARE = (
    "Which of these {noun} are {p}?",
    "Of these {noun}, which are {p}?",
    "Some of these {noun} are {p}. Which?",
    "Name all of these {noun} that are {p}.",
    "Find every one of the following {noun} that is {p}.",
)
_OPENS = (
    "When does {x} open on {day}?",
    "From what time on can one enter {x} on a {day}?",
    "At what time does the {day} begin at {x}?",
    "Somebody wants to be at {x} first thing on a {day}. At what time do the doors open?",
    "How early does {x} let people in on a {day}?",
)
_CLOSES = (
    "When does {x} close on {day}?",
    "Until what time can one stay at {x} on a {day}?",
    "At what time does the {day} end at {x}?",
    "By when must one have left {x} on a {day}?",
    "How late does {x} stay open on a {day}?",
)


def _time_body(stream: Stream, subject: str, weekday: int, how: str, *, is_closing: bool) -> str:
    return filled(worded(stream, _CLOSES if is_closing else _OPENS, how), x=subject, day=WEEKDAYS[weekday])


def _state(stream: Stream, when: tuple[int, str], how: str, *, is_open: bool) -> str:
    """`open on Monday at 09:00`, or closed."""
    return f"{'open' if is_open else 'closed'} {_moment(stream, when, how)}"


def _moment(stream: Stream, when: tuple[int, str], how: str) -> str:
    weekday, clock = when
    phrases = (
        "on {day} at {clock}",
        "on a {day} at {clock}",
        "at {clock} on a {day}",
        "on an ordinary {day} at {clock}",
        "if one comes on a {day} at {clock}",
    )
    return worded(stream, phrases, how).replace("{day}", WEEKDAYS[weekday]).replace("{clock}", clock)


def _split(
    trade: Trade, clock: Clock, stream: Stream, least: int, least_closed: int | None = None
) -> tuple[tuple[int, str], list[Keeper], list[Keeper]] | None:
    """A day and time at which at least so many places are open and so many closed, and those."""
    if len(trade.keepers) < 2:
        return None
    for _ in range(_TRIES):
        when = (stream.integer(0, 6), _quarter(stream))
        some = stream.sample(trade.keepers, _MOST)
        states = [clock.is_open(keeper, *when) for keeper in some]
        is_open = [keeper for keeper, state in zip(some, states, strict=True) if state is True]
        is_closed = [keeper for keeper, state in zip(some, states, strict=True) if state is False]
        if len(is_open) >= least and len(is_closed) >= (least if least_closed is None else least_closed):
            return when, is_open, is_closed
    return None


def _quarter(stream: Stream) -> str:
    moment = datetime(2026, 1, 1, 7, 15) + timedelta(minutes=15 * stream.integer(0, 60))
    return f"{moment:%H:%M}"


def _about(shape: str) -> About:
    return About(f"hours/{shape}", "poi", "opening_hours")
