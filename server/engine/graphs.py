"""CUDA graphs of decode steps, one for each number of rows that is worth one.

A replay reads its inputs from fixed buffers, so what is captured is the work on `size` rows, whoever they are.
Rows that a step lacks are padding: they point at the null row, whose pages are the null page.

With one band a graph is the whole step, from token ids to the most likely next ones. With several, the graphs are
(begin, band, ..., band, end), and a band is replayed at the size that fits the rows that still run it: schedules
that differ only in how many rows reach a band share its graphs. Bands that every token runs belong to begin and end.
"""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

import numpy as np
import torch

from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.engine.forward import run_bands, run_layers
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


class BandRows:
    """The rows of each band, fixed buffers that a step fills once for all of them: the others are padding.

    Attributes:
        rows, positions: int64 [bands, max_rows].
        kv_lens: int32 [bands, max_rows].
        counts: int32 [bands, 2], as in `StepBatch`.
        is_in: bool [bands, max_rows, 1].
    """

    def __init__(self, max_rows: int, num_bands: int, null_row: int, device: torch.device) -> None:
        shape = (num_bands, max_rows)
        self._null_row = null_row
        self._indices = torch.arange(max_rows, dtype=torch.int32, device=device)
        self.rows = torch.full(shape, null_row, dtype=torch.int64, device=device)
        self.positions = torch.zeros(shape, dtype=torch.int64, device=device)
        self.kv_lens = torch.ones(shape, dtype=torch.int32, device=device)
        self.counts = torch.zeros((num_bands, 2), dtype=torch.int32, device=device)
        self.is_in = torch.zeros((*shape, 1), dtype=torch.bool, device=device)

    def fill(self, inputs: GraphInputs, size: int) -> None:
        """Take the numbers of a step of up to `size` rows; captured with what comes before the bands."""
        is_in = self._indices[:size] < inputs.rows_in_band[:, None]
        self.is_in[:, :size, 0] = is_in
        self.rows[:, :size] = inputs.rows[:size].where(is_in, self._null_row)
        self.positions[:, :size] = inputs.positions[:size].where(is_in, 0)
        self.kv_lens[:, :size] = inputs.kv_lens[:size].where(is_in, 1)
        self.counts[:, 0] = inputs.rows_in_band


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
        # What every token runs stands around the bands that some have left.
        self._lower = tuple(takewhile(lambda band: band.is_always, parts.bands))
        upper = takewhile(lambda band: band.is_always, reversed(parts.bands[len(self._lower) :]))
        self._upper = tuple(reversed(list(upper)))
        self._inner = parts.bands[len(self._lower) : len(parts.bands) - len(self._upper)]
        self._band_rows = BandRows(parts.max_rows, len(parts.bands), parts.null_row, parts.device)
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
            for band in self._inner:
                count = inputs.rows_in_band[band.index]
                if count:
                    self._band_graphs[band.index, self._size_for(count)].replay()
            captured.last.replay()
        return captured.logits[:num_rows], captured.token_ids[:num_rows]

    def _size_for(self, num_rows: int) -> int:
        return self.sizes[bisect.bisect_left(self.sizes, num_rows)]

    def _capture(self, size: int) -> None:
        memory = self._parts.memory
        if not self._inner:
            first, (logits, token_ids) = record_graph(lambda: self._whole_step(size), memory)
            self._captured[size] = Captured(first, None, logits, token_ids)
            return
        first, _ = record_graph(lambda: self._begin(size), memory)
        for band in self._inner:
            graph, _ = record_graph(partial(self._run_band, band, size), memory)
            self._band_graphs[band.index, size] = graph
        last, (logits, token_ids) = record_graph(lambda: self._finish(size), memory)
        self._captured[size] = Captured(first, last, logits, token_ids)

    def _whole_step(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        parts, batch = self._parts, self._whole_batch(size)
        parts.attention.begin_step(batch)
        x = parts.model.embed(self._token_ids(size), batch.positions)
        x, residual = run_bands(parts.model, parts.attention, parts.bands, batch, x, None)
        return self._end(size, x, residual)

    def _begin(self, size: int) -> None:
        """Run the bands below those that some have left, into the stream that all bands share."""
        parts, batch = self._parts, self._whole_batch(size)
        self._band_rows.fill(self._inputs, size)
        parts.attention.begin_step(batch)
        x, residual = parts.model.embed(self._token_ids(size), batch.positions), None
        for band in self._lower:
            x, residual = run_layers(parts.model, parts.attention, band, batch, x, residual)
        if self._stream_of_rows is None:
            # Captured largest first, so this is as large as it gets.
            self._stream_of_rows = torch.empty_like(x)
        self._stream(size).copy_(x if residual is None else x + residual)

    def _finish(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the bands above, and choose tokens."""
        parts, batch = self._parts, self._whole_batch(size)
        parts.attention.begin_step(batch)
        x, residual = self._stream(size), None
        for band in self._upper:
            x, residual = run_layers(parts.model, parts.attention, band, batch, x, residual)
        return self._end(size, x, residual)

    def _stream(self, size: int) -> torch.Tensor:
        assert self._stream_of_rows is not None
        return self._stream_of_rows[:size]

    def _run_band(self, band: Band, size: int) -> None:
        """Run one band on the rows that reach it; the others keep their stream, and write to the null page."""
        parts, band_rows, stream = self._parts, self._band_rows, self._stream(size)
        rows, positions, kv_lens, counts, is_in = (
            numbers[band.index]
            for numbers in (
                band_rows.rows, band_rows.positions, band_rows.kv_lens, band_rows.counts, band_rows.is_in
            )
        )  # fmt: skip
        batch = self._batch(size, rows[:size], positions[:size], kv_lens[:size], counts)
        parts.attention.begin_step(batch)
        # A copy, because layers add to what they are given.
        x, residual = run_layers(parts.model, parts.attention, band, batch, stream.clone(), None)
        torch.where(is_in[:size], x if residual is None else x + residual, stream, out=stream)

    def _whole_batch(self, size: int) -> StepBatch:
        inputs = self._inputs
        return self._batch(size, inputs.rows[:size], inputs.positions[:size], inputs.kv_lens[:size], inputs.counts)

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
            # As they came, with those missing that are on the device: only the embedding asks for them.
            token_ids=self._inputs.token_ids[:size],
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
