"""Random texts whose length in tokens is exact once they are tokenised again."""

from typing import Any, Protocol, cast

import numpy as np

from server.errors import ConfigError

POOL_SIZE = 4096
MAX_REPAIRS = 400


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that benchmarks use."""

    all_special_ids: list[int]

    def __len__(self) -> int: ...

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]: ...

    def decode(self, token_ids: list[int]) -> Any: ...


def load_tokenizer(name: str) -> Tokenizer:
    """A tokenizer from a directory or the hub; raises `ConfigError` when there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except Exception as error:  # the loader raises a different type for every way of failing
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"no tokenizer at {name!r}: give --tokenizer a directory or a hub name ({reason})") from None
    return cast(Tokenizer, tokenizer)


class TextMaker:
    """Draws texts of an exact number of tokens, special tokens that the tokenizer adds included.

    Tokens are drawn from those that survive decoding and encoding alone. Neighbours may still merge, so
    the text is tokenised again, cut or filled up, until the count is right.
    """

    def __init__(self, tokenizer: Tokenizer, rng: np.random.Generator) -> None:
        self._tokenizer = tokenizer
        self._rng = rng
        self.num_added = len(tokenizer.encode("a")) - len(tokenizer.encode("a", add_special_tokens=False))
        self._pool = self._stable_ids()

    def make(self, num_tokens: int, prefix: str = "") -> str:
        """A text that begins with `prefix` and is `num_tokens` long.

        Raises:
            ConfigError: the prefix or the special tokens leave no room, or the tokenizer cannot
                reproduce its own text.
        """
        ids = self._tokenizer.encode(prefix, add_special_tokens=False) if prefix else []
        wanted = num_tokens - self.num_added
        if wanted <= len(ids):
            raise ConfigError(
                f"a prompt of {num_tokens} tokens is too short: {self.num_added} are added by the tokenizer "
                f"and {len(ids)} are its prefix"
            )
        body: list[int] = []
        for attempt in range(MAX_REPAIRS):
            missing = wanted - len(ids) - len(body)
            # A cut can fall where the tail encodes differently each time; a fresh, longer tail ends that.
            fresh = max(0, missing) + (attempt // 4 if missing <= 0 else 0)
            body = [*body[: wanted - len(ids) - fresh], *self._draw(fresh)]
            text = prefix + str(self._tokenizer.decode(body))
            if len(self._tokenizer.encode(text)) == num_tokens:
                return text
            body = self._tokenizer.encode(text, add_special_tokens=False)[len(ids) :]
        raise ConfigError(f"the tokenizer does not reproduce its own text at {num_tokens} tokens: try another length")

    def _draw(self, count: int) -> list[int]:
        return self._rng.choice(self._pool, size=count).tolist()

    def _stable_ids(self) -> np.ndarray:
        special = set(self._tokenizer.all_special_ids)
        stable: list[int] = []
        for token_id in self._rng.permutation(len(self._tokenizer)).tolist():
            if token_id not in special and self._is_stable(token_id):
                stable.append(token_id)
                if len(stable) == POOL_SIZE:
                    break
        if not stable:
            raise ConfigError("the tokenizer has no token that survives decoding and encoding")
        return np.array(stable)

    def _is_stable(self, token_id: int) -> bool:
        text = str(self._tokenizer.decode([token_id]))
        return bool(text.strip()) and self._tokenizer.encode(text, add_special_tokens=False) == [token_id]
