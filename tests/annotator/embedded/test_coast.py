"""The sea from its coast: land lies to the left of the line."""

import pytest
import shapely

from annotator.maps.embedded.coast import sea_polygons
from annotator.maps.embedded.manifest import Box

BOX = Box(south=0.0, west=0.0, north=10.0, east=10.0)
NORTHWARDS = [(5.0, -1.0), (5.5, 4.0), (5.0, 11.0)]


def sea(*lines: list[tuple[float, float]]) -> shapely.Geometry:
    return shapely.union_all(sea_polygons([shapely.LineString(line) for line in lines], BOX))


def test_the_sea_is_to_the_right_of_a_coast_through_the_box() -> None:
    east = sea(NORTHWARDS)
    assert east.covers(shapely.Point(8, 5))
    assert not east.covers(shapely.Point(2, 5))
    west = sea(NORTHWARDS[::-1])
    assert west.covers(shapely.Point(2, 5))
    assert not west.covers(shapely.Point(8, 5))


def test_a_coast_in_pieces_is_one_coast() -> None:
    pieces = [[NORTHWARDS[1], NORTHWARDS[2]], [NORTHWARDS[0], NORTHWARDS[1]]]
    assert sea(*pieces).equals(sea(NORTHWARDS))


def test_an_island_is_dry_and_a_lagoon_is_wet() -> None:
    ring = [(3.0, 3.0), (7.0, 3.0), (7.0, 7.0), (3.0, 7.0), (3.0, 3.0)]
    around = sea(ring)
    assert around.covers(shapely.Point(1, 1))
    assert not around.covers(shapely.Point(5, 5))
    inside = sea(ring[::-1])
    assert inside.covers(shapely.Point(5, 5))
    assert not inside.covers(shapely.Point(1, 1))


def test_without_a_coast_there_is_no_sea() -> None:
    assert sea_polygons([], BOX) == []
    assert sea([(20.0, 20.0), (30.0, 30.0)]).is_empty


def test_a_coast_that_nearly_reaches_the_edge_is_prolonged_to_it() -> None:
    found = sea([(5.0, 1.0), (5.0, 9.0)])
    assert found.covers(shapely.Point(8, 5))
    assert not found.covers(shapely.Point(2, 5))


@pytest.mark.parametrize(
    "lines",
    [
        # It ends in the middle of nowhere: too far for a guess.
        [[(5.0, -1.0), (5.0, 5.0)]],
        # Two coasts that disagree about what is between them.
        [NORTHWARDS, [(8.0, -1.0), (8.0, 11.0)]],
    ],
)
def test_nothing_is_drawn_where_the_coast_does_not_say(lines: list[list[tuple[float, float]]]) -> None:
    assert not sea(*lines).covers(shapely.Point(6.5, 8))


def test_a_bay_between_two_coasts_is_sea() -> None:
    found = sea([(3.0, 11.0), (3.0, -1.0)][::-1], [(7.0, -1.0), (7.0, 11.0)][::-1])
    assert found.covers(shapely.Point(5, 5))
    assert not found.covers(shapely.Point(1, 5))
    assert not found.covers(shapely.Point(9, 5))
