"""CUDA graphs of decode steps, one for each number of rows that is worth one.

A replay reads its inputs from fixed buffers, so what is captured is the work on `size` rows, whoever they are.
Rows that a step lacks are padding: they point at the null row, whose pages are the null page.

With one band a graph is the whole step, from token ids to the most likely next ones. With several, the graphs are
(begin, band, ..., band, end), and a band is replayed at the size that fits the rows that still run it: schedules
that differ only in how many rows reach a band share its graphs.
"""

import bisect
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from server.attention.backend import AttentionBackend
from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.engine.forward import run_bands
from server.engine.step import StepInputs
from server.engine.upload import upload
from server.kv.table import PageTables
from server.models.base import Model

logger = logging.getLogger(__name__)

Greedy = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Logits [S, vocab] -> most likely tokens, int64 [S], and whether the row's logits are bad, bool [S]."""


def graph_sizes(max_rows: int) -> list[int]:
    """Numbers of rows to capture, ascending: every product of 128 rows or fewer costs much the same as its like."""
    sizes = {1, 2, 4, *range(8, min(max_rows, 128) + 1, 8), *range(128, max_rows + 1, 16), max_rows}
    return sorted(size for size in sizes if size <= max_rows)


def record_graph[T](work: Callable[[], T], memory: Any) -> tuple[torch.cuda.CUDAGraph, T]:
    """Capture `work` and return what it returned, which every replay writes anew."""
    # Once before: kernels are compiled and libraries set up at their first call, which cannot be captured.
    work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    # Other threads may use the device meanwhile: those of NCCL look after its collectives.
    with torch.cuda.graph(graph, pool=memory, capture_error_mode="thread_local"):
        result = work()
    return graph, result


class GraphInputs:
    """The fixed buffers that graphs read, filled by one transfer a step.

    Attributes:
        rows, token_ids, positions: int64 [max_rows].
        kv_lens: int32 [max_rows].
        counts: int32 [2], as in `StepBatch`.
        rows_in_band: int32 [bands].
    """

    def __init__(self, max_rows: int, num_bands: int, null_row: int, device: torch.device) -> None:
        self._max_rows = max_rows
        self._null_row = null_row
        self._num_bytes = 3 * 8 * max_rows + 4 * (max_rows + 2 + num_bands)
        buffer = torch.zeros(self._num_bytes, dtype=torch.uint8, device=device)
        self._buffer = buffer
        longs = buffer[: 24 * max_rows].view(torch.int64)
        ints = buffer[24 * max_rows :].view(torch.int32)
        self.rows, self.token_ids, self.positions = longs.split(max_rows)
        self.kv_lens, self.counts, self.rows_in_band = ints.split([max_rows, 2, num_bands])

    def fill(self, inputs: StepInputs) -> None:
        """Take a step's numbers; everything behind its rows becomes padding."""
        max_rows, num_rows = self._max_rows, inputs.num_rows
        staged = np.zeros(self._num_bytes, dtype=np.uint8)
        longs = staged[: 24 * max_rows].view(np.int64).reshape(3, max_rows)
        ints = staged[24 * max_rows :].view(np.int32)
        longs[0] = self._null_row
        longs[0, :num_rows] = inputs.rows
        longs[1, :num_rows] = inputs.token_ids
        longs[2, :num_rows] = inputs.kv_lens - 1
        ints[:max_rows] = 1
        ints[:num_rows] = inputs.kv_lens
        ints[max_rows : max_rows + 2] = (num_rows, 0)
        ints[max_rows + 2 :] = inputs.rows_in_band
        self._buffer.copy_(upload(staged, self._buffer.device))


@dataclass(slots=True)
class Captured:
    """The graphs of one number of rows, and where the last one leaves its results.

    Args:
        first: the whole step, or what comes before the bands.
        last: what comes after the bands; None if `first` is the whole step.
    """

    first: torch.cuda.CUDAGraph
    last: torch.cuda.CUDAGraph | None
    logits: torch.Tensor
    token_ids: torch.Tensor


class DecodeGraphs:
    """Captured decode steps of one model on one device.

    Args:
        next_ids: int64 [max_rows + 1], read for tokens that the host has not seen, written with the greedy ones.
        greedy: what finds the most likely tokens.
        memory: the pool of memory that all graphs share.
    """

    def __init__(
        self,
        model: Model,
        attention: AttentionBackend,
        tables: PageTables,
        bands: tuple[Band, ...],
        next_ids: torch.Tensor,
        greedy: Greedy,
        max_rows: int,
        memory: Any,
    ) -> None:
        self._model = model
        self._attention = attention
        self._bands = bands
        self._next_ids = next_ids
        self._greedy = greedy
        self._null_row = tables.null_row
        self._device = next_ids.device
        self._inputs = GraphInputs(max_rows, len(bands), tables.null_row, self._device)
        self._starts = torch.arange(max_rows + 1, dtype=torch.int32, device=self._device)
        self._memory = memory
        self._captured: dict[int, Captured] = {}
        self._band_graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}
        self._stream_of_rows: torch.Tensor | None = None
        self.sizes: list[int] = []

    @torch.inference_mode()
    def capture(self, sizes: Iterable[int]) -> None:
        """Capture steps of these numbers of rows, largest first, so that small ones reuse its memory."""
        for size in sorted(sizes, reverse=True):
            try:
                self._capture(size)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                logger.warning("no memory for a CUDA graph of %d rows; such steps run without one", size)
                continue
            bisect.insort(self.sizes, size)

    @torch.inference_mode()
    def rehearse(self, sizes: Iterable[int]) -> None:
        """Go through steps of these numbers of rows, captured or not."""
        for size in sizes:
            self._whole_step(size)

    def can_run(self, inputs: StepInputs) -> bool:
        """Whether a captured graph computes this step."""
        return inputs.is_pure_decode and bool(self.sizes) and inputs.num_rows <= self.sizes[-1]

    def run(self, inputs: StepInputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [S, vocab], and the most likely tokens, int64 [S], -1 where the logits are bad.

        Both are good until the next run. The tokens are the rows' next ids already.
        """
        self._inputs.fill(inputs)
        num_rows = inputs.num_rows
        captured = self._captured[self._size_for(num_rows)]
        captured.first.replay()
        if captured.last is not None:
            for band, count in zip(self._bands, inputs.rows_in_band, strict=True):
                if count:
                    self._band_graphs[band.index, self._size_for(count)].replay()
            captured.last.replay()
        return captured.logits[:num_rows], captured.token_ids[:num_rows]

    def _size_for(self, num_rows: int) -> int:
        return self.sizes[bisect.bisect_left(self.sizes, num_rows)]

    def _capture(self, size: int) -> None:
        if len(self._bands) == 1:
            first, (logits, token_ids) = record_graph(lambda: self._whole_step(size), self._memory)
            self._captured[size] = Captured(first, None, logits, token_ids)
            return
        first, _ = record_graph(lambda: self._begin(size), self._memory)
        for band in self._bands:
            graph, _ = record_graph(partial(self._run_band, band, size), self._memory)
            self._band_graphs[band.index, size] = graph
        last, (logits, token_ids) = record_graph(lambda: self._end(size, self._stream(size), None), self._memory)
        self._captured[size] = Captured(first, last, logits, token_ids)

    def _whole_step(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = self._inputs
        batch = self._batch(size, inputs.rows[:size], inputs.positions[:size], inputs.kv_lens[:size], inputs.counts)
        self._attention.begin_step(batch)
        x = self._model.embed(batch.token_ids, batch.positions)
        x, residual = run_bands(self._model, self._attention, self._bands, batch, x, None)
        return self._end(size, x, residual)

    def _begin(self, size: int) -> None:
        """Embed the tokens into the stream that all bands share."""
        x = self._model.embed(self._token_ids(size), self._inputs.positions[:size])
        if self._stream_of_rows is None:
            # Captured largest first, so this is as large as it gets.
            self._stream_of_rows = torch.empty_like(x)
        self._stream(size).copy_(x)

    def _stream(self, size: int) -> torch.Tensor:
        assert self._stream_of_rows is not None
        return self._stream_of_rows[:size]

    def _run_band(self, band: Band, size: int) -> None:
        """Run one band on the rows that reach it; the others keep their stream, and write to the null page."""
        inputs, stream = self._inputs, self._stream(size)
        count = inputs.rows_in_band[band.index]
        is_in = torch.arange(size, device=self._device) < count
        batch = self._batch(
            size,
            inputs.rows[:size].where(is_in, self._null_row),
            inputs.positions[:size].where(is_in, 0),
            inputs.kv_lens[:size].where(is_in, 1),
            torch.stack((count, torch.zeros_like(count))),
        )
        self._attention.begin_step(batch)
        x, residual = stream.clone(), None
        for layer in band.layers:
            x, residual = self._model.layers[layer](x, residual, batch, self._attention)
        x = x if residual is None else x + residual
        stream.copy_(x.where(is_in.unsqueeze(1), stream))

    def _end(self, size: int, x: torch.Tensor, residual: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self._model.head(x, residual)
        token_ids, is_bad = self._greedy(logits)
        self._next_ids.index_copy_(0, self._inputs.rows[:size], token_ids)
        return logits, token_ids.masked_fill(is_bad, -1)

    def _token_ids(self, size: int) -> torch.Tensor:
        known = self._inputs.token_ids[:size]
        return known.where(known >= 0, self._next_ids[self._inputs.rows[:size]])

    def _batch(
        self, size: int, rows: torch.Tensor, positions: torch.Tensor, kv_lens: torch.Tensor, counts: torch.Tensor
    ) -> StepBatch:
        return StepBatch(
            rows=rows,
            token_ids=self._token_ids(size),
            positions=positions,
            token_rows=rows,
            query_starts=self._starts[: size + 1],
            kv_lens=kv_lens,
            query_lens=[],
            host_kv_lens=[],
            num_prefill_rows=0,
            num_prefill_tokens=0,
            rows_in_band=[size] * len(self._bands),
            tokens_in_band=[size] * len(self._bands),
            counts=counts,
            is_static=True,
        )
