"""Answers as other programs write them, made into ours."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from annotator.errors import InputError
from annotator.maps.validate import as_input_error
from annotator.questions.model import NO, YES, Option, QuestionContent

MAX_OPTIONS = 26


def question(**values: Any) -> QuestionContent:
    """A question's content.

    Raises:
        InputError: one line on what is wrong with which field.
    """
    try:
        return QuestionContent(**values)
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> InputError:
    """What a model finds wrong, as one line."""
    found = error.errors(include_url=False, include_context=False)
    # A request's fields are named without their `body`; here that is what a question asks.
    return as_input_error(
        [item | {"loc": ("text of the question",)} if item["loc"] == ("body",) else item for item in found]
    )


def options_of(texts: Sequence[str]) -> tuple[Option | None, ...]:
    """Options under the keys `A`, `B`, …, or `yes` and `no` where they are those two; None where a text is blank."""
    given = [text for text in texts if text.strip()]
    if len(given) > MAX_OPTIONS:
        raise InputError(f"it has {len(given)} options, and at most {MAX_OPTIONS} are possible")
    is_yes_no = is_yes_or_no(given)
    options: list[Option | None] = []
    number = 0
    for text in texts:
        if not text.strip():
            options.append(None)
            continue
        if len(text) > 2000:
            raise InputError(f"option {number + 1} has {len(text)} characters, and at most 2000 are possible")
        key = (YES if text.strip().casefold() == YES else NO) if is_yes_no else chr(ord("A") + number)
        options.append(Option(key=key, text=text))
        number += 1
    return tuple(options)


def is_yes_or_no(texts: Sequence[str]) -> bool:
    """Whether these are the two words Yes and No, in either order."""
    return sorted(text.strip().casefold() for text in texts) == [NO, YES]


def choice(
    body: str, texts: Sequence[str], right: Sequence[int], *, is_multiple: bool = False, **values: Any
) -> QuestionContent:
    """A question with options.

    Args:
        right: indices into `texts`, from 0; -1, or none at all, says that the context cannot answer it.
        values: other fields of the question.

    Raises:
        InputError: an index beyond the options, or one that names a blank option.
    """
    options = options_of(texts)
    given = tuple(option for option in options if option is not None)
    wanted = [index for index in right if index != -1]
    if not wanted:
        return question(type="unanswerable", body=body, options=given, **values)
    keys = []
    for index in wanted:
        if not 0 <= index < len(options):
            raise InputError(f"the right option is number {index}, counted from 0, and there are {len(options)}")
        option = options[index]
        if option is None:
            raise InputError(f"the right option, number {index} counted from 0, is blank")
        keys.append(option.key)
    if is_multiple:
        kind = "multiple_choice"
    else:
        if len(keys) > 1:
            raise InputError("it has several right options and says that one is right")
        kind = "yes_no" if is_yes_or_no([option.text for option in given]) else "single_choice"
    return question(type=kind, body=body, options=given, gold_keys=tuple(dict.fromkeys(keys)), **values)


def text_of(row: dict[str, Any], name: str, *, required: bool = True) -> str:
    """A text of a row; empty where it is missing and need not be there.

    Raises:
        InputError: it is missing, or no text.
    """
    value = row.get(name)
    if value is None:
        if required:
            raise InputError(f"'{name}' is missing")
        return ""
    if not isinstance(value, str):
        raise InputError(f"'{name}' is no text")
    if required and not value.strip():
        raise InputError(f"'{name}' is empty")
    return value


def texts_of(value: Any, name: str) -> list[str]:
    """A list of texts.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"'{name}' is no list of texts")
    return list(value)


def index_of(value: Any, name: str) -> int:
    """A whole number, also where it is written as a text.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, str) and value.strip().lstrip("-").isdigit() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InputError(f"'{name}' is no whole number")


def row_of(value: Any) -> dict[str, Any]:
    """A row that is an object.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, dict):
        raise InputError("it is no object with fields")
    return value
