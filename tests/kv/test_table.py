"""Page tables whose device tensors are not the host's: what travels with a step keeps every visible entry right."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.kv.formats import kv_format
from server.kv.manager import KVManager
from server.kv.plan import plan_by_layer
from server.kv.policy import ALL, UNLIMITED, window
from server.kv.pool import NULL_PAGE, PagePool
from server.kv.prefix import PrefixCache
from server.kv.table import PageTables

CPU = torch.device("cpu")
RETENTIONS = ([ALL, ALL], [ALL, window(sinks=2, recent=5)])


def apart(max_rows: int, max_pages: int) -> PageTables:
    """Tables with a host mirror of their own, as on a GPU."""
    tables = PageTables(max_rows, 2, max_pages, CPU)
    tables._is_shared = False
    tables.host = np.zeros_like(tables.host)
    return tables


actions = st.lists(
    st.tuples(st.sampled_from(["open", "grow", "grow", "grow", "fork", "release", "step"]), st.integers(0, 9)),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(actions=actions)
def test_after_every_step_the_device_sees_what_the_host_wrote(actions: list[tuple[str, int]]) -> None:
    tables = apart(4, 40)
    pool = PagePool(60, 3, 1, 2, kv_format("auto", torch.float32), CPU)
    manager = KVManager(plan_by_layer(1, [None, None]), pool, tables, PrefixCache(pool, 2))
    lengths: dict[int, int] = {}
    for action, number in [*actions, ("step", 0)]:
        row = number % 4
        if action == "open" and row not in lengths:
            manager.open(row, RETENTIONS[number % 2])
            lengths[row] = 0
        elif action == "grow" and row in lengths and manager.grow(row, lengths[row] + number):
            lengths[row] += number
            manager.advance(row, lengths[row])
            manager.trim(np.array([row]))
        elif action == "fork" and row in lengths and (row + 1) % 4 not in lengths:
            manager.fork(row, (row + 1) % 4)
            lengths[(row + 1) % 4] = lengths[row]
        elif action == "release" and row in lengths:
            manager.release(row)
            del lengths[row]
        elif action == "step":
            updates = tables.drain()
            if updates is not None:
                tables.apply(updates)
            assert tables.drain() is None
            for held in lengths:
                is_visible = tables.host[held] != NULL_PAGE
                device = tables.pages[held].numpy()
                assert (device[is_visible] == tables.host[held][is_visible]).all()
                assert ((tables.recent[held] == UNLIMITED).numpy() == tables.keeps_all[held]).all()
    assert (tables.pages[tables.null_row] == NULL_PAGE).all()
    assert (tables.recent[tables.null_row] == UNLIMITED).all()
