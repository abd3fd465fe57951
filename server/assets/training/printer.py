"""What somebody sees who watches a run: a bar where tqdm is installed and there is a terminal, lines elsewhere."""

import importlib
import importlib.util
import sys
import time
from collections.abc import Mapping
from typing import Any


class Printer:
    """Shows progress on the standard error.

    Args:
        every_s: seconds between two lines; a bar shows every point of the curves.
        has_bar: None to decide by what there is.
        is_silent: shows nothing; another process speaks for this one.
    """

    def __init__(self, every_s: float = 5.0, has_bar: bool | None = None, is_silent: bool = False) -> None:
        if has_bar is None:
            has_bar = not is_silent and sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
        self._is_silent = is_silent
        self._every_s = every_s
        self._shown = -float("inf")
        self._bar: Any = None
        if has_bar:
            self._bar = importlib.import_module("tqdm").tqdm(
                total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}"
            )

    def show(self, record: Mapping[str, Any], used: float) -> None:
        """A point of the curves, when `used` of the budget is gone."""
        told = "  ".join(
            f"{name.partition('[')[0]} {figures['loss']:.3f} {figures['accuracy']:.1%}"
            for name, figures in record["parts"].items()
        )
        line = f"step {record['step']:6d} {record['seconds']:7.1f} s  {record['stage']}  {told}"
        if self._bar is not None:
            self._bar.n = round(min(100.0, 100 * used), 1)
            self._bar.set_postfix_str(line)
        elif time.monotonic() - self._shown >= self._every_s:
            self.say(line)
            self._shown = time.monotonic()

    def show_promotion(self, entry: Mapping[str, Any], following: str) -> None:
        """A stage is over."""
        steps = entry["last_step"] - entry["first_step"]
        if entry["is_mastered"]:
            told = ", ".join(f"{name} {value:.1%}" for name, value in entry["accuracies"].items())
            self.say(f"{entry['name']} is mastered after {steps} steps ({told}); now {following}")
        else:
            self.say(f"warning: {entry['name']} has not reached its goal in {steps} steps; going on with {following}")

    def show_evaluation(self, found: Mapping[str, Any]) -> None:
        """The results of an evaluation, a line each kind."""
        for kind in ("questions", "passkey"):
            told = "  ".join(
                f"{name} {counts['right']}/{counts['answers']}" for name, counts in found.get(kind, {}).items()
            )
            if told:
                self.say(f"evaluation at step {found['step']}: {kind} {told}")
        for name, value in found.get("perplexity", {}).items():
            self.say(f"evaluation at step {found['step']}: perplexity of {name} {value:.2f}")

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        elif not self._is_silent:
            print(line, file=sys.stderr, flush=True)
