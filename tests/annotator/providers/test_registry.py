"""The list of providers: ours by key, and those that other installed packages bring by entry point."""

import subprocess
import sys
from pathlib import Path

import pytest

from annotator.errors import NotFoundError
from annotator.maps.provider import Provider
from annotator.maps.providers.registry import ENTRY_POINT_GROUP, provider_keys, provider_type

ROOT = Path(__file__).parents[3]

OURS = "nominatim overpass photon osrm valhalla openrouteservice graphhopper google mapbox tomtom here azure"

PACKAGE = '''
"""A provider of another package."""

from annotator.maps.provider import Operation, Provider, ProviderInfo
from annotator.maps.results import PlaceList


class Atlas(Provider):
    info = ProviderInfo(
        key="atlas", title="Atlas", family="atlas", namespace="atlas", version=1, base_url="https://atlas.example",
        licence="CC0-1.0", attribution="Atlas",
    )
    operations = {"text_search": Operation(lambda provider, params, responses: (), lambda *_: PlaceList(places=()))}


def no_class():
    return None
'''

ENTRY_POINTS = f"""
[{ENTRY_POINT_GROUP}]
atlas = atlas_maps:Atlas
nominatim = atlas_maps:Atlas
function = atlas_maps:no_class
text = atlas_maps:__doc__
typo = atlas_maps:Atlsa
lost = atlas_map:Atlas
broken = atlas_broken:Atlas
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that looks like an installed package with entry points."""
    (tmp_path / "atlas_maps.py").write_text(PACKAGE)
    (tmp_path / "atlas_broken.py").write_text("1 / 0")
    info = tmp_path / "atlas_maps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: atlas-maps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return tmp_path


def said(folder: Path, program: str) -> str:
    """What a fresh Python with the folder on its path prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_our_providers_come_first_and_each_is_what_its_key_says() -> None:
    assert " ".join(provider_keys()).startswith(OURS)
    for key in OURS.split():
        found = provider_type(key)
        assert issubclass(found, Provider)
        assert found.info.key == key
        assert provider_type(key) is found


@pytest.mark.parametrize("key", ["", "mapquest", "Google", "../google"])
def test_a_provider_that_nobody_knows_is_not_found(key: str) -> None:
    with pytest.raises(NotFoundError) as error:
        provider_type(key)
    assert f"'{key}'" in error.value.message
    assert "`mapqator providers`" in error.value.message


def test_a_package_beside_ours_brings_a_provider(installed: Path) -> None:
    program = """
from annotator.maps.providers.registry import provider_keys, provider_type
found = provider_type("atlas")
print(provider_keys()[-6:], found.__name__, found().base_url, found().tools)
"""
    assert said(installed, program) == (
        "('atlas', 'broken', 'function', 'lost', 'text', 'typo') Atlas https://atlas.example ('text_search',)"
    )


def test_a_package_cannot_take_the_place_of_one_of_ours(installed: Path) -> None:
    program = """
from annotator.maps.providers.registry import provider_keys, provider_type
print(provider_type("nominatim").__module__, provider_keys().count("nominatim"))
"""
    assert said(installed, program) == "annotator.maps.providers.nominatim 1"


@pytest.mark.parametrize("key", ["function", "text", "typo", "lost", "broken"])
def test_an_entry_point_that_is_no_provider_says_so_in_a_line(installed: Path, key: str) -> None:
    program = f"""
from annotator.errors import NotFoundError
from annotator.maps.providers.registry import provider_type
try:
    provider_type("{key}")
except NotFoundError as error:
    print(error.message)
"""
    message = said(installed, program)
    assert f"'{key}'" in message
    assert ENTRY_POINT_GROUP in message
    assert "\n" not in message
