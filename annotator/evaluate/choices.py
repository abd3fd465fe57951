"""Options that an answer names: by label, by their whole text, or by both."""

import re
from typing import Any

from annotator.datasets.exports.answers import CANNOT
from annotator.evaluate.model import Shown, ShownOption
from annotator.review.match import loosely

ABSTENTIONS = frozenset(
    loosely(words)
    for words in (
        CANNOT,
        "Unanswerable",
        "Not answerable",
        "Cannot answer",
        "Cannot be answered",
        "Can not be answered",
        "It cannot be answered",
        "This cannot be answered",
        "The question cannot be answered",
        "Cannot be answered from the context",
        "The question cannot be answered from the context",
        "Cannot be determined",
        "Cannot determine",
        "Not enough information",
        "Insufficient information",
        "I don't know",
        "I do not know",
    )
)
"""An answer that is one of these says that there is no answer. A longer sentence that mentions one says nothing."""

_LABELLED = re.compile(
    r"(?:option\s*)?(?P<label>[A-Za-z]|\d{1,2})\s*[.):\u2013-]\s*(?P<rest>.*)", re.DOTALL | re.IGNORECASE
)
_YES_OR_NO = re.compile(r"(yes|no)\s*[,.;:(\u2013-].*", re.DOTALL | re.IGNORECASE)
_SEPARATORS = re.compile(r"[,;&+/\s]+|\band\b", re.IGNORECASE)


def abstains(text: str) -> bool:
    """Whether an answer says that there is none."""
    return loosely(text) in ABSTENTIONS


def options_in(shown: Shown, value: Any, *, allows_reasons: bool) -> list[ShownOption] | None:
    """The options that a value names, each once; None where it names none, or something beside them.

    Args:
        value: a text, a number (a position from 1), true or false, or a list of them.
        allows_reasons: `B. It is nearest` names B where one option is wanted; otherwise only what is nothing but an
            option does.
    """
    if isinstance(value, list):
        found = [options_in(shown, one, allows_reasons=allows_reasons) for one in value]
        if not found or any(one is None or len(one) != 1 for one in found):
            return None
        return _each_once([one[0] for one in found if one is not None])
    if isinstance(value, str) and shown.form == "yes_no" and value.casefold() in ("true", "false"):
        value = value.casefold() == "true"
    if isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        return None
    if shown.form == "multiple_choice":
        # `A. Lumen, C. Mole` is no A with its reasons.
        one = _one(shown, value.strip(), allows_reasons=False)
        return _several(shown, value.strip()) if one is None else [one]
    one = _one(shown, value.strip(), allows_reasons=allows_reasons)
    return None if one is None else [one]


def _one(shown: Shown, text: str, *, allows_reasons: bool) -> ShownOption | None:
    by_label = _labelled(shown, text)
    if by_label is not None:
        return by_label
    if same := [option for option in shown.options if loosely(option.text) == loosely(text)]:
        # Equal texts under two labels name neither.
        return same[0] if len(same) == 1 else None
    if abstains(text):
        return next((option for option in shown.options if option.key is None), None)
    found = _LABELLED.fullmatch(text)
    option = None if found is None else _labelled(shown, found["label"])
    if found is not None and option is not None:
        rest = loosely(found["rest"])
        is_named = not rest or rest == loosely(option.text)
        return option if is_named or (allows_reasons and not _names_another(shown, option, rest)) else None
    if allows_reasons and shown.form == "yes_no" and (said := _YES_OR_NO.fullmatch(text)):
        return next((option for option in shown.options if option.key == said[1].casefold()), None)
    return None


def _names_another(shown: Shown, option: ShownOption, rest: str) -> bool:
    """Whether `B. Mole` says two things, because Mole is C."""
    others = [loosely(other.text) for other in shown.options if other is not option]
    return any(other and rest.startswith(other) and not loosely(option.text).startswith(other) for other in others)


def _labelled(shown: Shown, text: str) -> ShownOption | None:
    label = re.sub(r"^option\s*", "", text, flags=re.IGNORECASE).casefold()
    for option in shown.options:
        if option.label.casefold() == label:
            return option
    if not re.fullmatch(r"\d{1,2}", label) or any(re.match(r"\d", option.text.strip()) for option in shown.options):
        # Beside options that are numbers themselves, a number may be any of two things.
        return None
    at = int(label) - 1
    return shown.options[at] if 0 <= at < len(shown.options) else None


def _several(shown: Shown, text: str) -> list[ShownOption] | None:
    labels = [part for part in _SEPARATORS.split(text) if part]
    if len(labels) == 1 and re.fullmatch(r"[A-Z]{2,26}", text):
        labels = list(text)
    for parts in (labels, re.split(r"\s*[;\n]\s*", text), re.split(r"\s*[,;\n]\s*(?:and\s+)?|\s+and\s+", text)):
        found = [_one(shown, part, allows_reasons=False) for part in parts if part]
        if found and all(one is not None for one in found):
            return _each_once([one for one in found if one is not None])
    return None


def _each_once(options: list[ShownOption]) -> list[ShownOption]:
    return [option for index, option in enumerate(options) if option not in options[:index]]
