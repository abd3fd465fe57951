"""Times work on a device: on CUDA as replays of a captured graph, so that the cost of launching does not count."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class Timer:
    """Takes the median of several runs.

    Args:
        device: where the work runs.
        repeats: timed runs, after one that is not timed.
    """

    device: torch.device
    repeats: int = 20

    @torch.inference_mode()
    def time_s(self, work: Callable[[], object]) -> float:
        """Median seconds of `work`, which must do the same every time and, on CUDA, allow to be captured."""
        work()
        if self.device.type != "cuda":
            return float(np.median([_clocked_s(work) for _ in range(self.repeats)]))
        torch.cuda.synchronize(self.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        graph.replay()
        times_s = self._event_times_s(graph.replay)
        # What the graph's own memory holds may be gigabytes, which the next measurement needs.
        graph.reset()
        return float(np.median(times_s))

    @torch.inference_mode()
    def time_eager_s(self, work: Callable[[], object]) -> float:
        """The same without a graph, for work that cannot be captured, such as transfers from the host."""
        work()
        if self.device.type != "cuda":
            return float(np.median([_clocked_s(work) for _ in range(self.repeats)]))
        return float(np.median(self._event_times_s(work)))

    def _event_times_s(self, work: Callable[[], object]) -> list[float]:
        pairs = []
        for _ in range(self.repeats):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            work()
            end.record()
            pairs.append((start, end))
        torch.cuda.synchronize(self.device)
        return [start.elapsed_time(end) / 1e3 for start, end in pairs]


def _clocked_s(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s
