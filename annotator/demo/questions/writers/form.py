"""A written question in the file's form: options in random order with letters, the reply, where its proof stands."""

from collections.abc import Mapping
from typing import Any

from annotator.demo.questions.scene import Scene, Written
from annotator.demo.questions.writers.instructions import INSTRUCTIONS, TOOL_INSTRUCTIONS, UNANSWERABLE
from annotator.demo.questions.writers.question import Question, Shape
from annotator.demo.stream import Stream
from annotator.pointers import look_up

LETTERS = "ABCDEFGH"
YES, NO = "Yes", "No"


def formed(written: Written, stream: Stream, id: str, scene: Scene) -> dict[str, Any]:
    """The question as the file holds it.

    Args:
        written: from `write_questions`.
        stream: decides the order of options.
        id: the question's.
        scene: that it was written for.
    """
    shape = shape_of(written)
    options = _options(written, shape, stream)
    calls = list(written.calls) if isinstance(written, Question) and written.calls else None
    instruction = (TOOL_INSTRUCTIONS if calls else INSTRUCTIONS)[shape]
    results = {asked.index: asked.result for asked in scene.asked}
    lettered = [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
    return {
        "id": id,
        "type": written.type,
        "category": written.category,
        "skill": written.skill,
        "wording": written.wording,
        "ask": "\n".join([f"Question: {written.body}", *lettered, instruction]),
        "reply": _reply(written, options),
        "answer": _answer(written, options),
        "evidence": [
            {"item": item, "pointer": pointer, "value": look_up(results[item], pointer)}
            for item, pointer in written.evidence
        ],
        "position": _position(written, scene),
        "calls": calls,
    }


def shape_of(written: Written) -> Shape:
    """How the question is answered."""
    if isinstance(written, Question):
        return written.shape
    match written.type:
        case "yes_no" | "single_choice" | "multiple_choice":
            return written.type
        case _ if written.answer is not None and written.answer["kind"] == "list":
            return "list"
        case _:
            return "open"


def _options(written: Written, shape: Shape, stream: Stream) -> list[str]:
    if shape == "yes_no":
        return [YES, NO]
    if shape in ("open", "list"):
        return []
    # Sorted first, so that the order in which a writer named them can say nothing.
    return stream.shuffled(sorted((*written.right, *written.wrong)))


def _letters(written: Written, options: list[str]) -> list[str]:
    return [letter for letter, text in zip(LETTERS, options, strict=False) if text in written.right]


def _reply(written: Written, options: list[str]) -> str:
    if written.type == UNANSWERABLE:
        return f"Answer: {UNANSWERABLE}"
    said = written.said
    if isinstance(written, Question) and written.parts:
        told = dict(written.parts)
        said = "; ".join(told[option] for option in options if option in told)
    answer = ", ".join(_letters(written, options)) if options else "; ".join(written.right)
    return f"{said}\nAnswer: {answer}" if said else f"Answer: {answer}"


def _answer(written: Written, options: list[str]) -> Mapping[str, Any]:
    if written.type == UNANSWERABLE:
        return {"kind": UNANSWERABLE}
    if options:
        return {"kind": "options", "keys": _letters(written, options)}
    if written.answer is None:
        raise ValueError("an open question needs an answer")
    return written.answer


def _position(written: Written, scene: Scene) -> float | None:
    start = scene.text.find(written.quote) if written.quote else -1
    # A quote ends with the value that decides.
    return None if start < 0 else round((start + len(written.quote)) / len(scene.text), 4)
