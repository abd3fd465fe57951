"""GrammarState: how far one sample has got through its grammar."""

from typing import TYPE_CHECKING

import numpy as np

from server.grammar.compile import shorten

if TYPE_CHECKING:
    from llguidance import LLMatcher
    from torch import Tensor  # The process that checks grammars imports this package, and starts faster without.


class GrammarState:
    """One sample's place in a grammar. Once it has failed it allows nothing, so that its row alone fails.

    Args:
        matcher: llguidance's, owned by this state.
    """

    def __init__(self, matcher: "LLMatcher") -> None:
        self._matcher = matcher

    @property
    def is_finished(self) -> bool:
        """Whether the text is complete and only an end-of-sequence id may follow."""
        return bool(self._matcher.is_stopped()) and not self._matcher.is_error()

    @property
    def error(self) -> str | None:
        """Why the grammar cannot go on: a step cost too much, or a token was not allowed."""
        return shorten(self._matcher.get_error()) if self._matcher.is_error() else None

    def fill_mask(self, row: "Tensor") -> None:
        """Write which tokens may come next; end-of-sequence ids only where the text may end.

        Args:
            row: int32 [ceil(V / 32)] on the CPU; bit `i % 32` of word `i // 32` is token i.
        """
        bits = b"" if self._matcher.is_error() else self._matcher.compute_bitmask()
        if self._matcher.is_error():
            row.zero_()
            return
        words = np.frombuffer(bits, dtype=np.int32)[: row.shape[0]]
        row.numpy()[:] = words

    def accept(self, token_id: int) -> bool:
        """Go one token further; False if the grammar does not allow it there."""
        return bool(self._matcher.consume_token(token_id))
