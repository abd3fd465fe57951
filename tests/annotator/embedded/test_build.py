"""Building maps: the same bytes from the same file, nothing half-made, and going on after any interruption."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from annotator.errors import InputError, MapBuildError, MapqatorError, StorageError
from annotator.maps.embedded import build as module
from annotator.maps.embedded import stages
from annotator.maps.embedded.basemap import build_basemap, share_read
from annotator.maps.embedded.build import build_map
from annotator.maps.embedded.engine import EmbeddedMap
from annotator.maps.embedded.extract import inspect_extract
from annotator.maps.embedded.manifest import (
    Manifest,
    build_sha,
    check_name,
    name_of_source,
    read_manifest,
    title_of_source,
)
from annotator.maps.params import ComputeRoutesParams
from annotator.maps.results import RouteList

NAME = "probstadt"


def build(source: Path | str, data_dir: Path, **options: Any) -> Manifest:
    return build_map(str(source), data_dir=data_dir, **({"name": NAME} | options))


@pytest.fixture
def data_dir(island_data: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own with the island town's map in it."""
    return Path(shutil.copytree(island_data, tmp_path / "data"))


@pytest.fixture(scope="module")
def hills(sketchbook: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extract without a road, which is built in a moment."""
    book = sketchbook(generator="rhumb-town 7")
    book.node(50.0, 10.0, {"amenity": "cafe", "name": "Hut"})
    book.node(50.01, 10.01, {"tourism": "viewpoint", "name": "Top"})
    return book.write(tmp_path_factory.mktemp("hills") / "hills.osm.pbf")


def contents(folder: Path) -> dict[str, str]:
    """Hashes of all files below a folder, the manifest without its time."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.name == "manifest.json":
            content = json.dumps(json.loads(content) | {"built_at": ""}).encode()
        found[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def leftovers(data_dir: Path) -> list[str]:
    maps = data_dir / "maps"
    return [] if not maps.exists() else sorted(path.name for path in maps.iterdir() if path.name != NAME)


def test_the_same_extract_gives_the_same_bytes_anywhere(
    island_extract: Path, island_data: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "a much longer path" / "two"
    shares: dict[str, list[float]] = {}
    build(island_extract, elsewhere, progress=lambda stage, share: shares.setdefault(stage, []).append(share))
    assert contents(elsewhere / "maps" / NAME) == contents(island_data / "maps" / NAME)
    assert leftovers(elsewhere) == []
    assert list(shares) == ["check", "index", "base map", "routing"]
    for told in shares.values():
        assert told == sorted(told)
        assert (told[0], told[-1]) == (0.0, 1.0)


def test_the_manifest_says_what_the_map_is(island_data: Path, island_extract: Path) -> None:
    folder = island_data / "maps" / NAME
    manifest = read_manifest(folder)
    assert manifest is not None
    assert (manifest.name, manifest.title, manifest.source) == ("probstadt", "Island town", "island-town.osm.pbf")
    assert (manifest.namespace, manifest.licence) == ("osm", "ODbL-1.0")
    assert manifest.attribution == "© OpenStreetMap contributors"
    assert manifest.osm_timestamp == "2026-01-02T03:04:05Z"
    assert manifest.file_sha256 == hashlib.sha256(island_extract.read_bytes()).hexdigest()
    assert manifest.index_sha256 == hashlib.sha256((folder / "index.sqlite").read_bytes()).hexdigest()
    assert manifest.basemap_sha256 == hashlib.sha256((folder / "basemap.sqlite").read_bytes()).hexdigest()
    assert manifest.bbox.contains(manifest.center)
    assert manifest.counts["drawn_buildings"] == 20
    assert manifest.counts["pois"] >= 33
    assert manifest.router_version == "3.9.1"
    assert manifest.build_sha in manifest.model_dump_json()
    assert manifest.build_sha[:12] in manifest.data_vintage


@pytest.mark.parametrize(
    "field", ["name", "namespace", "file_sha256", "index_sha256", "tiles_sha256", "router_version"]
)
def test_the_build_hash_depends_on_whatever_determines_answers(island_data: Path, field: str) -> None:
    manifest = read_manifest(island_data / "maps" / NAME)
    assert manifest is not None
    assert build_sha(manifest) == manifest.build_sha
    assert build_sha(manifest.model_copy(update={field: "other"})) != manifest.build_sha


def test_the_build_hash_does_not_depend_on_when_or_where_from(island_data: Path) -> None:
    manifest = read_manifest(island_data / "maps" / NAME)
    assert manifest is not None
    elsewhere = manifest.model_copy(update={"built_at": "2000-01-01", "source": "other", "title": "Other"})
    assert build_sha(elsewhere) == manifest.build_sha


def test_a_generated_town_is_no_real_data(hills: Path, tmp_path: Path) -> None:
    manifest = build(hills, tmp_path)
    assert (manifest.namespace, manifest.licence) == ("town", "CC0-1.0")
    assert manifest.attribution == "Fictional town, not a real place"
    given = build(hills, tmp_path, namespace="mine", licence="MIT", attribution="Me", title="Mine")
    assert (given.namespace, given.licence, given.attribution, given.title) == ("mine", "MIT", "Me", "Mine")
    assert given.build_sha != manifest.build_sha


def test_a_map_that_is_there_is_not_built_again_unless_forced(hills: Path, tmp_path: Path) -> None:
    first = build(hills, tmp_path)
    stages: list[str] = []
    again = build(hills, tmp_path, progress=lambda stage, _share: stages.append(stage))
    assert again.built_at == first.built_at
    assert set(stages) == {"check"}
    build(hills, tmp_path, force=True, progress=lambda stage, _share: stages.append(stage))
    assert {"index", "base map", "routing"} <= set(stages)


@pytest.mark.parametrize(
    ("source", "name", "title"),
    [
        ("/data/Island town.osm.pbf", "island-town", "Island town"),
        ("monaco-2023-11-21.osm.pbf", "monaco-2023-11-21", "Monaco 2023-11-21"),
        ("https://example.org/europe/new-caledonia-latest.osm.pbf?x=1", "new-caledonia-latest", "New caledonia"),
        ("2024-München.pbf", "m-nchen", "2024 München"),
        ("x" * 50 + ".osm.pbf", "x" * 32, "X" + "x" * 49),
    ],
)
def test_names_and_titles_are_made_of_the_source(source: str, name: str, title: str) -> None:
    assert name_of_source(source) == name
    assert check_name(name) == name
    assert title_of_source(source) == title


def test_a_source_that_gives_no_name_asks_for_one() -> None:
    with pytest.raises(MapBuildError, match="--name"):
        name_of_source("/data/2024.osm.pbf")


@pytest.mark.parametrize("name", ["nominatim", "google", "local", "Upper", "1st", "a" * 33, "a b", "../x", ""])
def test_names_that_are_taken_or_no_names_are_refused(island_extract: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="map"):
        build(island_extract, tmp_path, name=name)
    assert not any(tmp_path.iterdir())


def test_a_namespace_that_cannot_begin_place_ids_is_refused(island_extract: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="place ids"):
        build(island_extract, tmp_path, namespace="No Way")


def _text(path: Path, _whole: bytes) -> None:
    path.write_text("this is a letter, not a map\n" * 100)


def _empty(path: Path, _whole: bytes) -> None:
    path.write_bytes(b"")


def _cut(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[: len(whole) * 2 // 3])


def _garbled(path: Path, whole: bytes) -> None:
    # Inside a compressed blob: the frame of the file is whole.
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(byte ^ 0xA5 for byte in whole[middle : middle + 60]) + whole[middle + 60 :])


@pytest.mark.parametrize("spoil", [_text, _empty, _cut, _garbled])
def test_a_file_that_is_no_whole_extract_leaves_nothing_behind(
    island_extract: Path, tmp_path: Path, spoil: Callable[[Path, bytes], None]
) -> None:
    path = tmp_path / "broken.osm.pbf"
    spoil(path, island_extract.read_bytes())
    with pytest.raises(MapBuildError, match=r"broken\.osm\.pbf") as refused:
        build(path, tmp_path)
    assert "\n" not in refused.value.message
    assert not any((tmp_path / "maps").iterdir())


def test_an_extract_without_a_place_is_refused(sketchbook: Any, tmp_path: Path) -> None:
    book = sketchbook()
    book.node(50.0, 10.0)
    with pytest.raises(MapBuildError):
        build(book.write(tmp_path / "bare.osm.pbf"), tmp_path)
    assert not any((tmp_path / "maps").iterdir())


def test_an_extract_without_roads_is_a_map_without_routes(hills: Path, tmp_path: Path) -> None:
    build(hills, tmp_path)
    opened = EmbeddedMap(tmp_path / "maps" / NAME)
    here, there = {"lat": 50.0, "lon": 10.0}, {"lat": 50.01, "lon": 10.01}
    asked = ComputeRoutesParams.model_validate({"origin": here, "destination": there})
    found = opened.answer("compute_routes", asked)
    opened.close()
    assert isinstance(found, RouteList)
    assert found.routes == ()
    assert "no roads" in (found.reason or "")


def test_an_unsorted_extract_says_how_to_sort_it(sketchbook: Any, tmp_path: Path) -> None:
    book = sketchbook()
    book.grid(50.0, 10.0, 8, ("residential", "residential"), "Main")
    book.node(50.0001, 10.0001, {"amenity": "cafe", "name": "Somewhere"})
    book.ways.reverse()
    with pytest.raises(MapBuildError, match="osmium sort"):
        build(book.write(tmp_path / "upside-down.osm.pbf"), tmp_path)
    assert leftovers(tmp_path) == []


def test_a_failed_build_leaves_the_map_of_that_name_as_it_was(
    island_extract: Path, data_dir: Path, tmp_path: Path
) -> None:
    before = contents(data_dir / "maps" / NAME)
    _garbled(tmp_path / "broken.osm.pbf", island_extract.read_bytes())
    with pytest.raises(MapBuildError):
        build(tmp_path / "broken.osm.pbf", data_dir)
    assert contents(data_dir / "maps" / NAME) == before
    assert leftovers(data_dir) == []


def test_another_extract_replaces_the_map_in_one_step(
    data_dir: Path, hills: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = read_manifest(data_dir / "maps" / NAME)
    second = build(hills, data_dir)
    assert old is not None
    assert second.build_sha != old.build_sha
    assert read_manifest(data_dir / "maps" / NAME) == second
    assert leftovers(data_dir) == []
    # And in two where the file system cannot exchange names.
    monkeypatch.setattr(stages, "_exchange", lambda _one, _other: False)
    assert read_manifest(data_dir / "maps" / NAME) != build(hills, data_dir, title="Other")
    assert leftovers(data_dir) == []


def test_a_replacement_interrupted_between_two_renames_is_put_back(data_dir: Path, hills: Path) -> None:
    maps = data_dir / "maps"
    before = contents(maps / NAME)
    (maps / NAME).rename(maps / f".replaced-{NAME}")
    with pytest.raises(MapBuildError):
        build(hills.with_name("missing.osm.pbf"), data_dir)
    assert contents(maps / NAME) == before
    assert leftovers(data_dir) == []


def test_too_little_disk_is_said_before_the_work(
    island_extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOM_BYTES", 1 << 62)
    with pytest.raises(StorageError, match="make room"):
        build(island_extract, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_second_build_of_the_same_map_says_so_at_once(hills: Path, tmp_path: Path) -> None:
    started, may_go_on = Event(), Event()

    def hold(stage: str, share: float) -> None:
        if stage == "index":
            started.set()
            assert may_go_on.wait(60)

    built: list[Manifest] = []
    first = Thread(target=lambda: built.append(build(hills, tmp_path, progress=hold)))
    first.start()
    try:
        assert started.wait(60)
        with pytest.raises(MapBuildError, match="another process is building the map 'probstadt'"):
            build(hills, tmp_path)
        assert build(hills, tmp_path, name="another").name == "another"
    finally:
        may_go_on.set()
        first.join()
    assert built[0].name == NAME
    assert leftovers(tmp_path) == ["another"]


def test_a_map_is_built_from_an_address_and_keeps_no_extract(depot: Any, hills: Path, tmp_path: Path) -> None:
    depot.content = hills.read_bytes()
    manifest = build_map(depot.url, data_dir=tmp_path)
    assert manifest.name == "island-town"
    assert manifest.source == depot.url
    parts = sorted(path.name for path in (tmp_path / "maps" / "island-town").iterdir())
    assert parts == ["basemap.sqlite", "index.sqlite", "manifest.json"]


def test_an_address_that_gives_something_else_leaves_nothing_behind(depot: Any, tmp_path: Path) -> None:
    depot.content = b"<html>please sign in</html>"
    with pytest.raises(MapBuildError, match="web page"):
        build(depot.url, tmp_path)
    depot.answer = lambda handler, _number: handler.send_error(404)
    with pytest.raises(MapBuildError, match="404"):
        build(depot.url, tmp_path)
    assert not any((tmp_path / "maps").iterdir())


def test_a_download_that_broke_off_goes_on_with_the_next_build(
    depot: Any, hills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "download", partial(module.download, wait=lambda _seconds: None))
    depot.content = hills.read_bytes()
    depot.answer = lambda handler, number: depot.send(handler, cut_after=100 if number == 1 else 0)
    with pytest.raises(MapBuildError, match="100 bytes are kept"):
        build(depot.url, tmp_path)
    assert leftovers(tmp_path) == [f".building-{NAME}"]
    depot.answer = None
    build(depot.url, tmp_path)
    assert depot.requests[-1]["range"] == "bytes=100-"
    assert leftovers(tmp_path) == []


def test_progress_through_a_file_is_where_the_kernel_says(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    assert share_read(path, 1000) == 0.0
    with path.open("rb", buffering=0) as file:
        file.read(250)
        assert share_read(path, 1000) == 0.25


@contextmanager
def files_no_larger_than(num_bytes: int) -> Iterator[None]:
    """What a test can have of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("num_bytes", [30_000, 200_000])
def test_a_disk_that_fills_up_during_the_build_is_one_line_and_leaves_nothing(
    island_extract: Path, tmp_path: Path, num_bytes: int
) -> None:
    with files_no_larger_than(num_bytes), pytest.raises(MapqatorError) as refused:
        build(island_extract, tmp_path)
    assert "\n" not in refused.value.message
    assert leftovers(tmp_path) == []


def test_a_base_map_that_cannot_be_written_says_so(island_extract: Path, tmp_path: Path) -> None:
    extract = inspect_extract(island_extract)
    with files_no_larger_than(20_000), pytest.raises(StorageError, match="cannot write the base map"):
        build_basemap(extract, tmp_path / "basemap", lambda _share: None)


def test_an_error_in_a_stage_is_an_error_for_people(
    island_extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "build_graph", full)
    with pytest.raises(MapqatorError, match="No space left on device"):
        build(island_extract, tmp_path)
    assert leftovers(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from annotator.maps.embedded.basemap import build_basemap, share_read
from annotator.maps.embedded.build import build_map

def progress(stage, share):
    if stage == sys.argv[3] and share > float(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

build_map(sys.argv[1], data_dir=Path(sys.argv[2]), name="probstadt", progress=progress)
"""


def kill_at(stage: str, share: float, extract: Path, data_dir: Path) -> None:
    """Builds in another process, which is killed with signal 9 when it has come so far."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", KILLED, str(extract), str(data_dir), stage, str(share)]
    done = subprocess.run(command, cwd=root, capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def processes_about(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found


def test_a_build_killed_at_every_stage_goes_on_and_gives_the_same_bytes(
    island_extract: Path, island_data: Path, tmp_path: Path
) -> None:
    for stage, share in (("index", 0.3), ("base map", 0.99), ("routing", 0.11)):
        kill_at(stage, share, island_extract, tmp_path)
        assert read_manifest(tmp_path / "maps" / NAME) is None
        # The kernel ends the programs of a killed build, at its leisure.
        while processes_about(tmp_path):
            pass
    begun: list[str] = []
    build(island_extract, tmp_path, progress=lambda stage, share: begun.append(stage) if share == 0.0 else None)
    assert begun == ["check", "routing"]
    assert contents(tmp_path / "maps" / NAME) == contents(island_data / "maps" / NAME)
    assert leftovers(tmp_path) == []


def test_what_was_done_for_another_extract_is_not_taken_for_this_one(
    island_extract: Path, hills: Path, tmp_path: Path
) -> None:
    def interrupt(stage: str, share: float) -> None:
        if stage == "routing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(island_extract, tmp_path / "data", progress=interrupt)
    build(hills, tmp_path / "data")
    build(hills, tmp_path / "fresh")
    assert contents(tmp_path / "data" / "maps" / NAME) == contents(tmp_path / "fresh" / "maps" / NAME)


def test_ctrl_c_ends_the_programs_and_keeps_what_is_done(island_extract: Path, tmp_path: Path) -> None:
    def interrupt(stage: str, share: float) -> None:
        if stage == "routing" and share > 0.11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(island_extract, tmp_path, progress=interrupt)
    assert not processes_about(tmp_path)
    assert leftovers(tmp_path) == [f".building-{NAME}"]
