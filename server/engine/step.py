"""StepInputs: what one step computes, as plain numbers.

The scheduler's decisions end here. Everything that runs on a device follows from this record alone, so several
devices that get the same records stay alike.
"""

from dataclasses import dataclass, replace

import numpy as np

from server.kv.table import TableUpdates


@dataclass(slots=True)
class StepInputs:
    """R rows with T new tokens; rows with more than one new token (prefill) come first.

    Args:
        rows: int64 [R], index of each row in the page tables.
        query_lens: int64 [R], new tokens of each row.
        kv_lens: int64 [R], positions visible to each row's last token, itself included.
        token_ids: int64 [T]; -1 stands for the row's next id, which is on the device.
        num_prefill_rows: rows [0, num_prefill_rows) have more than one new token.
        rows_in_band: how many leading rows run each band.
        band_lens: int64 [bands, R], how many of each row's new tokens, its first ones, run each band, in a step where
            those are not all the tokens of leading rows; empty otherwise.
        logit_tokens: int64 [S], the tokens whose logits are wanted.
        logit_rows: int64 [S], the rows that the tokens sampled from those logits go to.
        prompt_slices: ranges of tokens whose logits are wanted besides, one range at a time.
        tables: changes of the page tables that come before the step.
        copy_sources, copy_targets: pages to copy before the step.
    """

    rows: np.ndarray
    query_lens: np.ndarray
    kv_lens: np.ndarray
    token_ids: np.ndarray
    num_prefill_rows: int
    rows_in_band: list[int]
    band_lens: np.ndarray
    logit_tokens: np.ndarray
    logit_rows: np.ndarray
    prompt_slices: list[tuple[int, int]]
    tables: TableUpdates | None
    copy_sources: list[int]
    copy_targets: list[int]

    @property
    def num_rows(self) -> int:
        return self.rows.shape[0]

    @property
    def num_tokens(self) -> int:
        return self.token_ids.shape[0]

    def token_starts(self) -> np.ndarray:
        """int64 [R + 1]: row r owns tokens [starts[r], starts[r + 1])."""
        starts = np.zeros(self.num_rows + 1, dtype=np.int64)
        np.cumsum(self.query_lens, out=starts[1:])
        return starts

    def token_positions(self, starts: np.ndarray) -> np.ndarray:
        """int64 [T]: of every row, the last token has position kv_len - 1, and the others come before it."""
        return np.arange(self.num_tokens) + np.repeat(self.kv_lens - starts[1:], self.query_lens)

    def token_rows(self) -> np.ndarray:
        """int64 [T]: `rows` spread over tokens."""
        return np.repeat(self.rows, self.query_lens)

    @property
    def is_pure_decode(self) -> bool:
        """Every row has one new token, and its logits are wanted."""
        return (
            self.num_rows == self.num_tokens == self.logit_tokens.shape[0]
            and not self.prompt_slices
            and not self.band_lens.size
        )

    def of_band(self, band: int) -> tuple["StepInputs", np.ndarray]:
        """The part of a step with `band_lens` that runs one band, and int64 [T], which of the step's tokens it has.

        It is a step like others: rows with several tokens come first there, too.
        """
        lens = self.band_lens[band]
        running = np.flatnonzero(lens)
        order = running[np.argsort(lens[running] == 1, kind="stable")]
        lens = lens[order]
        starts = self.token_starts()[order]
        ends = np.cumsum(lens)
        tokens = np.arange(lens.sum()) + np.repeat(starts - (ends - lens), lens)
        part = replace(
            self,
            rows=self.rows[order],
            query_lens=lens,
            kv_lens=self.kv_lens[order] - self.query_lens[order] + lens,
            # The layers ask for none.
            token_ids=np.zeros(tokens.size, dtype=np.int64),
            num_prefill_rows=int((lens > 1).sum()),
            rows_in_band=[order.size],
            band_lens=self.band_lens[:0],
        )
        return part, tokens
