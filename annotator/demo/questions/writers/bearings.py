"""Straight lines: how far, and in which direction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from annotator.contexts.words import compass_words, distance
from annotator.demo.questions.writers.make import choice, open_ended, text_of
from annotator.demo.questions.writers.phrases import filled, worded
from annotator.demo.questions.writers.question import About, Question, Told
from annotator.demo.questions.writers.reading import Reading
from annotator.demo.stream import Stream
from annotator.maps.results import DistanceBearing

_POINTS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line between two places."""

    origin: str
    destination: str
    metres: float
    bearing_deg: float
    compass: str
    told: Told


def lines(reading: Reading) -> list[Line]:
    """Every straight line that the context tells."""
    found = []
    for index, asked in reading.asked.items():
        result = reading.results[index]
        if not isinstance(result, DistanceBearing) or result.distance_m < 1:
            continue
        ends = [asked.params[end] for end in ("origin", "destination")]
        origin, destination = (reading.names.at(end["lat"], end["lon"]) for end in ends)
        opening = reading.opening(index)
        if origin == destination or not reading.has(opening):
            continue
        told = Told("", "", opening.rstrip("."), 0.0, index, "/compass", opening)
        found.append(Line(origin, destination, result.distance_m, result.bearing_deg, result.compass, told))
    return found


def direction_choice(line: Line, stream: Stream, how: str) -> Question | None:
    """In which direction does it lie, with four to choose from: two that are near each other and their opposites."""
    here = _POINTS.index(line.compass)
    near = (here + stream.pick((-2, 2))) % 16
    wrong = [compass_words(_POINTS[point % 16]) for point in (near, here + 8, near + 8)]
    body = _body(line, stream, how)
    return choice(_about("direction_choice"), how, body, (compass_words(line.compass),), wrong, (line.told,))


def direction(line: Line, stream: Stream, how: str) -> Question | None:
    """In which direction does it lie?"""
    words = compass_words(line.compass)
    return open_ended(
        _about("direction"), how, _body(line, stream, how), words, text_of(words, line.compass), (line.told,)
    )


def length(line: Line, stream: Stream, how: str) -> Question | None:
    """How far is it in a straight line?"""
    body = filled(
        worded(
            stream,
            (
                "What is the straight-line distance from {x} to {y}?",
                "How far is it from {x} to {y} as the crow flies?",
                "A bird flies from {x} to {y}. How far is that?",
                "How far apart are {x} and {y} in a straight line?",
                "What does one measure on the map between {x} and {y}?",
            ),
            how,
        ),
        x=line.origin,
        y=line.destination,
    )
    tolerance = 1.0 if line.metres < 999.5 else 5.1 if line.metres < 9995 else 51.0
    answer = {"kind": "number", "value": line.metres, "abs_tol": tolerance, "unit": "m"}
    told = replace(line.told, pointer="/distance_m")
    return open_ended(_about("length"), how, body, distance(line.metres), answer, (told,))


def bearing(line: Line, stream: Stream, how: str) -> Question | None:
    """What is the bearing in degrees?"""
    body = filled(
        worded(
            stream,
            (
                "What is the bearing from {x} to {y}, in degrees?",
                "At how many degrees does {y} lie as seen from {x}?",
                "Somebody stands at {x} with a compass and looks at {y}. What does it read, in degrees?",
                "Which course, in degrees, leads from {x} straight to {y}?",
                "From {x}, at which angle from north is {y}?",
            ),
            how,
        ),
        x=line.origin,
        y=line.destination,
    )
    answer = {"kind": "number", "value": line.bearing_deg, "abs_tol": 0.5, "unit": ""}
    told = replace(line.told, pointer="/bearing_deg")
    return open_ended(_about("bearing"), how, body, f"{line.bearing_deg:g}°", answer, (told,))


type Writer = Callable[[Line, Stream, str], Question | None]

SHAPES: Mapping[str, tuple[Writer, float]] = {
    "direction_choice": (direction_choice, 0.6),
    "direction": (direction, 0.4),
    "length": (length, 0.4),
    "bearing": (bearing, 0.3),
}
"""Every shape and how often it is tried."""


def strange(line: Line, reading: Reading, stream: Stream) -> Line | None:
    """A line to a place that the context does not name."""
    names = reading.strange_names(stream, 1)
    return replace(line, destination=names[0]) if names else None


def _body(line: Line, stream: Stream, how: str) -> str:
    return filled(
        worded(
            stream,
            (
                "Seen from {x}, to which direction does {y} lie?",
                "In which direction from {x} is {y}?",
                "Somebody stands at {x}. Which way must they look to see {y}?",
                "On which side of {x} is {y}, by the compass?",
                "Which compass point leads from {x} to {y}?",
            ),
            how,
        ),
        x=line.origin,
        y=line.destination,
    )


def _about(shape: str) -> About:
    return About(f"line/{shape}", "routing", "route")
