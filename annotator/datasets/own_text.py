"""A context's text without its title, for formats that keep the title elsewhere, or not at all."""

from annotator.datasets.native import NativeItem


def own_text(item: NativeItem) -> str | None:
    """What the context says; exactly the note where it is one note, so that an imported context leaves as it came.

    None where terms let no text out.
    """
    context = item.context
    if context.text is None:
        return None
    parts = context.json_content.get("items") if isinstance(context.json_content, dict) else None
    if isinstance(parts, list) and len(parts) == 1 and parts[0].get("kind") == "note" and not parts[0].get("title"):
        return str(parts[0].get("text", ""))
    return context.text.removeprefix(f"{context.title}\n\n") if context.title else context.text
