"""Series of ways: routes, the parts between their stops, and cells of tables of travel times."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from annotator.contexts.words import distance, duration, travel_by
from annotator.demo.questions.menu_places import MODE_WEIGHTS, MODES
from annotator.demo.questions.writers.measures import Measure, travel_time, travel_way
from annotator.demo.questions.writers.measures_ways import WAY_LENGTH, WAY_TIME
from annotator.demo.questions.writers.phrases import sentence
from annotator.demo.questions.writers.question import Told
from annotator.demo.questions.writers.reading import Reading
from annotator.demo.questions.writers.series import Series
from annotator.demo.questions.writers.shapes import VALUES
from annotator.demo.stream import Stream
from annotator.maps.results import Matrix, RouteList

_OPENING = re.compile(r"There (?:is one way|are \d+ ways) (?P<way>from .*):$")


@dataclass(frozen=True, slots=True)
class Way:
    """A way of which the context tells time and length.

    Args:
        subject: such as `the quickest way from A to B on foot`.
        ends: such as `from A to B`, with stops if it has some.
        goal: where it ends.
        by: such as `on foot`.
    """

    subject: str
    ends: str
    goal: str
    by: str
    mode: str
    time: Told
    length: Told


def way_of(reading: Reading, index: int) -> str:
    """A route's ends, stops and mode, as the context introduces it; empty where there is no way."""
    found = _OPENING.fullmatch(reading.opening(index))
    return found["way"] if found else ""


def way_series(reading: Reading) -> list[Series]:
    """Times and lengths of the ways of one mode and make."""
    pools: defaultdict[tuple[str, str], list[Way]] = defaultdict(list)
    for index, asked in reading.asked.items():
        if asked.tool == "compute_routes":
            for make, way in _routes(reading, index):
                pools[make, way.mode].append(way)
        elif asked.tool == "travel_matrix":
            pools["cell", asked.params["mode"]] += list(_cells(reading, index))
    known = [way for ways in pools.values() for way in ways]
    found = []
    for (make, _), ways in pools.items():
        # Two answers may tell of the same way, and may differ by what they avoid.
        single = [way for way in ways if sum(way.subject == other.subject for other in known) == 1]
        shapes = VALUES if make in ("other", "round") else None
        for name, measure in (("time", WAY_TIME), ("length", WAY_LENGTH)):
            if single:
                found.append(_pooled(reading, f"{make}_{name}", measure, single, known, shapes))
    return found


def table_series(reading: Reading) -> list[Series]:
    """Times and lengths in a row or a column of a table."""
    found: list[Series] = []
    for index, asked in reading.asked.items():
        if asked.tool == "travel_matrix":
            found += list(_lines(reading, index))
    keys = [(series.name, series.measure) for series in found]
    return [series for series, key in zip(found, keys, strict=True) if keys.count(key) == 1]


def _routes(reading: Reading, index: int) -> Iterator[tuple[str, Way]]:
    asked, result = reading.asked[index], reading.results[index]
    way = way_of(reading, index)
    if not way or not isinstance(result, RouteList):
        return
    by = travel_by(asked.params["mode"])
    mode = asked.params["mode"]
    ends, mark, rest = way.rpartition(f" {by}")
    goal = reading.names.stop(asked.params["destination"])
    if not mark:
        return
    times = [route.duration_s for route in result.routes]
    has_stops = bool(asked.params.get("intermediates"))
    for number, (route, row) in enumerate(zip(result.routes, reading.rows(index), strict=True)):
        words = f"{distance(route.distance_m)}, {duration(route.duration_s)}"
        quote = reading.until(index, f"\n{number + 1}. {words}")
        if not quote or not row[0].startswith(words):
            continue
        if number == 0 and times[0] > min(times):
            continue
        name = "the quickest way" if number == 0 else f"the {('second', 'third', 'fourth')[number - 1]} way"
        told = Told("", "", f"{sentence(way)}: {words}", 0.0, index, f"/routes/{number}", quote)
        make = "round" if has_stops else "route" if number == 0 else "other"
        yield make, _way(f"{name} {way}", ends, goal, f"{by}{rest}", mode, told, route.duration_s, route.distance_m)
    if len(result.routes) == 1 and has_stops:
        yield from (("leg", leg) for leg in _legs(reading, index, f"{by}{rest}"))


def _legs(reading: Reading, index: int, by: str) -> Iterator[Way]:
    asked, result = reading.asked[index], reading.results[index]
    if not isinstance(result, RouteList) or "legs" not in asked.shown:
        return
    route = result.routes[0]
    parts = [part for part in reading.rows(index)[0][1] if part.startswith("From ")]
    if len(parts) != len(route.legs):
        return
    for number, (leg, part) in enumerate(zip(route.legs, parts, strict=True)):
        words = f"{distance(leg.distance_m)}, {duration(leg.duration_s)}"
        ends = part.removesuffix(f": {words}")
        quote = reading.until(index, part)
        if ends == part or not quote:
            continue
        told = Told("", "", part, 0.0, index, f"/routes/0/legs/{number}", quote)
        ends = f"f{ends[1:]}"
        goal = ends.rpartition(" to ")[2]
        yield _way(f"the part {ends} {by}", ends, goal, by, asked.params["mode"], told, leg.duration_s, leg.distance_m)


def _cells(reading: Reading, index: int) -> Iterator[Way]:
    asked, result = reading.asked[index], reading.results[index]
    table = reading.table(index)
    if table is None or not isinstance(result, Matrix) or asked.shown != {"duration", "distance"}:
        return
    mode = asked.params["mode"]
    avoid = reading.opening(index).partition(travel_by(mode))[2].partition(", from each row")[0]
    by = f"{travel_by(mode)}{avoid}"
    for i, (row, cells) in enumerate(zip(table.rows, result.cells, strict=True)):
        for j, cell in enumerate(cells):
            start, goal = row[0], table.head[j + 1]
            if start == goal or cell.duration_s is None or cell.distance_m is None:
                continue
            line = " | ".join(part.replace("|", "/") for part in row[: j + 2])
            quote = reading.until(index, line)
            if not quote:
                continue
            told = Told("", "", f"From {start} to {goal}: {row[j + 1]}", 0.0, index, f"/cells/{i}/{j}", quote)
            ends = f"from {start} to {goal}"
            yield _way(f"the way {ends} {by}", ends, goal, by, mode, told, cell.duration_s, cell.distance_m)


def _way(subject: str, ends: str, goal: str, by: str, mode: str, told: Told, seconds: float, metres: float) -> Way:
    time = replace(told, subject=subject, words=duration(seconds), number=seconds, pointer=f"{told.pointer}/duration_s")
    length = replace(told, subject=subject, words=distance(metres), number=metres, pointer=f"{told.pointer}/distance_m")
    return Way(subject, ends, goal, by, mode, time, length)


def _pooled(
    reading: Reading,
    name: str,
    measure: Measure,
    ways: Sequence[Way],
    known: Sequence[Way],
    shapes: frozenset[str] | None,
) -> Series:
    told = tuple(way.time if measure.unit == "s" else way.length for way in ways)

    def strange(stream: Stream, shape: str) -> Series | None:
        subjects = _strange_ways(reading, stream, ways, known)
        if not subjects or len(set(subjects)) < len(subjects):
            return None
        pairs = zip(told, subjects, strict=False)
        return replace(series, told=tuple(replace(one, subject=subject) for one, subject in pairs))

    series = Series(
        name,
        "trip" if name.startswith(("leg", "round")) else "routing",
        "ways",
        told,
        measure,
        "",
        strange,
        "route",
        shapes=shapes,
    )
    return series


def _strange_ways(reading: Reading, stream: Stream, ways: Sequence[Way], known: Sequence[Way]) -> list[str]:
    """The same ends in a mode that was not asked about, or ways to places that the context does not name."""
    # One mode for all, as frequent as in contexts: a rare one, or a mixture, would be a hint.
    mode = stream.pick_weighted(MODES, MODE_WEIGHTS)
    told = {(one.ends, one.mode) for one in known}
    if not any((way.ends, mode) in told for way in ways):
        return [way.subject.replace(f" {travel_by(way.mode)}", f" {travel_by(mode)}") for way in ways]
    names = reading.strange_names(stream, len(ways))
    return [way.subject.replace(f" to {way.goal}", f" to {name}") for way, name in zip(ways, names, strict=False)]


def _lines(reading: Reading, index: int) -> Iterator[Series]:
    cells = list(_cells(reading, index))
    table = reading.table(index)
    if table is None or not cells:
        return
    by = cells[0].by
    for is_to, names in ((False, [row[0] for row in table.rows]), (True, list(table.head[1:]))):
        for name in dict.fromkeys(names):
            mark = f" to {name}" if is_to else f"from {name} to "
            ways = [way for way in cells if (way.ends.endswith(mark) if is_to else way.ends.startswith(mark))]
            subjects = [
                way.ends.removesuffix(mark).removeprefix("from ") if is_to else way.ends.removeprefix(mark)
                for way in ways
            ]
            if len(set(subjects)) < len(subjects) or len(ways) < 2:
                continue
            for kind, make in (("time", travel_time), ("way", travel_way)):
                told = tuple(
                    replace(way.time if kind == "time" else way.length, subject=subject)
                    for way, subject in zip(ways, subjects, strict=True)
                )
                yield _line(reading, f"table_{kind}", told, name, make, by, is_to=is_to)


def _line(
    reading: Reading,
    name: str,
    told: tuple[Told, ...],
    anchor: str,
    make: Callable[..., Measure],
    by: str,
    *,
    is_to: bool,
) -> Series:
    group = f"places in the {'rows' if is_to else 'columns'} of the table"

    def strange(stream: Stream, shape: str) -> Series | None:
        where = reading.strange_anchor(stream, anchor)
        return None if where is None else replace(series, measure=make(where, by, is_to=is_to))

    series = Series(name, "trip", "places", told, make(anchor, by, is_to=is_to), group, strange, "plan")
    return series
