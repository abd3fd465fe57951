"""Pictures of comparisons."""

import re

import pytest

from annotator.errors import ConfigError
from annotator.evaluate.baselines import MemberRun, Reference
from annotator.evaluate.compare import compare
from annotator.evaluate.picture import draw
from tests.annotator.evaluate.scoring.made import facts, item, result

ITEMS = [item(n, context=f"c{n}") for n in range(1, 9)]


@pytest.fixture
def comparison():
    """Three runs, of which one knows no tokens and one has a name that could be a formula."""
    runs = []
    for name, verdicts, speed in (
        ("full", "rrrrrrrw", 80),
        ("full:duo", "rrrrwwww", None),
        ("full:$x$_1^", "w" * 8, 120),
    ):
        timing = {"latency_ms": 1000.0} | (
            {} if speed is None else {"completion_tokens": speed, "kv_bytes": 25_000 * speed}
        )
        results = [
            result(one, "right" if v == "r" else "wrong", **timing) for one, v in zip(ITEMS, verdicts, strict=True)
        ]
        runs.append(MemberRun(facts(name, model=name), results))
    return compare(runs)


def test_a_picture_says_who_was_how_often_right_and_is_the_same_twice(comparison, tmp_path) -> None:
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    draw(comparison, first)
    draw(comparison, second)
    text = first.read_text()
    assert text == second.read_text()
    assert re.findall(r"[\d.]+ MB KV", text) == ["2 MB KV", "3 MB KV"]
    for words in ("full:duo", "full:$x$_1^", "87.5 %", "50.0 %", "8 questions", "tokens a second"):
        assert words in text


def test_a_picture_shows_what_a_number_must_be_seen_beside(comparison, tmp_path) -> None:
    known = [
        Reference(name="chance", share=0.25, num=8, detail=""),
        Reference(name="human", share=None, num=0, detail=""),
    ]
    draw(comparison.model_copy(update={"references": tuple(known)}), tmp_path / "out.svg")
    text = (tmp_path / "out.svg").read_text()
    assert "chance 25.0 %" in text
    assert "people" not in text


@pytest.mark.parametrize(("name", "words"), [("out.pdf", "ends in .svg or .png"), ("absent/out.svg", "cannot write")])
def test_what_cannot_be_drawn_is_told_in_one_line(comparison, tmp_path, name, words) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        draw(comparison, tmp_path / name)
    assert "\n" not in caught.value.message
