"""The llguidance adapter: compiles constraints, and walks one along each constrained sequence.

llguidance computes masks from the tokenizer's bytes, lazily, so that compiling costs little and each mask
some tens of microseconds. Its fuel limits bound what a hostile grammar can take.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch

from server.engine.request import GrammarSpec
from server.errors import GrammarError
from server.grammar.limits import check_source

if TYPE_CHECKING:
    from server.engine.tokenizer import Tokenizer

MAX_COMPILED = 64
"""Compiled constraints kept for the next request with the same source."""

MAX_MESSAGE_CHARS = 300

# Whitespace between JSON tokens. Bounded, so that no model can spend all its tokens on blanks.
_JSON_WHITESPACE = r"[\x20\x0A\x0D\x09]{1,40}"


class GrammarState:
    """Where one sequence stands in its constraint."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def fill_mask(self, mask: torch.Tensor) -> None:
        """Write which tokens may come next.

        Args:
            mask: int32 [ceil(V / 32)] on CPU, contiguous; bit `i % 32` of word `i // 32` becomes token i's.
        """
        self._matcher.unsafe_compute_mask_ptr(mask.data_ptr(), mask.numel() * 4)

    def accept(self, token_id: int) -> bool:
        """Step over a sampled token; False if the constraint does not allow it or has become too costly."""
        return bool(self._matcher.consume_token(token_id))

    @property
    def is_finished(self) -> bool:
        """Nothing more can follow but an end-of-sequence token."""
        return bool(self._matcher.is_stopped())

    @property
    def error(self) -> str | None:
        """Why the constraint cannot go on, if it cannot."""
        return _shorten(self._matcher.get_error()) if self._matcher.is_error() else None


class GrammarCompiler:
    """Compiles constraints for one tokenizer. Thread-safe.

    Args:
        tokenizer: the model's.
        vocab_size: width of the model's logits, at least the tokenizer's vocabulary; the rest stays masked.
        eos_token_ids: allowed exactly where a constraint may end.
    """

    def __init__(self, tokenizer: "Tokenizer", vocab_size: int, eos_token_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._eos_token_ids = list(eos_token_ids)
        self._lock = Lock()
        self._ll_tokenizer: Any = None
        self._compiled: OrderedDict[GrammarSpec, Any] = OrderedDict()

    def validate(self, spec: GrammarSpec) -> None:
        """Raises `GrammarError` if `start(spec)` would: too large, not compilable, or too costly."""
        self._matcher(spec)

    def start(self, spec: GrammarSpec) -> GrammarState:
        """The state before the first token.

        Raises:
            GrammarError: the constraint does not compile; the message is llguidance's.
        """
        return GrammarState(self._matcher(spec).deep_copy())

    def _matcher(self, spec: GrammarSpec) -> Any:
        with self._lock:
            matcher = self._compiled.get(spec)
            if matcher is not None:
                self._compiled.move_to_end(spec)
                return matcher
        check_source(spec)
        matcher = self._compile(spec)
        with self._lock:
            self._compiled[spec] = matcher
            if len(self._compiled) > MAX_COMPILED:
                self._compiled.popitem(last=False)
        return matcher

    def _compile(self, spec: GrammarSpec) -> Any:
        llguidance = _import_llguidance()
        try:
            grammar = _ll_grammar(llguidance, spec)
        except ValueError as error:
            raise GrammarError(f"The {_NAMES[spec.kind]} does not compile: {_shorten(str(error))}") from None
        matcher = llguidance.LLMatcher(self._wrapped_tokenizer(llguidance), grammar, log_level=0)
        # The first mask does the work that compiling put off, under the same fuel limits.
        probe = torch.zeros(-(-self._vocab_size // 32), dtype=torch.int32)
        if not matcher.is_error():
            matcher.deep_copy().unsafe_compute_mask_ptr(probe.data_ptr(), probe.numel() * 4)
        if matcher.is_error():
            raise GrammarError(f"The {_NAMES[spec.kind]} does not compile: {_shorten(matcher.get_error())}")
        if not probe.any() and not matcher.is_stopped():
            raise GrammarError(f"The {_NAMES[spec.kind]} allows no text at all.")
        return matcher

    def _wrapped_tokenizer(self, llguidance: Any) -> Any:
        with self._lock:
            if self._ll_tokenizer is None:
                self._ll_tokenizer = llguidance.LLTokenizer(
                    self._tokenizer.to_json(), n_vocab=self._vocab_size, eos_token=self._eos_token_ids or None
                )
            return self._ll_tokenizer


_NAMES = {"json_schema": "JSON schema", "json_object": "JSON object", "regex": "regex", "lark": "grammar"}


def _ll_grammar(llguidance: Any, spec: GrammarSpec) -> str:
    matcher = llguidance.LLMatcher
    if spec.kind == "regex":
        return matcher.grammar_from_regex(spec.source)
    if spec.kind == "lark":
        source = spec.source
        # GBNF defines rules by `::=`, Lark by `:`.
        return matcher.grammar_from_lark(llguidance.gbnf_to_lark.any_to_lark(source) if "::=" in source else source)
    schema = '{"type": "object"}' if spec.kind == "json_object" else spec.source
    return matcher.grammar_from_json_schema(schema, overrides={"whitespace_pattern": _JSON_WHITESPACE})


def _import_llguidance() -> Any:
    try:
        import llguidance
        import llguidance.gbnf_to_lark
    except ImportError:
        raise GrammarError("Structured output needs llguidance: pip install llguidance") from None
    return llguidance


def _shorten(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= MAX_MESSAGE_CHARS else line[: MAX_MESSAGE_CHARS - 1] + "…"
