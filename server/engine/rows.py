"""RowStates: the numbers of all running rows, as arrays, so that a decode step needs no loop over rows.

`Sequence` keeps the same numbers for itself while it waits; `Sequence.enter` and `Sequence.leave` move them.
"""

from collections.abc import Sequence as Sequenced
from typing import TYPE_CHECKING

import numpy as np

from server.depth.schedule import ALWAYS

if TYPE_CHECKING:
    from server.engine.sequence import Sequence

MAX_END_IDS = 8
"""Ids that end a row and are looked for in arrays; rows with more are looked at one by one."""

NO_ID = -1


class RowStates:
    """Arrays over `max_rows` rows; entries of rows that are not running are meaningless.

    Args:
        band_starts: the first layer of each band.

    Attributes:
        is_running: bool.
        sequences: the `Sequence` in each row.
        computed: int64, positions whose KV is written by steps launched so far.
        known: int64, positions whose token exists, on the host or on the device.
        in_flight: int64, tokens sampled by launched steps that the host has not read.
        prompt_len, max_len: int64, tokens of the prompt, and with the longest output wanted.
        cacheable_end: int64, positions below this may enter the prefix cache.
        num_published: int64, leading blocks offered to the prefix cache.
        last_id: int64, the newest token that the host has read.
        has_grammar: bool, the next mask needs the previous token on the host.
        variant_index: int64, which of the engine's variants.
        is_full_depth: bool, every generated token runs every layer.
        stops: int64 [max_rows, bands], generated tokens below this index run the band.
        end_ids: int64 [max_rows, MAX_END_IDS], padded with -1.
        can_sample: bool, the sampler has the row's parameters.
        needs_care: bool, each of the row's tokens is looked at by itself: logprobs, a grammar, timings, many end ids.
        depth_tokens, depth_layers: int64, as in `Sequence`.
    """

    def __init__(self, max_rows: int, band_starts: Sequenced[int] = (0,)) -> None:
        def integers() -> np.ndarray:
            return np.zeros(max_rows, dtype=np.int64)

        def flags() -> np.ndarray:
            return np.zeros(max_rows, dtype=np.bool_)

        self.is_running = flags()
        self.sequences: np.ndarray = np.full(max_rows, None, dtype=object)
        self.computed = integers()
        self.known = integers()
        self.in_flight = integers()
        self.prompt_len = integers()
        self.max_len = integers()
        self.cacheable_end = integers()
        self.num_published = integers()
        self.last_id = integers()
        self.has_grammar = flags()
        self.variant_index = integers()
        self.is_full_depth = flags()
        self.band_starts = np.array(band_starts, dtype=np.int64)
        self.stops = np.full((max_rows, len(band_starts)), ALWAYS, dtype=np.int64)
        self.end_ids = np.full((max_rows, MAX_END_IDS), NO_ID, dtype=np.int64)
        self.can_sample = flags()
        self.needs_care = flags()
        self.depth_tokens = integers()
        self.depth_layers = integers()

    def decoding(self) -> np.ndarray:
        """Rows, ascending, that can compute their newest generated token and want another one."""
        return np.flatnonzero(
            self.is_running
            & (self.known - self.computed == 1)
            & (self.computed >= self.prompt_len)
            & (self.known < self.max_len)
            & ~(self.has_grammar & (self.in_flight > 0))
        )

    def chunked(self) -> list["Sequence"]:
        """Sequences with prompt positions, or several others, left to compute."""
        rows = np.flatnonzero(
            self.is_running
            & (self.known > self.computed)
            & ((self.known - self.computed > 1) | (self.computed < self.prompt_len))
            & ((self.computed < self.prompt_len) | (self.known < self.max_len))
            & ~(self.has_grammar & (self.in_flight > 0))
        )
        return list(self.sequences[rows])

    def advance(self, rows: np.ndarray) -> None:
        """A step was launched that computes and samples one token of each of these rows."""
        self.computed[rows] += 1
        self.known[rows] += 1
        self.in_flight[rows] += 1

    def unpublished(self, page_size: int) -> np.ndarray:
        """Rows with finished blocks that the prefix cache has not been offered."""
        finished = np.minimum(np.minimum(self.computed, self.known - self.in_flight), self.cacheable_end)
        return np.flatnonzero(self.is_running & (finished // page_size > self.num_published))
