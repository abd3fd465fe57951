"""The command as a user types it, a small file of map questions, and a text."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.cli import main
from tests.quality.made import TEXT, TOOL, context, question, write_lines


@pytest.fixture
def questions_file(tmp_path: Path) -> Path:
    """Two contexts with five questions; the second one's can be answered with a tool."""
    far = {"kind": "number", "value": 109.0, "abs_tol": 1.0, "unit": "m"}
    calls = [{"name": "nearby_search", "arguments": {"near": "Town Hall"}, "content": '{"places":[]}'}]
    first = context(0, [question(0, far), question(1, {"kind": "options", "keys": ["A"]}), question(2, far)])
    second = context(1, [question(10, far, calls=calls), question(11, {"kind": "unanswerable"})], tools=[TOOL])
    return write_lines(tmp_path / "questions.jsonl", [first, second])


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "prose.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@dataclass
class Ended:
    """What one command printed and how it ended."""

    exit_code: int
    output: str
    errors: str


Rhumb = Callable[..., Ended]


@pytest.fixture
def rhumb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rhumb:
    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["rhumb", "eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Ended(int(end.value.code or 0), printed.out, printed.err)

    return run
