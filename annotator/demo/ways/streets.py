"""Edges become streets: chains that a person would give one name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from annotator.demo.land.blocks import STREETS
from annotator.demo.plane.arrangement import Curve
from annotator.demo.plane.geometry import Line, direction, distance, length
from annotator.demo.plane.planar import Plane

CAR_KINDS = STREETS | {"living_street", "service"}

_LONGEST_JOINED_M = 900.0
_LONG_ROAD_M = 430.0
_REST_M = 240.0
_STRAIGHT = 0.84
"""Cosine of the sharpest bend over which a street keeps its name."""


@dataclass(slots=True)
class Street:
    """A chain of edges.

    Args:
        halves: half-edges in order; each starts where the one before ends.
        kind: class of road, later also `pedestrian` or `living_street`.
        role: the curve of the skeleton that it is part of; empty for the others.
        zone: where most of it runs.
        is_oneway: whether cars go in the direction of `halves` only.
        names: its name by language; empty for paths.
    """

    halves: list[int]
    kind: str
    role: str
    zone: str = ""
    is_oneway: bool = False
    names: dict[str, str] | None = None


def vertices(plane: Plane, halves: Sequence[int]) -> list[int]:
    """Vertices along a chain."""
    return [plane.origin[h] for h in halves] + [plane.destination(halves[-1])]


def course(plane: Plane, halves: Sequence[int]) -> Line:
    """Points along a chain."""
    return [plane.points[v] for v in vertices(plane, halves)]


def find_streets(plane: Plane, curves: Sequence[Curve], zones: Sequence[str]) -> list[Street]:
    """Every street and path of the plane, in a fixed order.

    Args:
        plane: with all blocks cut.
        curves: the skeleton; lines with higher numbers are streets that were cut later.
        zones: zone of the face to the left of every half-edge.
    """
    lines: dict[int, list[int]] = {}
    for edge, kind in enumerate(plane.kind):
        if kind in STREETS or kind == "footway":
            lines.setdefault(plane.line[edge], []).append(edge)
    degree = Counter(v for h, v in enumerate(plane.origin) if plane.kind[h >> 1] in STREETS)
    old, new = [], []
    for line, line_edges in lines.items():
        for chain in _chains(plane, line_edges):
            street = Street(chain, plane.kind[chain[0] >> 1], curves[line].role if line < len(curves) else "")
            if street.role:
                old += _parted(plane, street, degree, curves)
            else:
                new.append(street)
    streets = old + _joined(plane, new)
    for street in streets:
        sides = Counter(zones[h ^ side] for h in street.halves for side in (0, 1))
        street.zone = max(sorted(sides), key=lambda zone: sides[zone])
    return streets


def _chains(plane: Plane, line_edges: list[int]) -> list[list[int]]:
    """The edges of one line in order; more than one chain if a piece of the line is missing."""
    leaving: dict[int, list[int]] = {}
    for edge in line_edges:
        for half in (2 * edge, 2 * edge + 1):
            leaving.setdefault(plane.origin[half], []).append(half)
    left = set(line_edges)
    chains = []
    starts = [v for v, halves in leaving.items() if len(halves) == 1] + list(leaving)
    for start in starts:
        vertex, chain = start, []
        while (step := next((h for h in leaving[vertex] if h >> 1 in left), None)) is not None:
            left.remove(step >> 1)
            chain.append(step)
            vertex = plane.destination(step)
        if chain:
            chains.append(chain)
    return chains


def _parted(plane: Plane, street: Street, degree: Counter[int], curves: Sequence[Curve]) -> list[Street]:
    """A long road in pieces that end where other old roads meet it."""
    if street.kind == "footway":
        return [street]
    pieces: list[list[int]] = [[]]
    done, left = 0.0, length(course(plane, street.halves))
    for half in street.halves:
        pieces[-1].append(half)
        step = distance(plane.points[plane.origin[half]], plane.points[plane.destination(half)])
        done, left = done + step, left - step
        meets = {plane.line[h >> 1] for h in plane.spokes(half ^ 1) if plane.kind[h >> 1] in STREETS | {"footway"}}
        is_old_crossing = any(line < len(curves) and curves[line].role != street.role for line in meets)
        if done > _LONG_ROAD_M and left > _REST_M and is_old_crossing:
            pieces.append([])
            done = 0.0
    return [Street(piece, street.kind, street.role) for piece in pieces]


def _joined(plane: Plane, streets: list[Street]) -> list[Street]:
    """Streets with those joined that go straight on into each other."""
    ends: dict[int, list[tuple[int, bool]]] = {}
    for index, street in enumerate(streets):
        path = vertices(plane, street.halves)
        ends.setdefault(path[0], []).append((index, True))
        ends.setdefault(path[-1], []).append((index, False))
    found = []
    for vertex, members in ends.items():
        for position, (a, a_starts) in enumerate(members):
            for b, b_starts in members[position + 1 :]:
                bend = _straightness(plane, streets[a], a_starts, streets[b], b_starts)
                if a != b and bend > _STRAIGHT and streets[a].kind == streets[b].kind:
                    found.append((-bend, vertex, a, b))
    group = list(range(len(streets)))
    chains: dict[int, list[int]] = {index: street.halves for index, street in enumerate(streets)}
    used: set[tuple[int, int]] = set()
    for _, vertex, a, b in sorted(found):
        first, second = group[a], group[b]
        if first == second or (vertex, a) in used or (vertex, b) in used:
            continue
        joined = _end_to_end(plane, chains[first], chains[second], vertex)
        if joined is None or length(course(plane, joined)) > _LONGEST_JOINED_M:
            continue
        used |= {(vertex, a), (vertex, b)}
        chains[first] = joined
        del chains[second]
        group = [first if g == second else g for g in group]
    return [Street(chain, streets[index].kind, "") for index, chain in chains.items()]


def _straightness(plane: Plane, a: Street, a_starts: bool, b: Street, b_starts: bool) -> float:
    """Cosine of the bend between two streets that meet."""
    into = course(plane, a.halves)[::-1] if a_starts else course(plane, a.halves)
    out = course(plane, b.halves) if b_starts else course(plane, b.halves)[::-1]
    u, v = direction(into[-2], into[-1]), direction(out[0], out[1])
    return u[0] * v[0] + u[1] * v[1]


def _end_to_end(plane: Plane, a: list[int], b: list[int], vertex: int) -> list[int] | None:
    """Both chains as one that passes the vertex; None if it is not an end of both any more."""

    def turned(chain: list[int]) -> list[int]:
        return [h ^ 1 for h in reversed(chain)]

    if plane.origin[a[0]] == vertex:
        a = turned(a)
    if plane.destination(b[-1]) == vertex:
        b = turned(b)
    if plane.destination(a[-1]) != vertex or plane.origin[b[0]] != vertex or plane.origin[a[0]] == vertex:
        return None
    return a + b
