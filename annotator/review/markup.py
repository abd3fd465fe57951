"""Markdown that people write, as HTML that can do no harm: no HTML of theirs, no images, only safe links."""

from markdown_it import MarkdownIt

# An image would make every reader's browser ask an address of the writer's choice.
_said = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable("image")
_prose = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def to_html(text: str, *, is_prose: bool = False) -> str:
    """HTML of some Markdown.

    Args:
        is_prose: written as a document, where a line may end anywhere; in what people say, a new line is meant.
    """
    return str((_prose if is_prose else _said).render(text))
