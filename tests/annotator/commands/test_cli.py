"""The `mapqator` command as a user types it: tables, JSON, and one line for every mistake."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from annotator.cli import main
from annotator.maps.params import PARAMS, ToolName
from annotator.paths import TOWN
from tests.annotator.program import program_env, run_mapqator

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mapqator(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run_mapqator` in this process: the command's own entry point, without a second of start-up for each of them."""

    def run(data_dir: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            for name in os.environ:
                if name.startswith("MAPQATOR_"):
                    patch.delenv(name)
            for name, value in {"MAPQATOR_DATA_DIR": str(data_dir), "COLUMNS": "160", **env}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["mapqator", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(arguments, ended.value.code, printed.out, printed.err)

    return run


def test_a_tool_prints_a_table_with_its_source_below_and_json_on_request(data_dir: Path, mapqator: Run) -> None:
    shown = run_mapqator(data_dir, "tool", "text_search", "--query", "pharmacy", "--limit", "3")
    assert shown.returncode == 0, shown.stderr
    assert "pharmacy" in shown.stdout
    assert "miss: town, fetched" in shown.stdout
    assert "Fictional town" in shown.stdout
    as_json = mapqator(data_dir, "tool", "text_search", "--query", "pharmacy", "--limit", "3", "--json")
    answer = json.loads(as_json.stdout)
    assert answer["outcome"] == "hit"
    assert len(answer["result"]["places"]) == 3
    assert all(place["pid"] in shown.stdout for place in answer["result"]["places"])


@pytest.mark.parametrize("tool", PARAMS)
def test_every_tool_has_a_command_whose_help_names_its_parameters(
    tool: ToolName, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mapqator", "tool", tool, "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in shown for name in PARAMS[tool].model_fields)


def test_stops_are_coordinates_or_place_ids(data_dir: Path, mapqator: Run) -> None:
    found = mapqator(data_dir, "tool", "text_search", "--query", "museum", "--json")
    place = json.loads(found.stdout)["result"]["places"][0]
    center = mapqator(data_dir, "map", "list", "--json")
    lat, lon = json.loads(center.stdout)[0]["center"]
    route = mapqator(
        data_dir, "tool", "compute_routes", "--origin", f"{lat},{lon}", "--destination", place["pid"], "--mode", "walk"
    )
    assert route.returncode == 0, route.stderr
    assert " min " in route.stdout
    matrix = mapqator(
        data_dir, "tool", "travel_matrix", "--origins", f"{lat},{lon}", "--destinations", place["pid"], "--json"
    )
    assert json.loads(matrix.stdout)["result"]["cells"][0][0]["duration_s"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tool", "nearby_search", "--lat", "91", "--lon", "7"], "lat: must be from -90 to 90"),
        (["tool", "nearby_search", "--lat", "nan", "--lon", "7"], "lat: must be a finite number"),
        (["tool", "nearby_search"], "lat: is missing"),
        (["tool", "nearby_search", "--lat", "x", "--lon", "7"], "--lat"),
        (["tool", "compute_routes", "--origin", "1;2", "--destination", "3,4"], "origin.place_id"),
        (["tool", "place_details", "--place-id", "google:abc"], "google"),
        (["tool", "text_search", "--query", "x", "--provider", "nowhere"], "mapqator providers"),
        (["tool", "text_search", "--query", "x", "--provider", "google"], "GOOGLE_MAPS_API_KEY"),
        (["tool", "text_search", "--query", "x", "--recordings", "replay"], "nothing is recorded"),
        (["tool", "fly"], "fly"),
        (["map", "build", "/nowhere/x.osm.pbf"], "/nowhere/x.osm.pbf"),
        (["map", "build", "ftp://example.org/x.osm.pbf"], "http"),
        (["map", "remove", "atlantis"], "atlantis"),
        (["map", "remove", "../../etc"], "there is no map"),
        (["demo", "town", "--out", "town.txt"], "--out takes one file that ends in .osm.pbf"),
        (["providers", "check", "nowhere"], "nowhere"),
        (["providers", "check", "here"], "HERE_API_KEY"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--host", "no.such.host.invalid"], "is not an address of this machine"),
        (["serve", "--enable", "gogle"], "gogle"),
        (["serve", "--url", "valhalla"], "valhalla=http"),
        (["serve", "--database-url", "mysql://x"], "sqlite:///"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do_and_status_two(
    town_data: Path, arguments: list[str], words: str, mapqator: Run, tmp_path: Path
) -> None:
    failed = mapqator(town_data, *arguments, MAPQATOR_DATABASE_URL=f"sqlite:///{tmp_path}/mapqator.sqlite")
    assert failed.returncode == 2
    assert failed.stdout == ""
    (line,) = failed.stderr.splitlines()
    assert line.startswith("mapqator: ")
    assert words in line


def test_a_mistake_in_a_process_of_its_own_has_the_same_status(tmp_path: Path) -> None:
    failed = run_mapqator(tmp_path, "tool", "nearby_search")
    assert failed.returncode == 2
    assert failed.stderr == "mapqator: lat: is missing; lon: is missing\n"


def test_a_port_that_is_taken_is_told_before_anything_else(data_dir: Path, mapqator: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        failed = mapqator(data_dir, "serve", "--port", str(taken.getsockname()[1]))
    assert failed.returncode == 2
    assert "choose another with --port" in failed.stderr


def test_a_bad_variable_is_named_with_its_flag(data_dir: Path, mapqator: Run) -> None:
    failed = mapqator(data_dir, "map", "list", MAPQATOR_REQUEST_TIMEOUT_S="soon")
    assert failed.returncode == 2
    assert "MAPQATOR_REQUEST_TIMEOUT_S" in failed.stderr


def test_a_town_is_written_built_listed_asked_and_removed(tmp_path: Path, mapqator: Run) -> None:
    out = tmp_path / "seven.osm.pbf"
    assert mapqator(tmp_path, "demo", "town", "--seed", "7", "--out", str(out)).returncode == 0
    built = mapqator(tmp_path, "map", "build", str(out))
    assert built.returncode == 0, built.stderr
    assert "seven: " in built.stdout
    assert "seven" in mapqator(tmp_path, "map", "list").stdout
    assert mapqator(tmp_path, "tool", "text_search", "--query", "cafe").returncode == 0
    assert mapqator(tmp_path, "map", "remove", "seven").returncode == 0
    assert "no map yet" in mapqator(tmp_path, "map", "list").stdout


SLOW_BUILD = """
import signal, sys, time
from annotator.cli import main
from annotator.maps.embedded import build

def index(*arguments, **options):
    print("indexing", flush=True)
    time.sleep(60)

build.build_index = index
# Programs that a shell starts in the background are born deaf to interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""The command with a stage that lasts until somebody interrupts it; the town's own are over in a moment."""


def test_a_build_that_is_interrupted_says_so_with_its_status_and_goes_on_next_time(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, "map", "build", str(TOWN), "--name", "again"],
        env=program_env(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "indexing" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "stopped; the same command goes on where it was\n"
    assert run_mapqator(tmp_path, "map", "build", str(TOWN), "--name", "again").returncode == 0


def test_types_and_providers_are_listed_without_any_map(tmp_path: Path, mapqator: Run) -> None:
    assert "pharmacy" in mapqator(tmp_path, "types").stdout
    listed = mapqator(tmp_path, "providers")
    assert "nominatim" in listed.stdout
    assert "MAPQATOR_ENABLE=" in listed.stdout
    statuses = json.loads(mapqator(tmp_path, "providers", "--json").stdout)
    assert all(status["missing"] for status in statuses)
