"""Rules about the words: a question is asked, about something in the context, once, and not at length."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process, utils

from annotator.maps.embedded.folding import fold, telling
from annotator.questions.findings import Fix
from annotator.questions.rules.case import Case, Remark, edited, plain, quoted

QUESTION_MARKS = "?？؟;՞⸮"  # noqa: RUF001
"""Of Latin, East Asian, Arabic, Greek and Armenian writing."""

LONG_CHARACTERS = {"body": 800, "option": 250, "explanation": 4000}
"""Beyond these, texts are likely pasted."""

NEAR_DUPLICATE = 92.0
"""Similarity in percent from which two questions ask the same."""

MIN_COMPARED_CHARACTERS = 10
_LEAST_LENGTH = NEAR_DUPLICATE / (200 - NEAR_DUPLICATE)

SIMILAR_CATEGORY = 75.0

_PROPER = re.compile(r"(?<=\S\s)[^\W\d_][\w'’-]*|\d+")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Compared:
    """A question's words in lower case without punctuation, and its numbers."""

    text: str
    numbers: tuple[str, ...]


def body_empty(case: Case) -> Iterator[Remark]:
    """A question needs words."""
    if not case.content.body.strip():
        yield Remark("error", "body", "Write the question.")


def body_unasked(case: Case) -> Iterator[Remark]:
    """A question ends with a question mark, or at least holds one."""
    body = case.content.body.rstrip()
    if body.strip() and not any(mark in body for mark in QUESTION_MARKS):
        asked = f"{body.rstrip('.。 ')}?"
        fix = Fix(label="Add a question mark", content=edited(case.content, body=asked))
        yield Remark("hint", "body", "This is no question: it has no question mark.", fix)


def body_names_nothing(case: Case) -> Iterator[Remark]:
    """A question that names no place, road or word of its context may be meant for another one."""
    context = case.context
    body = case.content.body
    if context is None or not body.strip() or not (context.names or context.notes.strip()):
        return
    texts = [body, *(option.text for option in case.content.options)]
    if any(option.pid in context.places for option in case.content.options) or "@" in body:
        return
    words = {word for text in texts for word in fold(text)}
    if any(words.issuperset(telling(name)) for name in context.names):
        return
    # Notes are free text, of which only names and numbers tell anything.
    proper = {plain(word) for word in _PROPER.findall(body) if word[0].isupper() or word[0].isdigit()}
    if any(word in context.text for word in proper if word) or not _has_case(body):
        return
    yield Remark("hint", "body", "The question names nothing that is in the context.")


def near_duplicate(case: Case) -> Iterator[Remark]:
    """Two questions in nearly the same words are one question."""
    context = case.context
    if context is None:
        return
    own = compared(case.content.body)
    if len(own.text) < MIN_COMPARED_CHARACTERS:
        return
    # Texts whose lengths differ by more cannot be that similar. "Within 200 m" and "within 500 m" are two questions.
    least, most = len(own.text) * _LEAST_LENGTH, len(own.text) / _LEAST_LENGTH
    others = [
        (other, text.text)
        for other in context.others
        if (text := compared(other.body)).numbers == own.numbers and least <= len(text.text) <= most
    ]
    found = process.extractOne(own.text, [text for _, text in others], scorer=fuzz.ratio, score_cutoff=NEAR_DUPLICATE)
    if found is not None:
        other = others[found[2]][0]
        yield Remark("warning", "body", f"Question {other.number} asks nearly the same: {quoted(other.body)}")


def too_long(case: Case) -> Iterator[Remark]:
    """Long texts are hard to review and make models slow."""
    texts = {"body": case.content.body, "explanation": case.content.explanation}
    texts |= {f"options.{option.key}": option.text for option in case.content.options}
    for about, text in texts.items():
        limit = LONG_CHARACTERS["option" if about.startswith("options.") else about]
        if len(text) > limit:
            yield Remark("hint", about, f"{len(text):,} characters are a lot here; up to {limit} read well.")


def explanation_missing(case: Case) -> Iterator[Remark]:
    """The project wants to know why the answer is right."""
    if case.settings.require_explanation and not case.content.explanation.strip():
        yield Remark("error", "explanation", "This project wants an explanation with every question.")


def category_unknown(case: Case) -> Iterator[Remark]:
    """Counts and splits go by category, so it has to be one of the project's."""
    own, known = case.content.category, case.settings.categories
    if not known or own in known:
        return
    if not own:
        yield Remark("warning", "category", f"Choose a category: {', '.join(known)}.")
        return
    near = process.extractOne(
        own, known, scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=SIMILAR_CATEGORY
    )
    fix = None
    if near is not None:
        fix = Fix(label=f"Use {near[0]}", content=edited(case.content, category=near[0]))
    yield Remark("error", "category", f"{quoted(own)} is none of this project's categories: {', '.join(known)}.", fix)


def type_unwanted(case: Case) -> Iterator[Remark]:
    """A project may want some types of questions only."""
    if case.content.type not in case.settings.question_types:
        wanted = ", ".join(case.settings.question_types).replace("_", " ")
        yield Remark("error", "type", f"This project has no such questions; it wants {wanted}.")


@lru_cache(maxsize=16_384)
def compared(body: str) -> Compared:
    """A body as it is compared; remembered, because the same thousands are compared at every keystroke."""
    return Compared(utils.default_process(body), tuple(re.findall(r"\d+", body)))


def _has_case(text: str) -> bool:
    return any(character.islower() or character.isupper() for character in text)
