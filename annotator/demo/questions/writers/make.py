"""Puts questions together, one function for each way of answering."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from annotator.demo.questions.writers.phrases import filled, gives_away, worded
from annotator.demo.questions.writers.question import About, Question, Shape, Told, evidence_of, said_of
from annotator.demo.stream import Stream


def yes_no_body(stream: Stream, subject: str, predicate: str, how: str) -> str:
    """A question to which the answer is yes or no."""
    phrases = (
        "Is {x} {p}?",
        "Is it right that {x} is {p}?",
        "Somebody says that {x} is {p}. Is that so?",
        "Would it be true to say that {x} is {p}?",
        "Does it hold that {x} is {p}?",
    )
    return filled(worded(stream, phrases, how), x=subject, p=predicate)


def yes_no(about: About, how: str, body: str, is_so: bool, told: Sequence[Told]) -> Question:
    """A question with yes or no for an answer."""
    right, wrong = ("Yes", "No") if is_so else ("No", "Yes")
    return _question(about, "yes_no", "yes_no", how, body, (right,), (wrong,), told)


def choice(
    about: About,
    how: str,
    body: str,
    right: Sequence[str],
    wrong: Sequence[str],
    told: Sequence[Told],
    said: str | None = None,
    parts: Sequence[Told] = (),
    shape: Shape = "single_choice",
) -> Question | None:
    """A question with options; None where two options are equal, or the question's words point to some of them.

    Args:
        parts: what is told of options, by their texts; the reply tells it in the options' order.
    """
    options = (*right, *wrong)
    if len({option.casefold() for option in options}) < len(options):
        return None
    if len(options) > 2 and gives_away(body, options):
        return None
    made = _question(about, shape, shape, how, body, tuple(right), tuple(wrong), told)
    return replace(
        made, said=made.said if said is None else said, parts=tuple((part.subject, part.said) for part in parts)
    )


def open_ended(
    about: About, how: str, body: str, right: str, answer: Mapping[str, Any], told: Sequence[Told]
) -> Question | None:
    """A question without options; None where the answer stands in the question."""
    if right.casefold() in body.casefold() and len(right) > 3:
        return None
    return replace(_question(about, "open_ended", "open", how, body, (right,), (), told), answer=answer)


def listed(
    about: About, how: str, body: str, right: Sequence[str], told: Sequence[Told], *, is_ordered: bool = False
) -> Question | None:
    """A question for several names; None where a name holds what parts them."""
    if any(";" in name for name in right):
        return None
    answer = {"kind": "list", "items": list(right), "is_ordered": is_ordered}
    return replace(_question(about, "open_ended", "list", how, body, tuple(right), (), told), answer=answer)


def unanswerable(question: Question) -> Question:
    """A question of the same words about something that the context does not tell."""
    return replace(
        question,
        type="unanswerable",
        skill="unanswerable",
        right=(),
        wrong=(*question.right, *question.wrong) if question.shape.endswith("choice") else (),
        said="",
        answer=None,
        evidence=(),
        quote="",
        parts=(),
    )


def text_of(*accepted: str) -> Mapping[str, Any]:
    """A text as an open answer."""
    return {"kind": "text", "accepted": list(accepted)}


def _question(
    about: About,
    type: str,
    shape: Shape,
    how: str,
    body: str,
    right: tuple[str, ...],
    wrong: tuple[str, ...],
    told: Sequence[Told],
) -> Question:
    return Question(
        type=type,
        category=about.category,
        skill=about.skill,
        wording=how,
        body=body,
        right=right,
        wrong=wrong,
        said=said_of(told),
        answer=None,
        evidence=evidence_of(*told),
        quote=told[0].quote,
        shape=shape,
        kind=about.kind,
    )
