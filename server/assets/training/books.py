"""Natural text: an archive of books, some of them held out, and an encyclopedia text for perplexity.

The archive is a `.tar.xz` of Markdown files, each opening with `# Title:`, `## Author:` and `## Year:` lines.
"""

import hashlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from server.errors import ConfigError

ARCHIVE = "books.tar.xz"
WIKITEXT = "wikitext2-valid.txt"
NUM_HELD_OUT_BOOKS = 4

# A sentence ends where its mark, or the quote that closes it, is followed by space and then by no small letter. Titles
# and initials of names end none.
_SENTENCE = re.compile(
    r"\S.*?(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\b[A-Z])[.!?]['\"”\u2019]*(?=\s+[^\sa-z]|\s*$)", re.DOTALL
)


@dataclass(frozen=True)
class Book:
    """One book, its Markdown removed; paragraphs are separated by a blank line."""

    title: str
    author: str
    text: str

    @cached_property
    def paragraphs(self) -> list[str]:
        """Its paragraphs, in order."""
        return self.text.split("\n\n")


@dataclass(frozen=True, slots=True)
class Library:
    """All natural text.

    Args:
        training: books to learn from.
        held_out: books that neither the tokenizer nor the model learns from.
        wikitext: WikiText-2's validation text as published; empty where there is none.
    """

    training: list[Book]
    held_out: list[Book]
    wikitext: str


def read_library(folder: Path, num_books: int | None = None) -> Library:
    """Reads the archive and, where present, the encyclopedia text from `folder`.

    Which books are held out follows from their titles alone.

    Args:
        folder: holds the files, in itself or in a folder `text`.
        num_books: takes only so many books, held-out ones included, for a quick try.

    Raises:
        ConfigError: there is no archive, or it cannot be read.
    """
    archive = next((path for path in (folder / ARCHIVE, folder / "text" / ARCHIVE) if path.is_file()), None)
    if archive is None:
        raise ConfigError(f"{folder} holds no {ARCHIVE}; name the folder that does with --text")
    books = sorted(read_books(archive), key=lambda book: hashlib.sha256(book.title.encode()).digest())[:num_books]
    wikitext = archive.with_name(WIKITEXT)
    return Library(
        training=books[NUM_HELD_OUT_BOOKS:],
        held_out=books[:NUM_HELD_OUT_BOOKS],
        wikitext=wikitext.read_text(encoding="utf-8") if wikitext.is_file() else "",
    )


def read_books(archive: Path) -> Iterator[Book]:
    """Yields every Markdown file of a `.tar.xz` archive as a cleaned `Book`.

    Raises:
        ConfigError: it is not such an archive, or is damaged.
    """
    try:
        with tarfile.open(archive, "r:xz") as tar:
            for member in tar:
                stream = tar.extractfile(member)
                if stream is not None and member.name.endswith(".md"):
                    yield parse_book(stream.read().decode("utf-8", errors="replace"))
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ConfigError(f"{archive} is not a .tar.xz that can be read: {error}") from None


def parse_book(markdown: str) -> Book:
    """Takes title and author from the opening lines and strips headings, rules, emphasis and stray characters."""
    title = re.search(r"^# Title:\s*(.+)$", markdown, re.MULTILINE)
    author = re.search(r"^## Author:\s*(.+)$", markdown, re.MULTILINE)
    text = markdown.translate({0xFEFF: None, 0x200B: None, 0xA0: " ", 0x200A: " ", ord("_"): None, ord("*"): None})
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    kept = (line for line in lines if not line.startswith(("#", "---")))
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return Book(title=title[1].strip() if title else "", author=author[1].strip() if author else "", text=body)


def sentences_of(text: str) -> list[str]:
    """The text's sentences without the space between them; what follows the last full stop is left out."""
    return _SENTENCE.findall(text)
