"""Stop strings over streamed text: hold back only what may still become one, cut exactly where the first completes.

Each stop string is followed by a Knuth-Morris-Pratt automaton, so text is looked at once and never again.
"""

from collections.abc import Sequence


class StopMatcher:
    """Watches one sample's text.

    The stop that *completes* first ends the text; of several that complete at the same character, the longest.

    Args:
        stops: the stop strings; empty ones are ignored.
        include_stop: keep the stop string itself in the text.
    """

    def __init__(self, stops: Sequence[str], include_stop: bool = False) -> None:
        self._automata = [_Automaton(stop) for stop in stops if stop]
        self._include_stop = include_stop
        self._held = ""
        self.matched: str | None = None
        """The stop string that ended the text."""

    def feed(self, text: str) -> str:
        """The text that may be shown now; ends with the stop or where it begins once `matched` is set.

        Text that is fed after the match is dropped.
        """
        if self.matched is not None:
            return ""
        if not self._automata:
            return text
        visible = self._held + text
        start = len(self._held)
        for index, char in enumerate(text, start + 1):
            complete = [a.stop for a in self._automata if a.advance(char)]
            if complete:
                self.matched = max(complete, key=len)
                self._held = ""
                return visible[: index if self._include_stop else index - len(self.matched)]
        num_held = max(a.num_matched for a in self._automata)
        cut = len(visible) - num_held
        self._held = visible[cut:]
        return visible[:cut]

    def end_with(self, stop: str) -> str:
        """End the text by a stop string that is not spelled out in it; returns what was held back."""
        self.matched = stop
        return self.flush() + (stop if self._include_stop else "")

    def flush(self) -> str:
        """What was held back, when no more text will come."""
        held, self._held = self._held, ""
        return held


class _Automaton:
    """Length of the longest prefix of `stop` that the text ends with."""

    def __init__(self, stop: str) -> None:
        self.stop = stop
        self.num_matched = 0
        self._fallback = _fallbacks(stop)

    def advance(self, char: str) -> bool:
        """Take one more character; True if it completes the stop string."""
        while self.num_matched and self.stop[self.num_matched] != char:
            self.num_matched = self._fallback[self.num_matched - 1]
        self.num_matched += self.stop[self.num_matched] == char
        return self.num_matched == len(self.stop)


def _fallbacks(stop: str) -> list[int]:
    """For every prefix of `stop`, the length of its longest proper suffix that is a prefix too."""
    table = [0] * len(stop)
    length = 0
    for index in range(1, len(stop)):
        while length and stop[index] != stop[length]:
            length = table[length - 1]
        length += stop[index] == stop[length]
        table[index] = length
    return table
