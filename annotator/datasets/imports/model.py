"""What a file's reader gives: rows that can be written, and rows that cannot with the reason."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from annotator.contexts.model import MAX_NOTE_CHARACTERS, ContextContent, Item
from annotator.errors import InputError
from annotator.questions.model import QuestionContent

if TYPE_CHECKING:
    from annotator.datasets.imports.recorded import Recorded
    from annotator.datasets.imports.source import Source

MAX_TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A request that another program says it made, and what it says came back.

    Args:
        name: by which questions refer to it.
        url: as logged; secrets in it are taken out before anything is written.
        at: when it was made; None where the log does not say.
        result: the logged answer.
    """

    name: str
    method: str
    url: str
    query: dict[str, Any]
    headers: dict[str, Any]
    body: Any
    at: datetime | None
    elapsed_ms: float
    result: Any


@dataclass(frozen=True, slots=True)
class NewQuestion:
    """A question to be made.

    Args:
        references: names of the logged calls that support it.
        source_id: what it is called where it comes from.
    """

    content: QuestionContent
    references: tuple[str, ...] = ()
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A context and its questions.

    Args:
        where: in the file, such as `line 12` or `item 3`, counted from 1.
        context: what it holds; equal ones of a file become one context.
        calls: logged by another program.
        recorded: our own recordings behind it, by the ids that `context` and the questions call them.
    """

    where: str
    context: ContextContent
    questions: tuple[NewQuestion, ...]
    calls: tuple[LoggedCall, ...] = ()
    recorded: "tuple[Recorded, ...]" = ()


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be imported, and why."""

    where: str
    reason: str


type Rows = Iterator[Row | BadRow]


@dataclass(frozen=True, slots=True)
class ImportFormat:
    """A format that can be imported.

    Args:
        key: names it in flags and addresses.
        title: for people.
        sentence: what it is, in one sentence.
        read: rows of a file, one by one, in its order; raises `InputError` where the file is of no use as a whole.
        suffixes: of file names that usually hold it.
    """

    key: str
    title: str
    sentence: str
    read: "Callable[[Source], Rows]"
    suffixes: tuple[str, ...] = field(default=())


def text_context(text: str, *, title: str = "") -> ContextContent:
    """A context that is one note.

    Raises:
        InputError: the text is longer than a note can be.
    """
    if len(text) > MAX_NOTE_CHARACTERS:
        raise InputError(f"the context has {len(text)} characters, and at most {MAX_NOTE_CHARACTERS} are possible")
    return ContextContent(title=title or title_of(text), items=(Item(key="text", kind="note", text=text),))


def title_of(text: str) -> str:
    """A title for a context that has none: the beginning of its first line, without markup."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    plain = " ".join(line.replace("<b>", "").replace("</b>", "").split()).rstrip(":")
    return plain if len(plain) <= MAX_TITLE_CHARACTERS else f"{plain[: MAX_TITLE_CHARACTERS - 1].rstrip()}…"
