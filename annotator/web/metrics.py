"""Prometheus metrics of the tools."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from annotator.errors import MapqatorError
from annotator.maps.params import ToolName

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass
class CallRecord:
    """One call under way; whoever answers it says how it ended."""

    provider: str
    outcome: str = "error"


class Metrics:
    """Counts tool calls; it has a registry of its own, so that two applications in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "mapqator_tool_calls",
            "Tool calls by how they ended: an outcome, or the code of an error.",
            ["tool", "provider", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "mapqator_tool_call_seconds",
            "Time of a tool call, waiting for a provider included.",
            ["tool", "outcome"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "mapqator_tool_calls_in_flight", "Tool calls that are not answered yet.", registry=self.registry
        )

    @contextmanager
    def tool_call(self, tool: ToolName) -> Iterator[CallRecord]:
        """Counts and times the call that the block makes."""
        record = CallRecord(provider="none")
        started = time.perf_counter()
        self._in_flight.inc()
        try:
            yield record
        except MapqatorError as error:
            record.outcome = error.code
            raise
        finally:
            self._in_flight.dec()
            self._calls.labels(tool, record.provider, record.outcome).inc()
            self._seconds.labels(tool, record.outcome).observe(time.perf_counter() - started)
