"""A run from its first step, or from where it stopped, to its last: steps, judgements and saved states."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from server.depth.full import FullDepth
from server.finetune.judge import Judgement, judge
from server.finetune.learner import Learner
from server.finetune.progress import Progress
from server.finetune.rows import Reach, Row

SAVING_SHARE = 0.05
"""Of the time, that saving large states may take."""


class Course:
    """Leads a learner through all its steps.

    Args:
        learner: with or without steps behind it.
        held_out: rows to judge by; at least one.
        judge_every: steps from one judgement to the next. There is one before the first step and one after the last.
        save_every_s: seconds after which a state is saved, besides at the end; 0 for every step.
    """

    def __init__(
        self, learner: Learner, held_out: Sequence[Row], judge_every: int, *, save_every_s: float = math.inf
    ) -> None:
        self.learner = learner
        self._held_out = held_out
        self._judge_every = judge_every
        self._save_every_s = save_every_s
        self._full = Reach(FullDepth(), learner.reach.num_layers)

    def run(self, folder: Path, settings: Mapping[str, Any], progress: Progress, *, minutes: float = math.inf) -> bool:
        """Take steps until all are done or the time is up.

        Args:
            folder: for states.
            settings: see `Learner.save`.
            minutes: of the clock, after which no step begins.

        Returns:
            Whether all steps are done.
        """
        learner = self.learner
        started = saved = time.monotonic()
        pause_s = self._save_every_s
        is_saved = True
        while True:
            if learner.is_done or learner.step % self._judge_every == 0:
                is_saved &= not self._record_judgement(progress)
            if learner.is_done or time.monotonic() - started >= 60 * minutes:
                break
            progress.show(learner.take_step())
            is_saved = False
            if time.monotonic() - saved >= pause_s:
                began = time.monotonic()
                learner.save(folder, settings)
                saved, is_saved = time.monotonic(), True
                pause_s = max(self._save_every_s, (saved - began) / SAVING_SHARE) if self._save_every_s else 0.0
        if not is_saved and learner.step > 0:
            learner.save(folder, settings)
        return learner.is_done

    def last_judgement(self) -> dict[str, Any]:
        """Of the model as it is now: `step`, `scheduled` and `full`."""
        evaluations = self.learner.history["evaluations"]
        if evaluations and evaluations[-1]["step"] == self.learner.step:
            return evaluations[-1]
        return self._as_json(*self._judged())

    def _judged(self) -> tuple[Judgement, Judgement]:
        """The held-out rows by the schedule and at full depth."""
        learner = self.learner
        scheduled, full = (
            judge(learner.forward, self._held_out, reach, learner.recipe.pass_tokens)
            for reach in (learner.reach, self._full)
        )
        return scheduled, full

    def _record_judgement(self, progress: Progress) -> bool:
        """Judge, unless it has been done after this step; tells whether it was."""
        learner = self.learner
        evaluations = learner.history["evaluations"]
        if evaluations and evaluations[-1]["step"] == learner.step:
            return False
        scheduled, full = self._judged()
        evaluations.append(self._as_json(scheduled, full))
        progress.judged(learner.step, scheduled, full)
        return True

    def _as_json(self, scheduled: Judgement, full: Judgement) -> dict[str, Any]:
        return {"step": self.learner.step, "scheduled": scheduled.as_json(), "full": full.as_json()}
