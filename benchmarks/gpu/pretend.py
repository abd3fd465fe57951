"""Contexts that nobody computed: pages of random numbers that the prefix cache holds for a prompt.

A decode step takes as long as there are positions to read, whatever they hold. Computing a context of a million tokens
would take minutes of a GPU, and none of it would be measured.
"""

from collections.abc import Callable, Sequence

import torch

from server.bench.datasets import Prompt
from server.engine.loop import Core
from server.engine.variants import Variant
from server.kv.pool import NULL_PAGE, PagePool
from server.kv.prefix import extend_chain

BLOCKS_AT_ONCE = 4096


def fill_with_noise(pool: PagePool, seed: int = 0) -> None:
    """Random content for all pages. A device that adds up zeros draws less power and runs faster."""
    generator = torch.Generator(pool.storage.device).manual_seed(seed)
    # One page at a time would take long, and all at once as much memory again.
    for part in pool.storage.unbind(0):
        for pages in part.split(BLOCKS_AT_ONCE):
            if pages.dtype.is_floating_point and pages.element_size() > 1:
                pages.normal_(generator=generator)
            else:
                # Finite in every 8-bit format: the exponent's highest bits stay clear.
                pages.view(torch.uint8).random_(0, 0x70, generator=generator)
    if pool.params is not None:
        pool.params[..., 0].fill_(1 / 64)
        pool.params[..., 1].fill_(-1)


def cache_of(core: Core, variant: str) -> Callable[[Sequence[Prompt]], None]:
    """What brings prompts of this variant into the prefix cache as if they had been computed; see `measure_latency`."""

    def fill(prompts: Sequence[Prompt]) -> None:
        for prompt in prompts:
            _pretend(core, core.variants[variant], prompt.token_ids)

    return fill


def _pretend(core: Core, variant: Variant, token_ids: list[int]) -> None:
    """Publish all full blocks of a prompt; groups with a window get only what a query after them sees."""
    pool, prefix = core.manager.pool, core.manager.prefix
    assert prefix is not None
    page_size = pool.page_size
    chain: list[bytes] = []
    extend_chain(chain, core.cache_seed(variant), token_ids, page_size)
    needed: list[tuple[int, int]] = []
    for retention in variant.retentions_since(variant.policy.stretch(0, len(token_ids)).since):
        sinks_end = retention.first_droppable(page_size)
        window_begin = 0 if retention.keeps_all else retention.end_droppable(len(chain) * page_size, page_size)
        needed.append((sinks_end, window_begin))
    held: list[int] = []
    for block, key in enumerate(chain):
        is_needed = [block < sinks_end or block >= window_begin for sinks_end, window_begin in needed]
        pages = iter(pool.allocate(sum(is_needed)))
        column = [next(pages) if wanted else NULL_PAGE for wanted in is_needed]
        prefix.publish(key, column)
        held += [page for page in column if page != NULL_PAGE]
    pool.free(held)
