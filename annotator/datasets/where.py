"""Where two documents differ: a JSON Pointer, or the line of a text."""

from annotator.cache.diff import diff


def where(whole: bytes, changed: bytes) -> str:
    """The first place where `changed` is not `whole`: a JSON Pointer, or `line N` of what is no JSON.

    Empty for the document as a whole, as when JSON was only written otherwise.
    """
    if _is_json(whole):
        changes = diff(whole, changed).changes
        return changes[0].pointer if changes else ""
    for number, (before, after) in enumerate(zip(whole.splitlines(), changed.splitlines(), strict=False), 1):
        if before != after:
            return f"line {number}"
    return f"line {min(len(whole.splitlines()), len(changed.splitlines())) + 1}"


def _is_json(body: bytes) -> bool:
    return body[:1] in (b"{", b"[")
