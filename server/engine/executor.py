"""The executor: runs the steps it is told to on one device.

Next-token ids live here, so that a step can be launched before the previous one was read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from server.attention.backend import AttentionBackend
from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.engine.forward import BandPart, run_bands, run_parts
from server.engine.graph_parts import GraphParts, Greedy
from server.engine.graphs import DecodeGraphs, graph_sizes
from server.engine.mixed_graphs import MixedGraphs, mixed_sizes
from server.engine.step import StepInputs
from server.engine.upload import upload, upload_together
from server.kv.pool import PagePool
from server.kv.table import PageTables
from server.models.base import Model
from server.parallel.followers import Followers
from server.parallel.team import ALONE, Team
from server.parallel.wire import NextIds


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step leaves on the device.

    Args:
        logits: [S, vocab], of `StepInputs.logit_tokens`; None where none are wanted.
        greedy_ids: int64 [S], the most likely tokens, -1 where the logits are bad, if the step has found and
            remembered them as next ids already.
        prompt_logits: [n, vocab] for each of `StepInputs.prompt_slices`.
    """

    logits: torch.Tensor | None
    greedy_ids: torch.Tensor | None = None
    prompt_logits: list[torch.Tensor] = field(default_factory=list)


class Executor:
    """One model on one device, with its tables, its pool and its rows' next ids."""

    def __init__(
        self,
        model: Model,
        attention: AttentionBackend,
        tables: PageTables,
        pool: PagePool,
        bands: tuple[Band, ...],
        device: torch.device,
        team: Team = ALONE,
    ) -> None:
        self.model = model
        self.attention = attention
        self.tables = tables
        self.pool = pool
        self.bands = bands
        self.device = device
        self.team = team
        self.followers: Followers | None = None
        self.decode_graphs: DecodeGraphs | None = None
        self.mixed_graphs: MixedGraphs | None = None
        # One more than there are rows: padding has a next id too.
        self.next_ids = torch.zeros(tables.null_row + 1, dtype=torch.int64, device=device)

    @torch.inference_mode()
    def execute(self, inputs: StepInputs) -> StepOutput:
        """Run one step. On GPU, returns before the device is done."""
        if self.followers is not None:
            self.followers.tell(inputs)
        if inputs.copy_sources:
            self.pool.copy(inputs.copy_sources, inputs.copy_targets)
        if inputs.tables is not None:
            self.tables.apply(inputs.tables)
        if self.decode_graphs is not None and self.decode_graphs.can_run(inputs):
            return StepOutput(*self.decode_graphs.run(inputs))
        if self.mixed_graphs is not None and self.mixed_graphs.can_run(inputs):
            return StepOutput(*self.mixed_graphs.run(inputs))
        batch = self.batch(inputs)
        x, residual = self.model.embed(batch.token_ids, batch.positions), None
        if inputs.band_lens.size:
            x = run_parts(self.model, self.attention, self.bands, self._parts(inputs), x)
        else:
            self.attention.begin_step(batch)
            x, residual = run_bands(self.model, self.attention, self.bands, batch, x, residual)
        prompt_logits = [
            self.model.head(x[start:stop], None if residual is None else residual[start:stop])
            for start, stop in inputs.prompt_slices
        ]
        wanted = inputs.logit_tokens
        if not wanted.size:
            return StepOutput(None, prompt_logits=prompt_logits)
        if wanted.size < batch.num_tokens or not np.array_equal(wanted, np.arange(batch.num_tokens)):
            where = upload(wanted, self.device)
            x, residual = x[where], None if residual is None else residual[where]
        return StepOutput(self.model.head(x, residual), prompt_logits=prompt_logits)

    def capture(self, greedy: Greedy, max_rows: int, max_step_tokens: int) -> None:
        """Capture the steps that are worth it as CUDA graphs."""
        sizes = mixed_sizes(max_step_tokens)
        parts = self.graph_parts(greedy, max_rows)
        decode_graphs = DecodeGraphs(parts)
        mixed_graphs = MixedGraphs(parts, max(sizes, default=0))
        mixed_graphs.capture(sizes)
        self.mixed_graphs = mixed_graphs
        decode_graphs.capture(graph_sizes(max_rows))
        self.decode_graphs = decode_graphs

    def rehearse(self, greedy: Greedy, max_rows: int, max_step_tokens: int) -> None:
        """Go through steps of all the kinds that `capture` captures, leaving next ids alone."""
        sizes = mixed_sizes(max_step_tokens)
        parts = self.graph_parts(greedy, max_rows)
        MixedGraphs(parts, max(sizes, default=0)).rehearse(sizes)
        # Kernels differ for few rows; from some number on they are all the same.
        DecodeGraphs(parts).rehearse(size for size in graph_sizes(max_rows) if size <= 64 or size % 128 == 0)
        self.next_ids.zero_()

    def graph_parts(self, greedy: Greedy, max_rows: int) -> GraphParts:
        """What steps of up to `max_rows` rows are captured from, with a pool of memory of their own."""
        return GraphParts(
            model=self.model,
            attention=self.attention,
            bands=self.bands,
            max_rows=max_rows,
            null_row=self.tables.null_row,
            next_ids=self.next_ids,
            greedy=greedy,
            memory=torch.cuda.graph_pool_handle(),
        )

    def _parts(self, inputs: StepInputs) -> Iterator[BandPart]:
        """What runs each band, one at a time."""
        part: BandPart | None = None
        for band in self.bands:
            # Neighbours that the same tokens run share the work.
            if part is None or not np.array_equal(inputs.band_lens[band.index], inputs.band_lens[band.index - 1]):
                of_band, tokens = inputs.of_band(band.index)
                part = BandPart(upload(tokens, self.device), self.batch(of_band))
            yield part

    def set_next_ids(self, rows: np.ndarray, token_ids: torch.Tensor) -> None:
        """Remember int64 [S] tokens on the device, those of rank 0, as the next ids of `rows`."""
        if self.followers is not None:
            self.followers.tell(NextIds(rows))
        self.team.receive(token_ids)
        self.next_ids[upload(rows, self.device)] = token_ids

    def wait(self, event: torch.cuda.Event) -> None:
        """Wait until the device has come as far as `event`."""
        if self.followers is None:
            event.synchronize()
        else:
            self.followers.wait(event)

    def close(self) -> None:
        """End the followers. No step can be run afterwards."""
        # NCCL does not let go while there are graphs of its collectives.
        self.decode_graphs = self.mixed_graphs = None
        if self.followers is not None:
            self.followers.close()

    def batch(self, inputs: StepInputs) -> StepBatch:
        """The tensors of a step that runs without a graph."""
        query_lens, kv_lens = inputs.query_lens, inputs.kv_lens
        starts = inputs.token_starts()
        num_prefill_rows = inputs.num_prefill_rows
        is_spread = inputs.num_tokens == inputs.num_rows
        if is_spread:
            token_rows, positions = inputs.rows, kv_lens - 1
        else:
            token_rows, positions = inputs.token_rows(), inputs.token_positions(starts)
        counts = np.array([inputs.num_rows, num_prefill_rows], dtype=np.int64)
        unread = np.flatnonzero(inputs.token_ids < 0)
        fields = [inputs.rows, inputs.token_ids, positions, token_rows, starts, kv_lens, counts, unread]
        rows, token_ids, device_positions, device_token_rows, query_starts, lens, device_counts, where = (
            upload_together(fields, self.device)
        )
        if unread.size:
            token_ids[where] = self.next_ids[device_token_rows[where]]
        return StepBatch(
            rows=rows,
            token_ids=token_ids,
            positions=device_positions,
            token_rows=device_token_rows,
            query_starts=query_starts.to(torch.int32),
            kv_lens=lens.to(torch.int32),
            query_lens=query_lens.tolist(),
            host_kv_lens=kv_lens.tolist(),
            num_prefill_rows=num_prefill_rows,
            num_prefill_tokens=int(starts[num_prefill_rows]),
            rows_in_band=inputs.rows_in_band,
            tokens_in_band=[int(starts[count]) for count in inputs.rows_in_band],
            counts=device_counts.to(torch.int32),
            host_rows=inputs.rows,
        )
