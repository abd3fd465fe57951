"""The command as a user types it, a small file of map questions, and a text."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.cli import main

CONTEXT = (
    "Cafés within 500 m of the Town Hall, nearest first:\n"
    "1. Kaffa & Fils; 36 m away; phone: +1 506 555 0629\n"
    "2. Early Bird; 109 m away\n"
)
TEXT = (
    "The ferry leaves the harbour at noon, and nobody on the quay waves. A baker carries bread over the bridge. "
    "Behind the mill lies a meadow where the geese are kept in summer. The clock of the chapel has stopped again. "
    "Every other week the librarian visits the lighthouse. Some say that the tailor paints the old wall himself. "
    "Nobody remembers who planted the orchard. In the evening the market is empty but for a single lantern."
)
TOOL = {
    "name": "nearby_search",
    "description": "Places near a place.",
    "parameters": {
        "type": "object",
        "properties": {
            "near": {"type": "string"},
            "kind": {"type": "string"},
            "limit": {"type": "integer", "default": 5},
        },
        "required": ["near"],
    },
}


def question(number: int, answer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A question as a file has it."""
    return {
        "id": f"small-7-0{number // 10}-q{number % 10}",
        "type": "open_ended",
        "category": "nearby",
        "skill": "nearby" if number % 2 else "place_fact",
        "wording": "verbatim",
        "ask": f"Question {number}: how far is Early Bird from the Town Hall?",
        "reply": "Answer: 109 m",
        "answer": answer,
        "evidence": [],
        "position": 0.5,
        "calls": None,
    } | fields


def context(number: int, questions: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A line of a file of map questions."""
    return {
        "schema": "mapqator.map_questions/1",
        "id": f"small-7-0{number}",
        "split": "test",
        "town": {"seed": 7, "size": "small", "name": "Curlew Haven", "country_code": "GB"},
        "contexts": {"text": CONTEXT, "json": json.dumps({"text": CONTEXT})},
        "num_tokens": {"text": 60, "json": 80},
        "questions": questions,
    } | fields


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


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
