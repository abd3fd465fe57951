"""Incremental detokenisation: the text that each new token adds, never with half a character."""

import codecs
from collections.abc import Sequence
from typing import Protocol

from server.engine.token_bytes import TokenBytes
from server.engine.tokenizer import Tokenizer

REPLACEMENT = "\ufffd"

_CONTEXT_TOKENS = 8
"""Prompt tokens that a text-wise decoder needs to see to place spaces rightly."""

_LONGEST_PARTIAL = 3
"""A UTF-8 character lacks at most its last byte of four."""


class Detokenizer(Protocol):
    """Text of one sample. The texts of all tokens and of `flush`, joined, are the text that follows the prompt."""

    def feed(self, token_id: int) -> str:
        """What the token adds; "" while a character is incomplete."""

    def flush(self) -> str:
        """U+FFFD if the last character was never completed, else "". Nothing may be fed afterwards."""

    @property
    def is_open(self) -> bool:
        """Whether the last token's character is incomplete."""


def make_detokenizer(
    tokenizer: Tokenizer,
    prompt_ids: Sequence[int],
    *,
    skip_special_tokens: bool = True,
    spaces_between_special_tokens: bool = True,
) -> Detokenizer:
    """The detokenizer of one sample.

    Args:
        prompt_ids: what the sample continues. None of its text is returned, except that a character which the
            sample completes belongs to the sample.
        skip_special_tokens: leave special tokens out.
        spaces_between_special_tokens: as the tokenizer's decoder does it; False joins adjacent special tokens.
            Only decoders that put spaces between tokens know a difference.
    """
    hidden = tokenizer.special_ids if skip_special_tokens else frozenset()
    if tokenizer.bytes_of is not None:
        return ByteDetokenizer(tokenizer.bytes_of, prompt_ids, hidden)
    joined = frozenset() if spaces_between_special_tokens else tokenizer.special_ids
    return WindowDetokenizer(tokenizer, prompt_ids, hidden, joined)


class ByteDetokenizer:
    """Puts the tokens' bytes in a row and decodes them as UTF-8.

    Args:
        table: the tokens' bytes.
        prompt_ids: what the sample continues.
        hidden: ids that are left out.
    """

    def __init__(self, table: TokenBytes, prompt_ids: Sequence[int], hidden: frozenset[int]) -> None:
        self._table = table
        self._hidden = hidden
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_at_start = table.leading != "keep"
        for token_id in prompt_ids:
            if not self._is_at_start:
                break
            self._without_leading_space(token_id)
        self._borrowed = self._partial_character(prompt_ids)
        self.is_open = False

    def feed(self, token_id: int) -> str:
        if not (self.is_open or self._borrowed or self._is_at_start or token_id in self._hidden):
            text = self._table.text(token_id)
            if text is not None:
                return text
        text = self._decode(token_id)
        self.is_open = bool(self._decoder.getstate()[0])
        return text

    def flush(self) -> str:
        self.is_open = False
        return self._decoder.decode(b"", final=True)

    def _decode(self, token_id: int) -> str:
        piece = self._without_leading_space(token_id) if self._is_at_start else self._piece(token_id)
        if self._borrowed and piece:
            # The prompt's half character counts only if this sample goes on with it.
            if _continues(self._borrowed, piece[0]):
                self._decoder.decode(self._borrowed)
            self._borrowed = b""
        return self._decoder.decode(piece)

    def _piece(self, token_id: int) -> bytes:
        return b"" if token_id in self._hidden else self._table[token_id]

    def _without_leading_space(self, token_id: int) -> bytes:
        """The token's bytes where the text may still be at its beginning."""
        piece = self._piece(token_id)
        if token_id in self._hidden:
            return piece
        if self._table.leading == "strip first token":
            self._is_at_start = False
            return piece.replace(b" ", b"")
        self._is_at_start = not piece
        return piece.removeprefix(b" ")

    def _partial_character(self, prompt_ids: Sequence[int]) -> bytes:
        """Bytes of an incomplete character at the prompt's end."""
        tail = b""
        for token_id in reversed(prompt_ids):
            tail = self._piece(token_id) + tail
            if len(tail) > _LONGEST_PARTIAL:
                break
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(tail[-_LONGEST_PARTIAL - 1 :])
        return decoder.getstate()[0]


def _continues(partial: bytes, byte: int) -> bool:
    """Whether `byte` may follow the bytes of an incomplete character."""
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(partial + bytes([byte]))
    except UnicodeDecodeError:
        return False
    return True


class WindowDetokenizer:
    """For decoders that work on text, such as WordPiece: decodes a short window again for every token.

    Args:
        tokenizer: decodes the window.
        prompt_ids: what the sample continues.
        hidden: ids that are left out.
        joined: ids that follow each other without a space.
    """

    def __init__(
        self, tokenizer: Tokenizer, prompt_ids: Sequence[int], hidden: frozenset[int], joined: frozenset[int]
    ) -> None:
        self._tokenizer = tokenizer
        self._hidden = hidden
        self._joined = joined
        self._window = [token_id for token_id in prompt_ids[-_CONTEXT_TOKENS:] if token_id not in hidden]
        self._num_shown = len(self._window)
        self._last_id = -1

    @property
    def is_open(self) -> bool:
        return len(self._window) > self._num_shown

    def feed(self, token_id: int) -> str:
        if token_id in self._hidden:
            return ""
        self._window.append(token_id)
        text = self._new_text()
        if text.endswith(REPLACEMENT):
            return ""
        if token_id in self._joined and self._last_id in self._joined:
            text = text.lstrip(" ")
        self._last_id = token_id
        return self._show(text)

    def flush(self) -> str:
        return self._show(self._new_text()) if self.is_open else ""

    def _new_text(self) -> str:
        shown = self._decode(self._window[: self._num_shown]).rstrip(REPLACEMENT)
        return self._decode(self._window).removeprefix(shown)

    def _show(self, text: str) -> str:
        self._window = self._window[-_CONTEXT_TOKENS:]
        self._num_shown = len(self._window)
        return text

    def _decode(self, token_ids: list[int]) -> str:
        return self._tokenizer.decode(token_ids, skip_special_tokens=False)
