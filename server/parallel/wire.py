"""How the leader tells its followers what to do: records of integers as one array of them, without pickles.

A frame is int64: its length, the record's kind, the length of the outline, the outline, and the numbers of all fields
in order. In the outline an array is its number of dimensions and its shape; a record within a record is 1 and its
fields, or 0 where it is None.
"""

import dataclasses
import math
import socket
import types
import typing
from collections.abc import Iterator
from typing import Any

import numpy as np

from server.engine.step import StepInputs
from server.kv.table import TableUpdates


@dataclasses.dataclass(frozen=True, slots=True)
class NextIds:
    """Rank 0 is about to share the next ids of these rows, int64 [S]."""

    rows: np.ndarray


Order = StepInputs | NextIds
GO = b"\x01"
"""What the leader sends a follower when all have their models."""
KINDS: tuple[type[Order], ...] = (StepInputs, NextIds)


def encode(order: Order) -> np.ndarray:
    """The frame of an order, int64."""
    outline: list[int] = []
    numbers: list[np.ndarray] = []
    _flatten(order, outline, numbers)
    head = [0, KINDS.index(type(order)), len(outline), *outline]
    frame = np.concatenate([np.array(head, dtype=np.int64), *numbers])
    frame[0] = frame.size
    return frame


def decode(frame: np.ndarray) -> Order:
    """The order of a frame. Its arrays share the frame's memory."""
    _, kind, length = frame[:3].tolist()
    outline = iter(frame[3 : 3 + length].tolist())
    order: Order
    order, _ = _restore(KINDS[kind], outline, frame, 3 + length)
    return order


class OrderReader:
    """Reads frames off a socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._file = channel.makefile("rb")

    def read_go(self) -> bool:
        """Wait for the leader's word that all ranks have their models; False at the end of the stream."""
        return self._file.read(len(GO)) == GO

    def read(self) -> Order | None:
        """Wait for the next order; None at the end of the stream."""
        head = self._file.read(8)
        if len(head) < 8:
            return None
        frame = np.empty(int(np.frombuffer(head, dtype=np.int64)[0]), dtype=np.int64)
        frame[0] = frame.size
        if self._file.readinto(frame[1:].view(np.uint8)) < frame.nbytes - 8:
            return None
        return decode(frame)


def _fields(record: type[Any]) -> list[tuple[str, Any]]:
    """Names and types of a record's fields; `X | None` is X."""
    fields = []
    for field in dataclasses.fields(record):
        hint: Any = field.type
        if isinstance(hint, types.UnionType):
            hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
        fields.append((field.name, hint))
    return fields


FIELDS = {record: _fields(record) for record in (*KINDS, TableUpdates)}


def _flatten(record: Any, outline: list[int], numbers: list[np.ndarray]) -> None:
    for name, hint in FIELDS[type(record)]:
        value = getattr(record, name)
        if hint in FIELDS:
            outline.append(value is not None)
            if value is not None:
                _flatten(value, outline, numbers)
        else:
            array = np.asarray(value, dtype=np.int64)
            outline += (array.ndim, *array.shape)
            if array.size:
                numbers.append(array.ravel())


def _restore(record: Any, outline: Iterator[int], frame: np.ndarray, start: int) -> tuple[Any, int]:
    """A record whose numbers begin at `start`, and where they end."""
    values = []
    for _, hint in FIELDS[record]:
        value: Any = None
        if hint not in FIELDS:
            shape = [next(outline) for _ in range(next(outline))]
            stop = start + math.prod(shape)
            value = _plain(hint, frame[start:stop].reshape(shape))
            start = stop
        elif next(outline):
            value, start = _restore(hint, outline, frame, start)
        values.append(value)
    return record(*values), start


def _plain(hint: Any, array: np.ndarray) -> Any:
    if hint is np.ndarray:
        return array
    if hint is int:
        return int(array)
    if hint == list[int]:
        return array.tolist()
    return [tuple(pair) for pair in array.tolist()]
