"""The tools that are computed here, and that nothing of this machine is in their answers."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.maps.local import DATA_VINTAGE, LOCAL_TOOLS, distance_bearing
from annotator.maps.params import PARAMS, DistanceBearingParams
from annotator.maps.zones import country_at, localise, zone, zone_name_at

ROOT = Path(__file__).resolve().parents[3]
COORDINATES = st.fixed_dictionaries({"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)})


def measure(origin, destination):
    return distance_bearing(DistanceBearingParams(origin=origin, destination=destination))


def test_a_known_distance_and_direction():
    found = measure({"lat": 43.7396, "lon": 7.4273}, {"lat": 43.7314, "lon": 7.4197})
    assert found.model_dump() == {
        "kind": "distance_bearing",
        "distance_m": pytest.approx(1097.4, abs=0.1),
        "bearing_deg": pytest.approx(213.8, abs=0.1),
        "compass": "SW",
    }


@given(COORDINATES, COORDINATES)
def test_distances_are_symmetric_and_bearings_in_range(origin, destination):
    there, back = measure(origin, destination), measure(destination, origin)
    assert there.distance_m == pytest.approx(back.distance_m, abs=0.1)
    assert 0 <= there.bearing_deg < 360
    assert set(there.compass) <= set("NESW")


def test_a_bearing_just_west_of_north_is_rounded_to_north():
    found = measure({"lat": 0, "lon": 0}, {"lat": 10, "lon": -0.000001})
    assert (found.bearing_deg, found.compass) == (0.0, "N")


def test_every_local_tool_has_parameters_of_its_name():
    assert set(LOCAL_TOOLS) == {"distance_bearing", "open_at"}
    assert all(PARAMS[name].tool == name for name in LOCAL_TOOLS)


def test_the_vintage_names_both_libraries_with_their_versions():
    assert [part.split()[0] for part in DATA_VINTAGE.split(", ")] == ["opening-hours-py", "tzdata"]
    assert all(part.split()[1][0].isdigit() for part in DATA_VINTAGE.split(", "))


@pytest.mark.parametrize(
    ("lat", "lon", "zone_name", "country"),
    [
        (43.7384, 7.4246, "Europe/Monaco", "MC"),
        (43.7102, 7.2620, "Europe/Paris", "FR"),
        (47.1410, 9.5209, "Europe/Vaduz", "LI"),
        (-36.8485, 174.7633, "Pacific/Auckland", "NZ"),
        (27.7172, 85.3240, "Asia/Kathmandu", "NP"),
        (0.0, -30.0, "Etc/GMT+2", None),
        # Both on the antimeridian, and both poles.
        (0.0, 180.0, "Etc/GMT-12", None),
        (0.0, -180.0, "Etc/GMT+12", None),
        (90.0, 0.0, "Etc/GMT", None),
        (-90.0, 0.0, "Antarctica/McMurdo", "AQ"),
    ],
)
def test_zones_and_countries_of_places(lat, lon, zone_name, country):
    assert zone_name_at(lat, lon) == zone_name
    assert country_at(lat, lon) == country
    assert zone(zone_name).key == zone_name


@given(st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["Etc/UTC", "Asia/Tokyo"]))
def test_where_clocks_never_change_local_times_are_taken_as_they_are(at, name):
    moment, assumed = localise(at, zone(name))
    assert assumed is None
    assert moment.replace(tzinfo=None) == at


SCRIPT = """
import json, sys
from annotator.maps.local import LOCAL_TOOLS
from annotator.maps.params import PARAMS
for tool, params in json.load(sys.stdin):
    print(LOCAL_TOOLS[tool](PARAMS[tool].model_validate(params)).model_dump_json())
"""
CALLS = [
    ["distance_bearing", {"origin": {"lat": 1, "lon": 2}, "destination": {"lat": 3, "lon": 4}}],
    ["open_at", {"opening_hours": "Mo-Fr 09:00-18:00; PH off", "at": "2026-11-19T10:00", "lat": 43.73, "lon": 7.42}],
    ["open_at", {"opening_hours": "sunrise-sunset", "at": "2026-03-29T02:30", "lat": 43.73, "lon": 7.42}],
    ["open_at", {"opening_hours": "02:15-02:45", "at": "2026-10-25T00:50Z", "timezone": "Europe/Paris"}],
]


def test_this_machines_zone_language_and_time_zone_files_change_nothing(tmp_path):
    here = [LOCAL_TOOLS[tool](PARAMS[tool].model_validate(params)).model_dump_json() for tool, params in CALLS]
    elsewhere = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(CALLS),
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "tr_TR.UTF-8",
            "PYTHONTZPATH": "",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert elsewhere.splitlines() == here
