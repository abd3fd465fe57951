"""Pictures of comparisons."""

import pytest

from annotator.evaluate.baselines import MemberRun
from annotator.evaluate.compare import compare
from annotator.evaluate.picture import main
from tests.annotator.evaluate.scoring.made import facts, item, result

ITEMS = [item(n, context=f"c{n}") for n in range(1, 9)]


@pytest.fixture
def comparison(tmp_path):
    """The file that `mapqator evaluate compare --json` would print."""
    runs = []
    for name, verdicts, speed in (
        ("full", "rrrrrrrw", 80),
        ("full:duo", "rrrrwwww", None),
        ("full:$x$_1^", "w" * 8, 120),
    ):
        timing = {"latency_ms": 1000.0} | ({} if speed is None else {"completion_tokens": speed})
        results = [
            result(one, "right" if v == "r" else "wrong", **timing) for one, v in zip(ITEMS, verdicts, strict=True)
        ]
        runs.append(MemberRun(facts(name, model=name), results))
    path = tmp_path / "comparison.json"
    path.write_text(compare(runs).model_dump_json())
    return path


def test_a_picture_says_who_was_how_often_right_and_is_the_same_twice(comparison, tmp_path) -> None:
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    assert main([str(comparison), str(first)]) == main([str(comparison), str(second)]) == 0
    text = first.read_text()
    assert text == second.read_text()
    for words in ("full:duo", "full:$x$_1^", "87.5 %", "50.0 %", "8 questions", "tokens a second"):
        assert words in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["comparison.json", "out.pdf"], "ends in .svg or .png"),
        (["absent.json", "out.svg"], "cannot read"),
        (["other.json", "out.svg"], "is no output of"),
        (["comparison.json", "absent/out.svg"], "cannot write"),
        (["comparison.json"], "usage"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(comparison, tmp_path, capsys, monkeypatch, arguments, words) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text("{}")
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
