"""What somebody sees who watches a run of fine-tuning."""

from collections.abc import Mapping
from typing import Any

from server.finetune.judge import Judgement
from server.progress import StepProgress


class Progress(StepProgress):
    """Shows steps and judgements; arguments as in `StepProgress`."""

    def __init__(self, total: int, done: int, *, is_hidden: bool = False) -> None:
        super().__init__("skip", total, done, is_hidden=is_hidden)

    def show(self, record: Mapping[str, Any]) -> None:
        """A step is done."""
        self.step_done(record["step"], f"loss {record['loss']:.4f}, {record['accuracy']:.1%} of tokens right")

    def judged(self, step: int, scheduled: Judgement, full: Judgement) -> None:
        """Held-out rows were judged before step `step`."""
        self.say(f"after {step:,} steps: {told(scheduled)}; at full depth {told(full)}")


def told(judgement: Judgement) -> str:
    """A judgement in a few words."""
    return f"loss {judgement.loss:.4f}, {judgement.accuracy:.1%} of tokens and {judgement.exact:.1%} of responses right"
