"""Statistics of a serving run: latency percentiles, throughput and goodput, under the keys of `vllm bench serve`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from server.bench.client import RequestResult
from server.errors import ConfigError

METRICS = {
    "ttft": "Time to first token",
    "tpot": "Time per output token (first excluded)",
    "itl": "Inter-token latency (between chunks)",
    "e2el": "End-to-end latency",
}
SLO_METRICS = ("ttft", "tpot", "e2el")


@dataclass(frozen=True, slots=True)
class Slo:
    """A service level: a request is good when each named metric is within its limit.

    Args:
        limits_ms: metric (`ttft`, `tpot` or `e2el`) -> milliseconds.
    """

    limits_ms: dict[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> "Slo":
        """From `ttft:500 tpot:30`; raises `ConfigError` on anything else."""
        limits: dict[str, float] = {}
        for pair in (part for text in pairs for part in text.replace(",", " ").split()):
            name, colon, value = pair.partition(":")
            try:
                limit = float(value) if colon else -1.0
            except ValueError:
                limit = -1.0
            if name not in SLO_METRICS or not limit >= 0:
                raise ConfigError(f"--goodput {pair!r}: write {', '.join(SLO_METRICS)} as NAME:MILLISECONDS")
            limits[name] = limit
        return cls(limits)

    def is_met(self, result: RequestResult) -> bool:
        if result.error is not None:
            return False
        # A single output token has no time per output token, so it cannot miss that limit.
        measured_ms = {
            "ttft": result.ttft_s * 1e3,
            "tpot": (result.tpot_s or 0.0) * 1e3,
            "e2el": result.latency_s * 1e3,
        }
        return all(measured_ms[name] <= limit for name, limit in self.limits_ms.items())


def parse_metrics(text: str) -> list[str]:
    """`ttft,tpot` -> names, checked."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ConfigError(f"--percentile-metrics {', '.join(unknown)}: choose from {', '.join(METRICS)}")
    return names


def parse_percentiles(text: str) -> list[float]:
    """`50,99.9` -> numbers in [0, 100], checked."""
    try:
        percentiles = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        percentiles = [-1.0]
    if not all(0 <= percentile <= 100 for percentile in percentiles):
        raise ConfigError(f"--metric-percentiles {text!r}: write numbers from 0 to 100, separated by commas")
    return percentiles


def percentile_name(percentile: float) -> str:
    return f"p{percentile:g}"


def spread(samples: Sequence[float], percentiles: Sequence[float], suffix: str) -> dict[str, float | None]:
    """`mean_`, `median_`, `std_` and `pNN_` of the samples, each key ending in `suffix`; None without samples."""
    names = [percentile_name(percentile) for percentile in percentiles]
    if not samples:
        return {f"{name}_{suffix}": None for name in ("mean", "median", "std", *names)}
    values = np.asarray(samples, dtype=np.float64)
    statistics: dict[str, float | None] = {
        f"mean_{suffix}": float(values.mean()),
        f"median_{suffix}": float(np.median(values)),
        f"std_{suffix}": float(values.std()),
    }
    for name, value in zip(names, np.percentile(values, percentiles), strict=True):
        statistics[f"{name}_{suffix}"] = float(value)
    return statistics


def summarise(
    results: Sequence[RequestResult],
    duration_s: float,
    *,
    metrics: Sequence[str] = ("ttft", "tpot", "itl", "e2el"),
    percentiles: Sequence[float] = (99.0,),
    slo: Slo | None = None,
) -> dict[str, object]:
    """Totals, rates and latencies of a run.

    Failed requests count in `failed` and nowhere else. `itl` is the gap between consecutive chunks, so
    read it next to `tokens_per_chunk`; `tpot` is (end-to-end - first token) / (output tokens - 1).

    Args:
        results: of every request sent.
        duration_s: from the first request sent to the last answer, in seconds.
        metrics: which of `METRICS` to report.
        percentiles: in [0, 100].
        slo: what `request_goodput` means; the key is None without one.
    """
    good = [result for result in results if result.error is None]
    input_tokens = sum(result.prompt_len for result in good)
    output_tokens = sum(result.output_len for result in good)
    num_chunks = sum(result.num_chunks for result in good)
    per_second = 1.0 / duration_s if duration_s > 0 else 0.0
    has_slo = slo is not None and bool(slo.limits_ms)
    summary: dict[str, object] = {
        "duration": duration_s,
        "completed": len(good),
        "failed": len(results) - len(good),
        "total_input_tokens": input_tokens,
        "total_output_tokens": output_tokens,
        "request_throughput": len(good) * per_second,
        "request_goodput": sum(slo.is_met(r) for r in good) * per_second if slo is not None and has_slo else None,
        "output_throughput": output_tokens * per_second,
        "total_token_throughput": (input_tokens + output_tokens) * per_second,
        "tokens_per_chunk": output_tokens / num_chunks if num_chunks else None,
        "max_concurrent_requests": peak_concurrency(good),
    }
    samples_ms = {
        "ttft": [result.ttft_s * 1e3 for result in good],
        "tpot": [result.tpot_s * 1e3 for result in good if result.tpot_s is not None],
        "itl": [gap * 1e3 for result in good for gap in result.itls_s],
        "e2el": [result.latency_s * 1e3 for result in good],
    }
    for metric in metrics:
        summary |= spread(samples_ms[metric], percentiles, f"{metric}_ms")
    return summary


def peak_concurrency(results: Sequence[RequestResult]) -> int:
    """The most requests that were in flight at one moment."""
    # An end sorts before a start at the same moment: the two never shared it.
    edges = sorted(
        [(result.start_s, 1) for result in results] + [(result.start_s + result.latency_s, -1) for result in results]
    )
    peak = running = 0
    for _, change in edges:
        running += change
        peak = max(peak, running)
    return peak


def details(results: Sequence[RequestResult]) -> dict[str, object]:
    """What `--save-detailed` adds: one entry per request, seconds as measured."""
    return {
        "input_lens": [result.prompt_len for result in results],
        "output_lens": [result.output_len for result in results],
        "start_times": [result.start_s for result in results],
        "ttfts": [result.ttft_s for result in results],
        "itls": [result.itls_s for result in results],
        "latencies": [result.latency_s for result in results],
        "generated_texts": [result.text for result in results],
        "errors": [result.error or "" for result in results],
    }


def common_errors(results: Sequence[RequestResult], limit: int = 3) -> list[tuple[str, int]]:
    """The most frequent error messages and how often each came."""
    return Counter(result.error for result in results if result.error is not None).most_common(limit)
