"""CUDA graphs of steps that compute prompts, alone or beside rows that decode, one for each number of tokens.

Launching an eager step takes the host longer than the GPU needs for a few hundred tokens. Here, too, a replay reads
all it needs from fixed buffers: which rows are prompts, where their tokens begin and whose logits are wanted.

Prompts run every band, so there is one graph for all of them, whose bands leave alone the tokens that have exited.
"""

import bisect
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.engine.forward import run_layers
from server.engine.graph_parts import GraphParts, capture_sizes, record_graph
from server.engine.step import StepInputs
from server.engine.upload import upload

MAX_PREFILL_ROWS = 64
"""Prompts in one captured step; steps with more run without a graph."""


def mixed_sizes(max_step_tokens: int) -> list[int]:
    """Numbers of tokens to capture, ascending; a step pays for those that it lacks."""
    # Larger steps keep the GPU busy for longer than launching them takes, and have better kernels for long prompts.
    sizes = [*range(128, 1025, 128), 1280, 1536]
    return [size for size in sizes if size <= max_step_tokens]


class MixedInputs:
    """The fixed buffers that these graphs read; names as in `StepBatch` and `StepInputs`.

    `in_band` is int32 [2, bands]: how many leading rows, and how many leading tokens, run each.
    Tokens that a step lacks belong to the null row, and so do rows and samples that it lacks.
    """

    def __init__(self, max_rows: int, max_tokens: int, num_bands: int, null_row: int, device: torch.device) -> None:
        self._max_rows = max_rows
        self._max_tokens = max_tokens
        self._null_row = null_row
        self._num_longs = 3 * max_rows + 3 * max_tokens
        self._num_ints = 2 * max_rows + 3 + 2 * num_bands
        self._buffer = torch.zeros(8 * self._num_longs + 4 * self._num_ints, dtype=torch.uint8, device=device)
        longs = self._buffer[: 8 * self._num_longs].view(torch.int64)
        ints = self._buffer[8 * self._num_longs :].view(torch.int32)
        self.rows, self.logit_tokens, self.logit_rows, self.token_ids, self.positions, self.token_rows = longs.split(
            [max_rows] * 3 + [max_tokens] * 3
        )
        self.query_starts, self.kv_lens, self.counts, in_band = ints.split([max_rows + 1, max_rows, 2, 2 * num_bands])
        self.in_band = in_band.view(2, num_bands)

    def fill(self, inputs: StepInputs) -> None:
        """Take a step's numbers."""
        num_rows, num_tokens, num_samples = inputs.num_rows, inputs.num_tokens, inputs.logit_tokens.size
        max_rows, max_tokens = self._max_rows, self._max_tokens
        staged = np.zeros(self._buffer.numel(), dtype=np.uint8)
        longs = staged[: 8 * self._num_longs].view(np.int64)
        ints = staged[8 * self._num_longs :].view(np.int32)
        rows, logit_tokens, logit_rows = longs[: 3 * max_rows].reshape(3, max_rows)
        token_ids, positions, token_rows = longs[3 * max_rows :].reshape(3, max_tokens)
        query_starts, kv_lens, counts, in_band = np.split(ints, [max_rows + 1, 2 * max_rows + 1, 2 * max_rows + 3])
        starts = inputs.token_starts()
        rows[:] = logit_rows[:] = token_rows[:] = self._null_row
        rows[:num_rows] = inputs.rows
        logit_tokens[:num_samples] = inputs.logit_tokens
        logit_rows[:num_samples] = inputs.logit_rows
        token_ids[:num_tokens] = inputs.token_ids
        positions[:num_tokens] = inputs.token_positions(starts)
        token_rows[:num_tokens] = inputs.token_rows()
        query_starts[:] = num_tokens
        query_starts[: num_rows + 1] = starts
        kv_lens[:] = 1
        kv_lens[:num_rows] = inputs.kv_lens
        counts[:] = (num_rows, inputs.num_prefill_rows)
        in_band[:] = np.concatenate([inputs.rows_in_band, starts[inputs.rows_in_band]])
        self._buffer.copy_(upload(staged, self._buffer.device))


class MixedGraphs:
    """Captured steps with prompts.

    Attributes:
        sizes: numbers of tokens that there are graphs for, ascending.
    """

    def __init__(self, parts: GraphParts, max_tokens: int) -> None:
        self._parts = parts
        self._inputs = MixedInputs(parts.max_rows, max_tokens, len(parts.bands), parts.null_row, parts.device)
        self._row_indices = torch.arange(parts.max_rows, dtype=torch.int32, device=parts.device)
        self._token_indices = torch.arange(max_tokens, dtype=torch.int32, device=parts.device)
        self._captured: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]] = {}
        self.sizes: list[int] = []

    @torch.inference_mode()
    def capture(self, sizes: Iterable[int]) -> None:
        """Capture steps of these numbers of tokens."""
        self.sizes = capture_sizes(sizes, self._capture, "tokens")

    @torch.inference_mode()
    def rehearse(self, sizes: Iterable[int]) -> None:
        """Go through steps of these numbers of tokens, captured or not."""
        for size in sizes:
            self._step(size)

    def can_run(self, inputs: StepInputs) -> bool:
        """Whether a captured graph computes this step."""
        return (
            bool(self.sizes)
            and inputs.num_tokens <= self.sizes[-1]
            and inputs.num_prefill_rows <= MAX_PREFILL_ROWS
            and not inputs.prompt_slices
            and not inputs.band_lens.size
        )

    def run(self, inputs: StepInputs) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Logits [S, vocab], and the most likely tokens, int64 [S], -1 where the logits are bad; None where S is 0.

        Both are good until the next run. The tokens are the next ids of `logit_rows` already.
        """
        self._inputs.fill(inputs)
        graph, logits, token_ids = self._captured[self.sizes[bisect.bisect_left(self.sizes, inputs.num_tokens)]]
        graph.replay()
        num_samples = inputs.logit_tokens.size
        return (logits[:num_samples], token_ids[:num_samples]) if num_samples else (None, None)

    def _capture(self, size: int) -> None:
        graph, (logits, token_ids) = record_graph(partial(self._step, size), self._parts.memory)
        self._captured[size] = (graph, logits, token_ids)

    def _step(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        parts, inputs = self._parts, self._inputs
        token_rows = inputs.token_rows[:size]
        batch = StepBatch(
            rows=inputs.rows,
            token_ids=parts.read_tokens(inputs.token_ids[:size], token_rows),
            positions=inputs.positions[:size],
            token_rows=token_rows,
            query_starts=inputs.query_starts,
            kv_lens=inputs.kv_lens,
            query_lens=[],
            host_kv_lens=[],
            num_prefill_rows=MAX_PREFILL_ROWS,
            num_prefill_tokens=size,
            rows_in_band=[parts.max_rows] * len(parts.bands),
            tokens_in_band=[size] * len(parts.bands),
            counts=inputs.counts,
            is_static=True,
            max_prefill_rows=min(MAX_PREFILL_ROWS, parts.max_rows),
        )
        x, residual = parts.model.embed(batch.token_ids, batch.positions), None
        for band in parts.bands:
            if band.is_always:
                parts.attention.begin_step(batch)
                x, residual = run_layers(parts.model, parts.attention, band, batch, x, residual)
                continue
            stream = x if residual is None else x + residual
            part, is_in = self._of_band(batch, band)
            parts.attention.begin_step(part)
            x, residual = run_layers(parts.model, parts.attention, band, part, stream.clone(), None)
            x, residual = (x if residual is None else x + residual).where(is_in[:, None], stream), None
        where = inputs.logit_tokens
        logits = parts.model.head(x[where], None if residual is None else residual[where])
        return logits, parts.choose_tokens(logits, inputs.logit_rows)

    def _of_band(self, batch: StepBatch, band: Band) -> tuple[StepBatch, torch.Tensor]:
        """The batch with rows that have left the band as padding, and which tokens have not, bool [tokens]."""
        num_rows, num_tokens = self._inputs.in_band[:, band.index]
        null_row = self._parts.null_row
        has_row = self._row_indices < num_rows
        has_token = self._token_indices[: batch.num_tokens] < num_tokens
        part = replace(
            batch,
            rows=batch.rows.where(has_row, null_row),
            positions=batch.positions.where(has_token, 0),
            token_rows=batch.token_rows.where(has_token, null_row),
            query_starts=batch.query_starts.clamp(max=num_tokens),
            kv_lens=batch.kv_lens.where(has_row, 1),
            counts=torch.stack((num_rows, batch.counts[1])),
        )
        return part, has_token
