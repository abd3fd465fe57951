"""Markdown that people write, as HTML that can do no harm: no HTML of theirs, no images, only safe links."""

import re
from functools import lru_cache

from markdown_it import MarkdownIt

# An image would make every reader's browser ask an address of the writer's choice.
_said = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable("image")
_prose = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")

MAX_CELLS = 10_000
"""Of tables. Every line under a wide head is filled up to its width, so that a few kilobytes would fill megabytes."""
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_flat = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")


@lru_cache(maxsize=256)
def to_html(text: str, *, is_prose: bool = False) -> str:
    """HTML of some Markdown.

    Args:
        is_prose: written as a document, where a line may end anywhere; in what people say, a new line is meant.
    """
    kind = _flat if _num_cells(text) > MAX_CELLS else _prose if is_prose else _said
    return str(kind.render(text))


def _num_cells(text: str) -> int:
    """How many cells all tables of a text have at most."""
    blocks = (block.split("\n") for block in _BLANK_LINE.split(text))
    return sum(len(lines) * max(line.count("|") for line in lines) for lines in blocks)
