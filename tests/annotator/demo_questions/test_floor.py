"""The closed-book floor: it finds what gives answers away, and stays at chance where nothing does."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from annotator.demo.questions.floor import Asked, floor, read_questions, wilson
from annotator.demo.questions.writers.instructions import INSTRUCTIONS
from annotator.errors import InputError

NAMES = (
    "Early Bird",
    "Kaffa",
    "The Soft Egg",
    "Harbour Coffee",
    "Little Lotus",
    "The Mill Wheel",
    "Anchor Inn",
    "Odeon",
)


def _file(path: Path, seed: int, right: Callable[[random.Random, list[str]], str], num: int = 400) -> Path:
    """Choices among four names, yes or no, and open questions; `right` says which name is."""
    chosen = random.Random(seed)
    questions = []
    for number in range(num):
        options = chosen.sample(NAMES, 4)
        keys = ["ABCD"[options.index(right(chosen, options))]]
        lines = [f"{letter}. {text}" for letter, text in zip("ABCD", options, strict=True)]
        ask = ["Question: Which of these is nearest?", *lines, INSTRUCTIONS["single_choice"]]
        kind = "unanswerable" if number % 8 == 0 else "single_choice"
        answer: dict[str, object] = {"kind": "unanswerable"} if number % 8 == 0 else {"kind": "options", "keys": keys}
        questions.append(_question(kind, "\n".join(ask), answer, keys[0]))
        metres = chosen.choice((100, 200, 300, 400))
        ask = [f"Question: How far away is {options[0]}?", INSTRUCTIONS["open"]]
        answer = {"kind": "number", "value": metres, "abs_tol": 1.0, "unit": "m"}
        questions.append(_question("open_ended", "\n".join(ask), answer, f"{metres} m"))
    line = {"schema": "mapqator.map_questions/1", "questions": questions}
    text = json.dumps(line).encode() + b"\n"
    path.write_bytes(zstandard.compress(text) if path.suffix == ".zst" else text)
    return path


def _question(type: str, ask: str, answer: dict[str, object], words: str) -> dict[str, object]:
    reply = f"Answer: {words}"
    return {"type": type, "skill": "nearby", "ask": ask, "answer": answer, "reply": reply, "calls": None}


def test_nothing_is_guessed_where_the_right_option_is_drawn(tmp_path: Path) -> None:
    files = [
        _file(tmp_path / f"{seed}.jsonl.zst", seed, lambda chosen, options: chosen.choice(options)) for seed in (1, 2)
    ]
    report = floor(*files)
    assert (report.num_train, report.num_test) == (800, 800)
    rows = {row.name: row for row in report.rows}
    assert rows["single_choice"].chance == 0.25
    assert not rows["single_choice"].is_leak
    suspected = rows["unanswerable, where suspected"]
    assert (suspected.chance, suspected.guessed < 0.3) == (1 / 16, True)
    assert rows["open_ended"].low <= 0.25 <= rows["open_ended"].high
    assert any("single_choice" in line and "above chance" not in line for line in report.table())


@pytest.mark.parametrize(
    "right",
    [
        lambda _, options: max(options, key=len),
        lambda _, options: options[2],
        lambda _, options: min(options),
    ],
    ids=["the longest", "the third", "those with certain names"],
)
def test_what_gives_the_answer_away_is_found(tmp_path: Path, right: Callable[[random.Random, list[str]], str]) -> None:
    report = floor(*(_file(tmp_path / f"{seed}.jsonl", seed, right) for seed in (1, 2)))
    row = next(row for row in report.rows if row.name == "single_choice")
    assert row.guessed > 0.5
    assert row.is_leak
    assert any("single_choice" in line and line.endswith("above chance") for line in report.table())


def test_a_questions_last_line_and_its_letters_are_not_part_of_it(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", 1, lambda _, options: options[0], num=2)
    found = list(read_questions(path))[2]
    assert isinstance(found, Asked)
    assert found.question == "Question: Which of these is nearest?"
    assert len(found.options) == 4
    assert set(found.options) <= set(NAMES)
    assert found.keys == {0}


def test_intervals_are_wilsons() -> None:
    low, high = wilson(5, 10)
    # Newcombe (1998) gives 0.2366 to 0.7634.
    assert (round(low, 4), round(high, 4)) == (0.2366, 0.7634)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_file_that_holds_no_questions_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"schema": "other/1"}\n')
    with pytest.raises(InputError, match="is not of"):
        floor(wrong, wrong)
    few = _file(tmp_path / "few.jsonl", 1, lambda _, options: options[0], num=3)
    with pytest.raises(InputError, match="at least 100"):
        floor(few, few)
    with pytest.raises(InputError, match="cannot read"):
        floor(tmp_path / "none.jsonl", few)
