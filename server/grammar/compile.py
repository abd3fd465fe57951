"""From a `GrammarSpec` to llguidance's matcher. Imports llguidance when called, and never PyTorch."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.engine.request import GrammarSpec
from server.errors import GrammarError
from server.grammar.added_tokens import visible_tokenizer
from server.grammar.limits import MAX_LEXER_STATES

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from llguidance._lib import JsonCompileOptions

# Without a bound a weak model may write blanks for ever; this leaves room for a line break and deep indentation.
_JSON_OPTIONS: "JsonCompileOptions" = {"whitespace_pattern": r"[\x20\x0A\x0D\x09]{1,40}"}

_MAX_MESSAGE_CHARS = 300


def require_llguidance() -> None:
    """Raises `GrammarError` where structured output is not installed."""
    try:
        import llguidance  # noqa: F401
    except ImportError:
        raise GrammarError("Structured output needs llguidance: run `pip install llguidance`.") from None


def make_ll_tokenizer(tokenizer_json: str, vocab_size: int, eos_ids: Sequence[int]) -> "LLTokenizer":
    """llguidance's view of a tokenizer.

    Args:
        tokenizer_json: content of `tokenizer.json`.
        vocab_size: at least the tokenizer's; ids beyond it are never allowed.
        eos_ids: ids that end a text, all inside the tokenizer's vocabulary.

    Raises:
        GrammarError: llguidance cannot work with this tokenizer.
    """
    from llguidance import LLTokenizer

    try:
        shown = visible_tokenizer(tokenizer_json) or tokenizer_json
        return LLTokenizer(shown, n_vocab=vocab_size, eos_token=list(eos_ids) or None)
    except Exception as error:  # The Rust library raises plain exceptions.
        raise GrammarError(f"Structured output does not work with this model's tokenizer: {shorten(error)}") from None


def make_matcher(spec: GrammarSpec, tokenizer: "LLTokenizer") -> "LLMatcher":
    """A matcher at the beginning of the text.

    Raises:
        GrammarError: the grammar does not compile, costs too much, or allows no text.
    """
    from llguidance import LLMatcher, LLParserLimits

    # Verbose errors would put the output text into messages. The other limits are llguidance's own; they bound
    # a token's mask to some tens of milliseconds.
    limits = LLParserLimits(max_lexer_states=MAX_LEXER_STATES, verbose_errors=False)
    matcher = LLMatcher(tokenizer, _grammar_text(spec), log_level=0, limits=limits)
    if not matcher.is_error():
        matcher.compute_bitmask()  # Some costs show only here.
    if matcher.is_error():
        raise GrammarError(_explain(matcher.get_error()))
    return matcher


def _grammar_text(spec: GrammarSpec) -> str:
    from llguidance import LLMatcher
    from llguidance.gbnf_to_lark import any_to_lark

    try:
        match spec.kind:
            case "json_schema":
                # llguidance takes options for objects only; `true` and `{}` are the same schema.
                schema = "{}" if spec.source.strip() == "true" else spec.source
                return LLMatcher.grammar_from_json_schema(schema, overrides=_JSON_OPTIONS)
            case "json_object":
                return LLMatcher.grammar_from_json_schema(json.dumps({"type": "object"}), overrides=_JSON_OPTIONS)
            case "regex":
                return LLMatcher.grammar_from_regex(spec.source)
            case "lark":
                # GBNF defines its rules by `::=`, Lark by `:`.
                is_gbnf = "::=" in spec.source
                return LLMatcher.grammar_from_lark(any_to_lark(spec.source) if is_gbnf else spec.source)
    except Exception as error:  # Converters and the Rust library raise plain exceptions.
        raise GrammarError(f"The grammar cannot be read: {shorten(error)}") from None


def _explain(message: str) -> str:
    if message.startswith("NoExtension"):
        return "The grammar allows no text at all."
    return f"The grammar cannot be used: {shorten(message)}"


def shorten(error: object) -> str:
    """An error message without the compiler's state, cut to a sensible length."""
    text = " ".join(str(error).split("\n<")[0].split()) or type(error).__name__
    return text if len(text) <= _MAX_MESSAGE_CHARS else text[:_MAX_MESSAGE_CHARS] + "…"
