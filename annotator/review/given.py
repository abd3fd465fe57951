"""Answers as somebody gives them to a question, and the gold answer in the same shape."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter

from annotator.errors import InputError
from annotator.questions.answers import OpenAnswer, is_empty
from annotator.questions.model import NO, YES, OptionKey, QuestionContent, QuestionType


class Keys(BaseModel):
    """The options that somebody marked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[OptionKey, ...] = Field(min_length=1, max_length=26)


class Unanswerable(BaseModel):
    """The context does not say it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unanswerable: Literal[True] = True


def _which(value: Any) -> str:
    if isinstance(value, Keys) or (isinstance(value, dict) and "keys" in value):
        return "keys"
    if isinstance(value, Unanswerable) or (isinstance(value, dict) and "unanswerable" in value):
        return "unanswerable"
    return "open"


Given = Annotated[
    Annotated[Keys, Tag("keys")] | Annotated[Unanswerable, Tag("unanswerable")] | Annotated[OpenAnswer, Tag("open")],
    Discriminator(_which),
]
"""`{"keys": ["A"]}`, `{"unanswerable": true}`, or an open answer with its `kind`, whose tolerances nobody reads."""

_given: TypeAdapter[Given] = TypeAdapter(Given)


def read_given(value: Any) -> Given:
    """A stored answer."""
    return _given.validate_python(value)


def gold_of(content: QuestionContent) -> Given | None:
    """What a question's gold answer is; None while there is none."""
    if content.type == "unanswerable":
        return Unanswerable()
    if content.type == "open_ended":
        return None if content.gold is None or is_empty(content.gold) else content.gold
    return Keys(keys=content.gold_keys) if content.gold_keys else None


def gold_in(content: Mapping[str, Any]) -> Given | None:
    """`gold_of` a stored content, without reading the rest of it."""
    if content["type"] == "unanswerable":
        return Unanswerable()
    if content["type"] != "open_ended":
        return Keys(keys=tuple(content["gold_keys"])) if content["gold_keys"] else None
    gold = None if content["gold"] is None else read_given(content["gold"])
    return None if gold is None or isinstance(gold, Keys | Unanswerable) or is_empty(gold) else gold


def with_gold(content: QuestionContent, gold: Given) -> QuestionContent:
    """The question with another gold answer; everything else stays.

    Raises:
        InputError: that cannot be this question's answer.
    """
    check_given(content, gold)
    if isinstance(gold, Unanswerable):
        return content.model_copy(update={"type": "unanswerable", "gold_keys": (), "gold": None})
    if isinstance(gold, Keys):
        keys = tuple(option.key for option in content.options if option.key in gold.keys)
        return content.model_copy(update={"type": _type_with(content, keys), "gold_keys": keys, "gold": None})
    return content.model_copy(update={"type": "open_ended", "gold_keys": (), "gold": gold})


def _type_with(content: QuestionContent, keys: tuple[str, ...]) -> QuestionType:
    if content.type != "unanswerable":
        return content.type
    if {option.key for option in content.options} == {YES, NO}:
        return "yes_no"
    return "single_choice" if len(keys) == 1 else "multiple_choice"


def check_given(content: QuestionContent, given: Given) -> None:
    """Refuses what can never be an answer to this question, right or wrong.

    Raises:
        InputError: says which kind of answer it takes.
    """
    if isinstance(given, Unanswerable):
        return
    if isinstance(given, Keys):
        known = [option.key for option in content.options]
        unknown = [key for key in given.keys if key not in known]
        if unknown:
            options = f"; it has {', '.join(known)}" if known else "; it is answered in words"
            raise InputError(f"the question has no option {unknown[0]}{options}", param="answer")
        if content.type in ("yes_no", "single_choice") and len(set(given.keys)) > 1:
            raise InputError("this question takes one option", param="answer")
        return
    if content.options and content.type != "open_ended":
        raise InputError('this question is answered by its options: {"keys": ["A"]}', param="answer")
    if is_empty(given):
        raise InputError(
            "the answer is empty; give one, skip, or say that the context does not answer it", param="answer"
        )
    if content.gold is not None and content.type == "open_ended" and given.kind != content.gold.kind:
        raise InputError(f"this question's answer is a {content.gold.kind}, not a {given.kind}", param="answer")
