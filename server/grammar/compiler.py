"""GrammarCompiler: validates grammars for the API and starts them for the engine."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from server.engine.request import GrammarSpec
from server.engine.tokenizer import Tokenizer
from server.grammar.compile import make_ll_tokenizer, make_matcher, require_llguidance
from server.grammar.guard import CompileGuard
from server.grammar.limits import check_limits
from server.grammar.state import GrammarState

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

MAX_MATCHERS = 32
"""Compiled grammars that are kept, most recently used; many requests share one schema."""


class GrammarCompiler:
    """Grammars over one model's tokens. Nothing is loaded before the first grammar comes.

    Args:
        tokenizer: the model's, or the directory to load it from.
        vocab_size: V, the width of the logits; ids without a token are never allowed.
        eos_ids: allowed exactly where a text may end. The tokenizer's own if empty.
    """

    def __init__(self, tokenizer: Tokenizer | Path | str, vocab_size: int, eos_ids: Iterable[int]) -> None:
        self._source = tokenizer
        self._model_vocab_size = vocab_size
        self._wanted_eos_ids = tuple(eos_ids)
        self._lock = threading.Lock()
        self._matchers: OrderedDict[GrammarSpec, LLMatcher] = OrderedDict()

    def validate(self, spec: GrammarSpec) -> None:
        """Check a grammar from outside: its size first, then by compiling it in another process.

        Takes some seconds at most, so call it off the event loop.

        Raises:
            GrammarError: too large, does not compile, costs too much, allows no text, or llguidance is missing.
        """
        check_limits(spec)
        require_llguidance()
        with self._lock:
            guard = self._guard
        guard.check(spec)

    def start(self, spec: GrammarSpec) -> GrammarState:
        """The state of a sample that has generated nothing yet.

        Raises:
            GrammarError: as for `validate`, but without a time limit: validate first what comes from outside.
        """
        require_llguidance()
        with self._lock:
            if spec not in self._matchers:
                check_limits(spec)
                self._matchers[spec] = make_matcher(spec, self._ll_tokenizer)
                if len(self._matchers) > MAX_MATCHERS:
                    self._matchers.popitem(last=False)
            self._matchers.move_to_end(spec)
            return GrammarState(self._matchers[spec].deep_copy())

    def close(self) -> None:
        """End the process that validates, if there is one."""
        with self._lock:
            if "_guard" in self.__dict__:
                self._guard.close()

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        if isinstance(self._source, Tokenizer):
            return self._source
        return Tokenizer.from_directory(self._source)

    @property
    def _vocab_size(self) -> int:
        """llguidance wants room for all of the tokenizer's ids, even those that the model lacks."""
        return max(self._model_vocab_size, self._tokenizer.vocab_size)

    @property
    def _eos_ids(self) -> list[int]:
        ids = [token_id for token_id in self._wanted_eos_ids if token_id < self._tokenizer.vocab_size]
        own = self._tokenizer.eos_token_id
        return ids or ([own] if own is not None else [])

    @cached_property
    def _ll_tokenizer(self) -> "LLTokenizer":
        return make_ll_tokenizer(self._tokenizer.to_json(), self._vocab_size, self._eos_ids)

    @cached_property
    def _guard(self) -> CompileGuard:
        return CompileGuard(self._tokenizer.to_json(), self._vocab_size, self._eos_ids)
