"""StepBatch: everything one step needs, on the device."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class StepBatch:
    """R rows with T new tokens. Rows with more than one new token (prefill) come first.

    Row r owns tokens `query_starts[r]:query_starts[r + 1]`; its last token has position
    `kv_lens[r] - 1`. Page tables and retentions are indexed by `rows`.

    Args:
        rows: int64 [R], index of each row in the page tables and in the sampler's state.
        token_ids: int64 [T].
        positions: int64 [T].
        token_rows: int64 [T], `rows` spread over tokens.
        query_starts: int32 [R + 1], on the device.
        kv_lens: int32 [R], positions visible to each row's last token, itself included.
        query_lens: new tokens of each row, on the host.
        host_kv_lens: `kv_lens`, on the host.
        host_rows: `rows`, on the host; None where nobody there knows them.
        num_prefill_rows: rows [0, num_prefill_rows) have more than one new token.
        num_prefill_tokens: tokens of those rows; every later row has exactly one.
        rows_in_band: how many leading rows run each band.
        tokens_in_band: how many leading tokens run each band.
        counts: int32 [2] on the device: the rows there are, and how many leading ones are prefill rows.
        is_static: the batch belongs to a captured graph. Its tensors are fixed buffers, all host numbers are upper
            bounds (`query_lens` and `host_kv_lens` are empty), and only device tensors tell what a replay holds.
            Rows from `counts[0]` on are padding: their `query_starts` are all alike, their row is the null row,
            whose page table holds null pages alone; so do tokens past the last row's.
        max_prefill_rows: of a static batch, how many prefill rows a replay may hold at most; 0 in pure decode steps.
    """

    rows: torch.Tensor
    token_ids: torch.Tensor
    positions: torch.Tensor
    token_rows: torch.Tensor
    query_starts: torch.Tensor
    kv_lens: torch.Tensor
    query_lens: list[int]
    host_kv_lens: list[int]
    num_prefill_rows: int
    num_prefill_tokens: int
    rows_in_band: list[int]
    tokens_in_band: list[int]
    counts: torch.Tensor
    is_static: bool = False
    max_prefill_rows: int = 0
    host_rows: np.ndarray | None = None

    @property
    def num_rows(self) -> int:
        return self.rows.shape[0]

    @property
    def num_tokens(self) -> int:
        return self.token_ids.shape[0]
