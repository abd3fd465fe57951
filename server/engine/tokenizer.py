"""Tokenizer: text to token ids and back, with the bytes of single tokens. Safe to use from several threads."""

import json
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken

from server.engine.token_bytes import TokenBytes, token_bytes
from server.errors import ModelLoadError, RequestError

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"


class Tokenizer:
    """A model's tokenizer.

    Args:
        backend: the Rust tokenizer. Its padding and truncation are switched off.
        config: the content of `tokenizer_config.json`: which tokens are special, whether BOS is added.
    """

    def __init__(self, backend: tokenizers.Tokenizer, config: dict[str, Any] | None = None) -> None:
        config = config or {}
        backend.no_padding()
        backend.no_truncation()
        _mark_special(backend, config)
        self._backend = backend
        self._lock = threading.Lock()
        self.vocab_size = max(backend.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        """One more than the highest id."""
        self.bos_token_id = self._named_id(config, "bos_token")
        self.eos_token_id = self._named_id(config, "eos_token")
        self.special_ids = frozenset(
            token_id for token_id, token in backend.get_added_tokens_decoder().items() if token.special
        )
        """Ids that `skip_special_tokens` hides."""
        self.bytes_of: TokenBytes | None = token_bytes(backend)
        """The bytes of every token; None if the tokenizer does not decode token by token."""
        self._adds_bos = self._must_add_bos(config.get("add_bos_token"))

    @classmethod
    def from_directory(cls, directory: Path | str) -> "Tokenizer":
        """Load `tokenizer.json`, or convert the older files of the checkpoint.

        Raises:
            ModelLoadError: there is no tokenizer, or it cannot be read.
        """
        directory = Path(directory)
        config = _read_config(directory / CONFIG_FILE)
        path = directory / TOKENIZER_FILE
        if not path.is_file():
            return cls(_convert(directory), config)
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)), config)
        except Exception as error:  # The Rust library raises plain exceptions.
            raise ModelLoadError(f"{path} is not a tokenizer that can be read: {_first_line(error)}") from None

    def to_json(self) -> str:
        """The tokenizer in the format of `tokenizer.json`."""
        return str(self._backend.to_str())

    def encode(self, text: str, *, add_special_tokens: bool = True, allow_special: bool = True) -> list[int]:
        """Token ids of a text.

        Args:
            text: any text without lone surrogates.
            add_special_tokens: begin (and end) as the model was trained to, for instance with BOS.
            allow_special: read special tokens that are spelled out in the text, as in a chat template's
                output; otherwise they are text like any other.

        Raises:
            RequestError: the text has no UTF-8 encoding.
        """
        return self.encode_batch([text], add_special_tokens=add_special_tokens, allow_special=allow_special)[0]

    def encode_batch(
        self, texts: Sequence[str], *, add_special_tokens: bool = True, allow_special: bool = True
    ) -> list[list[int]]:
        """`encode` of several texts."""
        for text in texts:
            _check_encodable(text)
        backend = self._backend if allow_special else self._without_special
        encodings = backend.encode_batch_fast(list(texts), add_special_tokens=add_special_tokens)
        start = [self.bos_token_id] if add_special_tokens and self._adds_bos and self.bos_token_id is not None else []
        return [start + encoding.ids for encoding in encodings]

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text of token ids; incomplete characters are U+FFFD, and ids outside the vocabulary nothing."""
        return str(self._backend.decode(list(token_ids), skip_special_tokens=skip_special_tokens))

    def token_text_and_bytes(self, token_id: int) -> tuple[str, bytes]:
        """One token as text, with U+FFFD for partial characters, and as its raw UTF-8 bytes."""
        if self.bytes_of is not None:
            raw = self.bytes_of[token_id]
            return raw.decode(errors="replace"), raw
        text = self.decode([token_id], skip_special_tokens=False)
        return text, text.encode()

    def special_id(self, text: str) -> int | None:
        """The special token that is spelled `text`, if there is one."""
        found: int | None = self._backend.token_to_id(text)
        return found if found in self.special_ids else None

    @property
    def _without_special(self) -> tokenizers.Tokenizer:
        """A copy that reads special tokens as text: the switch is the tokenizer's, not the call's."""
        with self._lock:
            return self._plain_copy

    @cached_property
    def _plain_copy(self) -> tokenizers.Tokenizer:
        copy = tokenizers.Tokenizer.from_str(self.to_json())
        copy.encode_special_tokens = True
        return copy

    def _named_id(self, config: dict[str, Any], name: str) -> int | None:
        content = _content(config.get(name))
        found: int | None = None if content is None else self._backend.token_to_id(content)
        return found

    def _must_add_bos(self, wanted: bool | None) -> bool:
        """Whether the configuration asks for a BOS that `tokenizer.json` does not add itself."""
        if not wanted or self.bos_token_id is None:
            return False
        return self.bos_token_id not in self._backend.encode("", add_special_tokens=True).ids


def _mark_special(backend: tokenizers.Tokenizer, config: dict[str, Any]) -> None:
    """Some checkpoints name special tokens in `tokenizer_config.json` alone."""
    listed = config.get("added_tokens_decoder") or {}
    for token_id, entry in sorted(listed.items(), key=lambda item: int(item[0])):
        known = backend.token_to_id(entry["content"])
        # A token that would get another id than the checkpoint says must not be added.
        if known == int(token_id) or (known is None and int(token_id) == backend.get_vocab_size()):
            fields = {key: bool(entry.get(key)) for key in ("single_word", "lstrip", "rstrip", "normalized", "special")}
            add = backend.add_special_tokens if fields["special"] else backend.add_tokens
            add([AddedToken(entry["content"], **fields)])
    special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    named = [config.get(name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")]
    for entry in [*named, *(config.get("additional_special_tokens") or [])]:
        content = _content(entry)
        if content is not None and content not in special and backend.token_to_id(content) is not None:
            backend.add_special_tokens([AddedToken(content, normalized=False, special=True)])


def _content(entry: Any) -> str | None:
    """A special token is written as a string or as an object with `content`."""
    if isinstance(entry, dict):
        entry = entry.get("content")
    return entry if isinstance(entry, str) else None


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path} is not JSON: {_first_line(error)}") from None
    if not isinstance(config, dict):
        raise ModelLoadError(f"{path} must hold a JSON object")
    return config


def _convert(directory: Path) -> tokenizers.Tokenizer:
    """A Rust tokenizer from `vocab.json` and `merges.txt`, or `tokenizer.model`; runs no code of the checkpoint."""
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(str(directory), trust_remote_code=False, local_files_only=True)
    except Exception as error:  # Whatever transformers trips over, the user needs the same advice.
        raise ModelLoadError(
            f"no usable tokenizer in {directory}: there is no {TOKENIZER_FILE}, and older files could not be "
            f"converted ({_first_line(error)}). Save the checkpoint with a fast tokenizer."
        ) from None
    backend = getattr(found, "backend_tokenizer", None)
    if backend is None or found.vocab_size == 0:
        raise ModelLoadError(
            f"no usable tokenizer in {directory}: there is no {TOKENIZER_FILE}, nor files to make one from. "
            "Save the checkpoint with a fast tokenizer."
        )
    return backend


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RequestError("The text holds half of a surrogate pair, which is not a character.") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
