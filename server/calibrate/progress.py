"""What somebody sees who watches a calibration."""

from collections.abc import Mapping

from server.progress import StepProgress


class Progress(StepProgress):
    """Shows the steps of a search for gates; arguments as in `StepProgress`."""

    def __init__(self, total: int, done: int, *, is_hidden: bool = False) -> None:
        super().__init__("gates", total, done, is_hidden=is_hidden)

    def show(self, record: Mapping[str, float]) -> None:
        """A step is done."""
        self.step_done(
            int(record["step"]),
            f"{record['length']:,} tokens, distance {record['distill']:.2e}, mean gate {record['mean_gate']:.3f}",
        )
