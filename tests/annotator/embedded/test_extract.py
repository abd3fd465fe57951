"""The first look at an extract: what is not a whole OpenStreetMap PBF is refused in one line."""

import gzip
from pathlib import Path

import pytest

from annotator.errors import MapBuildError
from annotator.maps.embedded.extract import inspect_extract


def test_a_whole_extract_says_what_it_is(island_extract: Path) -> None:
    extract = inspect_extract(island_extract)
    assert extract.num_bytes == island_extract.stat().st_size
    assert (extract.generator, extract.timestamp) == ("test", "2026-01-02T03:04:05Z")
    assert extract.box is not None
    assert extract.box.contains((50.001, 10.001))
    assert not extract.box.contains((50.1, 10.001))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"just some text, and quite a lot of it", "not an OpenStreetMap extract"),
        (b"<?xml version='1.0'?><osm version='0.6'></osm>", "XML"),
        (b"\n <!doctype HTML><title>Sign in</title>", "web page"),
        (gzip.compress(b"something", mtime=0), "gzip"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x00\x00\x00\x00", "not an OpenStreetMap extract"),
        (b"\xff\xff\xff\xff" + bytes(200), "not an OpenStreetMap extract"),
        (bytes(1000), "not an OpenStreetMap extract"),
        (b"\x00\x00\x00\x0d\x0a\x09OSMHeader\x18", "not an OpenStreetMap extract"),
    ],
)
def test_what_is_no_extract_is_refused_with_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "wrong.osm.pbf"
    path.write_bytes(content)
    with pytest.raises(MapBuildError, match=says) as refused:
        inspect_extract(path)
    assert "\n" not in refused.value.message
    assert "wrong.osm.pbf" in refused.value.message


def test_every_cut_of_an_extract_is_noticed(island_extract: Path, tmp_path: Path) -> None:
    whole = island_extract.read_bytes()
    path = tmp_path / "cut.osm.pbf"
    for length in range(1, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(MapBuildError, match=r"cut off|not an OpenStreetMap|broken|only a header|cannot be read"):
            inspect_extract(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MapBuildError, match=r"nowhere\.osm\.pbf"):
        inspect_extract(tmp_path / "nowhere.osm.pbf")


def test_a_folder_is_no_extract(tmp_path: Path) -> None:
    with pytest.raises(MapBuildError, match="cannot read"):
        inspect_extract(tmp_path)
