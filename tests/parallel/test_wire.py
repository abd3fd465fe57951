"""Orders arrive as they were given."""

import dataclasses
import socket
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.step import StepInputs
from server.kv.table import TableUpdates
from server.parallel.wire import GO, NextIds, OrderReader, decode, encode

INTEGERS = st.integers(-(2**63), 2**63 - 1)


def arrays(columns: int | None = None) -> st.SearchStrategy[np.ndarray]:
    """Arrays of up to five rows. Drawing each of their numbers by itself would take longer than all else."""

    def filled(num_rows: int, number: int) -> np.ndarray:
        shape = (num_rows,) if columns is None else (num_rows, columns)
        return np.full(shape, number) ^ np.arange(np.prod(shape), dtype=np.int64).reshape(shape)

    return st.builds(filled, st.integers(0, 5), INTEGERS)


TABLES = st.builds(
    TableUpdates,
    rows=arrays(),
    blocks=arrays(),
    pages=arrays(3),
    retention_rows=arrays(),
    sinks=arrays(3),
    recent=arrays(3),
    since=arrays(3),
)
STEPS = st.builds(
    StepInputs,
    rows=arrays(),
    query_lens=arrays(),
    kv_lens=arrays(),
    token_ids=arrays(),
    num_prefill_rows=INTEGERS,
    rows_in_band=st.lists(INTEGERS, max_size=3),
    band_lens=arrays(4),
    logit_tokens=arrays(),
    logit_rows=arrays(),
    prompt_slices=st.lists(st.tuples(INTEGERS, INTEGERS), max_size=3),
    tables=st.none() | TABLES,
    copy_sources=st.lists(INTEGERS, max_size=3),
    copy_targets=st.lists(INTEGERS, max_size=3),
)
ORDERS = STEPS | st.builds(NextIds, rows=arrays())


def plain(order: Any) -> Any:
    """Arrays as lists with their dtype, so that orders can be compared."""
    if dataclasses.is_dataclass(order):
        return type(order), [plain(getattr(order, field.name)) for field in dataclasses.fields(order)]
    return (order.dtype, order.shape, order.tolist()) if isinstance(order, np.ndarray) else order


@settings(max_examples=60, deadline=None)
@given(ORDERS)
def test_an_order_is_decoded_as_it_was_encoded(order):
    assert plain(decode(encode(order))) == plain(order)


@settings(max_examples=20, deadline=None)
@given(st.lists(ORDERS, max_size=4), st.integers(0, 100))
def test_a_reader_finds_every_order_and_the_end_of_the_stream(orders, num_lost):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = GO + b"".join(encode(order).tobytes() for order in orders)
        # A leader may end within a frame.
        stream += encode(NextIds(np.arange(20))).tobytes()[:num_lost]
        ours.sendall(stream)
        ours.close()
        reader = OrderReader(theirs)
        assert reader.read_go()
        for order in orders:
            assert plain(reader.read()) == plain(order)
        assert reader.read() is None
