"""A plane cut into faces by edges: a doubly connected edge list whose faces can be split further.

Every edge is two half-edges, `h` and `h ^ 1`, in opposite directions; the face of a half-edge lies to its left.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from annotator.demo.plane.geometry import Point, area


class Plane:
    """Points, half-edges between them, and what each edge is.

    Attributes:
        points: position of every vertex.
        origin: vertex from which each half-edge starts.
        following, previous: neighbours of each half-edge around its face.
        kind: what each edge (`h >> 1`) is: a class of road, `rail`, `bank`, `coast`, `limit`, or `none`.
        line: which drawn line each edge belongs to.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.origin: list[int] = []
        self.following: list[int] = []
        self.previous: list[int] = []
        self.kind: list[str] = []
        self.line: list[int] = []

    @classmethod
    def of_segments(cls, segments: Iterable[tuple[Point, Point, str, int]]) -> "Plane":
        """The plane of different segments that meet at their ends only, each with its kind and its line."""
        plane = cls()
        vertex: dict[Point, int] = {}
        for a, b, kind, line in segments:
            ends = []
            for point in (a, b):
                if point not in vertex:
                    vertex[point] = plane._add_point(point)
                ends.append(vertex[point])
            plane._add_edge(ends[0], ends[1], kind, line)
        plane._link()
        return plane

    def destination(self, half: int) -> int:
        """Vertex at which a half-edge ends."""
        return self.origin[half ^ 1]

    def loop(self, half: int) -> list[int]:
        """Half-edges around the face of one of them, in order."""
        result = [half]
        step = self.following[half]
        while step != half:
            result.append(step)
            step = self.following[step]
        return result

    def ring(self, half: int) -> list[Point]:
        """Corners of the face of a half-edge, counterclockwise."""
        return [self.points[self.origin[h]] for h in self.loop(half)]

    def faces(self) -> list[int]:
        """One half-edge of every bounded face."""
        seen = bytearray(len(self.origin))
        result = []
        for half in range(len(self.origin)):
            if not seen[half]:
                loop = self.loop(half)
                for h in loop:
                    seen[h] = 1
                if area([self.points[self.origin[h]] for h in loop]) > 0.0:
                    result.append(half)
        return result

    def spokes(self, half: int) -> list[int]:
        """Half-edges that start at the origin of one of them."""
        result = [half]
        step = self.previous[half] ^ 1
        while step != half:
            result.append(step)
            step = self.previous[step] ^ 1
        return result

    def cut(self, half: int, point: Point) -> int:
        """Puts a vertex on an edge; returns the half-edge that now starts there, in the direction of `half`."""
        vertex, twin = self._add_point(point), half ^ 1
        onward = self._add_edge(vertex, self.destination(half), self.kind[half >> 1], self.line[half >> 1])
        back = onward ^ 1
        after, before = self.following[half], self.previous[twin]
        self.origin[twin] = vertex
        # A dead end turns back on itself.
        if after == twin:
            after, before = back, onward
        self._follow(half, onward)
        self._follow(onward, after)
        self._follow(before, back)
        self._follow(back, twin)
        return onward

    def connect(self, first: int, second: int, inner: Sequence[Point], kinds: Sequence[str], line: int) -> int:
        """Splits a face by a line from the origin of one of its half-edges to that of another.

        Args:
            first: half-edge of the face, at whose origin the line starts.
            second: half-edge of the same face, at whose origin it ends.
            inner: points of the line between its ends.
            kinds: what each edge of the line is.
            line: what the line is called.

        Returns:
            The line's first half-edge; the other new face is that of its twin.
        """
        stops = [self.origin[first], *(self._add_point(p) for p in inner), self.origin[second]]
        chain = [self._add_edge(a, b, kind, line) for a, b, kind in zip(stops, stops[1:], kinds, strict=False)]
        before_first, before_second = self.previous[first], self.previous[second]
        for a, b in pairwise(chain):
            self._follow(a, b)
            self._follow(b ^ 1, a ^ 1)
        self._follow(before_first, chain[0])
        self._follow(chain[-1], second)
        self._follow(before_second, chain[-1] ^ 1)
        self._follow(chain[0] ^ 1, first)
        return chain[0]

    def _add_point(self, point: Point) -> int:
        self.points.append(point)
        return len(self.points) - 1

    def _add_edge(self, a: int, b: int, kind: str, line: int) -> int:
        half = len(self.origin)
        self.origin += [a, b]
        self.following += [half + 1, half]
        self.previous += [half + 1, half]
        self.kind.append(kind)
        self.line.append(line)
        return half

    def _follow(self, half: int, after: int) -> None:
        self.following[half] = after
        self.previous[after] = half

    def _link(self) -> None:
        """Sorts the half-edges around every vertex, so that faces can be walked."""
        leaving: dict[int, list[int]] = {}
        for half, vertex in enumerate(self.origin):
            leaving.setdefault(vertex, []).append(half)
        for halves in leaving.values():
            halves.sort(key=self._angle)
            for half, counterclockwise in zip(halves, halves[1:] + halves[:1], strict=True):
                self._follow(counterclockwise ^ 1, half)

    def _angle(self, half: int) -> float:
        a, b = self.points[self.origin[half]], self.points[self.destination(half)]
        return math.atan2(b[1] - a[1], b[0] - a[0])
