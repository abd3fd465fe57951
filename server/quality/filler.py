"""Text that says nothing, to hide things in: deterministic sentences without digits, or the sentences of a file."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

from server.errors import ConfigError


def _parts(text: str, separator: str = " ") -> tuple[str, ...]:
    return tuple(text.split(separator))


_ADJECTIVES = _parts(
    "old quiet narrow bright wooden distant careful northern empty painted friendly broken early warm grey gentle "
    "crooked patient silver forgotten busy pale steep hollow"
)
_NOUNS = _parts(
    "harbour baker lighthouse garden bridge teacher market ferry orchard clock tailor meadow chapel sailor kitchen "
    "river fence librarian window mill lantern gardener valley station"
)
_VERBS = _parts(
    "watches follows remembers repairs crosses describes admires forgets borrows paints visits measures carries finds "
    "leaves hears"
)
_WHEN = _parts(
    "in the morning;before supper;after the rain;on most days;when the bells ring;in late summer;without a word;"
    "every other week;as long as it is light;behind the houses;near the old wall;to everyone's surprise",
    ";",
)
_FORMS = (
    "The {a} {n} {v} the {b} {m} {w}.",
    "{W}, a {a} {n} {v} the {m}.",
    "Nobody knows why the {n} {v} the {a} {m} {w}.",
    "The {n} {v} the {m}, and the {b} {m} stays {a}.",
    "Some say that the {a} {n} {v} every {m} {w}.",
)
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])[\"')\u201d\u2019]*\s+(?=[\"'(\u201c\u2018]?[A-Z])")
_MIN_CHARS, _MAX_CHARS = 20, 400


def filler_sentences(seed: str) -> Iterator[str]:
    """Sentences without end, the same for the same seed."""
    draw = random.Random(seed)
    while True:
        when = draw.choice(_WHEN)
        yield draw.choice(_FORMS).format(
            a=draw.choice(_ADJECTIVES),
            b=draw.choice(_ADJECTIVES),
            n=draw.choice(_NOUNS),
            m=draw.choice(_NOUNS),
            v=draw.choice(_VERBS),
            w=when,
            W=when[0].upper() + when[1:],
        )


def sentences_of(text: str) -> list[str]:
    """The sentences of a text that are between 20 and 400 characters long, white space made single spaces."""
    sentences = (" ".join(part.split()) for part in _END_OF_SENTENCE.split(text))
    return [sentence for sentence in sentences if _MIN_CHARS <= len(sentence) <= _MAX_CHARS]


class Haystack:
    """Where sentences come from.

    Args:
        texts: whose sentences to use, from a random place on; empty uses the built-in filler.

    Raises:
        ConfigError: the texts hold no sentence.
    """

    def __init__(self, texts: list[str]) -> None:
        self._sentences = [sentence for text in texts for sentence in sentences_of(text)]
        if texts and not self._sentences:
            raise ConfigError("the text to hide things in holds no sentence of 20 to 400 characters: give another file")

    def stream(self, seed: str) -> Iterator[str]:
        """Sentences without end, the same for the same seed. A text that is too short begins again."""
        if not self._sentences:
            yield from filler_sentences(seed)
            return
        start = random.Random(seed).randrange(len(self._sentences))
        while True:
            yield from self._sentences[start:]
            yield from self._sentences[:start]


def read_text(path: Path) -> str:
    """A UTF-8 text file; raises `ConfigError` if it cannot be read or is empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}; give a UTF-8 text file") from None
    if not text.strip():
        raise ConfigError(f"{path} is empty: give a file with text")
    return text
