"""Planes: faces cover what the outline covers, however they are split; lines that cross get a common corner."""

from math import isclose
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from annotator.demo.plane.arrangement import Curve, arrange, is_sound
from annotator.demo.plane.geometry import (
    Box,
    Nearby,
    area,
    between,
    direction,
    distance,
    hull,
    inside,
    overlap,
    resampled,
)
from annotator.demo.plane.planar import Plane
from annotator.demo.plane.shapes import inset, is_simple, rectangle
from annotator.demo.stream import Stream

SQUARE = ((0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0))
coordinates = st.integers(-40_000, 40_000).map(lambda cm: cm / 100)
points = st.tuples(coordinates, coordinates)


def square_plane() -> Plane:
    sides = zip(SQUARE, SQUARE[1:] + SQUARE[:1], strict=True)
    return Plane.of_segments([(a, b, "residential", index) for index, (a, b) in enumerate(sides)])


def check(plane: Plane) -> None:
    """What holds in every plane: neighbours agree, faces are closed, corners, edges and faces fit Euler's formula."""
    for half, after in enumerate(plane.following):
        assert plane.previous[after] == half
        assert plane.destination(half) == plane.origin[after]
    assert len(plane.points) - len(plane.kind) + len(plane.faces()) == 1


def turn(plane: Plane, first: int, second: int) -> float:
    """Sine of the angle between two half-edges."""
    (ax, ay), (bx, by) = (
        direction(plane.points[plane.origin[half]], plane.points[plane.destination(half)]) for half in (first, second)
    )
    return ax * by - ay * bx


@given(cuts=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.floats(0.2, 0.8)), max_size=12))
def test_faces_split_at_will_still_cover_the_square(cuts: list[tuple[int, int, float]]) -> None:
    plane = square_plane()
    for face_number, side_number, share in cuts:
        faces = plane.faces()
        loop = plane.loop(faces[face_number % len(faces)])
        first = loop[side_number % len(loop)]
        # All faces are convex, so a line between sides in different directions has something on both of its sides.
        second = next(half for half in loop if abs(turn(plane, first, half)) > 0.01)
        starts = []
        for half in (first, second):
            a, b = plane.points[plane.origin[half]], plane.points[plane.destination(half)]
            starts.append(plane.cut(half, between(a, b, share)))
        plane.connect(starts[0], starts[1], [], ["residential"], 9)
        check(plane)
    sizes = [area(plane.ring(half)) for half in plane.faces()]
    assert isclose(sum(sizes), 10_000.0, abs_tol=1.0)
    assert len(sizes) == len(cuts) + 1


@given(lines=st.lists(st.tuples(points, points), min_size=1, max_size=8))
def test_a_sound_arrangement_of_any_lines_is_a_plane_whose_faces_do_not_overlap(lines: list[Any]) -> None:
    frame = ((-500.0, -500.0), (500.0, -500.0), (500.0, 500.0), (-500.0, 500.0), (-500.0, -500.0))
    curves = [Curve("frame", "limit", frame)]
    curves += [Curve(f"line {k}", "primary", (a, b)) for k, (a, b) in enumerate(lines) if distance(a, b) > 1.0]
    plane = arrange(curves)
    if is_sound(plane):
        for half in range(len(plane.origin)):
            assert plane.previous[plane.following[half]] == half
        assert all(plane.line[edge] < len(curves) for edge in range(len(plane.kind)))


def test_two_roads_that_cross_have_a_common_corner_and_loose_ends_are_cut_off() -> None:
    frame = Curve("frame", "limit", (*SQUARE, SQUARE[0]))
    across = Curve("across", "primary", ((-10.0, 50.0), (110.0, 50.0)))
    up = Curve("up", "secondary", ((50.0, -10.0), (50.0, 70.0)))
    plane = arrange([frame, across, up])
    check(plane)
    assert (50.0, 50.0) in plane.points
    assert (-10.0, 50.0) not in plane.points
    assert (50.0, 70.0) not in plane.points
    assert sorted(round(area(plane.ring(half))) for half in plane.faces()) == [2500, 2500, 5000]


@given(cloud=st.lists(points, min_size=3, max_size=30, unique=True))
def test_the_box_around_points_holds_them_and_is_no_smaller_than_their_hull(cloud: list[tuple[float, float]]) -> None:
    box = Box(cloud)
    outline = hull(cloud)
    if len(outline) < 3:
        return
    assert box.length_m >= box.width_m - 1e-6
    assert box.length_m * box.width_m >= area(outline) - 1.0
    corners = [box.point(s, t) for s, t in ((-0.01, -0.01), (1.01, -0.01), (1.01, 1.01), (-0.01, 1.01))]
    if box.width_m > 1.0:
        assert all(inside(point, corners) for point in cloud)


@given(cloud=st.lists(points, min_size=1, max_size=40), asked=points)
def test_the_nearest_point_is_found_as_a_plain_search_finds_it(
    cloud: list[tuple[float, float]], asked: tuple[float, float]
) -> None:
    found = cloud[Nearby(cloud).index(asked)]
    assert distance(found, asked) == min(distance(point, asked) for point in cloud)


@given(margin=st.floats(1.0, 60.0), middle=points, wide=st.floats(20.0, 200.0))
def test_land_without_its_roads_lies_within_the_land_or_there_is_none(
    margin: float, middle: tuple[float, float], wide: float
) -> None:
    ring = rectangle(middle, (1.0, 0.0), 180.0, wide)
    inner = inset(ring, [margin] * 4)
    if 2.0 * margin >= wide - 1.0:
        assert inner is None
    elif inner is not None:
        assert is_simple(inner)
        assert all(inside(point, ring) for point in inner)
        assert isclose(area(inner), (180.0 - 2 * margin) * (wide - 2 * margin), rel_tol=0.02)


def test_rectangles_overlap_only_if_they_share_more_than_a_wall() -> None:
    a = rectangle((0.0, 0.0), (1.0, 0.0), 10.0, 10.0)
    assert overlap(a, rectangle((9.0, 0.0), (1.0, 0.0), 10.0, 10.0))
    assert not overlap(a, rectangle((10.0, 0.0), (1.0, 0.0), 10.0, 10.0))
    assert not overlap(a, rectangle((9.97, 0.0), (1.0, 0.0), 10.0, 10.0), slack=0.05)


@given(line=st.lists(points, min_size=2, max_size=8, unique=True), step=st.floats(5.0, 90.0))
def test_a_line_sampled_anew_keeps_its_ends(line: list[tuple[float, float]], step: float) -> None:
    sampled = resampled(line, step)
    assert sampled[-1] == line[-1]
    assert distance(sampled[0], line[0]) < 0.02


@given(seed=st.integers(0, 2**40), low=st.integers(-9, 9), width=st.integers(0, 9))
def test_a_stream_repeats_itself_and_keeps_within_its_bounds(seed: int, low: int, width: int) -> None:
    first, second = Stream(seed, "houses"), Stream(seed, "houses")
    drawn = [first.integer(low, low + width) for _ in range(30)]
    assert drawn == [second.integer(low, low + width) for _ in range(30)]
    assert set(drawn) <= set(range(low, low + width + 1))
    assert sorted(first.shuffled(range(20))) == list(range(20))
