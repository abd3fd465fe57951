"""What the command refuses, in one line, before it loads anything that need not be."""

import subprocess
import sys
from typing import get_args

import pytest

from server.quality.filler import Haystack, sentences_of
from server.quality.items import COUNTED
from server.quality.scoring import Verdict
from tests.quality.made import TEXT, context, question, write_lines


@pytest.fixture
def files(tmp_path, questions_file, text_file):
    """Names that arguments may use in braces."""
    empty = tmp_path / "empty.txt"
    empty.write_text(" \n")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "prose.txt").write_text(TEXT)
    (tmp_path / "words.txt").write_text("no sentence")
    bare = {"kind": "number", "value": 1.0, "abs_tol": 0.0, "unit": ""}
    without = write_lines(tmp_path / "without.jsonl", [context(0, [question(0, bare)], contexts={"text": "Nothing."})])
    return {
        **{"questions": questions_file, "text": text_file, "without": without, "words": tmp_path / "words.txt"},
        **{"empty": empty, "again": tmp_path / "again" / "prose.txt", "missing": tmp_path / "missing"},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--tasks chess", "unknown task 'chess': choose --tasks among map, passkey"),
        ("--tasks ,", "--tasks is empty"),
        ("--tasks map", "needs --questions"),
        ("--tasks tools", "needs --questions"),
        ("--tasks perplexity", "needs --text"),
        ("--questions {missing}", "cannot read"),
        ("--questions {empty}", "is empty"),
        ("--questions {questions} --split train", "no question of the split train; it has test"),
        ("--questions {without} --forms json", "has no form 'json': choose --forms among text, closed"),
        ("--questions {questions} --forms text,text", "each named once"),
        ("--questions {without} --tasks tools", "no question has tools and calls"),
        ("--text {empty}", "is empty"),
        ("--text {missing}", "cannot read"),
        ("--text {text} --text {again}", "same name"),
        ("--haystack {words}", "holds no sentence"),
        ("--passkey-depths 0,110", "whole percents from 0 to 100"),
        ("--passkey-lengths many", "--passkey-lengths 'many'"),
        ("--variants full,full", "name each variant once"),
        ("--variants full,sparse", "unknown variant 'sparse'; known are full"),
        ("--text {text} --tasks perplexity --window 100000", "longer than the model's"),
        ("--text {text} --tasks perplexity --window 64 --stride 64", "must be below the window"),
        ("--base-url http://127.0.0.1:9 --tasks copy", "no server at http://127.0.0.1:9"),
        ("--base-url http://[ --tasks copy", "no server at"),
        ("/nowhere/at/all --tasks copy", "/nowhere/at/all"),
        ("show {missing}", "cannot read"),
        ("show {questions}", "cannot read"),
        ("compare {missing} {missing}", "cannot read"),
        ("compare {text}", "missing argument"),
    ],
)
def test_bad_input_gets_one_line_that_says_what_to_do(rhumb, files, arguments, message):
    run = rhumb(*(part.format(**files) for part in arguments.split()))
    assert run.exit_code == 2
    assert message.lower() in run.errors.lower()
    assert len(run.errors.strip().splitlines()) == 1
    assert run.output == ""


def test_help_tells_of_every_flag_and_of_the_other_commands(rhumb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    run = rhumb("--help")
    assert run.exit_code == 0
    for flag in ("--questions", "--passkey-lengths", "--base-url", "--kv-format", "eval compare", "eval show"):
        assert flag in run.output
    assert "--output-json" in rhumb("compare", "--help").output


def test_neither_the_command_nor_its_help_imports_what_draws_or_runs_models():
    code = (
        "import sys, server.quality.cli; "
        "print(*{'matplotlib', 'scipy', 'transformers', 'torch'} & {name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []


def test_a_haystack_of_a_file_goes_on_for_ever_from_a_place_that_the_seed_decides():
    sentences = sentences_of(TEXT)
    assert len(sentences) == 8
    haystack = Haystack([TEXT])
    drawn = [next(stream) for stream in [haystack.stream("a")] for _ in range(20)]
    assert drawn == (sentences * 5)[sentences.index(drawn[0]) :][:20]
    assert len({next(haystack.stream(f"seed {i}")) for i in range(50)}) > 4
    assert not any(character.isdigit() for text in _first(500) for character in text)


def _first(count: int) -> list[str]:
    stream = Haystack([]).stream("any")
    return [next(stream) for _ in range(count)]


def test_verdicts_are_outcomes():
    assert set(get_args(Verdict)) == COUNTED
