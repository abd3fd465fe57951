"""Ways in detail: roads, instructions, the order of stops, and how much quicker one mode is than another."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from annotator.contexts.words import clean, distance, duration, travel_by
from annotator.demo.questions.menu_places import MODE_WEIGHTS, MODES
from annotator.demo.questions.writers.make import choice, listed, open_ended
from annotator.demo.questions.writers.measures import shown_number
from annotator.demo.questions.writers.phrases import filled, ordinal, worded
from annotator.demo.questions.writers.question import About, Question, Told
from annotator.demo.questions.writers.reading import Reading
from annotator.demo.questions.writers.series_ways import way_of
from annotator.demo.stream import Stream
from annotator.maps.results import Route, RouteList

_TURN = re.compile(r"Turn (?P<side>left|right) onto (?P<road>.+)")
_MAX_STEPS = 40


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction as the context writes it.

    Args:
        text: without length and time.
        line: with them.
    """

    text: str
    line: str
    told: Told


@dataclass(frozen=True, slots=True)
class Journey:
    """The best way of a route that was asked for.

    Args:
        name: such as `from A to B on foot`.
        goal: where it ends.
        roads: that the context names it by.
        stops: that it visits in an order of its own; empty otherwise.
    """

    name: str
    goal: str
    mode: str
    route: Route
    item: int
    told: Told
    roads: tuple[str, ...]
    steps: tuple[Step, ...]
    stops: tuple[str, ...]


def journeys(reading: Reading) -> list[Journey]:
    """Every route of the context whose name no other has."""
    found = [
        journey
        for index, asked in reading.asked.items()
        if asked.tool == "compute_routes" and (journey := _journey(reading, index))
    ]
    names = Counter(journey.name for journey in found)
    return [journey for journey in found if names[journey.name] == 1]


def _journey(reading: Reading, index: int) -> Journey | None:
    asked, result = reading.asked[index], reading.results[index]
    name = way_of(reading, index)
    if not name or not isinstance(result, RouteList) or not result.routes:
        return None
    route = result.routes[0]
    words, _, line_steps = reading.rows(index)[0]
    length = f"{distance(route.distance_m)}, {duration(route.duration_s)}"
    quote = reading.until(index, words)
    if not quote or route.duration_s > min(other.duration_s for other in result.routes):
        return None
    told = Told("", words, f"From {name[5:]}: {length}", route.duration_s, index, "/routes/0/duration_s", quote)
    summary = clean(route.summary)
    roads = tuple(summary.split(", ")) if "via" in asked.shown and summary else ()
    stops: tuple[str, ...] = ()
    between = [reading.names.stop(stop) for stop in asked.params.get("intermediates", ())]
    if route.waypoint_order and "legs" in asked.shown and len(set(between)) == len(between) > 1:
        stops = tuple(between[place] for place in route.waypoint_order)
    goal = reading.names.stop(asked.params["destination"])
    steps = _steps(reading, index, route, line_steps)
    return Journey(name, goal, asked.params["mode"], route, index, told, roads, steps, stops)


def _steps(reading: Reading, index: int, route: Route, lines: Sequence[str]) -> tuple[Step, ...]:
    if len(route.legs) != 1 or len(lines) != len(route.legs[0].steps) or len(lines) > _MAX_STEPS:
        return ()
    found = []
    for number, (step, line) in enumerate(zip(route.legs[0].steps, lines, strict=True), 1):
        text = clean(step.text).rstrip(".")
        quote = reading.until(index, f"\n   {number}. {line}")
        if not quote:
            return ()
        pointer = f"/routes/0/legs/0/steps/{number - 1}/text"
        found.append(Step(text, line, Told(text, text, f"{number}. {line}", 0.0, index, pointer, quote)))
    return tuple(found)


def next_step(own: Journey, every: Sequence[Journey], stream: Stream, how: str) -> Question | None:
    """Which instruction follows this one?"""
    found = _unique_steps(own)
    # Everybody knows which one is last.
    usable = [(before, after) for before, after in zip(own.steps, own.steps[1:-1], strict=False) if after in found]
    usable = [(before, after) for before, after in usable if before in found]
    if len(usable) < 3:
        return None
    before, after = stream.pick(usable)
    others = [step for _, step in usable if step not in (before, after)]
    if len(others) < 2:
        return None
    body = filled(
        worded(
            stream,
            (
                "{w}: what comes right after “{x}”?",
                "{w}, which instruction follows “{x}”?",
                "Somebody travels {w} and has done “{x}”. What is next?",
                "{w}: what is to be done after “{x}”?",
                "After “{x}”, how does it go on {w}?",
            ),
            how,
        ),
        w=own.name,
        x=before.text,
    )
    wrong = [step.text for step in stream.sample(others, 3)]
    said = f"{before.told.said}; {after.told.said}"
    return choice(_about("next_step", "routing"), how, body, (after.text,), wrong, (after.told,), said)


def nth_step(own: Journey, every: Sequence[Journey], stream: Stream, how: str) -> Question | None:
    """Which instruction is the second, third, ...?"""
    usable = [step for step in own.steps[1:-1] if step in _unique_steps(own)][:7]
    options = stream.sample(usable, 4)
    if len(options) < 3:
        return None
    right = stream.pick(options)
    body = filled(
        worded(
            stream,
            (
                "{w}: which is the {n} instruction?",
                "{w}, what does one do in the {n} place?",
                "Read the instructions {w}. What does the {n} one say?",
                "Which instruction stands {n} in the list {w}?",
                "{w}: what is one told as the {n} thing?",
            ),
            how,
        ),
        w=own.name,
        n=ordinal(min(8, own.steps.index(right) + 1)),
    )
    wrong = [step.text for step in options if step is not right]
    return choice(_about("nth_step", "routing"), how, body, (right.text,), wrong, (right.told,))


def turn(own: Journey, every: Sequence[Journey], stream: Stream, how: str) -> Question | None:
    """Left or right?"""
    turns = [(step, found["side"], found["road"]) for step in own.steps if (found := _TURN.fullmatch(step.text))]
    roads = Counter(road for _, _, road in turns)
    usable = {
        side: [(step, road) for step, toward, road in turns if toward == side and roads[road] == 1]
        for side in ("left", "right")
    }
    if not all(usable.values()):
        return None
    side = stream.pick(("left", "right"))
    step, road = stream.pick(usable[side])
    body = filled(
        worded(
            stream,
            (
                "{w}: does one turn left or right onto {x}?",
                "To which side does one turn onto {x} {w}?",
                "{w}, in which direction is the turn onto {x}?",
                "Somebody travels {w}. Which way do they turn to get onto {x}?",
                "Is {x} reached by a turn to the left or to the right {w}?",
            ),
            how,
        ),
        w=own.name,
        x=road,
    )
    other = "right" if side == "left" else "left"
    return choice(_about("turn", "routing"), how, body, (side,), (other,), (step.told,))


def step_length(own: Journey, every: Sequence[Journey], stream: Stream, how: str) -> Question | None:
    """How far does one go after an instruction?"""
    legs = own.route.legs[0].steps
    usable = [
        (step, raw) for step, raw in zip(own.steps, legs, strict=False) if raw.distance_m and step in _unique_steps(own)
    ]
    if len(usable) < 2:
        return None
    step, raw = stream.pick(usable)
    is_time = stream.chance(0.3)
    phrases = (
        "{w}: how {long} is the part “{x}”?",
        "{w}, how {long} does “{x}” last?",
        "{w}: how {long} does one go on after “{x}” before the next instruction?",
        "Somebody travels {w}. How {long} is the piece that begins with “{x}”?",
        "How {long} is it from “{x}” to the next instruction {w}?",
    )
    body = filled(worded(stream, phrases, how), w=own.name, x=step.text, long="long in time" if is_time else "far")
    value, unit = (raw.duration_s, "s") if is_time else (raw.distance_m, "m")
    words = duration(value) if is_time else distance(value)
    tolerance = 30.6 if is_time and value >= 59.5 else 1.0 if value < 999.5 else 5.1
    answer = {"kind": "number", "value": value, "abs_tol": tolerance, "unit": unit}
    pointer = step.told.pointer.replace("/text", "/duration_s" if is_time else "/distance_m")
    return open_ended(
        _about("step_length", "routing"), how, body, words, answer, (replace(step.told, pointer=pointer),)
    )


def road(own: Journey, every: Sequence[Journey], stream: Stream, how: str) -> Question | None:
    """Which of these roads does the way take? The others are taken by other ways of the context."""
    pool = [name for name, count in Counter(road for one in every for road in one.roads).items() if count == 1]
    ours = [name for name in pool if name in own.roads]
    # The context names a way by its main roads, and others may be on it as well.
    taken = " ".join(f"{step.road} {step.text}" for leg in own.route.legs for step in leg.steps)
    others = [name for name in pool if name not in own.roads and name not in taken]
    if not ours or len(others) < 2:
        return None
    right = stream.pick(ours)
    body = filled(
        worded(
            stream,
            (
                "Which of these does the quickest way go via {w}?",
                "Which of these roads does one take {w}, by the quickest way?",
                "{w}: by way of which of these roads does the quickest way lead?",
                "Somebody travels {w} by the quickest way. Which of these roads do they see?",
                "The quickest way {w} makes use of one of these. Of which?",
            ),
            how,
        ),
        w=own.name,
    )
    told = replace(own.told, pointer="/routes/0/summary", said=f"From {own.name[5:]}: {own.told.words}")
    return choice(_about("road", "routing"), how, body, (right,), stream.sample(others, 3), (told,))


def visiting_order(own: Journey, every: Sequence[Journey], stream: Stream, how: str) -> Question | None:
    """In which order are the stops visited?"""
    if not 2 <= len(own.stops) <= 5:
        return None
    body = filled(
        worded(
            stream,
            (
                "{w}: what is the quickest order of the stops?",
                "{w}, in which order are the stops best visited?",
                "Somebody plans to travel {w}. In which order should they make the stops?",
                "{w}: which sequence of the stops saves the most time?",
                "How are the stops best arranged {w}?",
            ),
            how,
        ),
        w=own.name,
    )
    return listed(_about("visiting_order", "trip", "plan"), how, body, own.stops, (_order_of(own),), is_ordered=True)


def nth_stop(own: Journey, every: Sequence[Journey], stream: Stream, how: str) -> Question | None:
    """Which stop is visited first, second, ...?"""
    if len(own.stops) < 3:
        return None
    number = stream.integer(1, len(own.stops))
    body = filled(
        worded(
            stream,
            (
                "{w}: which stop is the {n} in the quickest order?",
                "{w}, which stop comes {n} if one takes the quickest order?",
                "Somebody travels {w} and visits the stops in the best order. Where do they call {n}?",
                "{w}: which place is visited {n} when time matters?",
                "Which of the stops should be the {n} {w}?",
            ),
            how,
        ),
        w=own.name,
        n=ordinal(number),
    )
    right = own.stops[number - 1]
    wrong = stream.sample([stop for stop in own.stops if stop != right], 3)
    return choice(_about("nth_stop", "trip", "plan"), how, body, (right,), wrong, (_order_of(own),))


def mode_gap(own: Journey, every: Sequence[Journey], stream: Stream, how: str) -> Question | None:
    """How much longer does it take in another mode?"""
    by = travel_by(own.mode)
    twins = [
        one for one in every if one is not own and one.name == own.name.replace(f" {by}", f" {travel_by(one.mode)}")
    ]
    if not twins or not own.name.endswith(by):
        return None
    other = stream.pick(twins)
    slow, quick = sorted((own, other), key=lambda one: -one.route.duration_s)
    values = [shown_number(one.route.duration_s, "s") for one in (slow, quick)]
    if min(values) < 60 or values[0] <= values[1]:
        return None
    body = filled(
        worded(
            stream,
            (
                "{w}: how much longer does it take {slow} than {quick}?",
                "{w}, how much time does one save {quick} compared with going {slow}?",
                "How much quicker is one {quick} than {slow} {w}?",
                "{w}: what is the difference in time between going {slow} and {quick}?",
                "Somebody travels {w} {slow} instead of {quick}. How much time do they lose?",
            ),
            how,
        ),
        w=own.name.removesuffix(f" {by}"),
        slow=travel_by(slow.mode),
        quick=travel_by(quick.mode),
    )
    gap = values[0] - values[1]
    answer = {"kind": "number", "value": gap, "abs_tol": 61.0, "unit": "s"}
    return open_ended(
        _about("mode_gap", "routing", "comparison"), how, body, duration(gap), answer, (slow.told, quick.told)
    )


type Writer = Callable[[Journey, Sequence[Journey], Stream, str], Question | None]

SHAPES: Mapping[str, tuple[Writer, float]] = {
    "next_step": (next_step, 1.2),
    "nth_step": (nth_step, 0.8),
    "turn": (turn, 0.8),
    "step_length": (step_length, 1.0),
    "road": (road, 1.2),
    "visiting_order": (visiting_order, 1.2),
    "nth_stop": (nth_stop, 1.2),
    "mode_gap": (mode_gap, 1.2),
}
"""Every shape and how often it is tried."""


def strange(own: Journey, every: Sequence[Journey], reading: Reading, stream: Stream) -> Journey | None:
    """The same, said of a way that the context does not tell: in another mode, or to another place."""
    by = travel_by(own.mode)
    known = {journey.name for journey in every}
    # Modes as frequent as in contexts, or a rare one would be a hint.
    name = own.name.replace(f" {by}", f" {travel_by(stream.pick_weighted(MODES, MODE_WEIGHTS))}")
    if name not in known:
        return replace(own, name=name)
    goals = reading.strange_names(stream, 1)
    name = own.name.replace(f" to {own.goal}", f" to {goals[0]}", 1) if goals else own.name
    return replace(own, name=name) if name not in known else None


def _unique_steps(own: Journey) -> list[Step]:
    texts = Counter(step.text for step in own.steps)
    return [step for step in own.steps if texts[step.text] == 1]


def _order_of(own: Journey) -> Told:
    said = f"Quickest order of the stops: {', '.join(own.stops)}"
    quote = f"{own.told.quote}\n   - {said}"
    return replace(own.told, said=said, pointer="/routes/0/waypoint_order", quote=quote)


def _about(shape: str, category: str, skill: str = "route") -> About:
    return About(f"journey/{shape}", category, skill)
