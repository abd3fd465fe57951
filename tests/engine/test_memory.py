"""The pool's size: within its budget, by what the KV format costs, and such that any admitted request fits alone."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.config import EngineConfig
from server.engine.memory import PoolSize, free_bytes, size_pool, worst_case_pages
from server.errors import ConfigError
from server.kv.formats import KV_FORMATS, KVFormat
from server.kv.manager import KVManager
from server.kv.plan import KVPlan, plan_by_layer
from server.kv.policy import ALL, Retention, window
from server.kv.pool import PagePool
from server.kv.table import PageTables

CPU = torch.device("cpu")
HEAD_DIM = 32

retentions = st.one_of(st.just(ALL), st.builds(window, sinks=st.integers(0, 9), recent=st.integers(1, 40)))


def sized(
    plan: KVPlan, per_group: list[Retention], fmt: KVFormat, budget: int, model_len: int, page_size: int, rows: int
) -> PoolSize:
    config = EngineConfig(model="m", page_size=page_size, max_rows=rows, max_step_tokens=64)
    page_bytes = page_size * plan.slots_per_group * fmt.bytes_per_token(HEAD_DIM)
    return size_pool(config, config.resolve("cpu"), plan, [per_group], page_bytes, model_len, budget)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), num_groups=st.integers(1, 4), page_size=st.sampled_from([1, 3, 16]), rows=st.integers(1, 8))
def test_every_format_gets_the_pages_that_its_bytes_allow_and_the_longest_request_that_fits(
    data, num_groups, page_size, rows
):
    plan = plan_by_layer(2, [None] * num_groups)
    per_group = data.draw(st.lists(retentions, min_size=num_groups, max_size=num_groups))
    budget, model_len = data.draw(st.integers(0, 4_000_000)), data.draw(st.integers(1, 3000))

    def needed(num_tokens: int) -> int:
        # The null page, the pages of the row, and the copy of a shared tail in every group.
        return 1 + worst_case_pages(per_group, num_tokens, 64, page_size) + num_groups

    sizes: list[PoolSize] = []
    for fmt in sorted(KV_FORMATS.values(), key=lambda fmt: fmt.bytes_per_token(HEAD_DIM)):
        page_bytes = page_size * plan.slots_per_group * fmt.bytes_per_token(HEAD_DIM)
        affordable = budget // page_bytes
        try:
            size = sized(plan, per_group, fmt, budget, model_len, page_size, rows)
        except ConfigError:
            assert needed(min(2 * page_size, model_len)) > affordable
            continue
        assert size.num_pages == min(affordable, rows * (needed(model_len) - 1) + 1)
        assert needed(size.max_model_lens[0]) <= size.num_pages
        assert size.max_model_lens[0] == model_len or needed(size.max_model_lens[0] + 1) > size.num_pages
        sizes.append(size)
    # From the smallest format to the largest, nothing gets better.
    for smaller, larger in pairwise(sizes):
        assert smaller.num_pages >= larger.num_pages
        assert smaller.max_model_lens >= larger.max_model_lens


def test_half_the_bytes_hold_twice_the_positions():
    plan = plan_by_layer(2, [None] * 4)
    pages = {
        name: sized(plan, [ALL] * 4, KV_FORMATS[name], 10_000_000, 1_000_000, 16, 8).num_pages
        for name in ("float32", "bfloat16", "int8", "int4")
    }
    assert pages["bfloat16"] // pages["float32"] == 2
    # Of a head of 32, scales and zeros are 4 bytes besides the 32 or 16 of its numbers.
    assert abs(pages["int8"] - pages["float32"] * 128 / 36) < 4
    assert abs(pages["int4"] - pages["float32"] * 128 / 20) < 7


@settings(max_examples=100, deadline=None)
@given(
    per_group=st.lists(retentions, min_size=1, max_size=3),
    page_size=st.sampled_from([1, 3, 4, 16]),
    chunks=st.lists(st.integers(1, 20), min_size=1, max_size=12),
)
def test_no_row_ever_holds_more_than_the_worst_case_says(per_group, page_size, chunks):
    plan = plan_by_layer(1, [None] * len(per_group))
    pool = PagePool(1000, page_size, plan.slots_per_group, 2, KV_FORMATS["int4"], CPU)
    manager = KVManager(plan, pool, PageTables(1, plan.num_groups, 256, CPU), None)
    manager.open(0, per_group)
    most = end = 0
    for chunk in chunks:
        end += chunk
        assert manager.grow(0, end)
        most = max(most, pool.capacity - pool.num_free)
        manager.advance(0, end)
        manager.trim(np.array([0]))
    assert most <= worst_case_pages(per_group, end, max(chunks), page_size)


def test_on_cpu_the_pool_leaves_most_of_the_memory_to_others():
    free = free_bytes(CPU, 0)
    with open("/proc/meminfo") as facts:
        total = next(int(line.split()[1]) * 1024 for line in facts if line.startswith("MemTotal"))
    assert 0 < free <= total / 4


def test_a_named_number_of_pages_wins_over_any_budget():
    plan = plan_by_layer(2, [None])
    config = EngineConfig(model="m", page_size=4, num_pages=50, max_rows=2, max_step_tokens=8)
    size = size_pool(config, config.resolve("cpu"), plan, [[ALL]], 1 << 40, 4096, None)
    # One null page, one spare for a fork's copy, 48 for the row.
    assert size == PoolSize(num_pages=50, max_model_lens=(192,))
