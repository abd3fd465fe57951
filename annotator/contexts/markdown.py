"""A context as Markdown (CommonMark with tables); names and values are escaped, so that none can become markup."""

import re

from annotator.contexts.document import (
    Block,
    Document,
    Facts,
    Line,
    Numbered,
    Phrase,
    Row,
    Section,
    Strong,
    Table,
    Words,
)
from annotator.contexts.words import clean_lines

# Underscores inside words, single tildes and ampersands that begin no entity mean nothing in Markdown.
_SPECIAL = re.compile(r"[\\`*\[\]<>|#]|(?<!\w)_|_(?!\w)|~(?=~)|(?<=~)~|&(?=#?\w+;)")
# At the beginning of a line a number with a dot, a hyphen or a plus sign begins a list.
_LIST_MARK = re.compile(r"^(\d{1,9})([.)])(?=\s|$)|^([-+=])(?=\s|$|[-+=])")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, wherever in a line it stands."""
    text = _SPECIAL.sub(r"\\\g<0>", text)
    return _LIST_MARK.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", text)


def write_markdown(document: Document) -> str:
    """The Markdown: no trailing spaces, a line end at the end unless it is empty."""
    parts = [f"# {escape(document.title)}"] if document.title else []
    parts += [_section(section) for section in document.sections]
    text = clean_lines("\n\n".join(part for part in parts if part))
    return f"{text}\n" if text else ""


def _section(section: Section) -> str:
    head = [f"## {escape(section.heading)}"] if section.heading else []
    blocks = section.blocks
    if isinstance(blocks[0], Line) and blocks[0].words == (Strong(section.heading),):
        # The heading has said it.
        blocks = blocks[1:]
    return "\n\n".join([*head, *(_block(block) for block in blocks)])


def _block(block: Block) -> str:
    match block:
        case Line(words):
            return _phrase(words)
        case Facts(rows):
            return "\n".join(f"- **{escape(label)}:** {escape(value)}" for label, value in rows)
        case Numbered(rows):
            return "\n".join(_row(number, row) for number, row in enumerate(rows, 1))
        case Table(head, rows):
            lines = [_cells(head), _cells(tuple("---" for _ in head), is_escaped=True)]
            return "\n".join([*lines, *(_cells(row) for row in rows)])
        case Words(text):
            return text


def _cells(cells: tuple[str, ...], *, is_escaped: bool = False) -> str:
    return f"| {' | '.join(cell if is_escaped else escape(cell) for cell in cells)} |"


def _row(number: int, row: Row) -> str:
    # What belongs to a row is indented to where its words begin.
    mark = f"{number}. "
    indent = " " * len(mark)
    lines = [f"{mark}{_phrase(row.words)}"]
    lines += [f"{indent}- {escape(part)}" for part in row.parts]
    lines += [f"{indent}{count}. {escape(step)}" for count, step in enumerate(row.steps, 1)]
    return "\n".join(lines)


def _phrase(words: Phrase) -> str:
    return "".join(f"**{escape(word.text)}**" if isinstance(word, Strong) else escape(word) for word in words)
