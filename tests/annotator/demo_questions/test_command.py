"""`mapqator demo` as a user types it: the same bytes whoever makes them, whole files or none, one line a mistake."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from annotator.cli import main
from annotator.demo.questions import write
from annotator.demo.questions.lines import SCHEMA
from annotator.demo.questions.record import Line, Recipe
from annotator.demo.questions.splits import split_of, town_seed
from annotator.errors import MapqatorError
from annotator.maps.params import PARAMS
from tests.annotator.program import program_env

ROOT = Path(__file__).resolve().parents[3]
JOB = write.Job("train", 2, 3, 2, Recipe("small", (200, 500), 6, has_tools=True))
OPTIONS = ("--towns", "2", "--first", "3", "--contexts-per-town", "2", "--questions-per-context", "6")
OPTIONS += ("--tokens", "200-500", "--tools")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mapqator(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command's own entry point, in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mapqator", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file made by one process."""
    target = tmp_path_factory.mktemp("questions") / "made.jsonl"
    told: list[int] = []
    summary = write.write_file(JOB, target, processes=1, told=told.append)
    assert told == [1, 2]
    assert (summary.contexts + summary.left_out, summary.num_bytes) == (4, target.stat().st_size)
    return target


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_file_is_as_documented(made: Path) -> None:
    lines = _lines(made)
    assert [line["id"] for line in lines] == [
        f"small-{town_seed('train', town)}-{number:02d}" for town in (3, 4) for number in range(2)
    ]
    for line in lines:
        assert line["schema"] == SCHEMA
        assert line["split"] == split_of(line["town"]["seed"]) == "train"
        assert set(line["contexts"]) == set(line["num_tokens"]) == {"text", "json"}
        assert 200 <= line["num_tokens"]["text"] <= 500
        assert [tool["name"] for tool in line["tools"]] == list(PARAMS)
        assert 4 <= len(line["questions"]) <= 8
        assert [question["id"] for question in line["questions"]] == [
            f"{line['id']}-q{number:02d}" for number in range(len(line["questions"]))
        ]
        assert any(question["calls"] for question in line["questions"])


def test_several_processes_make_the_same_bytes(made: Path, tmp_path: Path, mapqator: Run) -> None:
    target = tmp_path / "again.jsonl.zst"
    code, out, _ = mapqator("demo", "questions", "--output", str(target), *OPTIONS, "--jobs", "2")
    assert (code, [path.name for path in tmp_path.iterdir()]) == (0, [target.name])
    assert f"{target.stat().st_size} bytes" in out.replace("\n", " ")
    with target.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        assert reader.read() == made.read_bytes()


def test_check_counts_and_tells_of_a_line_that_was_changed(
    made: Path, tmp_path: Path, mapqator: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That towns come out the same again is tested above, and takes long.
    texts = {json.loads(text)["id"]: text for text in made.read_bytes().splitlines(keepends=True)}

    def again(seed: int, recipe: Recipe, numbers: list[int]) -> list[Line]:
        return [Line(texts[f"{recipe.size}-{seed}-{number:02d}"], 6) for number in numbers]

    monkeypatch.setattr("annotator.demo.questions.check.town_lines", again)
    spoiled = tmp_path / "spoiled.jsonl"
    spoiled.write_text(made.read_text().replace('"position":0.', '"position":1.', 1))
    code, out, _ = mapqator("demo", "check", str(spoiled), "--remake", "2")
    assert code == 1
    lines = _lines(made)
    assert "4 contexts of 2 towns (train 4)" in out
    assert f"{lines[0]['id']} was made again and is DIFFERENT" in out
    assert "1 of 2 contexts made again are the same bytes" in out
    words = out.replace("\n", " ")
    questions = [question for line in lines for question in line["questions"]]
    for name in ("type", "category", "skill", "wording"):
        for value in {question[name] for question in questions}:
            assert f"{value} {sum(question[name] == value for question in questions)}" in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output", "a.json"), "'a.json' must end in .jsonl or .jsonl.zst"),
        (("--output", "a.jsonl", "--tokens", "many"), "--tokens takes MIN-MAX such as 200-2000"),
        (("--output", "a.jsonl", "--tokens", "500-501"), "--tokens takes MIN-MAX such as 200-2000"),
        (("--output", "a.jsonl", "--tokens", "10-100"), "--tokens takes MIN-MAX such as 200-2000"),
        (("--output", "missing/a.jsonl"), "cannot write missing/a.jsonl: No such file or directory"),
        (("--output", "a.jsonl", "--split", "mine"), "'mine' is not one of 'train', 'validation', 'test'"),
        (("--output", "a.jsonl", "--towns", "0"), "Invalid value for '--towns'"),
        ((), "Missing option '--output'"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], message: str, tmp_path: Path, mapqator: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = mapqator("demo", "questions", *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", None, "cannot read"),
        ("a.jsonl", b"", "holds no line of mapqator.map_questions/1"),
        ("a.jsonl", b"\xff\n", "line 1 of a.jsonl is no line of mapqator.map_questions/1"),
        ("a.jsonl", b'{"schema": "mapqator.map_questions/9"}\n', "line 1 of a.jsonl is of 'mapqator.map_questions/9'"),
        ("a.jsonl", b'{"schema": "mapqator.map_questions/1"}\n', "line 1 of a.jsonl is no line of"),
        ("a.jsonl", b"[]\n", "line 1 of a.jsonl is no line of"),
        ("a.jsonl.zst", b"{}\n", "a.jsonl.zst is no whole zstandard file"),
    ],
)
def test_check_says_what_is_no_file_of_questions(
    name: str, content: bytes | None, message: str, tmp_path: Path, mapqator: Run
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    code, _, err = mapqator("demo", "check", str(path))
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_a_floor_of_too_little_is_refused(made: Path, mapqator: Run) -> None:
    code, _, err = mapqator("demo", "floor", str(made), str(made))
    assert (code, err) == (2, "mapqator: a floor needs at least 100 questions in each file\n")


@pytest.mark.parametrize("failure", [MapqatorError("no more towns"), KeyboardInterrupt()])
def test_a_failure_half_way_leaves_the_older_file_alone(
    failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "town_lines", lambda *_: [Line(b"{}\n", 0)])
    target = tmp_path / "a.jsonl"
    target.write_text("older\n")

    def fail(_: int) -> None:
        assert target.with_name("a.jsonl.part").exists()
        raise failure

    with pytest.raises(type(failure)):
        write.write_file(JOB, target, processes=1, told=fail)
    assert target.read_text() == "older\n"
    assert list(tmp_path.iterdir()) == [target]


KILLED = """
import os, signal
from pathlib import Path
from annotator.demo.questions import write
from annotator.demo.questions.record import Line, Recipe
write.town_lines = lambda *_: [Line(b"{}", 0)]
job = write.Job("train", 2, 0, 1, Recipe("small", (200, 300), 4, has_tools=False))
write.write_file(job, Path("a.jsonl"), processes=1, told=lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_killed_half_way_there_is_no_file(tmp_path: Path) -> None:
    env = program_env(tmp_path, {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)})
    ended = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=env, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / "a.jsonl.part").exists()
    assert not (tmp_path / "a.jsonl").exists()


def test_ctrl_c_is_told_in_a_line(tmp_path: Path, mapqator: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("annotator.demo.questions.write.write_file", stop)
    code, _, err = mapqator("demo", "questions", "--output", str(tmp_path / "a.jsonl"))
    assert (code, err) == (130, f"stopped; nothing was written to {tmp_path / 'a.jsonl'}\n")


def test_a_town_of_a_seed_is_written(tmp_path: Path, mapqator: Run) -> None:
    target = tmp_path / "one.osm.pbf"
    code, out, _ = mapqator("demo", "town", "--seed", "5", "--size", "small", "--out", str(target))
    assert (code, out.startswith(f"{target}: ")) == (0, True)
    assert target.stat().st_size > 100_000
    code, _, err = mapqator("demo", "town", "--size", "small")
    assert (code, err) == (2, "mapqator: give either --out FILE.osm.pbf for one town, or --out-dir DIR\n")
