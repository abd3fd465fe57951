"""The bytes that each token stands for, read off a tokenizer's decoder.

Byte-level BPE (GPT-2, Llama 3, Qwen, OPT), byte fallback and Metaspace (SentencePiece models) decode token by
token: the text is the UTF-8 decoding of the tokens' bytes in a row, but for spaces at the very beginning.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import tokenizers

Leading = Literal["keep", "strip one space", "strip first token"]
"""What happens to spaces where a text begins: nothing, one goes, or all those of the first token."""


@dataclass(frozen=True, slots=True)
class TokenBytes:
    """A token -> bytes table.

    Args:
        pieces: of every token id; empty where the vocabulary has a hole.
        leading: what the decoder does with spaces where the text begins.
    """

    pieces: list[bytes]
    leading: Leading
    _texts: dict[int, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __getitem__(self, token_id: int) -> bytes:
        """Nothing for ids outside the vocabulary, which a padded model may produce."""
        return self.pieces[token_id] if token_id < len(self.pieces) else b""

    def text(self, token_id: int) -> str | None:
        """The token's text where a character begins; None if it does not stand for whole characters."""
        try:
            return self._texts[token_id]
        except KeyError:
            pass
        try:
            text = self[token_id].decode()
        except UnicodeDecodeError:
            text = None
        return self._texts.setdefault(token_id, text)


def token_bytes(tokenizer: tokenizers.Tokenizer) -> TokenBytes | None:
    """The table of a tokenizer, or None if its decoder does more than put bytes in a row."""
    decoder = json.loads(tokenizer.to_str())["decoder"]
    found = _read(_flat(decoder)) if decoder is not None else None
    if found is None:
        return None
    to_bytes, leading = found
    size = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    tokens = (tokenizer.id_to_token(token_id) for token_id in range(size))
    return TokenBytes([b"" if token is None else to_bytes(token) for token in tokens], leading)


def _flat(decoder: dict[str, Any]) -> list[dict[str, Any]]:
    if decoder["type"] == "Sequence":
        return [part for inner in decoder["decoders"] for part in _flat(inner)]
    return [decoder]


def _read(parts: list[dict[str, Any]]) -> tuple[Callable[[str], bytes], Leading] | None:
    replacements: list[tuple[str, str]] = []
    to_bytes: Callable[[str], bytes] = str.encode
    leading: Leading = "keep"
    for index, part in enumerate(parts):
        match part:
            case {"type": "ByteLevel"} if to_bytes is str.encode and not replacements:
                to_bytes = _byte_level
            case {"type": "ByteFallback"} if to_bytes is str.encode:
                to_bytes = _byte_fallback
            case {"type": "Replace", "pattern": {"String": old}, "content": new} if to_bytes is str.encode:
                replacements.append((old, new))
            case {"type": "Metaspace", "replacement": old, "prepend_scheme": scheme} if index == 0:
                replacements.append((old, " "))
                leading = "keep" if scheme == "never" else "strip first token"
            case {"type": "Fuse"}:
                pass
            case {"type": "Strip", "content": " ", "start": 1, "stop": 0} if parts[index - 1]["type"] == "Fuse":
                leading = "strip one space"
            case _:
                return None
        if leading == "strip one space" and index != len(parts) - 1:
            return None

    def piece(token: str) -> bytes:
        for old, new in replacements:
            token = token.replace(old, new)
        return to_bytes(token)

    return piece, leading


def _byte_fallback(token: str) -> bytes:
    """`<0xE4>` is a byte; everything else is text."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        try:
            return bytes([int(token[3:5], 16)])
        except ValueError:
            pass
    return token.encode()


def _byte_level(token: str) -> bytes:
    """Every character is a byte in disguise, or the token (an added one) is plain text."""
    try:
        return bytes(_BYTES[char] for char in token)
    except KeyError:
        return token.encode()


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's disguise: printable Latin-1 stands for itself, the other bytes for U+0100 onwards, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(hidden)}


_BYTES = _byte_alphabet()
