"""The runner: turns a schedule into a step's inputs, has it executed, and samples.

Nothing here loops over the rows that decode; what they need stands in arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from server.depth.schedule import Band
from server.engine.executor import Executor, StepOutput
from server.engine.logprobs import Logprobs, prompt_logprobs
from server.engine.rows import NO_ID, RowStates
from server.engine.sampler import Sampler
from server.engine.scheduler import Schedule, ScheduledRow
from server.engine.sequence import Sequence
from server.engine.step import StepInputs
from server.engine.upload import upload
from server.kv.manager import KVManager
from server.kv.policy import Retention

PROMPT_LOGPROBS_SLICE = 256
"""Prompt positions whose logits exist at one time, so that long prompts do not need [prompt, vocab] floats."""


class SampledTokens:
    """Tokens on their way to the host; the device need not be done with what was launched after them."""

    def __init__(
        self, token_ids: torch.Tensor, logprobs: Logprobs | None, wait: Callable[[torch.cuda.Event], None]
    ) -> None:
        self._wait = wait
        self._event: torch.cuda.Event | None = None
        if token_ids.is_cuda:
            # Copied into pinned memory, in stream order, so that reading waits for this step alone.
            token_ids = token_ids.to("cpu", non_blocking=True)
            logprobs = None if logprobs is None else logprobs.to("cpu", non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()
        self._token_ids = token_ids
        self._logprobs = logprobs

    def read(self) -> tuple[np.ndarray, Logprobs | None]:
        """Token ids, int64 [S], -1 where a row's logits were bad, and what was asked of log probabilities."""
        if self._event is not None:
            self._wait(self._event)
        return self._token_ids.numpy(), self._logprobs


@dataclass(slots=True)
class PendingStep:
    """A launched step.

    Args:
        sampled: the tokens of `samplers`, in their order; None if nobody samples.
        samplers: `Sequence`s, an array of objects.
        sampler_rows: int64, their rows at the time.
        prompts_done: sequences that want no token and have their whole prompt computed by this step.
        decoding: int64, rows that computed one generated token each.
        layers_run: int64, how many layers each of those ran; None if all ran all.
        layers_read: layers that some token of the step ran.
    """

    sampled: SampledTokens | None
    samplers: np.ndarray
    sampler_rows: np.ndarray
    prompts_done: list[Sequence]
    decoding: np.ndarray
    layers_run: np.ndarray | None
    layers_read: int
    num_tokens: int


class Runner:
    """Runs steps of one model."""

    def __init__(
        self,
        executor: Executor,
        manager: KVManager,
        states: RowStates,
        bands: tuple[Band, ...],
        sampler: Sampler,
    ) -> None:
        self.executor = executor
        self.manager = manager
        self.states = states
        self.sampler = sampler
        self.device = executor.device
        self._num_bands = len(bands)
        self._band_widths = np.array([len(band.layers) for band in bands])

    @torch.inference_mode()
    def launch(self, schedule: Schedule) -> PendingStep:
        """Run one step. On GPU, returns before the device is done.

        Raises:
            torch.OutOfMemoryError: the device has no room for it; another step may be tried.
        """
        # Prompts first, and those with one position left beside the rows that decode.
        chunks = sorted(schedule.chunks, key=lambda chunk: chunk.num_tokens == 1)
        decoding, runs = self._in_order(schedule.decoding)
        samplers, sampler_rows, num_generated = self._samplers(chunks, decoding)
        inputs = self._inputs(chunks, decoding, runs, sampler_rows)
        try:
            output = self.executor.execute(inputs)
            self._add_prompt_logprobs(chunks, output.prompt_logits)
            sampled = None if output.logits is None else self._sample(output, samplers, sampler_rows, num_generated)
        except torch.OutOfMemoryError:
            self._put_back(inputs)
            raise
        return PendingStep(
            sampled=sampled,
            samplers=samplers,
            sampler_rows=sampler_rows,
            prompts_done=[
                chunk.sequence
                for chunk in chunks
                if chunk.sequence.params.max_tokens == 0 and chunk.start + chunk.num_tokens >= chunk.sequence.prompt_len
            ],
            decoding=decoding,
            layers_run=None if runs is None else runs @ self._band_widths,
            layers_read=int(self._band_widths[_bands_read(inputs)].sum()),
            num_tokens=inputs.num_tokens,
        )

    def _put_back(self, inputs: StepInputs) -> None:
        """The step did not run to its end: what the device was to learn from it, the next step has to bring.

        It may have begun, but nothing that is done twice does harm.
        """
        tables, updates = self.manager.tables, inputs.tables
        if updates is not None:
            for row, block in zip(updates.rows.tolist(), updates.blocks.tolist(), strict=True):
                tables.touch(row, block, block + 1)
            descriptors = np.stack([updates.sinks, updates.recent, updates.since], 2).tolist()
            for row, numbers in zip(updates.retention_rows.tolist(), descriptors, strict=True):
                tables.set_retention(row, [Retention(*fields) for fields in numbers])
        self.manager.put_back_copies(inputs.copy_sources, inputs.copy_targets)
        # Its rows may go to other sequences, and what the sampler has counted for those that stay may be one too many.
        self.states.can_sample[inputs.logit_rows] = False

    def _in_order(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows, deepest first, so that every band runs on a prefix of the batch; and bool [rows, bands].

        Of the same depth, those that see most come first: a device that works through the rows in this order ends with
        short ones, and nothing waits for a long one that began last (Graham, "Bounds on Multiprocessing Timing
        Anomalies", 1969).
        """
        states = self.states
        rows = rows[np.argsort(-states.computed[rows], kind="stable")]
        if self._num_bands == 1 or states.is_full_depth[rows].all():
            return rows, None
        indices = states.computed[rows] - states.prompt_len[rows]
        runs = indices[:, None] < states.stops[rows]
        order = np.argsort(-runs.sum(1), kind="stable")
        return rows[order], runs[order]

    def _band_lens(self, chunks: list[ScheduledRow], runs: np.ndarray | None, num_decoding: int) -> np.ndarray:
        """`StepInputs.band_lens`; empty where every band runs on all the tokens of leading rows."""
        num_rows = len(chunks) + num_decoding
        if self._num_bands == 1:
            return np.zeros((0, num_rows), dtype=np.int64)
        lens = np.zeros((num_rows, self._num_bands), dtype=np.int64)
        is_sliced = False
        for index, chunk in enumerate(chunks):
            stops = self.states.stops[chunk.sequence.row]
            lens[index] = np.clip(chunk.sequence.prompt_len + stops - chunk.start, 0, chunk.num_tokens)
            is_sliced |= bool((lens[index] < chunk.num_tokens).any())
        lens[len(chunks) :] = 1 if runs is None else runs
        # Schedules whose sets of layers are not nested in each other's have rows that no order sorts.
        if not is_sliced and (runs is None or not (runs[1:] > runs[:-1]).any()):
            return np.zeros((0, num_rows), dtype=np.int64)
        return lens.T

    def _inputs(
        self, chunks: list[ScheduledRow], decoding: np.ndarray, runs: np.ndarray | None, sampler_rows: np.ndarray
    ) -> StepInputs:
        states = self.states
        # A token that no host has read is taken on the device.
        newest = np.where(states.in_flight[decoding] > 0, NO_ID, states.last_id[decoding])
        num_chunks, num_rows = len(chunks), len(chunks) + decoding.size
        copy_sources, copy_targets = self.manager.take_copies()
        return StepInputs(
            rows=np.concatenate([[chunk.sequence.row for chunk in chunks], decoding]).astype(np.int64),
            query_lens=np.concatenate(
                [[chunk.num_tokens for chunk in chunks], np.ones(decoding.size, np.int64)]
            ).astype(np.int64),
            kv_lens=np.concatenate(
                [[chunk.start + chunk.num_tokens for chunk in chunks], states.computed[decoding] + 1]
            ).astype(np.int64),
            token_ids=np.concatenate([*(_known_ids(chunk) for chunk in chunks), newest]),
            num_prefill_rows=sum(chunk.num_tokens > 1 for chunk in chunks),
            rows_in_band=[num_rows] * self._num_bands if runs is None else (num_chunks + runs.sum(0)).tolist(),
            band_lens=self._band_lens(chunks, runs, decoding.size),
            logit_tokens=_logit_tokens(chunks, decoding.size),
            logit_rows=sampler_rows,
            prompt_slices=_prompt_slices(chunks),
            tables=self.manager.tables.drain(),
            copy_sources=copy_sources,
            copy_targets=copy_targets,
        )

    def _samplers(self, chunks: list[ScheduledRow], decoding: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sequences that get a token, in the order of `_logit_tokens`, their rows, and how many tokens each has."""
        sampling = [chunk for chunk in chunks if chunk.samples]
        firsts = [member for chunk in sampling for member in (chunk.sequence, *chunk.forks)]
        first_rows = [row for chunk in sampling for row in (chunk.sequence.row, *chunk.fork_rows)]
        sequences = np.empty(len(firsts) + decoding.size, dtype=object)
        sequences[: len(firsts)] = firsts
        sequences[len(firsts) :] = self.states.sequences[decoding]
        rows = np.concatenate([np.array(first_rows, dtype=np.int64), decoding])
        for index in np.flatnonzero(~self.states.can_sample[rows]).tolist():
            sequence, prompt_len = sequences[index], sequences[index].prompt_len
            prompt_ids, output_ids = sequence.ids[:prompt_len], sequence.ids[prompt_len:]
            self.sampler.add(int(rows[index]), sequence.params, sequence.sample_index, prompt_ids, output_ids)
            # A fork samples before it enters its row.
            self.states.has_grammar[rows[index]] = sequence.grammar is not None
        self.states.can_sample[rows] = True
        states = self.states
        num_firsts = [
            chunk.start + chunk.num_tokens - chunk.sequence.prompt_len for chunk in sampling for _ in (0, *chunk.forks)
        ]
        num_decoded = states.known[decoding] - states.prompt_len[decoding]
        return sequences, rows, np.concatenate([np.array(num_firsts, dtype=np.int64), num_decoded])

    def forget(self, row: int) -> None:
        """The row's sequence has left it."""
        self.sampler.remove(row)

    def _sample(
        self, output: StepOutput, samplers: np.ndarray, rows: np.ndarray, generated: np.ndarray
    ) -> SampledTokens:
        assert output.logits is not None
        if output.greedy_ids is not None and self.sampler.is_plain_greedy(rows):
            return SampledTokens(output.greedy_ids, None, self.executor.wait)
        mask = self._grammar_mask(samplers, rows, output.logits.shape[1])
        sampled = self.sampler.sample(output.logits, rows, generated, mask)
        self.executor.set_next_ids(rows, sampled.token_ids)
        token_ids = sampled.token_ids.masked_fill(sampled.is_bad, NO_ID)
        return SampledTokens(token_ids, sampled.logprobs, self.executor.wait)

    def _grammar_mask(self, samplers: np.ndarray, rows: np.ndarray, vocab_size: int) -> torch.Tensor | None:
        held = np.flatnonzero(self.states.has_grammar[rows])
        if not held.size:
            return None
        mask = torch.full((rows.size, -(-vocab_size // 32)), -1, dtype=torch.int32)
        for index in held.tolist():
            samplers[index].grammar.fill_mask(mask[index])
        return mask.to(self.device)

    def _add_prompt_logprobs(self, chunks: list[ScheduledRow], logits: list[torch.Tensor]) -> None:
        """Score the prompt tokens that the chunks' logits predict."""
        pieces = [(chunk, positions) for chunk in chunks for positions in _unscored(chunk)]
        for (chunk, positions), predicted in zip(pieces, logits, strict=True):
            sequence = chunk.sequence
            num_top = sequence.params.prompt_logprobs
            assert sequence.prompt_logprobs is not None
            assert num_top is not None
            next_ids = np.array(sequence.ids[positions.start + 1 : positions.stop + 1], dtype=np.int64)
            scored = prompt_logprobs(predicted, upload(next_ids, self.device), num_top)
            sequence.prompt_logprobs += scored.records([num_top] * len(positions))


def _bands_read(inputs: StepInputs) -> np.ndarray:
    """bool [bands]: whether some token runs the band."""
    if inputs.band_lens.size:
        return np.logical_or.reduce(inputs.band_lens > 0, axis=1)
    return np.array(inputs.rows_in_band) > 0


def _known_ids(chunk: ScheduledRow) -> np.ndarray:
    """int64 ids of the chunk's tokens; -1 for the newest, if it was sampled by a step that the host has not read."""
    known = chunk.sequence.ids[chunk.start : chunk.start + chunk.num_tokens]
    return np.array(known + [NO_ID] * (chunk.num_tokens - len(known)), dtype=np.int64)


def _logit_tokens(chunks: list[ScheduledRow], num_decoding: int) -> np.ndarray:
    """The last token of every chunk that samples, once for each sample, then every decoded token."""
    tokens: list[int] = []
    end = 0
    for chunk in chunks:
        end += chunk.num_tokens
        if chunk.samples:
            tokens += [end - 1] * (1 + len(chunk.forks))
    return np.concatenate([np.array(tokens, dtype=np.int64), np.arange(end, end + num_decoding)])


def _unscored(chunk: ScheduledRow) -> list[range]:
    """Positions of the chunk whose logits predict prompt tokens that want a score, a slice at a time.

    A resumed sequence scores none twice.
    """
    sequence = chunk.sequence
    if sequence.prompt_logprobs is None or chunk.start >= sequence.prompt_len:
        return []
    # Position p is predicted by the logits of p - 1.
    start = max(chunk.start, len(sequence.prompt_logprobs) - 1)
    end = min(chunk.start + chunk.num_tokens, sequence.prompt_len - 1)
    step = PROMPT_LOGPROBS_SLICE
    return [range(position, min(position + step, end)) for position in range(start, end, step)]


def _prompt_slices(chunks: list[ScheduledRow]) -> list[tuple[int, int]]:
    """The same as ranges of the batch's tokens."""
    slices = []
    first = 0
    for chunk in chunks:
        offset = first - chunk.start
        slices += [(positions.start + offset, positions.stop + offset) for positions in _unscored(chunk)]
        first += chunk.num_tokens
    return slices
