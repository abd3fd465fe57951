"""The runner: turns scheduled rows into a StepBatch, runs bands of layers over it, and samples.

Next-token ids live on the device, so that a step can be launched before the previous one was read.
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch

from server.attention.backend import AttentionBackend
from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.engine.logprobs import prompt_logprobs
from server.engine.sampler import Sampled, Sampler
from server.engine.scheduler import ScheduledRow
from server.engine.sequence import Sequence
from server.engine.upload import upload
from server.kv.table import PageTables
from server.models.base import Model

PROMPT_LOGPROBS_SLICE = 256
"""Prompt positions whose logits exist at one time, so that long prompts do not need [prompt, vocab] floats."""


@dataclass(slots=True)
class PendingStep:
    """A launched step. `samplers[i]` gets `sampled.token_ids[i]`."""

    rows: list[ScheduledRow]
    samplers: list[Sequence]
    sampled: Sampled | None
    num_tokens: int


class Runner:
    """Runs steps of one model on one device."""

    def __init__(
        self,
        model: Model,
        attention: AttentionBackend,
        tables: PageTables,
        bands: tuple[Band, ...],
        sampler: Sampler,
        max_rows: int,
        device: torch.device,
    ) -> None:
        self.model = model
        self.attention = attention
        self.tables = tables
        self.bands = bands
        self.sampler = sampler
        self.device = device
        self._num_layers = len(model.layers)
        self._next_ids = torch.zeros(max_rows, dtype=torch.int64, device=device)
        # Which sequence the sampler's state of a row belongs to.
        self._owners: list[Sequence | None] = [None] * max_rows

    @torch.inference_mode()
    def launch(self, rows: list[ScheduledRow]) -> PendingStep:
        """Run one step. On GPU, returns before the device is done."""
        rows = self._in_batch_order(rows)
        batch = self._build_batch(rows)
        self.tables.flush()
        self.attention.begin_step(batch)
        x, residual = self._forward(batch)
        self._add_prompt_logprobs(rows, batch, x, residual)
        samplers, sampled = self._sample(rows, x, residual)
        return PendingStep(rows, samplers, sampled, batch.num_tokens)

    def _num_bands(self, row: ScheduledRow) -> int:
        return sum(self._runs(row, band) for band in self.bands)

    def _runs(self, row: ScheduledRow, band: Band) -> bool:
        sequence = row.sequence
        generated_index = row.start - sequence.prompt_len
        if row.num_tokens > 1 or generated_index < 0:
            return True
        schedule = sequence.variant.schedule
        return schedule.is_full or schedule.runs(band.start, schedule.depth(generated_index), self._num_layers)

    def _in_batch_order(self, rows: list[ScheduledRow]) -> list[ScheduledRow]:
        """Prefill first, then deepest first, so that every band runs on a prefix of the batch."""
        if len(self.bands) == 1:
            return sorted(rows, key=lambda row: row.num_tokens == 1)
        return sorted(rows, key=lambda row: (row.num_tokens == 1, -self._num_bands(row)))

    def _build_batch(self, rows: list[ScheduledRow]) -> StepBatch:
        query_lens = [row.num_tokens for row in rows]
        query_starts = [0, *accumulate(query_lens)]
        row_ids = [row.sequence.row for row in rows]
        kv_lens = [row.start + row.num_tokens for row in rows]
        num_prefill_rows = sum(length > 1 for length in query_lens)
        token_ids: list[int] = []
        positions: list[int] = []
        on_device: list[int] = []
        for row in rows:
            known = row.sequence.ids[row.start : row.start + row.num_tokens]
            if len(known) < row.num_tokens:
                # The row's newest token was sampled by a step that the host has not read.
                on_device.append(len(token_ids) + len(known))
                known.append(0)
            token_ids += known
            positions += range(row.start, row.start + row.num_tokens)
        if len(self.bands) == 1:
            rows_in_band = [len(rows)]
        else:
            rows_in_band = [sum(self._runs(row, band) for row in rows) for band in self.bands]
        ids = self._to_device(token_ids)
        row_tensor = self._to_device(row_ids)
        lengths = self._to_device(query_lens)
        token_rows = row_tensor if num_prefill_rows == 0 else torch.repeat_interleave(row_tensor, lengths)
        if on_device:
            where = self._to_device(on_device)
            ids[where] = self._next_ids[token_rows[where]]
        return StepBatch(
            rows=row_tensor,
            token_ids=ids,
            positions=self._to_device(positions),
            token_rows=token_rows,
            query_starts=self._to_device(query_starts, np.int32),
            kv_lens=self._to_device(kv_lens, np.int32),
            query_lens=query_lens,
            host_kv_lens=kv_lens,
            num_prefill_rows=num_prefill_rows,
            num_prefill_tokens=query_starts[num_prefill_rows],
            rows_in_band=rows_in_band,
            tokens_in_band=[query_starts[count] for count in rows_in_band],
            counts=self._to_device([len(rows), num_prefill_rows], np.int32),
        )

    def _to_device(self, values: list[int] | list[int | None], dtype: type = np.int64) -> torch.Tensor:
        return upload(np.array(values, dtype=dtype), self.device)

    def _forward(self, batch: StepBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        x = self.model.embed(batch.token_ids, batch.positions)
        residual: torch.Tensor | None = None
        for band, count in zip(self.bands, batch.tokens_in_band, strict=True):
            if count == batch.num_tokens:
                for layer in band.layers:
                    x, residual = self.model.layers[layer](x, residual, batch, self.attention)
            elif count:
                stream = x if residual is None else x + residual
                part, part_residual = stream[:count], None
                for layer in band.layers:
                    part, part_residual = self.model.layers[layer](part, part_residual, batch, self.attention)
                stream[:count] = part if part_residual is None else part + part_residual
                x, residual = stream, None
        return x, residual

    def _sample(
        self, rows: list[ScheduledRow], x: torch.Tensor, residual: torch.Tensor | None
    ) -> tuple[list[Sequence], Sampled | None]:
        samplers: list[Sequence] = []
        last_tokens: list[int] = []
        end = 0
        for row in rows:
            end += row.num_tokens
            if row.samples:
                samplers += [row.sequence, *row.forks]
                last_tokens += [end - 1] * (1 + len(row.forks))
        if not samplers:
            return [], None
        if len(last_tokens) < x.shape[0] or last_tokens != list(range(x.shape[0])):
            where = self._to_device(last_tokens)
            x, residual = x[where], None if residual is None else residual[where]
        logits = self.model.head(x, residual)
        row_ids = [self._own(sequence) for sequence in samplers]
        generated = [sequence.num_generated + sequence.in_flight for sequence in samplers]
        sampled = self.sampler.sample(logits, row_ids, generated, self._grammar_mask(samplers, logits.shape[1]))
        self._next_ids[self._to_device(row_ids)] = sampled.token_ids
        return samplers, sampled

    def _own(self, sequence: Sequence) -> int:
        """The sequence's row, with the sampler's state set up for it."""
        row = sequence.row
        assert row is not None
        if self._owners[row] is not sequence:
            self._owners[row] = sequence
            prompt_len = sequence.prompt_len
            output_ids = sequence.ids[prompt_len:]
            self.sampler.add(row, sequence.params, sequence.sample_index, sequence.ids[:prompt_len], output_ids)
        return row

    def forget(self, sequence: Sequence, row: int) -> None:
        """The sequence has left `row` for good."""
        if self._owners[row] is sequence:
            self._owners[row] = None
            self.sampler.remove(row)

    def _grammar_mask(self, samplers: list[Sequence], vocab_size: int) -> torch.Tensor | None:
        if all(sequence.grammar is None for sequence in samplers):
            return None
        mask = torch.full((len(samplers), -(-vocab_size // 32)), -1, dtype=torch.int32)
        for index, sequence in enumerate(samplers):
            if sequence.grammar is not None:
                sequence.grammar.fill_mask(mask[index])
        return mask.to(self.device)

    def _add_prompt_logprobs(
        self, rows: list[ScheduledRow], batch: StepBatch, x: torch.Tensor, residual: torch.Tensor | None
    ) -> None:
        start = 0
        for row in rows:
            sequence = row.sequence
            if sequence.prompt_logprobs is not None and row.start < sequence.prompt_len:
                self._extend_prompt_logprobs(row, start, x, residual)
            start += row.num_tokens

    def _extend_prompt_logprobs(
        self, row: ScheduledRow, first_token: int, x: torch.Tensor, residual: torch.Tensor | None
    ) -> None:
        """Score the prompt tokens that this chunk's logits predict; a resumed row scores none twice."""
        sequence = row.sequence
        entries = sequence.prompt_logprobs
        num_top = sequence.params.prompt_logprobs
        assert entries is not None
        assert num_top is not None
        if not entries:
            entries.append(None)
        # Position p is predicted by the logits of p - 1.
        end = min(row.start + row.num_tokens, sequence.prompt_len - 1)
        position = max(row.start, len(entries) - 1)
        while position < end:
            stop = min(position + PROMPT_LOGPROBS_SLICE, end)
            where = slice(first_token + position - row.start, first_token + stop - row.start)
            logits = self.model.head(x[where], None if residual is None else residual[where])
            next_ids = self._to_device(sequence.ids[position + 1 : stop + 1])
            entries += prompt_logprobs(logits, next_ids, num_top).records([num_top] * (stop - position))
            position = stop
