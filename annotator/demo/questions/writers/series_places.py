"""Series of places: how far they are from somewhere, how long it takes to them, what a stop at them costs."""

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

type Framed = tuple[Measure, str]
"""How values are measured, and what the whole list is called."""


def nearby_series(reading: Reading) -> Iterator[Series]:
    """Distances, times and ways from a search's centre."""
    for index, asked in reading.asked.items():
        if asked.tool != "nearby_search":
            continue
        params = asked.params
        anchor = reading.names.at(params["lat"], params["lon"])
        what = wanted(params)
        noun = f"{what[:1].lower()}{what[1:]}"
        sightings = _distinct(reading.of_item(index))
        by = travel_by(params.get("travel_mode", ""))
        told_travel = [
            (sighting, told)
            for sighting in sightings
            for told in sighting.told("travel")
            if sighting.place.travel is not None
        ]
        told = {
            "distance": [
                replace(told, number=sighting.place.distance_m or 0.0)
                for sighting in sightings
                for told in sighting.told("distance")
            ],
            "travel_time": [
                replace(
                    told,
                    words=duration(travel.duration_s),
                    number=travel.duration_s,
                    pointer=f"{told.pointer}/duration_s",
                )
                for sighting, told in told_travel
                if (travel := sighting.place.travel)
            ],
            "travel_way": [
                replace(
                    told,
                    words=distance(travel.distance_m),
                    number=travel.distance_m,
                    pointer=f"{told.pointer}/distance_m",
                )
                for sighting, told in told_travel
                if (travel := sighting.place.travel) and travel.distance_m is not None
            ],
        }

        def framed(
            name: str, where: str, by: str = by, noun: str = noun, radius_m: float = params["radius_m"]
        ) -> Framed:
            group = f"{noun} listed within {distance(radius_m)} of {where}"
            measure = {"distance": lambda: straight(where)}.get(name) or (
                (lambda: travel_time(where, by)) if name == "travel_time" else (lambda: travel_way(where, by))
            )
            return measure(), group

        for name, values in told.items():
            yield from _series(reading, name, "nearby", noun, values, anchor, framed)


def along_series(reading: Reading) -> Iterator[Series]:
    """Detours, and when a place is reached."""
    for index, asked in reading.asked.items():
        if asked.tool != "search_along_route":
            continue
        stops = (asked.params["origin"], asked.params["destination"])
        start, goal = (reading.names.stop(stop) for stop in stops)
        by = travel_by(asked.params["mode"])
        kinds = wanted(asked.params)
        noun = f"{kinds[:1].lower()}{kinds[1:]}"
        told_detours = [
            (sighting, told) for sighting in _distinct(reading.of_item(index)) for told in sighting.told("detour")
        ]
        told = {
            "detour": [
                replace(
                    told,
                    words=duration(seconds),
                    number=seconds,
                    pointer=f"{told.pointer}/duration_s",
                )
                for sighting, told in told_detours
                if (detour := sighting.place.detour)
                for seconds in (0.0 if detour.duration_s < 1 else detour.duration_s,)
            ],
            "offset": [
                replace(told, words=distance(metres), number=metres, pointer=f"{told.pointer}/offset_m")
                for sighting, told in told_detours
                if (detour := sighting.place.detour) and detour.offset_m is not None
                for metres in (0.0 if detour.offset_m < 1 else detour.offset_m,)
            ],
        }

        def framed(name: str, where: str, start: str = start, by: str = by, noun: str = noun) -> Framed:
            way = f"from {start} to {where} {by}"
            return (detour_time(way) if name == "detour" else offset(way)), f"{noun} listed along the way {way}"

        for name, values in told.items():
            yield from _series(reading, name, "trip", noun, values, goal, framed)


def _series(
    reading: Reading,
    name: str,
    category: str,
    noun: str,
    told: Sequence[Told],
    anchor: str,
    framed: Callable[[str, str], Framed],
) -> Iterator[Series]:
    if not told or reading.is_namesake(anchor):
        return
    # A place must not be asked how far it is from itself.
    kept = tuple(one for one in told if one.subject != anchor)
    if not kept:
        return

    def strange(stream: Stream, shape: str) -> Series | None:
        if shape in STRANGE_SUBJECT:
            names = reading.strange_names(stream, len(kept))
            if len(names) < len(kept):
                return None
            subjects = tuple(replace(one, subject=name) for one, name in zip(kept, names, strict=True))
            return replace(series, told=subjects)
        where = reading.strange_anchor(stream, anchor)
        if where is None:
            return None
        measure, group = framed(name, where)
        return replace(series, measure=measure, group=group)

    measure, group = framed(name, anchor)
    series = Series(name, category, noun, kept, measure, group, strange)
    yield series


def _distinct(sightings: Sequence[Sighting]) -> list[Sighting]:
    return list({sighting.name: sighting for sighting in sightings}.values())
