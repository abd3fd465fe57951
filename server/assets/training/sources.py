"""Everything that batches come from, by the names that a plan uses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from server.assets.training.batch import Batch
from server.assets.training.choices import choose
from server.assets.training.comparisons import compare
from server.assets.training.curriculum import Part
from server.assets.training.emphasis import stress_answers
from server.assets.training.passkey import Passkey
from server.assets.training.rows import DeviceRows, Prose
from server.assets.training.shards import TrainingSet
from server.assets.training.symbols import Symbols, symbols_of
from server.assets.training.tasks import Draw, copying, lookup, records, smallest
from server.errors import ConfigError

SYNTHETIC: dict[str, Callable[..., Batch]] = {
    "copying": copying,
    "lookup": lookup,
    "records": records,
    "smallest": smallest,
    "choose": choose,
    "compare": compare,
}
WORDED = ("choose", "compare")
"""Tasks that need symbols with wordings."""


class Sources:
    """Draws a batch for any part of a plan.

    Args:
        symbols: for random strings.
        seed: of the order in which rows come.
        shards: `questions` and `dialogues`, where they are.
        books: natural text; None for none.
        passkey: made of training books.
        validation: conversations that are never trained on.
        held_out_passkey: made of held-out books.
        held_out: streams whose perplexity is followed, by name.
        vocab_size: ids there are, 0 where nobody asks.
        validation_tokens, passkey_trials: size of the evaluations: tokens of every kind and length, rows a depth.
    """

    def __init__(
        self,
        symbols: Symbols,
        seed: int,
        *,
        shards: dict[str, DeviceRows] | None = None,
        books: Prose | None = None,
        passkey: Passkey | None = None,
        validation: DeviceRows | None = None,
        held_out_passkey: Passkey | None = None,
        held_out: dict[str, Prose] | None = None,
        vocab_size: int = 0,
        validation_tokens: int = 262_144,
        passkey_trials: int = 8,
    ) -> None:
        self.symbols = symbols
        self.vocab_size = vocab_size
        self.validation = validation
        self.held_out_passkey = held_out_passkey
        self.held_out = held_out or {}
        self.validation_tokens = validation_tokens
        self.passkey_trials = passkey_trials
        self._seed = seed
        self._shards = shards or {}
        self._books = books
        self._passkey = passkey

    def has(self, part: Part) -> bool:
        """Whether there is anything to draw for this part."""
        if part.task in ("questions", "dialogues"):
            rows = self._shards.get(part.task)
            return rows is not None and len(rows.rows_of(part.length, part.options.get("only", ""))) > 0
        if part.task == "books":
            return self._books is not None and len(self._books) > part.length
        if part.task in ("passkey", "passkeys"):
            return self._passkey is not None and self._passkey.longest > part.length
        if part.task in WORDED:
            return len(self.symbols.wordings) > 0
        return part.task in SYNTHETIC

    def draw(self, part: Part, rows: int, seed: int, drawn: dict[str, int]) -> tuple[Batch, NDArray[np.int64]]:
        """A batch of `rows` rows of the part's length, and an upper bound of how many targets each row has.

        Args:
            part: what to draw.
            rows: of the batch.
            seed: of random strings and places.
            drawn: rows taken from shards so far; counted on in place.
        """
        draw = Draw(self.symbols, rows, part.length, seed)
        if part.task in self._shards:
            options = dict(part.options)
            factor = options.pop("answer_weight", 1.0)
            batch, num_targets = self._shards[part.task].draw(draw, drawn, seed=self._seed, **options)
            return (batch if factor == 1 else stress_answers(batch, self.symbols, factor)), num_targets
        if part.task in SYNTHETIC:
            batch = SYNTHETIC[part.task](draw, **part.options)
        elif part.task == "books" and self._books is not None:
            batch = self._books.draw(draw)
        elif self._passkey is not None:
            batch = self._passkey.one(draw) if part.task == "passkey" else self._passkey.several(draw, **part.options)
        else:
            raise ValueError(f"there is nothing to draw {part.task} from")
        return batch, np.full(rows, part.length)


def open_sources(folder: Path, device: torch.device, *, seed: int) -> tuple[Sources, list[Path]]:
    """The sources of a packed training set, and the tokenizer's files to be copied beside the weights.

    Raises:
        ConfigError: a part of the set is missing or damaged.
    """
    found = TrainingSet(folder)
    tokenizer_files = [found.tokenizer_path, found.tokenizer_config_path]
    missing = [path.name for path in tokenizer_files if not path.is_file()]
    if missing:
        raise ConfigError(f"{folder} has no {missing[0]}: name the folder of a packed training set with --data")
    tokenizer = Tokenizer.from_file(str(found.tokenizer_path))
    symbols = symbols_of(tokenizer, device)
    books, held_out = Prose(found.books, device), Prose(found.held_out, device)
    streams = {"held_out": held_out}
    if len(found.wikitext) > 2048:
        streams["wikitext"] = Prose(found.wikitext, device)
    shards = {name: DeviceRows(getattr(found, name), device, name) for name in ("questions", "dialogues")}
    sources = Sources(
        symbols,
        seed,
        shards=shards,
        books=books,
        passkey=Passkey(tokenizer, symbols, books),
        validation=DeviceRows(found.validation, device, "validation"),
        held_out_passkey=Passkey(tokenizer, symbols, held_out),
        held_out=streams,
        vocab_size=tokenizer.get_vocab_size(),
    )
    return sources, tokenizer_files
