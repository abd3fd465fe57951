"""A context as plain text."""

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


def write_text(document: Document) -> str:
    """The text: sections parted by an empty line, no trailing spaces, a line end at the end unless it is empty."""
    parts = [document.title] if document.title else []
    parts += [_section(section) for section in document.sections]
    text = clean_lines("\n\n".join(part for part in parts if part))
    return f"{text}\n" if text else ""


def _section(section: Section) -> str:
    head = [section.heading] if section.is_own and section.heading else []
    return "\n".join([*head, *(_block(block) for block in section.blocks)])


def _block(block: Block) -> str:
    match block:
        case Line(words):
            return _phrase(words)
        case Facts(rows):
            return "\n".join(f"- {label}: {value}" for label, value in rows)
        case Numbered(rows):
            return "\n".join(_row(number, row) for number, row in enumerate(rows, 1))
        case Table(head, rows):
            return "\n".join(" | ".join(cell.replace("|", "/") for cell in cells) for cells in (head, *rows))
        case Words(text):
            return text


def _row(number: int, row: Row) -> str:
    lines = [f"{number}. {_phrase(row.words)}"]
    lines += [f"   - {part}" for part in row.parts]
    lines += [f"   {count}. {step}" for count, step in enumerate(row.steps, 1)]
    return "\n".join(lines)


def _phrase(words: Phrase) -> str:
    return "".join(word.text if isinstance(word, Strong) else word for word in words)
