"""Distances, directions, boxes and shapes against other ways to compute them."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from annotator.geo import (
    EARTH_RADIUS_M,
    bearing_deg,
    bounding_box,
    compass_point,
    decode_shape,
    encode_shape,
    haversine_m,
    round_degrees,
    shape_length_m,
)

HALF_ROUND_M = math.pi * EARTH_RADIUS_M
LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)
POINTS = st.tuples(LATITUDES, LONGITUDES)


def unit_vector(point):
    lat, lon = map(math.radians, point)
    return (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))


def cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def distance_by_vectors_m(a, b):
    """The angle between two position vectors, times the radius: exact for near and for antipodal points alike."""
    va, vb = unit_vector(a), unit_vector(b)
    return EARTH_RADIUS_M * math.atan2(math.hypot(*cross(va, vb)), dot(va, vb))


def bearing_by_vectors_deg(a, b):
    """The direction to `b` in the plane that touches the globe at `a`, from north over east."""
    lat, lon = map(math.radians, a)
    north = (-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat))
    east = (-math.sin(lon), math.cos(lon), 0.0)
    vb = unit_vector(b)
    return math.degrees(math.atan2(dot(vb, east), dot(vb, north))) % 360


def destination(start, bearing, distance_m):
    """Where one arrives on the great circle that leaves `start` at `bearing`."""
    lat, lon = map(math.radians, start)
    angle, course = distance_m / EARTH_RADIUS_M, math.radians(bearing)
    sine = math.sin(lat) * math.cos(angle) + math.cos(lat) * math.sin(angle) * math.cos(course)
    lat_b = math.asin(max(-1.0, min(1.0, sine)))
    lon_b = lon + math.atan2(
        math.sin(course) * math.sin(angle) * math.cos(lat), math.cos(angle) - math.sin(lat) * math.sin(lat_b)
    )
    return math.degrees(lat_b), (math.degrees(lon_b) + 540) % 360 - 180


@given(POINTS, POINTS)
@example((0.0, 0.0), (0.0, 180.0))
@example((90.0, 0.0), (-90.0, 0.0))
@example((43.7384, 7.4246), (43.7384, 7.4246))
def test_distance_is_the_angle_between_position_vectors(a, b):
    # Near antipodes haversine loses half of the digits: about 0.2 m on 20,000 km.
    assert haversine_m(a, b) == pytest.approx(distance_by_vectors_m(a, b), rel=1e-9, abs=0.3)


@given(POINTS, POINTS)
def test_distance_is_symmetric_and_at_most_half_way_round(a, b):
    assert haversine_m(a, b) == pytest.approx(haversine_m(b, a), rel=1e-12)
    assert 0 <= haversine_m(a, b) <= HALF_ROUND_M * (1 + 1e-12)


@given(POINTS)
def test_distance_to_itself_is_nothing_and_to_the_antipode_half_way_round(point):
    lat, lon = point
    assert haversine_m(point, point) == 0
    antipode = (-lat, lon - 180 if lon > 0 else lon + 180)
    assert haversine_m(point, antipode) == pytest.approx(HALF_ROUND_M, abs=0.5)


@given(LONGITUDES, LONGITUDES)
def test_all_longitudes_meet_at_a_pole(lon_a, lon_b):
    assert haversine_m((90.0, lon_a), (90.0, lon_b)) == pytest.approx(0, abs=1e-6)


@given(st.floats(-89, 89), LONGITUDES)
def test_a_degree_of_latitude_has_one_length_everywhere(lat, lon):
    assert haversine_m((lat, lon), (lat + 1, lon)) == pytest.approx(math.pi * EARTH_RADIUS_M / 180, rel=1e-9)


@given(POINTS, POINTS)
def test_bearing_is_the_direction_in_the_plane_of_the_origin(a, b):
    # A bearing means something only away from the point itself, from its antipode and from the poles.
    assume(abs(a[0]) < 89.9)
    assume(10 < distance_by_vectors_m(a, b) < HALF_ROUND_M - 10)
    difference = (bearing_deg(a, b) - bearing_by_vectors_deg(a, b) + 180) % 360 - 180
    assert abs(difference) < 1e-3
    assert 0 <= bearing_deg(a, b) < 360


@given(st.floats(-60, 60), st.floats(-170, 170), st.floats(0, 359.9), st.floats(1, 5_000_000))
def test_going_at_the_bearing_for_the_distance_arrives(lat, lon, bearing, distance_m):
    arrived = destination((lat, lon), bearing, distance_m)
    assert haversine_m((lat, lon), arrived) == pytest.approx(distance_m, rel=1e-6, abs=1e-3)
    if distance_m > 100:
        difference = (bearing_deg((lat, lon), arrived) - bearing + 180) % 360 - 180
        assert abs(difference) < 1e-3


@pytest.mark.parametrize(
    ("origin", "target", "bearing", "compass"),
    [
        ((0.0, 0.0), (1.0, 0.0), 0.0, "N"),
        ((0.0, 0.0), (0.0, 1.0), 90.0, "E"),
        ((0.0, 0.0), (-1.0, 0.0), 180.0, "S"),
        ((0.0, 0.0), (0.0, -1.0), 270.0, "W"),
        ((0.0, 0.0), (1.0, 1.0), 45.0, "NE"),
        ((0.0, 179.5), (0.0, -179.5), 90.0, "E"),
        ((0.0, -179.5), (0.0, 179.5), 270.0, "W"),
        ((45.0, 10.0), (90.0, 0.0), 0.0, "N"),
        ((45.0, 10.0), (-90.0, 0.0), 180.0, "S"),
    ],
)
def test_known_bearings(origin, target, bearing, compass):
    assert bearing_deg(origin, target) == pytest.approx(bearing, abs=0.01)
    assert compass_point(bearing_deg(origin, target)) == compass


@given(st.floats(0, 360, exclude_max=True))
def test_the_compass_point_is_the_nearest_of_sixteen(bearing):
    names = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"]
    away = {name: abs((bearing - 22.5 * index + 180) % 360 - 180) for index, name in enumerate(names)}
    assert away[compass_point(bearing)] == pytest.approx(min(away.values()), abs=1e-9)


@given(POINTS, st.floats(0.1, 3_000_000), st.floats(0, 360), st.floats(0, 1))
@example((89.9, 10.0), 50_000.0, 33.0, 1.0)
@example((0.0, 179.9), 50_000.0, 90.0, 1.0)
@example((60.0, 5.0), 2_000_000.0, 75.0, 1.0)
def test_the_bounding_box_holds_every_point_within_the_radius(center, radius_m, bearing, share):
    south, west, north, east = bounding_box(center, radius_m)
    lat, lon = destination(center, bearing, radius_m * share)
    # What arithmetic loses on the way there, not what the box may lack: a centimetre.
    assume(haversine_m(center, (lat, lon)) <= radius_m)
    slack = 1e-7
    assert south - slack <= lat <= north + slack
    assert west - slack <= lon <= east + slack


@given(POINTS, st.floats(0.1, 3_000_000))
def test_the_bounding_box_stays_on_the_globe(center, radius_m):
    south, west, north, east = bounding_box(center, radius_m)
    assert -90 <= south <= center[0] <= north <= 90
    assert -180 <= west <= center[1] <= east <= 180


@given(st.floats(-60, 60), st.floats(-170, 170), st.floats(10, 50_000))
def test_the_bounding_box_is_no_larger_than_it_must_be(lat, lon, radius_m):
    south, west, north, east = bounding_box((lat, lon), radius_m)
    assert haversine_m((lat, lon), (north, lon)) == pytest.approx(radius_m, rel=1e-4)
    assert haversine_m((lat, lon), (south, lon)) == pytest.approx(radius_m, rel=1e-4)
    assert haversine_m((lat, lon), (lat, east)) < radius_m * 1.01
    assert haversine_m((lat, lon), (lat, west)) < radius_m * 1.01


@given(st.lists(POINTS, max_size=30))
def test_a_shape_comes_back_to_five_decimals(points):
    decoded = decode_shape(encode_shape(points))
    assert len(decoded) == len(points)
    for (lat, lon), (lat_back, lon_back) in zip(points, decoded, strict=True):
        assert abs(lat - lat_back) <= 0.5000001e-5
        assert abs(lon - lon_back) <= 0.5000001e-5


@given(st.lists(POINTS, max_size=10))
def test_encoding_what_was_decoded_changes_nothing(points):
    encoded = encode_shape(points)
    assert encode_shape(decode_shape(encoded)) == encoded


def test_precision_six_is_read_when_said():
    assert decode_shape("_izlhA~rlgdF_{geC~ywl@", precision=6) == [(38.5, -120.2), (40.7, -120.95)]


@pytest.mark.parametrize("text", ["_", "\x7f\x7f", "_p~iF~ps|U_"])
def test_text_that_is_no_shape_is_refused(text):
    with pytest.raises(ValueError, match="polyline"):
        decode_shape(text)


@given(st.lists(st.tuples(st.floats(-80, 80), LONGITUDES), min_size=2, max_size=10))
def test_the_length_of_a_shape_is_that_of_its_pieces(points):
    assert shape_length_m(points) == pytest.approx(sum(haversine_m(a, b) for a, b in pairwise(points)))
    assert shape_length_m(points) >= haversine_m(points[0], points[-1]) - 1e-3


@given(st.floats(-180, 180))
def test_rounding_degrees_keeps_six_decimals_once_and_for_all(value):
    rounded = round_degrees(value)
    assert abs(rounded - value) <= 0.5000001e-6
    assert round_degrees(rounded) == rounded
    assert len(repr(abs(rounded)).partition(".")[2]) <= 6 or "e" in repr(rounded)


@pytest.mark.parametrize("value", [-0.0, -1e-9, 1e-9])
def test_no_zero_is_negative(value):
    assert repr(round_degrees(value)) == "0.0"
