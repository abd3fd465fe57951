"""Rows for finding gates: pass keys in a long text, and questions for all of them at its end.

After Xiao et al., "DuoAttention" (2024): ten pass keys of 32 random words at ten depths drawn without repetition from
1,000 grid points between 5 and 95 %, each announced by an ordinal, then ten questions in order, each followed by its
answer. The sentences are those of `rhumb eval`'s pass key task.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from server.calibrate.haystack import Haystack
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError

KeyKind = Literal["words", "digits"]
Render = Callable[[Sequence[dict[str, str]]], str]
"""A conversation as the model's chat template writes it."""

KEY_LENGTH: dict[KeyKind, int] = {"words": 32, "digits": 5}
"""The usual length of a key: words, or digits as in `rhumb eval`."""

MAX_PASSKEYS = 10
NUM_DEPTHS = 1000
LEAST_DEPTH, MOST_DEPTH = 0.05, 0.95

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ALPHABET = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu"
)
_TEXT = "\x02text\x03"
_KEY = "\x02key\x03"


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence.

    Args:
        token_ids: int64 [n].
        targets: int64 [m], the positions whose next token is a key's, in the answers.
    """

    token_ids: torch.Tensor
    targets: torch.Tensor


class PasskeyRows:
    """Makes rows of an exact length.

    Args:
        tokenizer: of the model.
        haystack: where the text comes from.
        num_passkeys: 1 to 10.
        kind, key_length: what a key is made of, and how many.
        render: lays the row out as a conversation; None for plain text, as in the paper.

    Raises:
        ConfigError: the template leaves something out.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        haystack: Haystack,
        *,
        num_passkeys: int = MAX_PASSKEYS,
        kind: KeyKind = "words",
        key_length: int | None = None,
        render: Render | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._haystack = haystack
        self._kind = kind
        self._words = _ALPHABET.split()
        self.key_length = key_length or KEY_LENGTH[kind]
        ordinals = _ORDINALS[:num_passkeys]
        self._announce = [self._ids(f"\n\nThe {ordinal} pass key is") for ordinal in ordinals]
        self._remember = self._ids(". Remember it.\n\n")
        questions = [f"What is the {ordinal} pass key?" for ordinal in ordinals]
        if render is None:
            first = tokenizer.encode("a")[:1]
            self._opening = first if first == [tokenizer.bos_token_id] else []
            gaps = [
                f"\n\n{question} The {name} pass key is" for question, name in zip(questions, ordinals, strict=True)
            ]
            self._gaps = [self._ids(gap if index == 0 else f".{gap}") for index, gap in enumerate(gaps)]
            self._closing = self._ids(".")
        else:
            self._opening, *self._gaps, self._closing = self._conversation(render, questions)
        # Where the assistant's turn begins with the key, no space stands before it.
        self._space = " " if render is None else ""

    @property
    def least_length(self) -> int:
        """Tokens of a row with about as much text as keys and questions; shorter rows would be hardly any haystack."""
        return 2 * max(self._frame(self._keys(np.random.default_rng(seed))) for seed in range(8))

    def check(self, longest: int) -> None:
        """Raise a ConfigError unless the text is long enough for rows of `longest` tokens."""
        if len(self._haystack.ids) < longest:
            raise ConfigError(
                f"the text has {len(self._haystack.ids):,} tokens, but rows of {longest:,} need as many: "
                "give more with --text, or a smaller --max-context"
            )

    def make(self, length: int, draw: np.random.Generator) -> Row:
        """A row of exactly `length` tokens."""
        keys = self._keys(draw)
        hay = self._haystack.window(draw, length - self._frame(keys)).tolist()
        places = np.sort(draw.choice(NUM_DEPTHS, size=len(keys), replace=False))
        depths = LEAST_DEPTH + (MOST_DEPTH - LEAST_DEPTH) * places / (NUM_DEPTHS - 1)
        cuts = [0, *(round(float(depth) * len(hay)) for depth in depths)]
        ids = list(self._opening)
        for index, (announced, _) in enumerate(keys):
            ids += hay[cuts[index] : cuts[index + 1]]
            ids += [*self._announce[index], *announced, *self._remember]
        ids += hay[cuts[-1] :]
        targets: list[int] = []
        for gap, (_, answer) in zip(self._gaps, keys, strict=True):
            ids += gap
            # What predicts a token stands one position before it.
            targets += range(len(ids) - 1, len(ids) - 1 + len(answer))
            ids += answer
        ids += self._closing
        return Row(torch.tensor(ids), torch.tensor(targets))

    def _keys(self, draw: np.random.Generator) -> list[tuple[list[int], list[int]]]:
        """Every key's ids, in its announcement and in its answer."""
        keys = []
        for _ in self._announce:
            if self._kind == "words":
                key = " ".join(str(word) for word in draw.choice(self._words, size=self.key_length))
            else:
                first, *others = draw.integers(10, size=self.key_length).tolist()
                key = "".join(map(str, (max(first, 1), *others)))
            keys.append((self._ids(f" {key}"), self._ids(f"{self._space}{key}")))
        return keys

    def _frame(self, keys: list[tuple[list[int], list[int]]]) -> int:
        """Tokens of a row that are not haystack."""
        fixed = [self._opening, *self._announce, *self._gaps, self._closing]
        drawn = sum(len(announced) + len(answer) for announced, answer in keys)
        return sum(map(len, fixed)) + drawn + len(keys) * len(self._remember)

    def _ids(self, text: str) -> list[int]:
        """The ids of a text that follows on other text; some tokenizers put a space in front of a text of its own."""
        before, both = self._tokenizer.encode_batch(["a", f"a{text}"], add_special_tokens=False)
        if both[: len(before)] == before:
            return both[len(before) :]
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _conversation(self, render: Render, questions: Sequence[str]) -> list[list[int]]:
        """What stands before the text, between it and the first key, between keys, and after the last key."""
        messages = []
        for index, question in enumerate(questions):
            asked = question if index else f"{_TEXT}\n\n{question}"
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": _KEY}]
        opening, found, rest = render(messages).partition(_TEXT)
        parts = rest.split(_KEY)
        if not found or len(parts) != len(questions) + 1:
            raise ConfigError("the chat template leaves messages out, so leave --chat out to use plain text")
        return self._tokenizer.encode_batch([opening, *parts], add_special_tokens=False)
