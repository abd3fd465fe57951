"""A profiler trace of some steps in the middle of an offline run, where it is like most of the run."""

from collections.abc import Sequence
from pathlib import Path

from server.bench.datasets import Prompt
from server.engine.loop import Core
from server.engine.profiler import StepProfiler
from server.errors import ConfigError

NUM_STEPS = 20


class MiddleTrace:
    """Records steps of one run of `LocalEngine`, whose `on_step` it is given.

    Begins once half of the tokens after the first ones are there: with the first step, where each prompt asks for one
    token only.

    Args:
        core: what runs the prompts.
        folder: where the trace goes.
        prompts: of the run.
    """

    def __init__(self, core: Core, folder: Path, prompts: Sequence[Prompt], num_steps: int = NUM_STEPS) -> None:
        self._core = core
        self._profiler = StepProfiler(folder, num_steps)
        self._awaited = sum(prompt.output_len - 1 for prompt in prompts) // 2
        if self._awaited:
            self._awaited += core.stats().generated_tokens
        else:
            self._profiler.start()

    def on_step(self) -> None:
        """Tell that a step has ended."""
        if self._awaited and self._core.stats().generated_tokens >= self._awaited:
            self._awaited = 0
            self._profiler.start()
        else:
            self._profiler.after_step()

    def finish(self) -> str:
        """The path of the trace.

        Raises:
            ConfigError: the run was too short, or the file cannot be written.
        """
        if self._awaited:
            raise ConfigError("--profile: the run was over before a step could be recorded")
        return self._profiler.stop()
