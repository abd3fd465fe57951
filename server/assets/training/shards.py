"""What the training reads: conversations as token ids with loss weights, and streams of natural text.

`python -m server.assets.training.packing` writes a folder of it:

    tokenizer.json, tokenizer_config.json   what ships with the model
    text.arrays                             `books`, `held_out` and `wikitext`
    questions.shard, validation.shard       conversations about maps, of training and of validation towns
    dialogues.shard                         small talk, passages of books, copying of natural text
    manifest.json                           how it was made, and how much there is of everything

Only numpy and the standard library are needed to read it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.assets.training.arrays import load_arrays, save_arrays

WEIGHT_ONE = 100
"""The loss weight of what the assistant writes; other tokens have less. Divide by it to get weights in [0, 1]."""

Ids = NDArray[np.uint16]
Weights = NDArray[np.uint8]


class Kind(IntFlag):
    """What a row is like, so that a curriculum can begin with the easy ones."""

    NONE = 0
    JSON = 1
    """The context is in JSON; otherwise it is text."""
    TOOLS = 2
    """There is no context: the assistant calls tools."""
    VERBATIM = 4
    """Every question repeats the context's own words."""


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation.

    Args:
        ids: token ids, [n]; the last is `<|endoftext|>`.
        weights: `weights[i]` is the loss weight of predicting `ids[i]` from those before it, [n], in units of
            1 / `WEIGHT_ONE`: exactly `WEIGHT_ONE` for what the assistant writes, `<|im_end|>` included.
        kind: flags.
    """

    ids: Ids
    weights: Weights
    kind: Kind = Kind.NONE


class Shard:
    """Many rows in few arrays.

    Args:
        ids: the token ids of all rows, one after the other, [sum of lengths].
        weights: their loss weights, of the same shape.
        lengths: tokens of every row, [rows].
        kinds: the flags of every row, a `Kind` as a number, [rows].
    """

    def __init__(self, ids: Ids, weights: Weights, lengths: NDArray[np.int32], kinds: NDArray[np.uint8]) -> None:
        self.ids = ids
        self.weights = weights
        self.lengths = lengths
        self.kinds = kinds
        self.offsets: NDArray[np.int64] = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        """Row i is `ids[offsets[i] : offsets[i + 1]]`, [rows + 1]."""

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Shard":
        """A shard of these rows, in their order."""
        rows = list(rows)
        return cls(
            np.concatenate([row.ids for row in rows] or [np.empty(0, np.uint16)]),
            np.concatenate([row.weights for row in rows] or [np.empty(0, np.uint8)]),
            np.array([len(row.ids) for row in rows], np.int32),
            np.array([row.kind for row in rows], np.uint8),
        )

    @classmethod
    def open(cls, path: Path) -> "Shard":
        """Reads a file that `save` wrote; raises `ConfigError` if there is none or it is damaged."""
        arrays = load_arrays(path)
        return cls(arrays["ids"], arrays["weights"], arrays["lengths"], arrays["kinds"])

    def save(self, path: Path) -> None:
        """Writes the file; the same rows give the same bytes."""
        names = ("ids", "weights", "lengths", "kinds")
        save_arrays(path, {name: getattr(self, name) for name in names})

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.lengths)

    def row(self, index: int) -> tuple[Ids, Weights]:
        """Token ids and loss weights of one row, both [n]; views that must not be written to."""
        where = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return self.ids[where], self.weights[where]

    def rows_within(self, max_tokens: int, min_tokens: int = 0) -> NDArray[np.int64]:
        """The numbers of all rows of `min_tokens` to `max_tokens` tokens, both included, the shortest first."""
        begin = np.searchsorted(self._sorted_lengths, min_tokens, side="left")
        end = np.searchsorted(self._sorted_lengths, max_tokens, side="right")
        return self._by_length[begin:end]

    @cached_property
    def _by_length(self) -> NDArray[np.int64]:
        return np.argsort(self.lengths, kind="stable").astype(np.int64)

    @cached_property
    def _sorted_lengths(self) -> NDArray[np.int32]:
        return self.lengths[self._by_length]


class TrainingSet:
    """A folder of everything that training and its evaluations read; each part is read when it is first asked for.

    Args:
        folder: what `packing` wrote. Parts raise `ConfigError` where their file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer_path = folder / "tokenizer.json"
        """The tokenizer, to be copied beside the weights."""
        self.tokenizer_config_path = folder / "tokenizer_config.json"
        """The chat template and the names of special tokens, to be copied as well."""

    @property
    def books(self) -> Ids:
        """All training books, each ended by `<|endoftext|>`, [num_tokens]."""
        return self._text["books"]

    @property
    def held_out(self) -> Ids:
        """Books that neither the tokenizer nor the model learns from, [num_tokens]."""
        return self._text["held_out"]

    @property
    def wikitext(self) -> Ids:
        """An encyclopedia text for a perplexity that others can compare; empty where there was none, [num_tokens]."""
        return self._text["wikitext"]

    @cached_property
    def questions(self) -> Shard:
        """Conversations about maps of training towns."""
        return Shard.open(self.folder / "questions.shard")

    @cached_property
    def validation(self) -> Shard:
        """Conversations about maps of towns that are not trained on, nothing in them renamed."""
        return Shard.open(self.folder / "validation.shard")

    @cached_property
    def dialogues(self) -> Shard:
        """Conversations about the model itself, passages of books, and copying of natural text."""
        return Shard.open(self.folder / "dialogues.shard")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How the set was made: `held_out_titles`, `wikitext_num_bytes`, seeds, counts and sizes."""
        found: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        return found

    @cached_property
    def _text(self) -> dict[str, NDArray[Any]]:
        return load_arrays(self.folder / "text.arrays")
