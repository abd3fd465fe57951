"""A question as whoever answers it blind sees it: nothing that says or hints what gold is."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from annotator.questions.answers import NumberAnswer
from annotator.questions.model import OptionKey
from annotator.questions.store import Question

Input = Literal[
    "one", "many", "text", "number", "duration", "distance", "time", "place", "point", "ordered_list", "set"
]


class BlindOption(BaseModel):
    """A choice."""

    model_config = ConfigDict(frozen=True)

    key: OptionKey
    text: str


class BlindQuestion(BaseModel):
    """What is asked, and how it is answered.

    Args:
        input: one option, many, or the kind of open answer. An unanswerable question looks like one of its shape.
        unit: of a number.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    number: int
    context_id: str
    n: int
    body: str
    options: tuple[BlindOption, ...]
    input: Input
    unit: str = ""


def blind(found: Question) -> BlindQuestion:
    """What may be seen of a question."""
    content = found.content
    gold = content.gold if content.type == "open_ended" else None
    kind: Input = "text" if gold is None else gold.kind
    if content.options and gold is None:
        kind = "many" if content.type == "multiple_choice" else "one"
    return BlindQuestion(
        id=found.id,
        number=found.number,
        context_id=found.context_id,
        n=found.revision.n,
        body=content.body,
        options=tuple(BlindOption(key=option.key, text=option.text) for option in content.options),
        input=kind,
        unit=gold.unit if isinstance(gold, NumberAnswer) else "",
    )
