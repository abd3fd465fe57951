"""A question as the writers here make it: what a scene's users see, and what only the form needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from annotator.demo.questions.scene import Written

Shape = Literal["yes_no", "single_choice", "multiple_choice", "open", "list"]
"""How an answer is given. Questions that the context does not answer have every shape, too."""


@dataclass(frozen=True, slots=True)
class Question(Written):
    """A question before its options have letters.

    Args:
        shape: how it is answered.
        kind: which writer made it; balance is kept within a kind.
        parts: what the context says of each option, told in the options' order once that is known.
        calls: in tool mode, the calls that answer it, in the file's form.
    """

    shape: Shape = "open"
    kind: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    calls: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What all questions of a writer have in common."""

    kind: str
    category: str
    skill: str


@dataclass(frozen=True, slots=True)
class Told:
    """A value that the context tells of something.

    Args:
        subject: what it is told of, as the context names it.
        words: the value as the context writes it.
        said: subject and value in a reply's words.
        number: the value for comparing, in metres or seconds; 0 for texts.
        item, pointer: where the value stands in the context's results.
        quote: a piece of the text that ends with the value.
        pid: the place's id, if it is one.
    """

    subject: str
    words: str
    said: str
    number: float
    item: int
    pointer: str
    quote: str
    pid: str = ""


def evidence_of(*told: Told) -> tuple[tuple[int, str], ...]:
    """Where the values stand."""
    return tuple((value.item, value.pointer) for value in told)


def said_of(told: Sequence[Told]) -> str:
    """The values as a reply's first line."""
    return "; ".join(value.said for value in told)
