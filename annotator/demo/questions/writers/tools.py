"""Questions that one or two tool calls answer, for models that may ask the map themselves.

Calls hold canonical parameters without defaults, and their answers in the JSON form of contexts, short enough to read.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from annotator.contexts.words import clean, compass_words, distance, duration, kind_name, kind_names, travel_by
from annotator.demo.questions.landmarks import Landmarks
from annotator.demo.questions.town import OpenTown
from annotator.demo.questions.writers.desk import Desk
from annotator.demo.questions.writers.make import text_of
from annotator.demo.questions.writers.phrases import filled, worded, wording
from annotator.demo.questions.writers.question import Question, Shape
from annotator.demo.stream import Stream

MAX_CHARACTERS = 1500
"""Longer answers are not asked for."""

_MODES = ("walk", "bicycle", "drive")
_MOMENTS = 12
"""Tried until one has the state that was tossed; most moments of most hours are closed."""
_ABSENT_SHARE = 0.5
"""Of the places that lack what is asked for, how many are asked about all the same."""


def tool_questions(town: OpenTown, stream: Stream, most: int) -> list[Question]:
    """Questions about a town with the calls that answer them; `formed` takes them with any scene.

    Args:
        town: is asked.
        stream: decides what is asked.
        most: how many at most.
    """
    landmarks = Landmarks(town, "en")
    written: list[Question] = []
    bodies: set[str] = set()
    writers = list(KINDS)
    for _ in range(8 * most):
        if len(written) >= most:
            break
        desk = Desk(town, landmarks, stream)
        name = stream.pick_weighted(writers, [KINDS[writer][1] for writer in writers])
        question = KINDS[name][0](desk, wording(stream))
        if question is None or question.body in bodies:
            continue
        if all(len(call["content"]) <= MAX_CHARACTERS for call in desk.calls):
            bodies.add(question.body)
            written.append(replace(question, kind=f"tools/{name}", calls=tuple(desk.calls)))
    return written


_PHRASES: Mapping[str, tuple[str, ...]] = {
    "phone": (
        "What is the phone of {x}?",
        "Under which number can one call {x}?",
        "Which number does one dial to reach {x}?",
        "I would like to ring {x}. What is the number?",
        "How can {x} be reached by telephone?",
    ),
    "website": (
        "What is the website of {x}?",
        "Where on the internet does one find {x}?",
        "Which web address has {x}?",
        "I want to look at the web pages of {x}. What is the address?",
        "Under which address is {x} online?",
    ),
    "wheelchair": (
        "What is the wheelchair access of {x}: yes, limited or no?",
        "Can wheelchair users enter {x}: yes, limited or no?",
        "How accessible is {x} in a wheelchair: yes, limited or no?",
        "My friend uses a wheelchair. Can we go to {x}: yes, limited or no?",
        "Is {x} fit for wheelchairs: yes, limited or no?",
    ),
}


def fact(desk: Desk, how: str) -> Question | None:
    """Phone, website or wheelchair access of a named place: found by name, then looked up."""
    key = desk.stream.pick(("phone", "phone", "website", "wheelchair"))
    found = desk.found()
    if found is None:
        return None
    place = desk.ask("place_details", place_id=found["pid"])["place"]
    name = clean(place["name"])
    body = filled(worded(desk.stream, _PHRASES[key], how), x=name)
    value = place.get(key)
    if value is None:
        return _absent("poi", how, body) if desk.stream.chance(_ABSENT_SHARE) else None
    return _open("poi", "place_fact", how, body, str(value), text_of(str(value)), f"{name}: {key}: {value}")


def hours(desk: Desk, how: str) -> Question | None:
    """Opening hours of a named place."""
    found = desk.found()
    if found is None:
        return None
    place = desk.ask("place_details", place_id=found["pid"])["place"]
    raw = place.get("opening_hours", {}).get("raw")
    phrases = (
        "What are the opening hours of {x}?",
        "When is {x} open?",
        "At which times can one visit {x}?",
        "I want to go to {x}. When can I?",
        "Which hours does {x} keep?",
    )
    name = clean(place["name"])
    body = filled(worded(desk.stream, phrases, how), x=name)
    if raw is None:
        return _absent("poi", how, body) if desk.stream.chance(0.15) else None
    return _open("poi", "place_fact", how, body, raw, text_of(raw), f"{name}: {raw}")


def nearest(desk: Desk, how: str) -> Question | None:
    """The nearest place of a type from a position, or from a named place."""
    kind = desk.landmarks.any_type(desk.stream)
    if desk.stream.chance(0.5):
        at = desk.where()
        anchor = _at(at)
    else:
        found = desk.found()
        if found is None:
            return None
        at, anchor = {key: found[key] for key in ("lat", "lon")}, clean(found["name"])
    places = desk.ask("nearby_search", **at, type=kind, limit=3)["places"]
    names = [clean(place["name"]) for place in places]
    if not places or not all(names) or anchor in names or len(set(names)) < len(names):
        return None
    if len(places) > 1 and round(places[0]["distance_m"]) == round(places[1]["distance_m"]):
        return None
    is_far = desk.stream.chance(0.35)
    phrases = (
        (
            "How far away from {a} is the nearest {k}?",
            "How far is it from {a} to the closest {k} in a straight line?",
            "I am at {a}. How far off is the next {k}, as the crow flies?",
            "At what distance from {a} is the nearest {k}?",
            "How many metres from {a} is the closest {k}?",
        )
        if is_far
        else (
            "Which {k} is nearest to {a}?",
            "What is the closest {k} to {a} called?",
            "I am at {a} and look for a place of the type {k}. Which one is nearest?",
            "Name the {k} that is least far from {a}.",
            "Starting from {a}, which {k} comes first?",
        )
    )
    body = filled(worded(desk.stream, phrases, how), a=anchor, k=kind_name(kind))
    metres = places[0]["distance_m"]
    said = f"{names[0]}: {distance(metres)} away"
    if is_far:
        return _open("nearby", "nearby", how, body, distance(metres), _number(metres, "m"), said)
    return _open("nearby", "nearby", how, body, names[0], text_of(names[0]), said)


def how_many(desk: Desk, how: str) -> Question | None:
    """How many places of a type there are within a radius."""
    kind = desk.landmarks.any_type(desk.stream)
    at, radius_m = desk.where(), desk.stream.pick((200, 300, 400, 500, 800))
    places = desk.ask("nearby_search", **at, type=kind, radius_m=radius_m, limit=10)["places"]
    if len(places) >= 10:
        return None
    phrases = (
        "How many {k} are within {r} of {a}?",
        "How many {k} are there no farther than {r} from {a}?",
        "I am at {a}. How many {k} do I find within {r}?",
        "Count the {k} at most {r} away from {a}.",
        "What is the number of {k} inside a circle of {r} around {a}?",
    )
    kinds = kind_names(kind)
    body = filled(
        worded(desk.stream, phrases, how), a=_at(at), r=distance(radius_m), k=f"{kinds[:1].lower()}{kinds[1:]}"
    )
    said = "; ".join(
        f"{clean(place['name']) or kind_name(kind)}: {distance(place['distance_m'])} away" for place in places
    )
    answer = {"kind": "number", "value": float(len(places)), "abs_tol": 0.0, "unit": ""}
    return _open("nearby", "count", how, body, str(len(places)), answer, said)


def route(desk: Desk, how: str) -> Question | None:
    """Time or length of the way between two positions."""
    start, goal, mode = desk.where(), desk.where(), desk.stream.pick(_MODES)
    routes = desk.ask("compute_routes", origin=start, destination=goal, mode=mode)["routes"]
    if not routes or routes[0]["distance_m"] < 50:
        return None
    is_time = desk.stream.chance(0.5)
    phrases = (
        (
            "How long does it take {by} from {a} to {b}?",
            "How much time does one need {by} from {a} to {b}?",
            "I go {by} from {a} to {b}. How long is that?",
            "What is the travel time from {a} to {b} {by}?",
            "How many minutes is it {by} from {a} to {b}?",
        )
        if is_time
        else (
            "How long is the way {by} from {a} to {b}, as a distance?",
            "How far does one go {by} from {a} to {b}?",
            "I go {by} from {a} to {b}. What distance is that?",
            "What is the length of the way from {a} to {b} {by}?",
            "How many metres is it {by} from {a} to {b}, along the way?",
        )
    )
    body = filled(worded(desk.stream, phrases, how), by=travel_by(mode), a=_at(start), b=_at(goal))
    seconds, metres = routes[0]["duration_s"], routes[0]["distance_m"]
    said = f"{distance(metres)}, {duration(seconds)}"
    answer = _number(seconds, "s") if is_time else _number(metres, "m")
    return _open("routing", "route", how, body, duration(seconds) if is_time else distance(metres), answer, said)


def line(desk: Desk, how: str) -> Question | None:
    """Straight line between two positions: how far, and where to."""
    start, goal = desk.where(), desk.where()
    told = desk.ask("distance_bearing", origin=start, destination=goal)
    if told["distance_m"] < 20:
        return None
    is_far = desk.stream.chance(0.5)
    phrases = (
        (
            "What is the straight-line distance from {a} to {b}?",
            "How far is it from {a} to {b} as the crow flies?",
            "A bird flies from {a} to {b}. How far is that?",
            "How far apart are {a} and {b} in a straight line?",
            "I measure from {a} to {b} on the map. How far is it?",
        )
        if is_far
        else (
            "In which direction from {a} does {b} lie?",
            "Which compass point leads from {a} to {b}?",
            "I stand at {a} and look towards {b}. In which direction is that?",
            "Seen from {a}, on which side is {b}?",
            "To which direction must one go straight from {a} to reach {b}?",
        )
    )
    body = filled(worded(desk.stream, phrases, how), a=_at(start), b=_at(goal))
    compass = compass_words(told["compass"])
    said = f"{distance(told['distance_m'])} to the {compass}"
    if is_far:
        metres = told["distance_m"]
        return _open("routing", "route", how, body, distance(metres), _number(metres, "m"), said)
    return _open("routing", "route", how, body, compass, text_of(compass, told["compass"]), said)


def is_open(desk: Desk, how: str) -> Question | None:
    """Whether given hours say open at a moment; open and closed as often."""
    place = desk.landmarks.any_place(desk.stream)
    raw = place.get("opening_hours", {}).get("raw")
    if raw is None:
        return None
    at = {key: place[key] for key in ("lat", "lon")}
    is_so = desk.stream.chance(0.5)
    for _ in range(_MOMENTS):
        day = date(2026, 1, 5) + timedelta(days=desk.stream.integer(0, 360))
        clock = f"{desk.stream.integer(6, 23):02d}:{desk.stream.pick((0, 15, 30, 45)):02d}"
        desk.calls.clear()
        told = desk.ask("open_at", opening_hours=raw, at=f"{day.isoformat()}T{clock}", **at)
        if told["state"] == ("open" if is_so else "closed"):
            break
    else:
        return None
    phrases = (
        "Is a place at {a} with the opening hours “{h}” open on {d} at {c}?",
        "A shop at {a} keeps the hours “{h}”. Can one go there on {d} at {c}?",
        "The hours “{h}” are those of a place at {a}. Is it open on {d} at {c}?",
        "I plan to be at {a} on {d} at {c}. Its opening hours are “{h}”. Will it be open?",
        "“{h}” stands on a door at {a}. Does that mean open on {d} at {c}?",
    )
    body = filled(worded(desk.stream, phrases, how), a=_at(at), h=raw, d=day.isoformat(), c=clock)
    right, wrong = ("Yes", "No") if is_so else ("No", "Yes")
    made = _open("poi", "opening_hours", how, body, right, None, f"State: {told['state']}", shape="yes_no")
    return replace(made, type="yes_no", wrong=(wrong,))


def what_is_at(desk: Desk, how: str) -> Question | None:
    """Which place is at a position."""
    place = desk.landmarks.any_place(desk.stream)
    at = {key: place[key] for key in ("lat", "lon")}
    places = desk.ask("reverse_geocode", **at)["places"]
    if not places or not (name := clean(places[0]["name"])):
        return None
    phrases = (
        "What is at {a}?",
        "Which place stands at {a}?",
        "I am at {a}. What is here?",
        "What is the name of the place at {a}?",
        "Which place does one find at {a}?",
    )
    body = filled(worded(desk.stream, phrases, how), a=_at(at))
    return _open("poi", "place_fact", how, body, name, text_of(name), "")


def on_the_way(desk: Desk, how: str) -> Question | None:
    """Which place of a type costs the smallest detour between two positions."""
    start, goal, mode = desk.where(), desk.where(), desk.stream.pick(_MODES)
    kind = desk.landmarks.any_type(desk.stream)
    places = desk.ask("search_along_route", origin=start, destination=goal, mode=mode, type=kind, limit=2)["places"]
    names = [clean(place["name"]) for place in places]
    if len(places) < 2 or not all(names) or names[0] == names[1]:
        return None
    least, other = (place["detour"]["duration_s"] for place in places)
    # What reads the same must not decide.
    if duration(least) == duration(other) or least >= other:
        return None
    phrases = (
        "Which {k} is the smallest detour on the way {by} from {a} to {b}?",
        "I go {by} from {a} to {b} and want to stop at one place of the type {k}. Which costs least time?",
        "Which {k} adds the least time {by} from {a} to {b}?",
        "On the way {by} from {a} to {b}, which {k} is the quickest to call at?",
        "Name the {k} with the shortest detour {by} from {a} to {b}.",
    )
    body = filled(worded(desk.stream, phrases, how), k=kind_name(kind), by=travel_by(mode), a=_at(start), b=_at(goal))
    said = f"{names[0]}: detour of {duration(least)}; {names[1]}: detour of {duration(other)}"
    return _open("trip", "plan", how, body, names[0], text_of(names[0]), said)


KINDS: Mapping[str, tuple[Callable[[Desk, str], Question | None], float]] = {
    "fact": (fact, 3.0),
    "hours": (hours, 0.8),
    "nearest": (nearest, 2.5),
    "how_many": (how_many, 0.8),
    "route": (route, 1.6),
    "line": (line, 0.7),
    "is_open": (is_open, 2.0),
    "what_is_at": (what_is_at, 0.7),
    "on_the_way": (on_the_way, 1.5),
}
"""Every kind and how often it is tried."""


def _open(
    category: str,
    skill: str,
    how: str,
    body: str,
    right: str,
    answer: Mapping[str, Any] | None,
    said: str,
    shape: Shape = "open",
) -> Question:
    return Question(
        type="open_ended",
        category=category,
        skill=skill,
        wording=how,
        body=body,
        right=(right,),
        wrong=(),
        said=said,
        answer=answer,
        evidence=(),
        quote="",
        shape=shape,
    )


def _absent(category: str, how: str, body: str) -> Question:
    made = _open(category, "unanswerable", how, body, "", None, "")
    return replace(made, type="unanswerable", right=())


def _number(value: float, unit: str) -> Mapping[str, Any]:
    """A number with the tolerance that its words need."""
    if unit == "s":
        tolerance = 1.0 if value < 59.5 else 30.6
    else:
        tolerance = 1.0 if value < 999.5 else 5.1 if value < 9995 else 51.0
    return {"kind": "number", "value": value, "abs_tol": tolerance, "unit": unit}


def _at(where: Mapping[str, float]) -> str:
    """A position in words that hold its exact numbers."""
    return f"({where['lat']}, {where['lon']})"
