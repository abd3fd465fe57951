"""What somebody sees who watches a calibration: a bar where tqdm is installed and there is a terminal, else lines."""

import importlib
import importlib.util
import sys
import time
from collections.abc import Mapping
from typing import Any

LINE_EVERY_S = 10.0


class Progress:
    """Shows the steps of a search on the standard error.

    Args:
        total: steps there are.
        done: of these before this run.
        is_hidden: show nothing.
    """

    def __init__(self, total: int, done: int, *, is_hidden: bool = False) -> None:
        self._total = total
        self._is_hidden = is_hidden
        self._shown = -float("inf")
        self._bar: Any = None
        if not is_hidden and sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None:
            self._bar = importlib.import_module("tqdm").tqdm(total=total, initial=done, unit="step", desc="gates")

    def show(self, record: Mapping[str, float]) -> None:
        """A step is done."""
        told = f"{record['length']:,} tokens, distance {record['distill']:.2e}, mean gate {record['mean_gate']:.3f}"
        if self._bar is not None:
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update()
        elif not self._is_hidden and time.monotonic() - self._shown >= LINE_EVERY_S:
            print(f"step {int(record['step']) + 1:,} of {self._total:,}: {told}", file=sys.stderr, flush=True)
            self._shown = time.monotonic()

    def close(self) -> None:
        """No more steps in this run."""
        if self._bar is not None:
            self._bar.close()
