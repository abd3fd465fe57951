"""Traces of single engine steps by torch's profiler, in the format of chrome://tracing and Perfetto."""

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from server.errors import ConfigError

if TYPE_CHECKING:
    # The loop that uses this is imported by processes that do without torch.
    from torch.profiler import profile

MAX_STEPS = 64
"""A trace of more is slow to write and to open, and shows nothing new."""


class StepProfiler:
    """Records the steps between `start` and `stop`, the first `max_steps` of them, one file each time.

    Args:
        folder: where the traces go; made when the first is written. None has no profiler.
    """

    def __init__(self, folder: str | Path | None, max_steps: int = MAX_STEPS) -> None:
        self._folder = None if folder is None else Path(folder)
        self._max_steps = max_steps
        self._numbers = itertools.count(1)
        self._running: profile | None = None
        self._num_steps = 0
        self._path: Path | None = None
        self._error: str | None = None

    @property
    def is_recording(self) -> bool:
        return self._running is not None

    def start(self) -> None:
        """Record from the next step on.

        Raises:
            ConfigError: there is no folder, or a trace is being recorded already.
        """
        if self._folder is None:
            raise ConfigError("there is no folder for profiles: start the server with --profile-dir")
        if self.is_recording:
            raise ConfigError("the profiler is running already")
        import torch
        from torch.profiler import ProfilerActivity, profile

        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._path, self._error, self._num_steps = None, None, 0
        self._running = profile(activities=activities, acc_events=True)
        self._running.start()

    def after_step(self) -> None:
        """Tell that a step has ended."""
        if self._running is None:
            return
        self._num_steps += 1
        if self._num_steps >= self._max_steps:
            self._write()

    def stop(self) -> str:
        """End the recording and return the path of its file, which was written before if there were many steps.

        Raises:
            ConfigError: nothing was started, or the file cannot be written.
        """
        self._write()
        if self._error is not None:
            raise ConfigError(self._error)
        if self._path is None:
            raise ConfigError("the profiler is not running")
        path, self._path = self._path, None
        return str(path)

    def _write(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        assert self._folder is not None
        import torch

        if torch.cuda.is_available():
            # What was launched belongs to the steps that launched it.
            torch.cuda.synchronize()
        running.stop()
        path = self._folder / f"rhumb-{datetime.now(UTC):%Y%m%d-%H%M%S}-{next(self._numbers)}.json.gz"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            running.export_chrome_trace(str(path))
        except (OSError, RuntimeError) as error:
            # Told to whoever stops the profiler; a step must not fail for it.
            self._error = f"the profile cannot be written to {self._folder}: {error}"
            return
        self._path = path
