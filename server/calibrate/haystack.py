"""The text that pass keys are hidden in: files, folders, archives of books, as one long run of token ids."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.assets.training.books import read_books
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError
from server.quality.filler import read_text

MAX_CHARS = 8_000_000
"""Text beyond this is left out: some two million tokens, which take seconds to read and encode."""

_TEXTS = (".txt", ".md")
_ARCHIVE = ".tar.xz"


@dataclass(frozen=True)
class Haystack:
    """Token ids, int32 [n], of all documents one after another."""

    ids: NDArray[np.int32]

    @property
    def digest(self) -> str:
        """Equal for equal ids."""
        return hashlib.sha256(self.ids.tobytes()).hexdigest()[:16]

    def window(self, draw: np.random.Generator, size: int) -> NDArray[np.int32]:
        """`size` tokens from a random place on; there must be as many."""
        start = int(draw.integers(len(self.ids) - size + 1))
        return self.ids[start : start + size]


def read_haystack(paths: list[Path], tokenizer: Tokenizer, max_chars: int = MAX_CHARS) -> Haystack:
    """The text of files (.txt, .md or any other UTF-8), of .tar.xz archives of Markdown, and of folders of these.

    Args:
        max_chars: how much is read, from the first path on; files of a folder come in the order of their names.

    Raises:
        ConfigError: a path cannot be read, or holds no text.
    """
    kept: list[str] = []
    for document in chain.from_iterable(map(_documents, paths)):
        kept.append(document[:max_chars])
        max_chars -= len(kept[-1])
        if max_chars <= 0:
            break
    # Special tokens that a text spells out are words like any other.
    encoded = tokenizer.encode_batch(kept, add_special_tokens=False, allow_special=False)
    return Haystack(np.array([token for ids in encoded for token in ids], dtype=np.int32))


def _documents(path: Path) -> Iterator[str]:
    if not path.exists():
        raise ConfigError(f"there is no text at {path}; give a file or a folder with --text")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith((*_TEXTS, _ARCHIVE)) and file.is_file())
        if not files:
            raise ConfigError(
                f"{path} holds no {', '.join(_TEXTS)} or {_ARCHIVE} file; give another folder with --text"
            )
        for file in files:
            yield from _documents(file)
    elif path.name.endswith(_ARCHIVE):
        is_empty = True
        for book in read_books(path):
            yield book.text
            is_empty = False
        if is_empty:
            raise ConfigError(f"{path} holds no Markdown file; give another file with --text")
    else:
        yield read_text(path)
