"""What somebody sees who watches a run: a bar where tqdm is installed and there is a terminal, else lines."""

import importlib
import importlib.util
import sys
import time
from collections.abc import Mapping
from typing import Any

from server.finetune.judge import Judgement

LINE_EVERY_S = 10.0


class Progress:
    """Shows steps and judgements on the standard error.

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
            self._bar = importlib.import_module("tqdm").tqdm(total=total, initial=done, unit="step", desc="skip")

    def show(self, record: Mapping[str, Any]) -> None:
        """A step is done."""
        told = f"loss {record['loss']:.4f}, {record['accuracy']:.1%} of tokens right"
        if self._bar is not None:
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update()
        elif not self._is_hidden and time.monotonic() - self._shown >= LINE_EVERY_S:
            print(f"step {record['step'] + 1:,} of {self._total:,}: {told}", file=sys.stderr, flush=True)
            self._shown = time.monotonic()

    def judged(self, step: int, scheduled: Judgement, full: Judgement) -> None:
        """Held-out rows were judged before step `step`."""
        if self._is_hidden:
            return
        line = f"after {step:,} steps: {told(scheduled)}; at full depth {told(full)}"
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """No more steps in this run."""
        if self._bar is not None:
            self._bar.close()


def told(judgement: Judgement) -> str:
    """A judgement in a few words."""
    return f"loss {judgement.loss:.4f}, {judgement.accuracy:.1%} of tokens and {judgement.exact:.1%} of responses right"
