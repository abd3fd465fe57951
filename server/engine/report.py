"""What an engine says about itself: counters, the live request table, and where a sample's time went."""

import time
from dataclasses import dataclass, field

import numpy as np

from server.engine.request import EngineStats, RowInfo, Timings
from server.engine.scheduler import Scheduler
from server.engine.sequence import Sequence
from server.kv.manager import KVManager
from server.kv.pool import PagePool


@dataclass(slots=True)
class Counters:
    """Totals since the core started, except `iteration_tokens`: tokens of each step since the last report.

    `depth_counts`, int64 [layers + 1], counts generated tokens by the layers that they ran.
    """

    steps: int = 0
    step_tokens: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    layers_run: int = 0
    layers_skipped: int = 0
    layers_read: int = 0
    depth_counts: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    iteration_tokens: list[int] = field(default_factory=list)


def stats_of(scheduler: Scheduler, pool: PagePool, counters: Counters) -> EngineStats:
    """Gauges as of now, and the counters; the list of step sizes starts anew."""
    iteration_tokens, counters.iteration_tokens = counters.iteration_tokens, []
    return EngineStats(
        num_running=len(scheduler.running),
        num_waiting=scheduler.num_waiting,
        pages_total=pool.capacity,
        pages_used=pool.capacity - pool.num_free,
        pages_cached=pool.num_cached,
        prefix_queries=scheduler.prefix_queries,
        prefix_hits=scheduler.prefix_hits,
        num_preemptions=scheduler.num_preemptions,
        steps=counters.steps,
        step_tokens=counters.step_tokens,
        prompt_tokens=counters.prompt_tokens,
        generated_tokens=counters.generated_tokens,
        layers_run=counters.layers_run,
        layers_skipped=counters.layers_skipped,
        layers_read=counters.layers_read,
        depth_counts=counters.depth_counts.tolist(),
        cohort_wait_counts=list(scheduler.cohorts.wait_counts) if scheduler.cohorts.is_on else [],
        cohort_wait_s=scheduler.cohorts.wait_s,
        iteration_tokens=iteration_tokens,
    )


def timings_of(sequence: Sequence, manager: KVManager, num_layers: int) -> Timings:
    """Where the sample's time went so far, and what it holds."""
    now = time.monotonic()
    scheduled = sequence.first_scheduled_s if sequence.first_scheduled_s is not None else now
    first_token = sequence.first_token_s if sequence.first_token_s is not None else now
    return Timings(
        queue_ms=(scheduled - sequence.arrival_s) * 1e3,
        prefill_ms=(first_token - scheduled) * 1e3,
        decode_ms=(now - first_token) * 1e3,
        prompt_tokens=sequence.prompt_len,
        cached_tokens=sequence.cached_tokens,
        generated_tokens=sequence.num_generated,
        preemptions=sequence.num_preemptions,
        mean_depth_layers=(
            sequence.depth_layers / sequence.depth_tokens if sequence.depth_tokens else float(num_layers)
        ),
        kv_bytes=_num_pages(sequence, manager) * manager.pool.page_bytes,
    )


def live_table(scheduler: Scheduler, manager: KVManager) -> list[RowInfo]:
    """Running rows, then waiting ones, in order."""
    now = time.monotonic()
    return [
        RowInfo(
            request_id=sequence.request.request_id,
            sample_index=sequence.sample_index,
            variant=sequence.variant.name,
            state="waiting" if sequence.row is None else "running",
            prompt_tokens=sequence.prompt_len,
            generated_tokens=sequence.num_generated,
            computed_tokens=sequence.computed,
            pages=_num_pages(sequence, manager),
            age_s=now - sequence.arrival_s,
        )
        for sequence in (*scheduler.running, *scheduler.waiting())
    ]


def _num_pages(sequence: Sequence, manager: KVManager) -> int:
    return 0 if sequence.row is None else manager.num_pages(sequence.row)
