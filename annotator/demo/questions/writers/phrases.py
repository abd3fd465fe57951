"""Wording: each question can be asked in the context's own words, or in others."""

import re
from collections.abc import Iterable, Sequence

from annotator.demo.stream import Stream

VERBATIM_SHARE = 0.4
"""Of the questions, about as many repeat the context's own words."""

_WORD = re.compile(r"[^\W\d_]{4,}")


def wording(stream: Stream) -> str:
    """`verbatim` or `paraphrase`."""
    return "verbatim" if stream.chance(VERBATIM_SHARE) else "paraphrase"


def worded(stream: Stream, phrases: Sequence[str], how: str) -> str:
    """One of the phrases: the first in the context's own words, one of the others in other words."""
    return phrases[0] if how == "verbatim" or len(phrases) == 1 else stream.pick(phrases[1:])


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def filled(template: str, **values: str) -> str:
    """A template with its values put in, as a sentence."""
    for key, value in values.items():
        template = template.replace(f"{{{key}}}", value)
    return sentence(template)


def content_words(text: str) -> frozenset[str]:
    """Its words of four letters or more, by which a name may give a value away."""
    return frozenset(word.casefold() for word in _WORD.findall(text))


def gives_away(body: str, options: Iterable[str]) -> bool:
    """Whether the question's words point to some of the options and not to others."""
    asked = content_words(body)
    shared = {content_words(option) & asked for option in options}
    return len(shared) > 1


def ordinal(number: int) -> str:
    """For instance `second`."""
    return ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")[number - 1]
