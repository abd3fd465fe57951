"""A context's rendering before it is text or Markdown: sections of lines, facts, numbered rows and tables.

Words stand here as people wrote them; each writer escapes for its own format.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Strong:
    """The name that a row or section is about."""

    text: str


type Phrase = tuple[str | Strong, ...]
"""One line's words in order."""


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, or what introduces the rows below it."""

    words: Phrase


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about one thing: labels with values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a numbered list, with what belongs under it.

    Args:
        parts: unnumbered lines below it, such as the legs of a route.
        steps: numbered lines below it, such as instructions.
    """

    words: Phrase
    parts: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Numbered:
    """Rows counted from one."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `head` and every row have the same number of cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Words:
    """An annotator's own text, which no writer changes but for line ends and trailing spaces."""

    text: str


type Block = Line | Facts | Numbered | Table | Words


@dataclass(frozen=True, slots=True)
class Section:
    """One item of a context.

    Args:
        heading: in Markdown it stands above the blocks.
        is_own: whether the annotator gave the heading; only then it stands in the plain text too, whose blocks
            otherwise introduce themselves.
    """

    heading: str
    blocks: tuple[Block, ...]
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A whole context."""

    title: str
    sections: tuple[Section, ...] = field(default=())
