"""Questions about a series of lengths or times, in every shape. Each gives one question, or None where none is clear.

Options are chosen before the right one is, so that nothing but the context tells which it is: the values of a choice
are all told of things of one kind, limits have as many things on either side as can be asked about, and sides are
tossed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annotator.demo.questions.writers.make import choice, listed, open_ended, text_of, yes_no, yes_no_body
from annotator.demo.questions.writers.phrases import filled, ordinal, worded
from annotator.demo.questions.writers.question import Question, Told, said_of
from annotator.demo.questions.writers.series import NUM_OPTIONS, Series
from annotator.demo.stream import Stream

type Writer = Callable[[Series, Stream, str], Question | None]

_FEWEST_COUNTED = 4

PATTERN_WEIGHTS = {3: (3.0, 3.0), 4: (4.0, 6.0, 4.0)}
"""By the number of options, how often one, two, ... are right: so that every set of letters is as likely."""


def value(series: Series, stream: Stream, how: str) -> Question | None:
    """What is the value of one thing?"""
    told = stream.pick(series.told)
    body = filled(worded(stream, series.measure.ask, how), x=told.subject)
    return open_ended(
        series.about("value", series.value_skill), how, body, told.words, number_of(series, told.number), (told,)
    )


def value_choice(series: Series, stream: Stream, how: str) -> Question | None:
    """Which of these values is it?"""
    options = stream.sample(series.apart(), NUM_OPTIONS)
    if len(options) < 3:
        return None
    told = stream.pick(options)
    body = filled(worded(stream, series.measure.ask, how), x=told.subject)
    wrong = tuple(other.words for other in options if other is not told)
    return choice(
        series.about("value_choice", series.value_skill), how, body, (told.words,), wrong, (told,), said_of((told,))
    )


def holder_choice(series: Series, stream: Stream, how: str) -> Question | None:
    """Which of these things has this value?"""
    options = stream.sample(series.apart(), NUM_OPTIONS)
    if len(options) < 3:
        return None
    told = stream.pick(options)
    body = filled(
        worded(stream, _WHICH, how), noun=series.noun, p=worded(stream, series.measure.being, how), v=told.words
    )
    wrong = tuple(other.subject for other in options if other is not told)
    return choice(
        series.about("holder_choice", series.value_skill), how, body, (told.subject,), wrong, (told,), said_of((told,))
    )


def value_yes_no(series: Series, stream: Stream, how: str) -> Question | None:
    """Is this its value? Half of the values are another thing's."""
    apart = series.apart()
    if len(apart) < 2:
        return None
    told, other = stream.sample(apart, 2)
    is_so = stream.chance(0.5)
    predicate = worded(stream, series.measure.being, how).replace("{v}", (told if is_so else other).words)
    body = yes_no_body(stream, told.subject, predicate, how)
    return yes_no(series.about("value_yes_no", series.value_skill), how, body, is_so, (told,))


def compared_yes_no(series: Series, stream: Stream, how: str) -> Question | None:
    """Is one less than the other?"""
    pair = stream.sample(series.apart(), 2)
    if len(pair) < 2:
        return None
    first, second = pair
    is_less = stream.chance(0.5)
    phrases = series.measure.less if is_less else series.measure.more
    predicate = f"{worded(stream, phrases, how)} than {second.subject}"
    body = yes_no_body(stream, first.subject, predicate, how)
    is_so = (first.number < second.number) == is_less
    return yes_no(series.about("compared_yes_no", "comparison"), how, body, is_so, pair)


def compared_choice(series: Series, stream: Stream, how: str) -> Question | None:
    """Which of two is less?"""
    pair = stream.sample(series.apart(), 2)
    if len(pair) < 2:
        return None
    is_less = stream.chance(0.5)
    phrases = series.measure.less if is_less else series.measure.more
    body = filled(
        worded(
            stream,
            (
                "Which of the two is {p}: {x} or {y}?",
                "{x} or {y}: which one is {p}?",
                "Compare {x} with {y}. Which one is {p}?",
                "Of {x} and {y}, which is {p}?",
                "Between {x} and {y}, which one is {p}?",
            ),
            how,
        ),
        x=pair[0].subject,
        y=pair[1].subject,
        p=worded(stream, phrases, how),
    )
    right, wrong = sorted(pair, key=lambda told: told.number, reverse=not is_less)
    return choice(
        series.about("compared_choice", "comparison"),
        how,
        body,
        (right.subject,),
        (wrong.subject,),
        pair,
        said_of(pair),
        pair,
    )


def extreme_choice(series: Series, stream: Stream, how: str) -> Question | None:
    """Which of several is the least or the most?"""
    options = stream.sample(series.apart(), NUM_OPTIONS)
    if len(options) < 3:
        return None
    is_least = stream.chance(0.5)
    phrases = series.measure.least if is_least else series.measure.most
    body = filled(worded(stream, _WHICH_THE, how), noun=series.noun, p=worded(stream, phrases, how))
    right, *others = sorted(options, key=lambda told: told.number, reverse=not is_least)
    wrong = tuple(other.subject for other in others)
    return choice(
        series.about("extreme_choice", "comparison"),
        how,
        body,
        (right.subject,),
        wrong,
        options,
        said_of(options),
        options,
    )


def nth_open(series: Series, stream: Stream, how: str) -> Question | None:
    """Which of the whole list is the least, the second least, ... or the most?"""
    ordered = series.ordered()
    if len(ordered) < 3 or len(series.apart()) < len(ordered):
        return None
    is_least = stream.chance(0.5)
    place = stream.integer(1, min(3, len(ordered) - 1))
    told = (ordered if is_least else ordered[::-1])[place - 1]
    phrases = series.measure.least if is_least else series.measure.most
    superlative = worded(stream, phrases, how)
    wanted = superlative if place == 1 else f"{ordinal(place)} {superlative}"
    # "The second first one reached" is no English.
    if place > 1 and superlative.startswith(("first", "last")):
        return None
    body = filled(
        worded(
            stream,
            (
                "Which of the {group} is the {p}?",
                "Of the {group}, which one is the {p}?",
                "Look at the {group}. Which of them is the {p}?",
                "Name the one of the {group} that is the {p}.",
                "What is the {p} of the {group} called?",
            ),
            how,
        ),
        group=series.group,
        p=wanted,
    )
    return open_ended(series.about("nth", "comparison"), how, body, told.subject, text_of(told.subject), (told,))


def within_yes_no(series: Series, stream: Stream, how: str) -> Question | None:
    """Is it within a limit? Both sides of the limit are asked about as often."""
    limits = series.limits()
    if not limits:
        return None
    limit, count = stream.pick(limits)
    ordered = series.ordered()
    is_within, is_asked_within = stream.chance(0.5), stream.chance(0.5)
    told = stream.pick(ordered[:count] if is_within else ordered[count:])
    phrases = series.measure.within if is_asked_within else series.measure.beyond
    predicate = worded(stream, phrases, how).replace("{v}", series.measure.words(limit))
    body = yes_no_body(stream, told.subject, predicate, how)
    return yes_no(series.about("within_yes_no", "comparison"), how, body, is_within == is_asked_within, (told,))


def within_multiple(series: Series, stream: Stream, how: str) -> Question | None:
    """Which of these are within a limit?"""
    ordered = series.ordered()
    found = [(limit, count) for limit, count in series.limits() if min(count, len(ordered) - count) >= 2]
    if not found:
        return None
    limit, count = stream.pick(found)
    size = min(NUM_OPTIONS, 1 + min(count, len(ordered) - count))
    num_within = stream.pick_weighted(tuple(range(1, size)), PATTERN_WEIGHTS[size])
    within = stream.sample(ordered[:count], num_within)
    beyond = stream.sample(ordered[count:], size - num_within)
    is_asked_within = stream.chance(0.5)
    phrases = series.measure.within if is_asked_within else series.measure.beyond
    predicate = worded(stream, phrases, how).replace("{v}", series.measure.words(limit))
    body = filled(worded(stream, _WHICH_ARE, how), noun=series.noun, p=predicate)
    right, wrong = (within, beyond) if is_asked_within else (beyond, within)
    told = [*within, *beyond]
    return choice(
        series.about("within_multiple", "comparison"),
        how,
        body,
        tuple(one.subject for one in right),
        tuple(one.subject for one in wrong),
        told,
        said_of(told),
        told,
        shape="multiple_choice",
    )


def count(series: Series, stream: Stream, how: str) -> Question | None:
    """How many of the list are within a limit?"""
    found = _counted(series, stream, how)
    if found is None:
        return None
    body, within = found
    answer = {"kind": "number", "value": float(len(within)), "abs_tol": 0.0, "unit": ""}
    return open_ended(series.about("count", "count"), how, body, str(len(within)), answer, within)


def count_choice(series: Series, stream: Stream, how: str) -> Question | None:
    """How many are within a limit, with four numbers to choose from."""
    highest = min(len(series.told) - 1, 8)
    if highest < NUM_OPTIONS:
        return None
    # Any window of numbers, and any number of it: their size says nothing.
    first = stream.integer(1, highest - NUM_OPTIONS + 1)
    wanted = stream.integer(first, first + NUM_OPTIONS - 1)
    found = _counted(series, stream, how, wanted)
    if found is None:
        return None
    body, within = found
    wrong = tuple(str(number) for number in range(first, first + NUM_OPTIONS) if number != wanted)
    return choice(series.about("count_choice", "count"), how, body, (str(wanted),), wrong, within, said_of(within))


def names_within(series: Series, stream: Stream, how: str) -> Question | None:
    """Name all of the list that are within a limit."""
    found = _counted(series, stream, how, stream.integer(2, 5), _NAME_ALL)
    if found is None:
        return None
    body, within = found
    names = [told.subject for told in within]
    return listed(series.about("names_within", "comparison"), how, body, names, within)


def order(series: Series, stream: Stream, how: str) -> Question | None:
    """Put some things in order."""
    some = stream.sample(series.apart(), 3)
    if len(some) < 3:
        return None
    is_least = stream.chance(0.5)
    phrases = series.measure.least if is_least else series.measure.most
    names = ", ".join(told.subject for told in some[:-1])
    body = filled(
        worded(
            stream,
            (
                "Put in order, the one first that is the {p}: {x} and {y}.",
                "Sort {x} and {y}. Begin with the one that is the {p}.",
                "In which order do {x} and {y} come, if the first is the one that is the {p}?",
                "Arrange {x} and {y} so that the {p} comes first.",
                "Rank these, starting with the {p}: {x} and {y}.",
            ),
            how,
        ),
        x=names,
        y=some[-1].subject,
        p=worded(stream, phrases, how),
    )
    names_in_order = [told.subject for told in sorted(some, key=lambda told: told.number, reverse=not is_least)]
    return listed(series.about("order", "comparison"), how, body, names_in_order, some, is_ordered=True)


def difference(series: Series, stream: Stream, how: str) -> Question | None:
    """By how much is one less than the other?"""
    pair = stream.sample(series.apart(), 2)
    if len(pair) < 2:
        return None
    low, high = sorted(pair, key=lambda told: told.number)
    measure = series.measure
    if max(low.number, high.number) >= 995 and measure.unit == "m":
        # Kilometres are told with a digit less: their difference would be one of rounding.
        return None
    gap = measure.shown(high.number) - measure.shown(low.number)
    if measure.unit == "s" and (measure.shown(low.number) < 60) != (measure.shown(high.number) < 60):
        return None
    is_less = stream.chance(0.5)
    first, second = (low, high) if is_less else (high, low)
    phrases = measure.less if is_less else measure.more
    body = filled(
        worded(
            stream,
            (
                "By how much is {x} {p} than {y}?",
                "How large is the gap by which {x} is {p} than {y}?",
                "{x} is {p} than {y}. By how much?",
                "Compare {x} and {y}: by how much is the former {p}?",
                "What is the difference by which {x} is {p} than {y}?",
            ),
            how,
        ),
        x=first.subject,
        y=second.subject,
        p=worded(stream, phrases, how),
    )
    tolerance = 1.1 if measure.unit == "m" or measure.shown(high.number) < 60 else 61.0
    answer = {"kind": "number", "value": gap, "abs_tol": tolerance, "unit": measure.unit}
    return open_ended(series.about("difference", "comparison"), how, body, measure.words(gap), answer, (first, second))


SHAPES: Mapping[str, tuple[Writer, float]] = {
    "value": (value, 1.6),
    "value_choice": (value_choice, 1.4),
    "holder_choice": (holder_choice, 1.2),
    "value_yes_no": (value_yes_no, 1.0),
    "compared_yes_no": (compared_yes_no, 1.0),
    "compared_choice": (compared_choice, 0.8),
    "extreme_choice": (extreme_choice, 1.6),
    "nth": (nth_open, 1.0),
    "within_yes_no": (within_yes_no, 1.0),
    "within_multiple": (within_multiple, 4.0),
    "count": (count, 1.4),
    "count_choice": (count_choice, 1.6),
    "names_within": (names_within, 1.2),
    "order": (order, 0.8),
    "difference": (difference, 0.6),
}
"""Every shape and how often it is tried."""


WHOLE = frozenset({"nth", "count", "count_choice", "names_within"})
"""Shapes that ask about a whole list."""

VALUES = frozenset({"value", "value_choice", "value_yes_no", "holder_choice"})
"""Shapes that compare nothing."""


def can_ask(series: Series, shape: str) -> bool:
    """Whether a shape makes sense for a series."""
    return (series.is_whole or shape not in WHOLE) and (series.shapes is None or shape in series.shapes)


def number_of(series: Series, number: float) -> Mapping[str, Any]:
    """A number as an open answer."""
    measure = series.measure
    return {"kind": "number", "value": number, "abs_tol": measure.tolerance(number), "unit": measure.unit}


_WHICH = (
    "Which of these {noun} is {p}?",
    "Of these {noun}, which one is {p}?",
    "One of these {noun} is {p}. Which?",
    "Name the one of these {noun} that is {p}.",
    "Which one of the following {noun} is {p}?",
)
_WHICH_THE = tuple(phrase.replace("{p}", "the {p}") for phrase in _WHICH)
_WHICH_ARE = (
    "Which of these {noun} are {p}?",
    "Of these {noun}, which are {p}?",
    "Some of these {noun} are {p}. Which?",
    "Name all of these {noun} that are {p}.",
    "Find every one of the following {noun} of which one can say: it is {p}.",
)
_HOW_MANY = (
    "How many of the {group} are {p}?",
    "Of the {group}, how many are {p}?",
    "Count those of the {group} that are {p}.",
    "What is the number of the {group} that are {p}?",
    "Look at the {group}. How many of them are {p}?",
)
_NAME_ALL = (
    "Which of the {group} are {p}? Name all.",
    "Name all of the {group} that are {p}.",
    "Of the {group}, list every one that is {p}.",
    "Look at the {group}. What are the names of those that are {p}?",
    "Give the name of each of the {group} that is {p}.",
)


def _counted(
    series: Series,
    stream: Stream,
    how: str,
    wanted: int | None = None,
    phrases: Sequence[str] = _HOW_MANY,
) -> tuple[str, list[Told]] | None:
    """Words for a limit that so many are within, and those that are."""
    # Of short lists almost every count is one.
    if len(series.told) < _FEWEST_COUNTED:
        return None
    limits = [(limit, number) for limit, number in series.limits() if number <= 8 and wanted in (None, number)]
    if not limits:
        return None
    limit, number = stream.pick(limits)
    predicate = worded(stream, series.measure.within, how).replace("{v}", series.measure.words(limit))
    body = filled(worded(stream, phrases, how), group=series.group, p=predicate)
    within = series.ordered()[:number]
    return body, [told for told in series.told if told in within]
