"""Rows that people write by hand, the same in JSON lines and CSV: question, options, answer, context and a few more.

    {"question": "...", "options": ["...", "..."], "answer": "B", "context": "..."}

The answer of a question with options is an option's key (`A`, `B`, …), its whole text, or its index from 0; a list of
them makes it multiple choice, -1 unanswerable, and without an answer it is a draft. Without options the answer is a
text, a number, true or false, or an object with `kind` as questions have it.
"""

from typing import Any

from pydantic import ValidationError

from annotator.datasets.imports.choices import invalid, is_yes_or_no, options_of, question, row_of, text_of
from annotator.datasets.imports.model import NewQuestion, Row, text_context
from annotator.errors import InputError
from annotator.questions.model import NO, YES, Option, QuestionContent

FIELDS = (
    "id",
    "question",
    "type",
    "options",
    "answer",
    "context",
    "context_title",
    "explanation",
    "category",
    "tags",
    "difficulty",
)
"""All that a row may have; other fields are left out, and the result says so."""


def simple_row(where: str, row: dict[str, Any]) -> Row:
    """A row's context and question.

    Raises:
        InputError: what is wrong with which field.
    """
    tags = row.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InputError("'tags' is no list of texts")
    content = _content(
        row,
        body=text_of(row, "question"),
        explanation=text_of(row, "explanation", required=False),
        category=text_of(row, "category", required=False),
        difficulty=text_of(row, "difficulty", required=False),
        tags=tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip())),
    )
    context = text_context(
        text_of(row, "context", required=False), title=text_of(row, "context_title", required=False)[:200]
    )
    return Row(where, context, (NewQuestion(content, source_id=str(row.get("id") or "")),))


def _content(row: dict[str, Any], **values: Any) -> QuestionContent:
    kind = text_of(row, "type", required=False).strip() or None
    answer = row.get("answer")
    options = _options(row.get("options"))
    if isinstance(answer, bool):
        if options:
            raise InputError("'answer' is true or false, and there are options; name one of them")
        options = (Option(key=YES, text="Yes"), Option(key=NO, text="No"))
        answer = YES if answer else NO
    if kind == "open_ended" or (kind is None and not options and answer is not None and answer != -1):
        return question(type="open_ended", gold=_open(answer), **values)
    given = tuple(option for option in options if option is not None)
    wanted = [_key(options, item) for item in _listed(answer)]
    keys = tuple(option.key for option in given if option.key in wanted)
    if kind is None:
        if answer == -1:
            kind = "unanswerable"
        elif isinstance(answer, list):
            kind = "multiple_choice"
        else:
            kind = "yes_no" if is_yes_or_no([option.text for option in given]) else "single_choice"
    if kind == "unanswerable" and keys:
        raise InputError("the type is unanswerable, and an answer is given")
    return question(type=kind, options=given, gold_keys=keys, **values)


def _listed(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else [] if answer in (None, "", -1) else [answer]


def _options(value: Any) -> tuple[Option | None, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InputError("'options' is no list")
    if all(isinstance(item, str) for item in value):
        return options_of(value)
    try:
        return tuple(Option.model_validate(item) for item in value)
    except ValidationError as error:
        raise invalid(error) from None


def _key(options: tuple[Option | None, ...], answer: Any) -> str:
    """The key of the option that an answer means."""
    given = [option for option in options if option is not None]
    if isinstance(answer, int):
        found = options[answer] if 0 <= answer < len(options) else None
        if found is None:
            raise InputError(f"the answer is number {answer}, counted from 0, and there is no such option")
        return found.key
    if not isinstance(answer, str):
        raise InputError("the answer of a question with options is a key, a text or an index")
    for same in (
        [option.key for option in given if option.key.casefold() == answer.strip().casefold()],
        [option.key for option in given if option.text.strip() == answer.strip()],
    ):
        if same:
            return same[0]
    raise InputError(f"the answer '{answer[:60]}' is no option's key or text")


def _open(answer: Any) -> Any:
    if answer is None or answer == "":
        return {"kind": "text"}
    if isinstance(answer, str):
        return {"kind": "text", "value": answer}
    if isinstance(answer, int | float):
        return {"kind": "number", "value": answer}
    if isinstance(answer, list):
        return {"kind": "set", "items": answer}
    return row_of(answer)
