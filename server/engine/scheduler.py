"""The scheduler: no phases, one rule. Every row's computed positions chase its known ones.

A step hands out a token budget. Running rows go first, single-token rows before chunks, so that a long
prompt never starves its neighbours; what is left admits waiting sequences. When pages run out, the row
that is last in order gives its pages back and waits at its old place.
"""

import heapq
from dataclasses import dataclass

import numpy as np

from server.config import ResolvedLimits
from server.engine.cohorts import Cohorts
from server.engine.mixed_budget import MixedBudget
from server.engine.rows import RowStates
from server.engine.sequence import Sequence
from server.engine.stopped import StoppedBands
from server.kv.manager import KVManager
from server.kv.policy import KVPolicy, Stretch
from server.kv.prefix import PrefixCache, extend_chain

QUEUE_LOOKED_AT = 64
"""Waiting prompts that are counted; so many are a long queue."""


@dataclass(slots=True)
class ScheduledRow:
    """`num_tokens` positions of `sequence`, from `start` on, are computed in this step.

    `forks` are sequences that start from this row's pages, in `fork_rows`, and sample from its logits.
    """

    sequence: Sequence
    start: int
    num_tokens: int
    samples: bool
    forks: list[Sequence]
    fork_rows: list[int]


@dataclass(slots=True)
class Schedule:
    """One step's work.

    Args:
        chunks: rows with prompt positions, or with several others, to compute.
        decoding: int64, rows that compute and sample one generated token each.
    """

    chunks: list[ScheduledRow]
    decoding: np.ndarray

    def __bool__(self) -> bool:
        return bool(self.chunks or self.decoding.size)

    @property
    def num_rows(self) -> int:
        return len(self.chunks) + self.decoding.shape[0]


class Scheduler:
    """Decides who runs. Owns the waiting queue, the running list and the rows."""

    def __init__(
        self,
        limits: ResolvedLimits,
        manager: KVManager,
        rows: RowStates,
        stopped: StoppedBands,
        cohorts: Cohorts,
    ) -> None:
        self.manager = manager
        self.stopped = stopped
        self.cohorts = cohorts
        self.max_step_tokens = limits.max_step_tokens
        self.mixed_budget = MixedBudget(limits.max_mixed_tokens)
        self.max_running = limits.max_rows
        self.num_preemptions = 0
        self.prefix_queries = 0
        self.prefix_hits = 0
        self.rows = rows
        self.running: list[Sequence] = []
        self.by_request: dict[str, list[Sequence]] = {}
        self._waiting: list[tuple[tuple[int, int], int, Sequence]] = []
        self._free_rows = list(range(limits.max_rows - 1, -1, -1))
        # Some of a cohort have started, and others wait for the next step's budget.
        self._is_cohort_cut = False
        # Rows whose sequence has ended, with the policy that will give their pages back.
        self._ended: list[tuple[int, KVPolicy]] = []

    @property
    def num_waiting(self) -> int:
        return sum(not sequence.is_finished and sequence.row is None for _, _, sequence in self._waiting)

    @property
    def has_work(self) -> bool:
        return bool(self.running or self._ended) or self._first_waiting() is not None

    def add(self, sequence: Sequence) -> None:
        """Queue a new sequence; its `pending_forks` follow it."""
        self.by_request.setdefault(sequence.request.request_id, []).extend([sequence, *sequence.pending_forks])
        self._enqueue(sequence)

    def waiting(self) -> list[Sequence]:
        """Sequences without a row, in order."""
        return [
            sequence for _, _, sequence in sorted(self._waiting) if not sequence.is_finished and sequence.row is None
        ]

    def schedule(self) -> Schedule:
        """Hand out one step's budget. Pages are reserved for every row returned."""
        self._release_ended()
        num_preemptions = self.num_preemptions
        decoding = self._reserve_decoding()
        chunks: dict[Sequence, ScheduledRow] = {}
        budget = self.max_step_tokens - decoding.size
        chunked = self.rows.chunked()
        if decoding.size:
            budget = min(budget, self.mixed_budget.prompt_tokens(decoding.size, self._backlog(chunked)))
        for sequence in sorted(chunked, key=lambda s: (s.num_uncomputed > 1, s.order, s.sample_index)):
            if sequence.row is None or budget <= 0:
                continue
            num_tokens = sequence.next_chunk(budget)
            is_reserved, refund = self._reserve(sequence, num_tokens, chunks)
            budget += refund
            if is_reserved:
                chunks[sequence] = self._chunk(sequence, num_tokens)
                budget -= num_tokens
        if self.num_preemptions == num_preemptions:
            self._admit(budget, chunks)
        else:
            # Rows that had to go gave their pages to rows that stay.
            self._is_cohort_cut = False
            decoding = decoding[self.rows.is_running[decoding]]
        return Schedule(list(chunks.values()), decoding)

    def _backlog(self, chunked: list[Sequence]) -> int:
        """Prompt tokens that wait, in rows or for one."""
        queue = [sequence for _, _, sequence in self._waiting[:QUEUE_LOOKED_AT] if not sequence.is_finished]
        return sum(sequence.num_uncomputed for sequence in (*chunked, *queue))

    def _reserve_decoding(self) -> np.ndarray:
        """Rows that decode in this step; all of them fit any budget, and few need pages."""
        decoding = self.rows.decoding()
        if self.cohorts.is_on:
            decoding = self._without_early(decoding)
        growing = [self.rows.sequences[row] for row in self.manager.needs_growth(decoding)]
        if not growing:
            return decoding
        num_preemptions = self.num_preemptions
        for sequence in sorted(growing, key=lambda s: (s.order, s.sample_index)):
            if sequence.row is not None:
                self._reserve(sequence, 1, {})
        return decoding if self.num_preemptions == num_preemptions else decoding[self.rows.is_running[decoding]]

    def _without_early(self, decoding: np.ndarray) -> np.ndarray:
        """Those of the rows that need not wait for prompts of their cohort, so that all of it decodes in step."""
        states = self.rows
        are_behind = self._is_cohort_cut or any(
            not sequence.variant.schedule.is_full and sequence.computed < sequence.prompt_len
            for sequence in states.chunked()
        )
        if not are_behind:
            return decoding
        is_early = ~states.is_full_depth[decoding] & (states.computed[decoding] == states.prompt_len[decoding])
        return decoding[~is_early]

    def _chunk(self, sequence: Sequence, num_tokens: int) -> ScheduledRow:
        end = sequence.computed + num_tokens
        samples = end == sequence.num_known and sequence.may_generate
        forks: list[Sequence] = []
        fork_rows: list[int] = []
        if samples:
            sequence.pending_forks = [fork for fork in sequence.pending_forks if not fork.is_finished]
            while sequence.pending_forks and self._free_rows:
                forks.append(sequence.pending_forks.pop(0))
                fork_rows.append(self._free_rows.pop())
        return ScheduledRow(sequence, sequence.computed, num_tokens, samples, forks, fork_rows)

    def _reserve(self, sequence: Sequence, num_tokens: int, chunks: dict[Sequence, ScheduledRow]) -> tuple[bool, int]:
        """Reserve pages, preempting from the back of the order.

        Returns:
            Whether the sequence may run (False: it had to go itself), and the budget of preempted chunks.
        """
        assert sequence.row is not None
        refund = 0
        while not sequence.variant.policy.reserve(self.manager, sequence.row, sequence.computed + num_tokens):
            victim = max(self.running, key=lambda s: (s.order, s.sample_index))
            row = chunks.pop(victim, None)
            if row is not None:
                refund += row.num_tokens
                self.unfork(row)
            self.preempt(victim)
            if victim is sequence:
                return False, refund
        return True, refund

    def unfork(self, row: ScheduledRow) -> None:
        """The row will not run after all: its forks wait for its next try."""
        self._free_rows += row.fork_rows
        row.sequence.pending_forks = [*row.forks, *row.sequence.pending_forks]
        row.forks, row.fork_rows = [], []

    def preempt(self, sequence: Sequence) -> None:
        """Take the row's pages; the sequence waits at its old place in the order."""
        assert sequence.row is not None
        sequence.variant.policy.preempt(self.manager, sequence.row)
        self._leave_row(sequence)
        sequence.computed = 0
        sequence.num_preemptions += 1
        self.num_preemptions += 1
        self._enqueue(sequence)

    def _release_ended(self) -> None:
        """Take back the rows and pages of what has ended; a long row holds thousands."""
        for row, policy in self._ended:
            policy.release(self.manager, row)
            self._free_rows.append(row)
        self._ended = []

    def _leave_row(self, sequence: Sequence) -> None:
        assert sequence.row is not None
        self.running.remove(sequence)
        self._free_rows.append(sequence.row)
        sequence.leave()

    def _enqueue(self, sequence: Sequence) -> None:
        heapq.heappush(self._waiting, (sequence.order, sequence.sample_index, sequence))

    def _first_waiting(self) -> Sequence | None:
        while self._waiting and (self._waiting[0][2].is_finished or self._waiting[0][2].row is not None):
            heapq.heappop(self._waiting)
        return self._waiting[0][2] if self._waiting else None

    def _admit(self, budget: int, chunks: dict[Sequence, ScheduledRow]) -> None:
        """Start waiting sequences, in order, while rows, budget and pages last."""
        held: set[Sequence] = set()
        if self.cohorts.is_on and budget > 0:
            held = self.cohorts.held(self.waiting(), self.running, len(self._free_rows))
        if held:
            # Whoever need not wait goes past those who wait for their cohort.
            self._waiting = [entry for entry in self._waiting if entry[2] not in held]
            heapq.heapify(self._waiting)
        is_left = self._admit_unheld(budget, chunks)
        # What the next step has room for; whoever lacks rows or pages is not waited for.
        self._is_cohort_cut = is_left and any(not chunk.variant.schedule.is_full for chunk in chunks)
        for sequence in held:
            self._enqueue(sequence)

    def _admit_unheld(self, budget: int, chunks: dict[Sequence, ScheduledRow]) -> bool:
        """Whether the budget alone kept somebody from starting."""
        while budget > 0 and self._free_rows and len(self.running) < self.max_running:
            sequence = self._first_waiting()
            # A sequence preempted with tokens in flight comes back once the host has read them.
            if sequence is None or sequence.in_flight:
                return False
            prefix_pages = self._match_prefix(sequence)
            if not self._fits(sequence, prefix_pages):
                return False
            heapq.heappop(self._waiting)
            self._start(sequence, prefix_pages)
            num_tokens = sequence.next_chunk(budget)
            assert sequence.row is not None
            if not sequence.variant.policy.reserve(self.manager, sequence.row, sequence.computed + num_tokens):
                # Only the prompt's first chunk may be short of pages, and only when others run.
                sequence.variant.policy.release(self.manager, sequence.row)
                self._leave_row(sequence)
                sequence.computed = 0
                self._enqueue(sequence)
                return False
            chunks[sequence] = self._chunk(sequence, num_tokens)
            budget -= num_tokens
        return budget <= 0 and bool(self._free_rows) and self._first_waiting() is not None

    def _match_prefix(self, sequence: Sequence) -> np.ndarray:
        """Pages to start from, int32 [blocks, groups]."""
        prefix = self.manager.prefix
        if prefix is None or (sequence.prompt_logprobs is not None and sequence.computed < sequence.prompt_len):
            return np.zeros((0, self.manager.plan.num_groups), dtype=np.int32)
        page_size = self.manager.pool.page_size
        extend_chain(sequence.block_keys, sequence.cache_seed, sequence.ids, page_size)
        # The last known token is always recomputed, so that there are logits to sample from.
        usable = min(len(sequence.ids) - 1, sequence.cacheable_end) // page_size
        return prefix.match(sequence.block_keys[:usable], sequence.variant.retentions_since(_first(sequence).since))

    def _fits(self, sequence: Sequence, prefix_pages: np.ndarray) -> bool:
        """Whether the sequence's known tokens and one more page a group fit beside what is promised.

        Of a window's pages, those that a row holds at one time count, not those that it lets go on its way.

        With nothing running, the first chunk decides alone: every valid request fits an empty pool.
        """
        if not self.running:
            return True
        pool, states, chunk = self.manager.pool, self.rows, self.max_step_tokens
        running = np.flatnonzero(states.is_running)
        ends = np.maximum(states.known[running], states.prompt_len[running]) + 1
        promised = self.manager.promised_pages(running, ends, chunk)
        needed = sequence.variant.most_pages(sequence.num_known + 1, sequence.prompt_len, chunk, pool.page_size)
        needed -= int(np.count_nonzero(prefix_pages))
        return promised + needed + pool.num_unheld(prefix_pages) <= pool.num_free

    def _start(self, sequence: Sequence, prefix_pages: np.ndarray) -> None:
        row = self._free_rows.pop()
        sequence.computed = len(prefix_pages) * self.manager.pool.page_size
        sequence.num_published = len(prefix_pages)
        sequence.enter(self.rows, row)
        first = _first(sequence)
        sequence.stretch_end = first.end
        self.manager.open(row, sequence.variant.retentions_since(first.since), prefix_pages, first.end)
        self.follow_stretch(sequence)
        self.stopped.start(sequence)
        self.cohorts.started(sequence)
        if sequence.num_preemptions == 0:
            sequence.cached_tokens = min(sequence.computed, sequence.prompt_len)
            self.prefix_queries += sequence.prompt_len
            self.prefix_hits += sequence.cached_tokens
        self.running.append(sequence)

    def follow_stretch(self, sequence: Sequence) -> None:
        """Where the computed positions have come to the end of a stretch, keep what the next one keeps."""
        assert sequence.row is not None
        position = sequence.computed
        if position < sequence.stretch_end:
            return
        policy = sequence.variant.policy
        stretch = policy.stretch(position, sequence.prompt_len)
        sequence.stretch_end = stretch.end
        self.manager.keep(sequence.row, sequence.variant.retentions_since(stretch.since), stretch.end)
        policy.after_step(self.manager, np.array([sequence.row]), None)

    def fork(self, parent: Sequence, child: Sequence, row: int) -> None:
        """`child` starts in `row` (which `_chunk` chose) with the pages of `parent`, as of the step just launched."""
        assert parent.row is not None
        self.manager.fork(parent.row, row)
        child.computed = parent.computed
        child.stretch_end = parent.stretch_end
        child.block_keys = list(parent.block_keys)
        child.num_published = parent.num_published
        child.cached_tokens = parent.prompt_len
        child.enter(self.rows, row)
        self.stopped.start(child)
        self.running.append(child)

    def release_forks(self, sequence: Sequence) -> None:
        """Let forks that found no free row wait on their own; the prefix cache gives them the prompt back."""
        for fork in sequence.pending_forks:
            self._enqueue(fork)
        sequence.pending_forks = []

    def publish(self) -> None:
        """Offer all finished blocks to the prefix cache."""
        prefix = self.manager.prefix
        if prefix is not None:
            for row in self.rows.unpublished(self.manager.pool.page_size):
                self._publish(prefix, self.rows.sequences[row])

    def _publish(self, prefix: PrefixCache, sequence: Sequence) -> None:
        assert sequence.row is not None
        page_size = self.manager.pool.page_size
        num_blocks = min(sequence.computed, len(sequence.ids), sequence.cacheable_end) // page_size
        extend_chain(sequence.block_keys, sequence.cache_seed, sequence.ids, page_size)
        for block in range(sequence.num_published, num_blocks):
            prefix.publish(sequence.block_keys[block], self.manager.block_pages(sequence.row, block))
        sequence.num_published = num_blocks

    def withdraw(self, sequence: Sequence) -> None:
        """Take back what the sequence published: its KV proved wrong."""
        if self.manager.prefix is None or sequence.row is None:
            return
        for block in range(sequence.num_published):
            self.manager.prefix.withdraw(sequence.block_keys[block])

    def finish(self, sequence: Sequence) -> None:
        """The sequence has ended, wherever it was. Its pages go back after its last output, before the next step."""
        sequence.is_finished = True
        if sequence.row is not None:
            self._ended.append((sequence.row, sequence.variant.policy))
            self.running.remove(sequence)
            sequence.leave()
        self.release_forks(sequence)
        siblings = self.by_request[sequence.request.request_id]
        siblings.remove(sequence)
        if not siblings:
            del self.by_request[sequence.request.request_id]


def _first(sequence: Sequence) -> Stretch:
    """The stretch that the sequence's first position falls in, and with it all that is shared of its prompt."""
    return sequence.variant.policy.stretch(0, sequence.prompt_len)
