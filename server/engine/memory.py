"""How many pages the pool gets, and how long a request may then be."""

import os
from dataclasses import dataclass

import numpy as np
import torch

from server.config import EngineConfig, ResolvedLimits
from server.engine.executor import Executor
from server.engine.request import SamplingParams
from server.engine.sampler import Sampler
from server.engine.step import StepInputs
from server.errors import ConfigError
from server.kv.demand import most_pages
from server.kv.plan import KVPlan
from server.kv.policy import UNLIMITED, Retention

CPU_MEMORY_SHARE = 0.25
"""Share of the free host memory that the pool takes on CPU, where other programs live too."""
GPU_MEMORY_SHARE = 0.93
"""Share of the device memory that the whole engine takes on GPU."""
GRAPH_BYTES = 1 << 30
"""Left for captured graphs: the logits of every captured number of rows, and what libraries keep for them."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """Pages of the pool (null page included), and for each variant the longest request that fits it."""

    num_pages: int
    max_model_lens: tuple[int, ...]


def free_bytes(device: torch.device, working: int) -> int:
    """Bytes the pool may take on this device, beside `working` bytes that a step needs."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info(device)
        return max(0, free - int(total * (1 - GPU_MEMORY_SHARE)) - working - GRAPH_BYTES)
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(available * CPU_MEMORY_SHARE)


@torch.inference_mode()
def work_hardest(executor: Executor, sampler: Sampler, limits: ResolvedLimits, model_len: int) -> None:
    """Run the step that takes most memory: the largest prompts, and the most samples of the dearest kind."""
    num_rows = -(-limits.max_step_tokens // model_len)
    lens = np.full(num_rows, -(-limits.max_step_tokens // num_rows), dtype=np.int64)
    num_tokens, num_samples = int(lens.sum()), min(limits.max_rows, int(lens.sum()))
    null_row = executor.tables.null_row
    output = executor.execute(
        StepInputs(
            rows=np.full(num_rows, null_row, dtype=np.int64),
            query_lens=lens,
            kv_lens=lens,
            token_ids=np.zeros(num_tokens, dtype=np.int64),
            num_prefill_rows=num_rows,
            rows_in_band=[num_rows] * len(executor.bands),
            band_lens=np.zeros((0, num_rows), dtype=np.int64),
            logit_tokens=np.arange(num_samples),
            logit_rows=np.full(num_samples, null_row, dtype=np.int64),
            prompt_slices=[],
            tables=None,
            copy_sources=[],
            copy_targets=[],
        )
    )
    assert output.logits is not None
    rows = np.arange(num_samples)
    for params in (SamplingParams(max_tokens=1), SamplingParams(max_tokens=1, top_p=0.9)):
        for row in rows.tolist():
            sampler.add(row, params, 0, [0], [])
        sampler.sample(output.logits, rows, rows * 0, None)
        for row in rows.tolist():
            sampler.remove(row)


def working_bytes(executor: Executor, sampler: Sampler, limits: ResolvedLimits, model_len: int) -> int:
    """Measure the most memory that a step takes besides weights and pool."""
    device = executor.device
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work_hardest(executor, sampler, limits, model_len)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def worst_case_pages(retentions: list[Retention], num_tokens: int, chunk: int, page_size: int) -> int:
    """Pages that one row of `num_tokens` positions can hold at one time, alone.

    A windowed group needs its sinks, its window and the chunk being computed, each cut at page borders.
    """
    sinks = np.array([retention.sinks for retention in retentions], dtype=np.int64)
    recent = np.array([UNLIMITED if r.keeps_all else r.recent for r in retentions], dtype=np.int64)
    return int(most_pages(sinks, recent, num_tokens, chunk, page_size).sum())


def size_pool(
    config: EngineConfig,
    limits: ResolvedLimits,
    plan: KVPlan,
    retentions: list[list[Retention]],
    page_bytes: int,
    model_len: int,
    budget_bytes: int | None,
) -> PoolSize:
    """Size the pool, and shorten the longest request to what fits it alone, so that admission cannot deadlock.

    Args:
        retentions: of each variant, what a row keeps at most, one per group.
        page_bytes: bytes of one page, K and V.
        model_len: longest sequence that the model and the user's settings allow.
        budget_bytes: bytes for the pool; unused where the settings name a number of pages.

    Raises:
        ConfigError: not even a short request would fit.
    """

    def pages_for(per_group: list[Retention], num_tokens: int) -> int:
        # The extra page of each group is the copy that a forked row makes of its shared tail.
        return plan.num_groups + worst_case_pages(per_group, num_tokens, limits.max_step_tokens, config.page_size)

    def longest(per_group: list[Retention]) -> int:
        low, high = 0, model_len
        while low < high:
            middle = (low + high + 1) // 2
            if pages_for(per_group, middle) <= num_pages - 1:
                low = middle
            else:
                high = middle - 1
        return low

    if config.num_pages is not None:
        num_pages = config.num_pages
    else:
        assert budget_bytes is not None
        # More than every row at full length could hold would never be touched.
        most = max(pages_for(per_group, model_len) for per_group in retentions)
        num_pages = min(budget_bytes // page_bytes, most * limits.max_rows + 1)
    lens = tuple(longest(per_group) for per_group in retentions)
    if min(lens) < min(2 * config.page_size, model_len):
        needed = 1 + max(pages_for(per_group, 2 * config.page_size) for per_group in retentions)
        raise ConfigError(
            f"the KV pool has {num_pages} pages of {page_bytes} bytes, too few for one short request "
            f"({needed} needed); raise --kv-memory or --num-pages"
        )
    return PoolSize(num_pages, lens)
