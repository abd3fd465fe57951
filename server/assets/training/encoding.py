"""Conversations and texts as token ids, by several processes where there are many."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import batched, chain

import numpy as np
from tokenizers import Tokenizer

from server.assets.training.questions import AS_WRITTEN, Conversation, Drawing, conversations, parse_line
from server.assets.training.shards import WEIGHT_ONE, Ids, Row
from server.assets.training.template import END_OF_TEXT
from server.assets.training.tokenizer import ADDED_TOKENS

_CHUNK = 32
"""What a process takes at once; the encoder goes with it."""
_CHUNKS_AT_ONCE = 64
"""Chunks that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """What a process does with its share.

    Args:
        tokenizer: turns text into ids.
        pool: names of places that may take the place of others.
        drawing: how conversations are drawn from lines of training towns.
        seed: of what is drawn.
        context_weight: loss weight of what the assistant does not write, in units of 1 / `WEIGHT_ONE`.
        max_tokens: longer conversations are left out.
    """

    tokenizer: Tokenizer
    pool: Sequence[str]
    drawing: Drawing
    seed: int
    context_weight: int
    max_tokens: int

    def training_rows(self, jobs: Iterable[tuple[str, str, int]]) -> list[Row]:
        """Rows of lines, each given as its text, where it stands, and the number of the copy to draw."""
        found = []
        for text, where, copy in jobs:
            line = parse_line(text, where)
            rng = random.Random(f"{self.seed}/{line['id']}/{copy}")
            found += conversations(line, self.pool, self.drawing, rng)
        return self.rows(found)

    def validation_rows(self, jobs: Iterable[tuple[str, str]]) -> list[Row]:
        """Rows of lines, each given as its text and where it stands, with every question and nothing exchanged."""
        lines = [parse_line(text, where) for text, where in jobs]
        drawn = (conversations(line, (), AS_WRITTEN, random.Random(f"validation/{line['id']}")) for line in lines)
        return self.rows(chain.from_iterable(drawn))

    def rows(self, found: Iterable[Conversation]) -> list[Row]:
        """The conversations as rows, without those that are too long."""
        rows = (row_of(self.tokenizer, conversation, self.context_weight) for conversation in found)
        return [row for row in rows if len(row.ids) <= self.max_tokens]

    def streams(self, texts: Iterable[str]) -> list[Ids]:
        """Each text's ids."""
        return [np.array(self.tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.uint16) for text in texts]


def row_of(tokenizer: Tokenizer, conversation: Conversation, context_weight: int) -> Row:
    """A conversation as tokens, with `WEIGHT_ONE` on what the assistant writes and nothing on the very first token."""
    parts = conversation.pieces()
    encoded = [tokenizer.encode(part.text, add_special_tokens=False).ids for part in parts]
    ids = [*chain.from_iterable(encoded), ADDED_TOKENS.index(END_OF_TEXT)]
    weights = [WEIGHT_ONE if part.is_written else context_weight for part in parts] + [context_weight]
    spread = np.repeat(np.array(weights, np.uint8), [*map(len, encoded), 1])
    spread[0] = 0
    return Row(np.array(ids, np.uint16), spread, conversation.kind)


def spread[Item, Found](
    work: Callable[[Iterable[Item]], list[Found]], items: Iterable[Item], executor: Executor | None
) -> Iterator[Found]:
    """What `work` gives for all items, in their order; done here if there is no executor."""
    for some in batched(items, _CHUNK * _CHUNKS_AT_ONCE):
        chunks = list(batched(some, _CHUNK))
        yield from chain.from_iterable(executor.map(work, chunks) if executor else map(work, chunks))
