"""Lets text through and holds back only what may still become a marker such as `<tool_call>`."""

from server.api.tools.json_scan import WHITESPACE

_MAX_HELD_WHITESPACE = 64


class TextGate:
    """Passes text on until `marker` appears.

    Whitespace right before a marker belongs to the marker (models put calls on lines of their own), so trailing
    whitespace waits too, up to 64 characters of it.

    Args:
        marker: the text to look for; no whitespace in it, and its first character only at its beginning.
    """

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._held = ""

    def feed(self, text: str) -> tuple[str, str | None, str]:
        """Take more text.

        Returns:
            (what may go on, the marker with the whitespace before it or None if it has not come, what follows it).
        """
        text = self._held + text
        self._held = ""
        at = text.find(self._marker)
        if at >= 0:
            end = at + len(self._marker)
            start = self._whitespace_start(text, at)
            return text[:start], text[start:end], text[end:]
        start = self._whitespace_start(text, len(text) - self._partial_length(text))
        self._held = text[start:]
        return text[:start], None, ""

    def flush(self) -> str:
        """What was held back, at the end of the output."""
        held, self._held = self._held, ""
        return held

    def _partial_length(self, text: str) -> int:
        for length in range(min(len(self._marker) - 1, len(text)), 0, -1):
            if text.endswith(self._marker[:length]):
                return length
        return 0

    @staticmethod
    def _whitespace_start(text: str, end: int) -> int:
        """Where the whitespace before `end` begins, looking back at most `_MAX_HELD_WHITESPACE` characters."""
        first = max(0, end - _MAX_HELD_WHITESPACE)
        return first + len(text[first:end].rstrip(WHITESPACE))
