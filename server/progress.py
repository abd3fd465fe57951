"""What somebody sees who watches a long run: a bar where tqdm is installed and there is a terminal, else lines."""

import importlib
import importlib.util
import sys
import time
from typing import Any

LINE_EVERY_S = 10.0


class StepProgress:
    """Shows steps on the standard error.

    Args:
        title: stands before the bar.
        total: steps there are.
        done: of these before this run.
        is_hidden: show nothing.
    """

    def __init__(self, title: str, total: int, done: int, *, is_hidden: bool = False) -> None:
        self._total = total
        self._is_hidden = is_hidden
        self._shown = -float("inf")
        self._bar: Any = None
        if not is_hidden and sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None:
            self._bar = importlib.import_module("tqdm").tqdm(total=total, initial=done, unit="step", desc=title)

    def step_done(self, step: int, told: str) -> None:
        """Step number `step`, counted from 0, is done; `told` is what came of it."""
        if self._bar is not None:
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update()
        elif not self._is_hidden and time.monotonic() - self._shown >= LINE_EVERY_S:
            print(f"step {step + 1:,} of {self._total:,}: {told}", file=sys.stderr, flush=True)
            self._shown = time.monotonic()

    def say(self, line: str) -> None:
        """A line of its own, which does not disturb the bar."""
        if self._is_hidden:
            return
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """No more steps in this run."""
        if self._bar is not None:
            self._bar.close()
