"""What a model is asked, for each kind of help, and what may come back. Templates are versioned: their text is
recorded with each suggestion, and its hash names it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from annotator.questions.model import QuestionContent

Kind = Literal["question", "distractors", "explanation", "rewrite"]

TEMPLATE_VERSION = 1

_FRAME_TOKENS = 100
"""Room of an answer for names, braces and spaces."""

Line = Annotated[str, Field(min_length=1, max_length=500)]


class _Suggested(BaseModel):
    model_config = ConfigDict(extra="ignore")


class SuggestedQuestion(_Suggested):
    """A question with options, of which `answer` is the right one; open-ended without options."""

    question: Line
    options: list[Line] = Field(default_factory=list, max_length=6)
    answer: Line
    explanation: str = Field(default="", max_length=2000)


class SuggestedQuestions(_Suggested):
    """Questions about a context."""

    questions: list[SuggestedQuestion] = Field(min_length=1, max_length=5)


class SuggestedOptions(_Suggested):
    """Wrong options."""

    options: list[Line] = Field(min_length=1, max_length=10)


class SuggestedText(_Suggested):
    """An explanation, or a context in other words."""

    text: str = Field(min_length=1, max_length=20_000)


ANSWERS: Mapping[Kind, type[_Suggested]] = {
    "question": SuggestedQuestions,
    "distractors": SuggestedOptions,
    "explanation": SuggestedText,
    "rewrite": SuggestedText,
}


def answer_schema(kind: Kind, answer_tokens: int) -> dict[str, Any]:
    """JSON Schema of what may come back: nothing besides what is asked for, and texts so short that the answer ends
    before its room does, even where each token is one character.

    Args:
        answer_tokens: room for the answer.
    """
    schema = ANSWERS[kind].model_json_schema()
    num_texts = 1 if kind in ("explanation", "rewrite") else 10
    _narrow(schema, (answer_tokens - _FRAME_TOKENS) // num_texts)
    return schema


def _narrow(schema: Any, max_characters: int) -> None:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
        if isinstance(schema.get("maxLength"), int):
            schema["maxLength"] = min(schema["maxLength"], max_characters)
        for part in schema.values():
            _narrow(part, max_characters)
    elif isinstance(schema, list):
        for part in schema:
            _narrow(part, max_characters)


_SYSTEM = (
    "You help people who write questions about maps. Use only what the context says; never add a fact. "
    "Answer with JSON only, in exactly the shape that is asked for."
)

_TASKS: Mapping[Kind, str] = {
    "question": (
        "Write {n} question(s) that the context answers and that nobody can answer without it. Give four short options "
        "of the same kind, of which exactly one is right, repeat the right one as the answer, and explain it in one "
        'sentence. Shape: {{"questions": [{{"question": "…", "options": ["…"], "answer": "…", "explanation": "…"}}]}}'
    ),
    "distractors": (
        "Write {n} wrong options for the question below. They must be of the same kind as the right answer, plausible "
        "to somebody who did not read the context, clearly wrong to somebody who did, and differ from the options that "
        'are there. Shape: {{"options": ["…"]}}'
    ),
    "explanation": (
        "Explain in at most three sentences why the answer to the question below is right, naming the facts of the "
        'context that show it. Shape: {{"text": "…"}}'
    ),
    "rewrite": (
        "Rewrite the context as plain prose that a person would say. Keep every name, number, time and distance "
        'exactly as it is, and leave nothing out. Shape: {{"text": "…"}}'
    ),
}


def messages(kind: Kind, context: str, question: QuestionContent | None, n: int) -> list[dict[str, str]]:
    """The chat that asks for help.

    Args:
        context: as rendered text, already short enough.
        question: what the help is about; None where a new question is wanted or the context rewritten.
        n: how many questions or options.
    """
    parts = [_TASKS[kind].format(n=n), f"Context:\n{context}"]
    if question is not None:
        parts.append(_described(question))
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": "\n\n".join(parts)}]


def _described(question: QuestionContent) -> str:
    lines = [f"Question: {question.body}"]
    gold = set(question.gold_keys)
    lines += [f"Option {item.key}{' (right)' if item.key in gold else ''}: {item.text}" for item in question.options]
    if question.gold is not None:
        said = question.gold.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        lines.append(f"Right answer: {', '.join(_values(said))}")
    if question.type == "unanswerable":
        lines.append("Right answer: the context does not say")
    return "\n".join(lines)


def _values(said: Mapping[str, Any]) -> Sequence[str]:
    return [f"{name}: {value}" for name, value in said.items() if name != "kind"] or ["not given yet"]
