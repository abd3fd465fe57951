"""A text, a context, and lines of a file of map questions, small enough to see through."""

import json
from pathlib import Path
from typing import Any

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
        "forms": ["text", "json"],
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
