"""EngineCore: the loop body. Schedule, launch, read, decide who has finished."""

import logging
import time
from collections import deque

import numpy as np
import torch

from server.config import EngineConfig
from server.engine.cohorts import Cohorts
from server.engine.report import Counters, live_table, stats_of, timings_of
from server.engine.request import (
    EngineRequest,
    EngineStats,
    FinishReason,
    RowInfo,
    SampleOutput,
    Timings,
    TokenLogprobs,
)
from server.engine.runner import PendingStep
from server.engine.scheduler import Schedule, ScheduledRow, Scheduler
from server.engine.sequence import Sequence
from server.engine.stopped import StoppedBands
from server.engine.tokenizer import Tokenizer
from server.engine.variants import Variant
from server.errors import ConfigError, RhumbError
from server.grammar import GrammarCompiler
from server.kv.prefix import prefix_seed
from server.parallel.leader import assemble_team

logger = logging.getLogger(__name__)


class EngineCore:
    """One model, one pool, one scheduler. Not thread-safe: one thread owns it.

    Raises:
        ModelLoadError: the checkpoint cannot be loaded.
        ConfigError: the settings cannot work together.
    """

    def __init__(self, config: EngineConfig) -> None:
        parts, self._followers = assemble_team(config)
        self.info = parts.info
        self.model = parts.model
        self.plan = parts.plan
        self.variants = parts.variants
        self.tables = parts.tables
        self.pool = parts.pool
        self.manager = parts.manager
        stopped = StoppedBands(self.manager, parts.group_layers, parts.limits.max_rows)
        cohorts = Cohorts(config.align_ms / 1000)
        self.scheduler = Scheduler(parts.limits, self.manager, parts.states, stopped, cohorts)
        self.runner = parts.runner
        self._config = config
        self._identity = parts.identity
        self._grammars: GrammarCompiler | None = None
        self._overlap = parts.limits.overlap
        self._device = parts.device
        self._pending: deque[PendingStep] = deque()
        self._rejected: list[SampleOutput] = []
        self._num_arrivals = 0
        self._counters = Counters()
        if self.info.schedules:
            self._counters.depth_counts = np.zeros(self.model.config.num_layers + 1, dtype=np.int64)
        self._idle_checked = True

    @property
    def has_work(self) -> bool:
        return bool(self._pending or self._rejected) or self.scheduler.has_work

    def add(self, request: EngineRequest) -> None:
        """Queue a request. One that can never run ends with an error output of the next step."""
        try:
            sequences = self._sequences(request)
        except RhumbError as error:
            self._rejected += [
                SampleOutput(request.request_id, index, [], finish_reason="error", error=str(error))
                for index in range(request.num_samples)
            ]
            return
        leader, *forks = sequences
        leader.pending_forks = forks
        self.scheduler.add(leader)

    def _sequences(self, request: EngineRequest) -> list[Sequence]:
        if request.variant not in self.variants:
            raise ConfigError(f"variant {request.variant!r} is not served")
        if not request.prompt_ids:
            raise ConfigError("the prompt is empty")
        longest = len(request.prompt_ids) + max(request.params.max_tokens, 1)
        limit = self.info.limit_of(request.variant)
        # The last generated token is never computed, so it may stand one past the limit.
        if longest > limit + 1:
            raise ConfigError(f"prompt plus max_tokens is {longest}, above the limit of {limit}")
        variant = self.variants[request.variant]
        priority = request.priority if self._config.scheduling == "priority" else 0
        self._num_arrivals += 1
        now = time.monotonic()
        seed = self.cache_seed(variant, request.cache_salt)
        grammar = request.params.grammar
        sequences = []
        for index in range(request.num_samples):
            sequence = Sequence(
                request=request,
                sample_index=index,
                variant=variant,
                order=(priority, self._num_arrivals),
                ids=list(request.prompt_ids),
                arrival_s=now,
                cache_seed=seed,
            )
            if grammar is not None:
                sequence.grammar = self._grammar_compiler().start(grammar)
            if request.params.prompt_logprobs is not None and index == 0:
                # Nothing predicts the first token.
                sequence.prompt_logprobs = [None]
            sequences.append(sequence)
        return sequences

    def cache_seed(self, variant: Variant, cache_salt: str = "") -> bytes:
        """Seed of the prefix-cache keys of this variant's prompts."""
        return prefix_seed(*self._identity, variant.policy.prefix_namespace or "", cache_salt)

    def _grammar_compiler(self) -> GrammarCompiler:
        # Only constrained requests need a tokenizer here, and a benchmark of random weights may have none.
        if self._grammars is None:
            config = self.model.config
            tokenizer = Tokenizer.from_directory(self.info.model_path)
            self._grammars = GrammarCompiler(tokenizer, config.vocab_size, config.eos_token_ids)
        return self._grammars

    def abort(self, request_ids: list[str], sample_index: int | None = None) -> None:
        """End these requests (or one sample of each) wherever they are, without output. Unknown ids are ignored."""
        for request_id in request_ids:
            self._rejected = [output for output in self._rejected if output.request_id != request_id]
            for sequence in list(self.scheduler.by_request.get(request_id, ())):
                if sample_index is None or sequence.sample_index == sample_index:
                    self._finish(sequence)

    def step(self) -> list[SampleOutput]:
        """Launch one step and read the oldest one that may be read."""
        outputs, self._rejected = self._rejected, []
        schedule = self.scheduler.schedule()
        if schedule:
            self._launch(schedule, outputs)
        # With overlap one launched step stays unread, as long as there was another one to launch.
        while len(self._pending) > (1 if self._overlap and schedule else 0):
            self._collect(self._pending.popleft(), outputs)
        if not self.has_work and not self._idle_checked:
            self.check()
            self._idle_checked = True
        return outputs

    def _launch(self, schedule: Schedule, outputs: list[SampleOutput]) -> None:
        self._idle_checked = False
        now = time.monotonic()
        try:
            pending = self.runner.launch(schedule)
        except torch.OutOfMemoryError:
            if self._followers is not None:
                # The other ranks are within the step already, and wait for this one's part.
                raise
            self._recover_from_out_of_memory(schedule, outputs)
            return
        self._counters.steps += 1
        self._counters.step_tokens += pending.num_tokens
        self._counters.iteration_tokens.append(pending.num_tokens)
        self._counters.layers_read += pending.layers_read
        for chunk in schedule.chunks:
            self._advance_chunk(chunk, now)
        self._advance_decoding(pending)
        # Before anything is let go: what a window does not show any more may still be of use to another request.
        self.scheduler.publish()
        for chunk in schedule.chunks:
            self._end_chunk(chunk, now)
        self._trim_decoding(pending.decoding)
        self._pending.append(pending)

    def _advance_chunk(self, chunk: ScheduledRow, now: float) -> None:
        """A chunk was launched: its positions count as computed."""
        sequence = chunk.sequence
        assert sequence.row is not None
        if sequence.first_scheduled_s is None:
            sequence.first_scheduled_s = now
        end = chunk.start + chunk.num_tokens
        self._count(sequence, chunk.start, end)
        sequence.computed = end
        self.manager.advance(sequence.row, end)

    def _end_chunk(self, chunk: ScheduledRow, now: float) -> None:
        """What comes after a chunk: the next stretch, its first tokens, its forks."""
        sequence = chunk.sequence
        assert sequence.row is not None
        self.scheduler.follow_stretch(sequence)
        for fork, row in zip(chunk.forks, chunk.fork_rows, strict=True):
            self.scheduler.fork(sequence, fork, row)
            fork.first_scheduled_s = now
        if chunk.samples:
            self.scheduler.release_forks(sequence)
            for sampler in (sequence, *chunk.forks):
                sampler.launched()
        for member in (sequence, *chunk.forks):
            assert member.row is not None
            self.scheduler.stopped.let_go(member)
            member.variant.policy.after_step(self.manager, np.array([member.row]), None)

    def _advance_decoding(self, pending: PendingStep) -> None:
        """One token of each of the decoding rows was launched."""
        states, rows = self.scheduler.rows, pending.decoding
        num_layers = self.model.config.num_layers
        states.depth_tokens[rows] += 1
        layers_run = np.full(rows.size, num_layers) if pending.layers_run is None else pending.layers_run
        states.depth_layers[rows] += layers_run
        self._count_layers(layers_run)
        states.advance(rows)
        self.manager.written[rows] = states.computed[rows]

    def _trim_decoding(self, rows: np.ndarray) -> None:
        """Let the rows that decode let go of what they have come past; most have not, in most steps."""
        manager, states = self.manager, self.scheduler.rows
        for row in self.scheduler.stopped.due(rows, states.computed[rows] - states.prompt_len[rows]).tolist():
            self.scheduler.stopped.let_go(states.sequences[row])
        rows = rows[manager.written[rows] >= manager.next_trim[rows]]
        if rows.size:
            indices = states.variant_index[rows]
            for variant in self.variants.values():
                mine = rows[indices == variant.index]
                if mine.size:
                    variant.policy.after_step(manager, mine, None)

    def _count(self, sequence: Sequence, start: int, end: int) -> None:
        """Account for positions [start, end): prompt tokens, and the layers that generated ones ran."""
        prompt_len = sequence.prompt_len
        num_prompt = max(0, min(end, prompt_len) - start)
        self._counters.prompt_tokens += num_prompt
        self._counters.layers_run += num_prompt * self.model.config.num_layers
        generated = np.arange(max(start, prompt_len) - prompt_len, end - prompt_len)
        layers_run = (generated[:, None] < sequence.layer_stops).sum(1)
        sequence.count_depth(generated.size, int(layers_run.sum()))
        self._count_layers(layers_run)

    def _count_layers(self, layers_run: np.ndarray) -> None:
        """Generated tokens were launched that run so many layers each, int64."""
        counters, num_run = self._counters, int(layers_run.sum())
        counters.layers_run += num_run
        counters.layers_skipped += layers_run.size * self.model.config.num_layers - num_run
        if counters.depth_counts.size:
            counters.depth_counts += np.bincount(layers_run, minlength=counters.depth_counts.size)

    def _recover_from_out_of_memory(self, schedule: Schedule, outputs: list[SampleOutput]) -> None:
        """Retry with fewer rows or tokens; a lone row that still does not fit fails alone."""
        while self._pending:
            self._collect(self._pending.popleft(), outputs)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        for chunk in schedule.chunks:
            self.scheduler.unfork(chunk)
        scheduler, smallest_step = self.scheduler, self.info.max_rows
        # Some may have come to their end with what was read just now.
        decoding = [sequence for sequence in scheduler.rows.sequences[schedule.decoding] if sequence is not None]
        chunked = [chunk.sequence for chunk in schedule.chunks if chunk.sequence.row is not None]
        sequences = [*chunked, *decoding]
        if scheduler.max_step_tokens > smallest_step:
            scheduler.max_step_tokens = max(scheduler.max_step_tokens // 2, smallest_step)
        elif len(sequences) > 1:
            scheduler.max_running = max(len(sequences) // 2, 1)
        elif sequences:
            outputs.append(self._fail(sequences[0], "the device ran out of memory for this request"))
            return
        logger.warning(
            "out of memory in a step of %d rows; going on with %d tokens and %d rows a step",
            schedule.num_rows,
            scheduler.max_step_tokens,
            scheduler.max_running,
        )
        for sequence in sequences[1:]:
            scheduler.preempt(sequence)

    def _collect(self, pending: PendingStep, outputs: list[SampleOutput]) -> None:
        """Read a step's tokens and decide who has finished."""
        for sequence in pending.prompts_done:
            if not sequence.is_finished:
                outputs.append(self._finish_with(sequence, [], "length"))
        if pending.sampled is None:
            return
        token_ids, logprobs = pending.sampled.read()
        states = self.scheduler.rows
        rows, sequences = pending.sampler_rows, pending.samplers
        # A row that was given to somebody else meanwhile, or that needs a closer look, is read by itself.
        is_plain = (states.sequences[rows] == sequences) & ~states.needs_care[rows] & (token_ids >= 0)
        ends = (token_ids[:, None] == states.end_ids[rows]).any(1)
        is_plain &= ~ends & (states.known[rows] - states.in_flight[rows] + 1 < states.max_len[rows])
        plain_rows = rows[is_plain]
        states.in_flight[plain_rows] -= 1
        states.last_id[plain_rows] = token_ids[is_plain]
        self._counters.generated_tokens += plain_rows.size
        records: list[TokenLogprobs | None] = [None] * len(token_ids)
        if logprobs is not None:
            records = logprobs.records([sequence.params.logprobs for sequence in sequences])
        now = time.monotonic()
        columns = zip(sequences.tolist(), token_ids.tolist(), is_plain.tolist(), records, strict=True)
        for sequence, token_id, plain, record in columns:
            if plain:
                is_first = sequence.first_token_s is None
                if is_first:
                    sequence.first_token_s = now
                sequence.ids.append(token_id)
                outputs.append(
                    SampleOutput(
                        sequence.request.request_id,
                        sequence.sample_index,
                        [token_id],
                        prompt_logprobs=sequence.prompt_logprobs if is_first else None,
                        cached_tokens=sequence.cached_tokens,
                    )
                )
            else:
                self._read(sequence, token_id, record, now, outputs)

    def _read(
        self,
        sequence: Sequence,
        token_id: int,
        record: TokenLogprobs | None,
        now: float,
        outputs: list[SampleOutput],
    ) -> None:
        """Take one sequence's token; -1 says that there was none to choose."""
        if sequence.is_finished:
            sequence.dropped()
            return
        if token_id < 0:
            sequence.dropped()
            # Whatever made the logits bad may stand in the pages that others could share.
            self.scheduler.withdraw(sequence)
            outputs.append(self._fail(sequence, "the model produced no valid probabilities for this request"))
            return
        if sequence.first_token_s is None:
            sequence.first_token_s = now
        outputs.append(self._accept(sequence, token_id, record))

    def _accept(self, sequence: Sequence, token_id: int, record: TokenLogprobs | None) -> SampleOutput:
        params = sequence.params
        is_first = sequence.num_generated == 0
        sequence.read(token_id)
        self._counters.generated_tokens += 1
        if sequence.grammar is not None and not sequence.grammar.accept(token_id):
            return self._fail(sequence, f"the output could not be held to its grammar: {sequence.grammar.error}")
        finish_reason: FinishReason | None = None
        stop_token_id = None
        if (not params.ignore_eos and token_id in params.eos_token_ids) or token_id in params.stop_token_ids:
            finish_reason, stop_token_id = "stop", token_id
        elif sequence.grammar is not None and sequence.grammar.is_finished:
            finish_reason = "stop"
        elif sequence.num_generated >= params.max_tokens:
            finish_reason = "length"
        logprobs = None if record is None else [record]
        if finish_reason is not None:
            return self._finish_with(sequence, [token_id], finish_reason, stop_token_id, logprobs, is_first)
        return SampleOutput(
            sequence.request.request_id,
            sequence.sample_index,
            [token_id],
            logprobs=logprobs,
            prompt_logprobs=sequence.prompt_logprobs if is_first else None,
            cached_tokens=sequence.cached_tokens,
            timings=self._timings(sequence) if sequence.request.reports_timings else None,
        )

    def _finish_with(
        self,
        sequence: Sequence,
        token_ids: list[int],
        reason: FinishReason,
        stop_token_id: int | None = None,
        logprobs: list[TokenLogprobs] | None = None,
        is_first: bool = True,
    ) -> SampleOutput:
        timings = self._timings(sequence)
        self._finish(sequence)
        return SampleOutput(
            sequence.request.request_id,
            sequence.sample_index,
            token_ids,
            finish_reason=reason,
            stop_token_id=stop_token_id,
            logprobs=logprobs,
            prompt_logprobs=sequence.prompt_logprobs if is_first else None,
            cached_tokens=sequence.cached_tokens,
            timings=timings,
        )

    def _fail(self, sequence: Sequence, message: str) -> SampleOutput:
        self._finish(sequence)
        return SampleOutput(
            sequence.request.request_id, sequence.sample_index, [], finish_reason="error", error=message
        )

    def _finish(self, sequence: Sequence) -> None:
        row = sequence.row
        self.scheduler.finish(sequence)
        if row is not None:
            self.runner.forget(row)

    def _timings(self, sequence: Sequence) -> Timings:
        return timings_of(sequence, self.manager, self.model.config.num_layers)

    def stats(self) -> EngineStats:
        """Gauges and counters; the list of step sizes restarts with every call.

        Raises:
            RankLostError: another rank has ended, which an idle core would not notice otherwise.
        """
        if self._followers is not None:
            self._followers.check()
        return stats_of(self.scheduler, self.pool, self._counters)

    def inspect(self) -> list[RowInfo]:
        """The live request table: running rows, then waiting ones, in order."""
        return live_table(self.scheduler, self.manager)

    def reset_prefix_cache(self) -> None:
        """Forget cached pages; those that rows hold stay theirs."""
        if self.manager.prefix is not None:
            self.manager.prefix.reset()

    def check(self) -> None:
        """Assert that every page is accounted for; cheap, and run whenever the engine falls idle."""
        self.manager.check()

    def close(self) -> None:
        """End everything; the core is of no use afterwards."""
        for request_id in list(self.scheduler.by_request):
            self.abort([request_id])
        self._pending.clear()
        self.runner.executor.close()
