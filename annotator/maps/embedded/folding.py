"""Text as the index sees it: words without case, diacritics and punctuation, the same for places and for queries."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

# Letters that Unicode does not take apart into a base letter and a mark.
_LETTERS = str.maketrans(
    {"ø": "o", "œ": "oe", "æ": "ae", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "\u0131": "i", "ŋ": "n"}
)
_INITIALS = re.compile(r"\b(?:\w\.){2,}(?:\w\b)?")
_WORD = re.compile(r"[^\W_]+")
# Scripts written without spaces: every character is a word, so that any part of a name can be found.
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f])")

MAX_WORD_CHARACTERS = 48
"""Longer words are cut: nobody types them, and the index need not hold them."""


@lru_cache(maxsize=8_192)
def fold(text: str) -> tuple[str, ...]:
    """The words of `text`: "L'Hôtel-Dieu (A.B.C.)" gives l, hotel, dieu, abc."""
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text) if unicodedata.category(mark) != "Mn")
    plain = _INITIALS.sub(lambda match: match[0].replace(".", ""), plain.casefold().translate(_LETTERS))
    return tuple(word[:MAX_WORD_CHARACTERS] for word in _WORD.findall(_UNSPACED.sub(r" \1 ", plain)))


STOP_WORDS = frozenset(
    fold(
        "the a an of and to for some any my me all "
        "le la les l un une des du de d et au aux "
        "der die das dem den des ein eine einen einem einer und von vom zum zur "
        "el los las una del y e o un "
        "il lo gli i di della dello dei degli delle dell al alla alle "
        "s n"
    )
)
"""Words that say nothing alone; they are passed over unless there are no others."""


def telling(words: Iterable[str]) -> tuple[str, ...]:
    """The words without stop words; all of them where there are only stop words."""
    everything = tuple(words)
    return tuple(word for word in everything if word not in STOP_WORDS) or everything
