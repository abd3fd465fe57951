"""Series of places: how far they are from somewhere, how long it takes to them, what a stop at them costs."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from annotator.contexts.describe import wanted
from annotator.contexts.words import distance, duration, travel_by
from annotator.demo.questions.writers.measures import Measure, straight, travel_time, travel_way
from annotator.demo.questions.writers.measures_ways import detour_time, offset
from annotator.demo.questions.writers.question import Told
from annotator.demo.questions.writers.reading import Reading, Sighting
from annotator.demo.questions.writers.series import Series
from annotator.demo.stream import Stream

STRANGE_SUBJECT = frozenset({"value", "value_choice"})
"""Shapes of which an unanswerable twin is about another place; of the others it is measured from elsewhere.

Whether a place that is not told of is nearer than one that is could be concluded from a list that ends with it.
"""

type Framed = Callable[[str], tuple[Measure, str]]
"""From the name of where things are measured from: the measure, and what the whole list is called."""


def nearby_series(reading: Reading) -> list[Series]:
    """Distances, times and ways from a search's centre."""
    found = []
    for index, asked in reading.asked.items():
        if asked.tool == "nearby_search":
            anchor = reading.names.at(asked.params["lat"], asked.params["lon"])
            found += list(_around(reading, index, anchor))
    return _told_apart(found)


def along_series(reading: Reading) -> list[Series]:
    """Detours, and when a place is reached."""
    found: list[Series] = []
    for index, asked in reading.asked.items():
        # Two ways between the same ends differ by what they avoid, which is too much for one question to say.
        if asked.tool == "search_along_route" and not asked.params.get("avoid"):
            found += list(_along(reading, index))
    return _told_apart(found)


def _around(reading: Reading, index: int, anchor: str) -> Iterator[Series]:
    params = reading.asked[index].params
    noun = _lower(wanted(params))
    by = travel_by(params.get("travel_mode", ""))
    limits = f"{noun} listed within {distance(params['radius_m'])} of "
    sightings = _distinct(reading.of_item(index))
    distances = [
        replace(told, number=sighting.place.distance_m or 0.0)
        for sighting in sightings
        for told in sighting.told("distance")
    ]
    times, ways = [], []
    for sighting in sightings:
        for told in sighting.told("travel"):
            travel = sighting.place.travel
            if travel is not None:
                seconds, metres = travel.duration_s, travel.distance_m
                times.append(_part(told, duration(seconds), seconds, "duration_s"))
                if metres is not None:
                    ways.append(_part(told, distance(metres), metres, "distance_m"))
    yield from _series(
        reading, index, "distance", noun, distances, anchor, lambda where: (straight(where), f"{limits}{where}")
    )
    yield from _series(
        reading, index, "travel_time", noun, times, anchor, lambda where: (travel_time(where, by), f"{limits}{where}")
    )
    yield from _series(
        reading, index, "travel_way", noun, ways, anchor, lambda where: (travel_way(where, by), f"{limits}{where}")
    )


def _along(reading: Reading, index: int) -> Iterator[Series]:
    params = reading.asked[index].params
    start, goal = (reading.names.stop(params[end]) for end in ("origin", "destination"))
    by = travel_by(params["mode"])
    noun = _lower(wanted(params))
    times, offsets = [], []
    for sighting in _distinct(reading.of_item(index)):
        detour = sighting.place.detour
        # Nobody has to leave the way to call at its beginning.
        if detour is None or sighting.name == start:
            continue
        for told in sighting.told("detour"):
            seconds = 0.0 if detour.duration_s < 1 else detour.duration_s
            times.append(_part(told, duration(seconds), seconds, "duration_s"))
            if detour.offset_m is not None:
                metres = 0.0 if detour.offset_m < 1 else detour.offset_m
                offsets.append(_part(told, distance(metres), metres, "offset_m"))

    def way(where: str) -> str:
        return f"from {start} to {where} {by}"

    listed = f"{noun} listed along the way "
    yield from _series(
        reading,
        index,
        "detour",
        noun,
        times,
        goal,
        lambda where: (detour_time(way(where)), f"{listed}{way(where)}"),
        category="trip",
    )
    yield from _series(
        reading,
        index,
        "offset",
        noun,
        offsets,
        goal,
        lambda where: (offset(way(where)), f"{listed}{way(where)}"),
        category="trip",
    )


def _series(
    reading: Reading,
    index: int,
    name: str,
    noun: str,
    told: Sequence[Told],
    anchor: str,
    framed: Framed,
    category: str = "nearby",
) -> Iterator[Series]:
    # A place must not be asked how far it is from itself.
    kept = tuple(one for one in told if one.subject != anchor)
    if not kept or reading.is_namesake(anchor):
        return

    def strange(stream: Stream, shape: str) -> Series | None:
        if shape in STRANGE_SUBJECT:
            names = reading.strange_names(stream, len(kept))
            subjects = tuple(
                replace(one, subject=name) for one, name in zip(stream.shuffled(kept), names, strict=False)
            )
            return replace(series, told=subjects) if subjects else None
        where = reading.strange_anchor(stream, anchor)
        if where is None:
            return None
        measure, group = framed(where)
        return replace(series, measure=measure, group=group)

    measure, group = framed(anchor)
    is_whole = len(kept) == reading.num_rows(index)
    series = Series(name, category, noun, kept, measure, group, strange, is_whole=is_whole)
    yield series


def _told_apart(found: Sequence[Series]) -> list[Series]:
    """Lists that are called alike are never asked about as a whole."""
    # A list within 500 m and one within 800 m of the same place are too much alike as well.
    keys = Counter((series.name, series.noun, series.measure) for series in found)
    return [
        replace(series, is_whole=False) if keys[series.name, series.noun, series.measure] > 1 else series
        for series in found
    ]


def _part(told: Told, words: str, number: float, key: str) -> Told:
    """One number of what is told."""
    return replace(told, words=words, number=number, pointer=f"{told.pointer}/{key}")


def _distinct(sightings: Sequence[Sighting]) -> list[Sighting]:
    return list({sighting.name: sighting for sighting in sightings}.values())


def _lower(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"
