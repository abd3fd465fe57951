"""What a reply answers, or that nothing can be read of it.

An answer is looked for in this order: what a tool call submits, JSON with `answer`, `^^x^^`, the last `Answer: x`, and
a reply that is an option, or a value of the wanted kind, and nothing else. Nothing is ever picked out of prose.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from annotator.evaluate.choices import abstains, options_in
from annotator.evaluate.model import Given, How, Shown
from annotator.evaluate.values import open_answer
from annotator.review.match import loosely

MAX_CHARS = 100_000
"""Of a reply that are looked at, the last ones."""
_MAX_TRIES = 200
"""Braces at which JSON may begin; a reply of nothing but braces is no reason to read it for minutes."""
_MAX_WORDS_CHARS = 80
"""Of a whole reply that is an open answer in words; longer ones are prose."""
_MAX_ANSWER_CHARS = 2500
"""Of an answer as a text; what is longer is none."""

_THOUGHT = re.compile(r"^.*</think(?:ing)?>|^\s*<think(?:ing)?>.*", re.DOTALL)
_FENCE = re.compile(r"```[a-zA-Z0-9]*[ \t]*\n?(.*?)```", re.DOTALL)
_HATS = re.compile(r"\^\^(.{1,500}?)\^\^", re.DOTALL)
_ANSWER = re.compile(r"\banswer(?:\s+is)?[*_` \t]{0,4}[:\uff1a][*_` \t]*", re.IGNORECASE)
_BRACKETS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "$": "$"}
_ABSENT = object()


def read_reply(shown: Shown, reply: str) -> Given | None:
    """The answer of a reply in words.

    Args:
        shown: the question as the model saw it.
        reply: all that it said, thoughts in `<think>` included, which are left out.
    """
    text = _THOUGHT.sub("", reply[-MAX_CHARS:]).strip()
    for value in reversed(list(_json_answers(text))):
        if (given := _given(shown, value, "json", allows_reasons=True)) is not None:
            return given
    marked = _marked(shown, text)
    if marked and (given := _given(shown, marked, "marker", allows_reasons=True)) is not None:
        return given
    return _whole(shown, text)


def read_submitted(shown: Shown, arguments: Any) -> Given | None:
    """The answer that a call of `submit_answer` hands in.

    Args:
        arguments: of the call, as JSON text or as a value: `{"answer": …}`, or the answer itself.
    """
    if isinstance(arguments, str):
        value = _parsed(arguments)
        arguments = arguments if value is _ABSENT else value
    value = arguments.get("answer") if isinstance(arguments, Mapping) and "answer" in arguments else arguments
    return _given(shown, value, "submit", allows_reasons=True)


def _whole(shown: Shown, text: str) -> Given | None:
    if shown.form != "open_ended":
        return _given(shown, text, "exact option", allows_reasons=False)
    is_in_words = shown.kind in (None, "text", "place", "set", "ordered_list")
    if is_in_words and ("\n" in text or text.startswith("{") or len(text) > _MAX_WORDS_CHARS):
        return None
    return _given(shown, text, "exact value", allows_reasons=False)


def _given(shown: Shown, value: Any, how: How, *, allows_reasons: bool) -> Given | None:
    if isinstance(value, str):
        value = _bare(value)
        if len(value) > _MAX_ANSWER_CHARS:
            return None
        # An item may have `Cannot be determined` among its own options.
        if abstains(value) and not any(
            option.key and loosely(option.text) == loosely(value) for option in shown.options
        ):
            return Given(abstains=True, how=how)
    if shown.form == "open_ended":
        open = open_answer(shown.kind or "text", value, shown.unit)
        return None if open is None else Given(open=open, how=how)
    if isinstance(value, list) and any(_abstains(shown, one) for one in value):
        return Given(abstains=True, how=how) if len(value) == 1 else None
    found = options_in(shown, value, allows_reasons=allows_reasons)
    if found is None or (shown.form != "multiple_choice" and len(found) > 1):
        return None
    if any(option.key is None for option in found):
        # Some options and none of them at once is no answer.
        return Given(abstains=True, how=how) if len(found) == 1 else None
    return Given(option_keys=tuple(sorted(str(option.key) for option in found)), how=how)


def _abstains(shown: Shown, value: Any) -> bool:
    """Whether it says that there is no answer and is none of the item's own options, as `None of them` may be."""
    if not isinstance(value, str) or not abstains(value):
        return False
    return not any(option.key is not None and loosely(option.text) == loosely(value) for option in shown.options)


def _json_answers(text: str) -> Iterator[Any]:
    """Values of `answer` in the objects of a text, and lists that are the whole of it or of a code fence."""
    for piece in (text, *(found[1] for found in _FENCE.finditer(text))):
        value = _parsed(piece) if piece.lstrip()[:1] == "[" else None
        if isinstance(value, list):
            yield value
    decoder = json.JSONDecoder()
    at = text.find("{")
    for _ in range(_MAX_TRIES):
        if at < 0:
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict) and "answer" in value:
                yield value["answer"]
        at = text.find("{", end)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _ABSENT


def _marked(shown: Shown, text: str) -> str:
    """What stands behind the last marker; empty where there is none."""
    if hats := _HATS.findall(text):
        return str(hats[-1])
    ends = [found.end() for found in _ANSWER.finditer(text)]
    if not ends:
        return ""
    line, _, below = text[ends[-1] :].partition("\n")
    if line.strip():
        return str(line)
    block = below.strip().partition("\n\n")[0]
    takes_lines = shown.kind in ("set", "ordered_list") or shown.form == "multiple_choice"
    return block if takes_lines else block.partition("\n")[0]


def _bare(text: str) -> str:
    """A text without Markdown, quotes, brackets and a full stop around it."""
    before = None
    while text != before:
        before = text
        text = text.strip().strip("*_`").strip()
        if text.startswith("\\boxed{") and text.endswith("}"):
            text = text[7:-1]
        elif len(text) > 1 and _BRACKETS.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
            text = text[1:-1]
        elif text.endswith(".") and not text.endswith(".m."):
            text = text[:-1]
    return text
