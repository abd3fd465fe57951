"""Added tokens that are text, such as `<tool_call>`, as grammars need them.

llguidance reads a `tokenizer.json` by itself, but takes every added token for a special one, which no grammar can
spell. A model that was trained on such tokens could then not write its calls as it learned to.
"""

import json
from typing import TYPE_CHECKING

import tokenizers

from server.engine.token_bytes import token_bytes

if TYPE_CHECKING:
    from llguidance import TokenizerWrapper


class _Spelled:
    """What llguidance asks of a tokenizer that is not its own.

    Args:
        backend: the Rust tokenizer.
        pieces: the bytes of every token.
        special_ids: of the tokens that are no text.
        eos_id: ends a text, unless llguidance is told otherwise.
    """

    def __init__(self, backend: tokenizers.Tokenizer, pieces: list[bytes], special_ids: list[int], eos_id: int) -> None:
        self.tokens = pieces
        self.special_token_ids = special_ids
        self.eos_token_id = eos_id
        self.bos_token_id = None
        self._backend = backend

    def __call__(self, text: str) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids


def visible_tokenizer(tokenizer_json: str) -> "TokenizerWrapper | None":
    """A tokenizer whose added tokens may be spelled by grammars unless they are special.

    Args:
        tokenizer_json: content of `tokenizer.json`.

    Returns:
        None where llguidance's own reading does: there are no such tokens, or no table of bytes.
    """
    added = json.loads(tokenizer_json).get("added_tokens") or []
    if all(token["special"] for token in added):
        return None
    backend = tokenizers.Tokenizer.from_str(tokenizer_json)
    # Spelled out in an output, a special token is text like any other.
    backend.encode_special_tokens = True
    table = token_bytes(backend)
    if table is None:
        return None
    from llguidance import TokenizerWrapper

    special_ids = sorted(token["id"] for token in added if token["special"])
    return TokenizerWrapper(_Spelled(backend, table.pieces, special_ids, special_ids[0] if special_ids else 0))
