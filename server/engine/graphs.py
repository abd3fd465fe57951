"""CUDA graphs of decode steps, one for each number of rows that is worth one.

A replay reads its inputs from fixed buffers, so what is captured is the work on `size` rows, whoever they are.
Rows that a step lacks are padding: they point at the null row, whose pages are the null page.

With one band a graph is the whole step, from token ids to the most likely next ones. With several, the graphs are
(begin, band, ..., band, end), and a band is replayed at the size that fits the rows that still run it: schedules
that differ only in how many rows reach a band share its graphs.
"""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.engine.forward import run_bands
from server.engine.graph_parts import GraphParts, capture_sizes, record_graph
from server.engine.step import StepInputs
from server.engine.upload import upload


def graph_sizes(max_rows: int) -> list[int]:
    """Numbers of rows to capture, ascending: every product of 128 rows or fewer costs much the same as its like."""
    sizes = {1, 2, 4, *range(8, min(max_rows, 128) + 1, 8), *range(128, max_rows + 1, 16), max_rows}
    return sorted(size for size in sizes if size <= max_rows)


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
    """Captured decode steps.

    Attributes:
        sizes: numbers of rows that there are graphs for, ascending.
    """

    def __init__(self, parts: GraphParts) -> None:
        self._parts = parts
        self._inputs = GraphInputs(parts.max_rows, len(parts.bands), parts.null_row, parts.device)
        self._starts = torch.arange(parts.max_rows + 1, dtype=torch.int32, device=parts.device)
        self._captured: dict[int, Captured] = {}
        self._band_graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}
        self._stream_of_rows: torch.Tensor | None = None
        self.sizes: list[int] = []

    @torch.inference_mode()
    def capture(self, sizes: Iterable[int]) -> None:
        """Capture steps of these numbers of rows."""
        self.sizes = capture_sizes(sizes, self._capture, "rows")

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
            for band, count in zip(self._parts.bands, inputs.rows_in_band, strict=True):
                if count:
                    self._band_graphs[band.index, self._size_for(count)].replay()
            captured.last.replay()
        return captured.logits[:num_rows], captured.token_ids[:num_rows]

    def _size_for(self, num_rows: int) -> int:
        return self.sizes[bisect.bisect_left(self.sizes, num_rows)]

    def _capture(self, size: int) -> None:
        bands, memory = self._parts.bands, self._parts.memory
        if len(bands) == 1:
            first, (logits, token_ids) = record_graph(lambda: self._whole_step(size), memory)
            self._captured[size] = Captured(first, None, logits, token_ids)
            return
        first, _ = record_graph(lambda: self._begin(size), memory)
        for band in bands:
            graph, _ = record_graph(partial(self._run_band, band, size), memory)
            self._band_graphs[band.index, size] = graph
        last, (logits, token_ids) = record_graph(lambda: self._end(size, self._stream(size), None), memory)
        self._captured[size] = Captured(first, last, logits, token_ids)

    def _whole_step(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, parts = self._inputs, self._parts
        batch = self._batch(size, inputs.rows[:size], inputs.positions[:size], inputs.kv_lens[:size], inputs.counts)
        parts.attention.begin_step(batch)
        x = parts.model.embed(batch.token_ids, batch.positions)
        x, residual = run_bands(parts.model, parts.attention, parts.bands, batch, x, None)
        return self._end(size, x, residual)

    def _begin(self, size: int) -> None:
        """Embed the tokens into the stream that all bands share."""
        x = self._parts.model.embed(self._token_ids(size), self._inputs.positions[:size])
        if self._stream_of_rows is None:
            # Captured largest first, so this is as large as it gets.
            self._stream_of_rows = torch.empty_like(x)
        self._stream(size).copy_(x)

    def _stream(self, size: int) -> torch.Tensor:
        assert self._stream_of_rows is not None
        return self._stream_of_rows[:size]

    def _run_band(self, band: Band, size: int) -> None:
        """Run one band on the rows that reach it; the others keep their stream, and write to the null page."""
        parts, inputs, stream = self._parts, self._inputs, self._stream(size)
        count = inputs.rows_in_band[band.index]
        is_in = torch.arange(size, device=parts.device) < count
        batch = self._batch(
            size,
            inputs.rows[:size].where(is_in, parts.null_row),
            inputs.positions[:size].where(is_in, 0),
            inputs.kv_lens[:size].where(is_in, 1),
            torch.stack((count, torch.zeros_like(count))),
        )
        parts.attention.begin_step(batch)
        x, residual = stream.clone(), None
        for layer in band.layers:
            x, residual = parts.model.layers[layer](x, residual, batch, parts.attention)
        x = x if residual is None else x + residual
        stream.copy_(x.where(is_in.unsqueeze(1), stream))

    def _end(self, size: int, x: torch.Tensor, residual: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self._parts.model.head(x, residual)
        return logits, self._parts.choose_tokens(logits, self._inputs.rows[:size])

    def _token_ids(self, size: int) -> torch.Tensor:
        return self._parts.read_tokens(self._inputs.token_ids[:size], self._inputs.rows[:size])

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
            rows_in_band=[size] * len(self._parts.bands),
            tokens_in_band=[size] * len(self._parts.bands),
            counts=counts,
            is_static=True,
        )
