"""RowParameters: how each row's tokens are drawn, in arrays on the host and, where kernels read it, on the device."""

import math

import numpy as np
import torch
from torch import Tensor

from server.engine.draw import stream_key
from server.engine.edits import MINUS_INFINITY, has_edits
from server.engine.penalties import has_penalties
from server.engine.request import SamplingParams
from server.engine.upload import upload

RANDOM, FILTERED, MIN_P, EDITED, PENALISED, LOGPROBS = (1 << bit for bit in range(6))
"""Bits of `RowParameters.flags`. A filtered row is a random one with top-k or top-p."""

NUM_FIELDS = 5
"""Fields of a row in the device's table: temperature, log min-p, top-k, top-p, stream key, as the bits of int64."""


class RowParameters:
    """Arrays over `max_rows` rows; entries of rows that are not in use are meaningless, except that flags are 0.

    Attributes:
        flags: uint8, sums of the bits above.
        temperatures: float32.
        log_min_p: float32; -inf is off.
        top_k: int64, in [1, vocab_size]; `vocab_size` is off.
        top_p: float64, in (0, 1]; 1 is off.
        keys: uint64, of the row's stream of uniform numbers.
        num_top: int64, how many of the most likely tokens are reported.
    """

    def __init__(self, vocab_size: int, max_rows: int, device: torch.device) -> None:
        self._vocab_size = vocab_size
        self._device = device
        self.flags = np.zeros(max_rows, dtype=np.uint8)
        self.temperatures = np.ones(max_rows, dtype=np.float32)
        self.log_min_p = np.full(max_rows, MINUS_INFINITY, dtype=np.float32)
        self.top_k = np.full(max_rows, vocab_size, dtype=np.int64)
        self.top_p = np.ones(max_rows, dtype=np.float64)
        self.keys = np.zeros(max_rows, dtype=np.uint64)
        self.num_top = np.zeros(max_rows, dtype=np.int64)
        self._changed = np.zeros(max_rows, dtype=np.bool_)
        self._table = torch.zeros(max_rows, NUM_FIELDS, dtype=torch.int64, device=device)

    def set(self, row: int, params: SamplingParams, sample_index: int) -> None:
        """Start a row."""
        # Of one candidate the draw is certain, and greedy breaks ties as documented.
        is_random = not (params.is_greedy or params.top_k == 1)
        has_top_k = 0 < params.top_k < self._vocab_size
        self.temperatures[row] = params.temperature
        self.log_min_p[row] = math.log(params.min_p) if params.min_p > 0 else MINUS_INFINITY
        self.top_k[row] = params.top_k if has_top_k else self._vocab_size
        self.top_p[row] = params.top_p
        self.keys[row] = stream_key(params.seed, sample_index)
        self.num_top[row] = params.logprobs or 0
        self._changed[row] = is_random
        self.flags[row] = (
            RANDOM * is_random
            | FILTERED * (is_random and (has_top_k or params.top_p < 1.0))
            | MIN_P * (is_random and params.min_p > 0)
            | EDITED * has_edits(params)
            | PENALISED * has_penalties(params)
            | LOGPROBS * (params.logprobs is not None)
        )

    def clear(self, row: int) -> None:
        """Forget a row."""
        self.flags[row] = 0
        self.num_top[row] = 0

    def table(self) -> Tensor:
        """int64 [max_rows, NUM_FIELDS] on the device. Rows set since the last call are sent in one transfer."""
        rows = np.flatnonzero(self._changed)
        if rows.size:
            self._changed[rows] = False
            fields = np.empty((rows.size, 1 + NUM_FIELDS), dtype=np.int64)
            fields[:, 0] = rows
            fields[:, 1] = self.temperatures[rows].view(np.int32)
            fields[:, 2] = self.log_min_p[rows].view(np.int32)
            fields[:, 3] = self.top_k[rows]
            fields[:, 4] = self.top_p[rows].view(np.int64)
            fields[:, 5] = self.keys[rows].view(np.int64)
            sent = upload(fields, self._device)
            self._table.index_copy_(0, sent[:, 0], sent[:, 1:])
        return self._table
