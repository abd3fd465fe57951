"""What a script of this folder measured: a table at the end, and a JSON file that grows with every row.

A row that fails says why and the next one goes on: time on a GPU is dear, and a crash must cost no result.
"""

import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from server.bench.machine import describe_run


@dataclass(frozen=True, slots=True)
class Mark:
    """What a row is held against.

    Args:
        goal: of this project; in the row's unit.
        peer: what vLLM 0.26.0 took on another GPU of the same kind (an H200), quoted and not measured in this run.
    """

    goal: float | None = None
    peer: float | None = None


@dataclass(slots=True)
class Row:
    """One measured figure.

    Args:
        value: None while nothing was measured.
        floor: the best that this machine could do, measured in the same run; in the row's unit.
        samples: of which `value` is the median, unless `details` say otherwise.
        is_rate: more is better.
        details: all else that the measurement gave.
    """

    name: str
    unit: str
    value: float | None = None
    floor: float | None = None
    samples: list[float] = field(default_factory=list)
    is_rate: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


class Record:
    """The rows of one run.

    Args:
        path: where the JSON goes.
        marks: by the name of a row.
        facts: what else belongs to the run.
    """

    def __init__(self, path: Path, marks: dict[str, Mark], **facts: Any) -> None:
        self.path = path
        self.facts = facts
        self._marks = marks
        self._run = describe_run()
        self.rows: list[Row] = []

    @contextmanager
    def row(
        self, name: str, unit: str, *, is_rate: bool = False, on_error: Callable[[], None] = lambda: None
    ) -> Iterator[Row]:
        """A row to fill in. Whatever is raised inside becomes its error; the file is written when it ends.

        Args:
            on_error: puts right what a failure may have left behind.
        """
        row = Row(name, unit, is_rate=is_rate)
        self.rows.append(row)
        try:
            yield row
        except Exception as error:
            row.error = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            traceback.print_exc()
            try:
                on_error()
            except Exception:
                traceback.print_exc()
        self.save()
        print(self.line(row), flush=True)

    def save(self) -> None:
        """Write everything so far."""
        rows = [asdict(row) | self._compared(row) for row in self.rows]
        record = self._run | {"facts": self.facts, "peer_note": Mark.__doc__, "rows": rows}
        write_json(self.path, record)

    def _compared(self, row: Row) -> dict[str, float | bool | None]:
        """Ratios of time (above 1 is slower), however the row counts."""
        mark = self._marks.get(row.name, Mark())

        def slower_than(other: float | None) -> float | None:
            if not other or not row.value:
                return None
            return other / row.value if row.is_rate else row.value / other

        to_goal = slower_than(mark.goal)
        return {
            "goal": mark.goal,
            "is_reached": None if to_goal is None else to_goal <= 1,
            "peer": mark.peer,
            "times_floor": slower_than(row.floor),
            "times_peer": slower_than(mark.peer),
        }

    def line(self, row: Row) -> str:
        """One line for reading."""
        if row.error is not None:
            return f"{row.name:38} {row.error}"
        compared = self._compared(row)

        def shown(value: float | bool | None) -> str:
            return "-" if value is None else f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"

        is_reached = compared["is_reached"]
        reached = "" if is_reached is None else "reached" if is_reached else "MISSED"
        return (
            f"{row.name:38} {shown(row.value):>10} {row.unit:6} "
            f"floor {shown(row.floor):>9} x{shown(compared['times_floor']):>5}  "
            f"vLLM {shown(compared['peer']):>9} x{shown(compared['times_peer']):>5}  "
            f"goal {shown(compared['goal']):>9} {reached}"
        )

    def print_table(self) -> None:
        """All rows; a ratio says how many times longer this took."""
        print()
        for row in self.rows:
            print(self.line(row))
        print(f"saved to {self.path}")


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record; what stood there stays whole until it is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def default_path(name: str) -> Path:
    """`NAME.json` in the folder that `OUT` names, else `<date>-<gpu>-NAME.json` beside this file."""
    out = os.environ.get("OUT")
    if out:
        return Path(out) / f"{name}.json"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    machine = "-".join(device.lower().split())
    return Path(__file__).parent / f"{datetime.now(UTC):%Y-%m-%d}-{machine}-{name}.json"
