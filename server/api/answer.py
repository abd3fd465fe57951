"""What completions and chat answers have in common: head, usage, timings."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from server.api.protocol.common import Sampling
from server.api.serving import Serving
from server.engine.client import Delta
from server.engine.request import EngineRequest, Timings
from server.errors import EngineStepError, RequestError


@dataclass(frozen=True, slots=True)
class Head:
    """The fields that all chunks of one answer repeat.

    Args:
        schedule: the exit schedule of the variant that answers; None where every token runs every layer.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    schedule: str | None = None

    @classmethod
    def new(cls, prefix: str, model: str, variant: str, serving: Serving) -> "Head":
        schedule = serving.info.schedules.get(variant)
        return cls(f"{prefix}-{uuid.uuid4().hex}", int(time.time()), model, serving.fingerprint, schedule)

    def fields(self, kind: str) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }
        if self.schedule is not None:
            # Whoever reads log probabilities has to know that they are not those of the whole model.
            fields["exit_schedule"] = self.schedule
        return fields


@dataclass(frozen=True, slots=True)
class Shows:
    """Which optional parts the client asked for."""

    usage_at_end: bool
    usage_always: bool
    timings: bool
    token_ids: bool
    tokens_as_ids: bool

    @classmethod
    def of(cls, body: Sampling, request: Request) -> "Shows":
        """Raises `RequestError` for stream_options without stream."""
        options = body.stream_options
        if options is not None and not body.stream:
            raise RequestError("stream_options is only allowed when stream is true.", param="stream_options")
        at_end = options is not None and options.include_usage
        return cls(
            usage_at_end=at_end,
            usage_always=at_end and options is not None and options.continuous_usage_stats,
            timings=bool(body.timings) or request.headers.get("x-rhumb-timings") == "1",
            token_ids=bool(body.return_token_ids),
            tokens_as_ids=bool(body.return_tokens_as_token_ids),
        )


@dataclass(slots=True)
class Meter:
    """Counts what the deltas of one answer say: usage, timings, and which choices have finished."""

    requests: Sequence[EngineRequest]
    _generated: dict[int, int] = field(default_factory=dict)
    _cached: dict[int, int] = field(default_factory=dict)
    _timings: list[Timings] = field(default_factory=list)
    num_finished: int = 0

    @property
    def num_samples(self) -> int:
        return self.requests[0].num_samples

    @property
    def num_choices(self) -> int:
        return len(self.requests) * self.num_samples

    @property
    def is_finished(self) -> bool:
        return self.num_finished == self.num_choices

    def take(self, prompt_index: int, delta: Delta) -> int:
        """Count one delta; returns its choice's index.

        Raises:
            EngineStepError: the engine aborted the sample, for which clients have no finish reason.
        """
        choice = prompt_index * self.num_samples + delta.index
        self._generated[choice] = delta.num_generated
        if delta.index == 0:
            # The other samples find the first one's prompt in the cache; that is not the client's doing.
            self._cached[prompt_index] = max(delta.cached_tokens, self._cached.get(prompt_index, 0))
        if delta.finish_reason == "abort":
            raise EngineStepError("The engine aborted the request.")
        if delta.finish_reason is not None:
            self.num_finished += 1
            if delta.timings is not None:
                self._timings.append(delta.timings)
        return choice

    def usage(self) -> dict[str, Any]:
        """Each prompt counts once, however many samples it has."""
        prompt = sum(len(request.prompt_ids) for request in self.requests)
        completion = sum(self._generated.values())
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": sum(self._cached.values())},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }

    def timings(self) -> dict[str, Any] | None:
        """Over all choices: counts add up, times are the longest, because they ran side by side."""
        return timings_block(self._timings) if self._timings else None


def timings_block(timings: Sequence[Timings]) -> dict[str, Any]:
    """llama.cpp's `timings`, and ours after them."""
    cached = sum(each.cached_tokens for each in timings)
    computed = sum(each.prompt_tokens - each.cached_tokens for each in timings)
    generated = sum(each.generated_tokens for each in timings)
    prefill_ms = max(each.prefill_ms for each in timings)
    decode_ms = max(each.decode_ms for each in timings)
    depth = sum(each.mean_depth_layers * each.generated_tokens for each in timings)
    return {
        "cache_n": cached,
        "prompt_n": computed,
        "prompt_ms": round(prefill_ms, 3),
        "prompt_per_token_ms": _ratio(prefill_ms, computed),
        "prompt_per_second": _ratio(1000 * computed, prefill_ms),
        "predicted_n": generated,
        "predicted_ms": round(decode_ms, 3),
        "predicted_per_token_ms": _ratio(decode_ms, generated),
        "predicted_per_second": _ratio(1000 * generated, decode_ms),
        "queue_ms": round(max(each.queue_ms for each in timings), 3),
        "preemptions": sum(each.preemptions for each in timings),
        "mean_depth_layers": _ratio(depth, generated),
        "kv_bytes": sum(each.kv_bytes for each in timings),
    }


def _ratio(amount: float, per: float) -> float:
    return round(amount / per, 3) if per else 0.0
