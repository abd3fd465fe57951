"""How many pages the pool gets, and how long a request may then be."""

import os
from dataclasses import dataclass

import torch

from server.config import EngineConfig, ResolvedLimits
from server.errors import ConfigError
from server.kv.plan import KVPlan
from server.kv.policy import Retention

CPU_MEMORY_SHARE = 0.25
"""Share of the free host memory that the pool takes on CPU, where other programs live too."""
GPU_MEMORY_SHARE = 0.9
"""Share of the free device memory, after the weights are loaded, that the pool takes on GPU."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """Pages of the pool (null page included) and the longest request that fits it."""

    num_pages: int
    max_model_len: int


def free_bytes(device: torch.device) -> int:
    """Bytes the pool may take on this device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * GPU_MEMORY_SHARE)
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(available * CPU_MEMORY_SHARE)


def worst_case_pages(plan: KVPlan, retentions: list[Retention], num_tokens: int, chunk: int, page_size: int) -> int:
    """Pages that one row of `num_tokens` positions can hold at one time, alone.

    A windowed group needs its sinks, its window and the chunk being computed, each cut at page borders.
    """
    blocks = -(-num_tokens // page_size)
    total = 0
    for group in range(plan.num_groups):
        retention = retentions[group]
        if retention.keeps_all:
            total += blocks
        else:
            span = retention.recent + chunk
            total += min(blocks, retention.first_droppable(page_size) + -(-span // page_size) + 1)
    return total


def size_pool(
    config: EngineConfig,
    limits: ResolvedLimits,
    plan: KVPlan,
    retentions: list[list[Retention]],
    page_bytes: int,
    model_len: int,
    device: torch.device,
) -> PoolSize:
    """Size the pool, and shorten the longest request to what fits it alone, so that admission cannot deadlock.

    Args:
        retentions: one list per variant.
        page_bytes: bytes of one page, K and V.
        model_len: longest sequence that the model and the user's settings allow.

    Raises:
        ConfigError: not even a short request would fit.
    """

    def pages_for(num_tokens: int) -> int:
        # The extra page of each group is the copy that a forked row makes of its shared tail.
        return plan.num_groups + max(
            worst_case_pages(plan, per_group, num_tokens, limits.max_step_tokens, config.page_size)
            for per_group in retentions
        )

    if config.num_pages is not None:
        num_pages = config.num_pages
    else:
        budget = config.kv_memory_bytes if config.kv_memory_bytes is not None else free_bytes(device)
        # More than every row at full length could hold would never be touched.
        num_pages = min(budget // page_bytes, pages_for(model_len) * limits.max_rows + 1)
    low, high = 0, model_len
    while low < high:
        middle = (low + high + 1) // 2
        if pages_for(middle) <= num_pages - 1:
            low = middle
        else:
            high = middle - 1
    if low < min(2 * config.page_size, model_len):
        raise ConfigError(
            f"the KV pool has {num_pages} pages of {page_bytes} bytes, too few for one short request "
            f"({pages_for(2 * config.page_size) + 1} needed); raise --kv-memory or --num-pages"
        )
    return PoolSize(num_pages, low)
