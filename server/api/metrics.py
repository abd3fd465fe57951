"""Prometheus metrics: vLLM's names, so that existing dashboards and routers read them, and ours as `rhumb:`.

Every label is bounded: model and variant names, finish reasons, route patterns and statuses; nothing that a
client chooses.
"""

import itertools
import math
import os
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.utils import floatToGoString

from server.api.fleet import METRICS_FOLDER
from server.engine.client import Delta
from server.engine.cohorts import WAIT_BOUNDS_S
from server.engine.request import EngineInfo, EngineRequest, EngineStats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_TOKEN_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1, 2.5)
_TOKENS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
_STEP_TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384)

# (name, help, field of EngineStats)
_GAUGES = (
    ("vllm:num_requests_running", "Samples in the running batch.", "num_running"),
    ("vllm:num_requests_waiting", "Samples waiting for a place in the batch.", "num_waiting"),
    ("rhumb:kv_pages", "KV pages of the pool.", "pages_total"),
    ("rhumb:kv_pages_used", "KV pages that some row holds.", "pages_used"),
    ("rhumb:kv_pages_cached", "KV pages kept for equal prompt beginnings.", "pages_cached"),
)
_COUNTERS = (
    ("vllm:prefix_cache_queries", "Prompt tokens looked up in the prefix cache.", "prefix_queries"),
    ("vllm:prefix_cache_hits", "Prompt tokens found in the prefix cache.", "prefix_hits"),
    ("vllm:prompt_tokens_cached", "Prompt tokens that were not computed again.", "prefix_hits"),
    ("vllm:prompt_tokens", "Prompt tokens processed.", "prompt_tokens"),
    ("vllm:generation_tokens", "Tokens generated.", "generated_tokens"),
    ("vllm:num_preemptions", "Times a row gave its pages up to others.", "num_preemptions"),
    ("rhumb:steps", "Steps of the engine.", "steps"),
    ("rhumb:step_tokens", "Tokens computed in all steps.", "step_tokens"),
    ("rhumb:layers_run", "Token and layer pairs that were computed.", "layers_run"),
    ("rhumb:layers_skipped", "Token and layer pairs that an exit schedule left out.", "layers_skipped"),
    ("rhumb:layers_read", "Layers that some token of a step ran, over all steps.", "layers_read"),
)


class _EngineCollector:
    """Turns the engine's newest report into metrics whenever they are read."""

    def __init__(self) -> None:
        self.model = ""
        self.stats = EngineStats()
        self.is_ready = False
        self.info: EngineInfo | None = None

    def collect(self) -> Iterable[Metric]:
        labels = ["model_name"]
        values = [self.model]
        for name, help_text, field in _GAUGES:
            gauge = GaugeMetricFamily(name, help_text, labels=labels)
            gauge.add_metric(values, getattr(self.stats, field))
            yield gauge
        for name, help_text, field in _COUNTERS:
            counter = CounterMetricFamily(name, help_text, labels=labels)
            counter.add_metric(values, getattr(self.stats, field))
            yield counter
        usage = GaugeMetricFamily("vllm:kv_cache_usage_perc", "Share of KV pages in use, 1 is all.", labels=labels)
        usage.add_metric(values, self.stats.pages_used / max(1, self.stats.pages_total))
        yield usage
        depths = self.stats.depth_counts
        if depths:
            yield self._histogram(
                "rhumb:token_depth_layers", "Layers that generated tokens ran.",
                list(map(float, range(1, len(depths)))), depths[1:], sum(n * count for n, count in enumerate(depths)),
            )  # fmt: skip
        if self.stats.cohort_wait_counts:
            yield self._histogram(
                "rhumb:cohort_wait_seconds", "Time for which samples were held back for others to join.",
                [*WAIT_BOUNDS_S, math.inf], self.stats.cohort_wait_counts, self.stats.cohort_wait_s,
            )  # fmt: skip
        if self.info is not None:
            yield self._cache_config(self.info)
        ready = GaugeMetricFamily("rhumb:ready", "1 while requests can be served.", labels=labels)
        ready.add_metric(values, int(self.is_ready))
        yield ready

    def _histogram(
        self, name: str, help_text: str, bounds: list[float], counts: list[int], total: float
    ) -> HistogramMetricFamily:
        """What the engine has counted in buckets up to these bounds; the last one has no other above it."""
        ends = [*(floatToGoString(bound) for bound in bounds[:-1]), "+Inf"]
        family = HistogramMetricFamily(name, help_text, labels=["model_name"])
        family.add_metric([self.model], list(zip(ends, itertools.accumulate(counts), strict=True)), total)
        return family

    @staticmethod
    def _cache_config(info: EngineInfo) -> Metric:
        names = ["model_name", "block_size", "num_gpu_blocks", "cache_dtype"]
        config = GaugeMetricFamily("vllm:cache_config_info", "Facts about the KV cache.", labels=names)
        config.add_metric([info.model, str(info.page_size), str(info.num_pages), info.kv_format], 1)
        return config


class RequestTimer:
    """Times one engine request from submission to the end of each of its samples."""

    def __init__(self, metrics: "Metrics", request: EngineRequest) -> None:
        self._metrics = metrics
        self._request = request
        self._submitted_s = time.monotonic()
        self._last_s: dict[int, float] = {}
        self._ended: set[int] = set()
        # Looked up once, because these two are met with every token.
        self._first_token_s = metrics.first_token_s.labels(metrics.model)
        self._inter_token_s = metrics.inter_token_s.labels(metrics.model)

    def delta(self, delta: Delta) -> None:
        """Note a delta at the moment it is handed to the reader."""
        now_s = time.monotonic()
        last_s = self._last_s.get(delta.index)
        if delta.token_ids:
            if last_s is None:
                self._first_token_s.observe(now_s - self._submitted_s)
            else:
                # A delta may release several tokens at once.
                each_s = (now_s - last_s) / len(delta.token_ids)
                for _ in delta.token_ids:
                    self._inter_token_s.observe(each_s)
            self._last_s[delta.index] = now_s
        if delta.finish_reason is not None:
            self._finish(delta, now_s)

    def close(self, reason: str) -> None:
        """Whatever has not finished ended for `reason`: `abort` or `error`."""
        for index in range(self._request.num_samples):
            if index not in self._ended:
                self._ended.add(index)
                self._metrics.finished.labels(self._metrics.model, reason).inc()

    def _finish(self, delta: Delta, now_s: float) -> None:
        metrics = self._metrics
        model = metrics.model
        self._ended.add(delta.index)
        metrics.finished.labels(model, delta.finish_reason).inc()
        metrics.request_s.labels(model).observe(now_s - self._submitted_s)
        metrics.prompt_tokens.labels(model).observe(len(self._request.prompt_ids))
        metrics.generated_tokens.labels(model).observe(delta.num_generated)
        timings = delta.timings
        if timings is None:
            return
        metrics.queue_s.labels(model).observe(timings.queue_ms / 1000)
        metrics.prefill_s.labels(model).observe(timings.prefill_ms / 1000)
        metrics.decode_s.labels(model).observe(timings.decode_ms / 1000)
        metrics.inference_s.labels(model).observe((timings.prefill_ms + timings.decode_ms) / 1000)
        if delta.num_generated > 1:
            metrics.per_token_s.labels(model).observe(timings.decode_ms / 1000 / (delta.num_generated - 1))
        metrics.depth_layers.labels(model, self._request.variant).observe(timings.mean_depth_layers)
        metrics.kv_bytes.labels(model, self._request.variant).observe(timings.kv_bytes)


class Metrics:
    """All metrics of one server, in a registry of their own, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.model = ""
        self._engine = _EngineCollector()
        self.registry.register(self._engine)
        self.finished = self._counter("vllm:request_success", "Samples ended, by reason.", ["finished_reason"])
        self._rejections = self._counter("vllm:admission_rejections", "Requests refused because too many waited.")
        self.first_token_s = self._histogram("vllm:time_to_first_token_seconds", "Submission to first token.", _SECONDS)
        self.inter_token_s = self._histogram("vllm:inter_token_latency_seconds", "Time between tokens.", _TOKEN_SECONDS)
        self.per_token_s = self._histogram(
            "vllm:request_time_per_output_token_seconds", "Decode time per token of a sample.", _TOKEN_SECONDS
        )
        self.request_s = self._histogram("vllm:e2e_request_latency_seconds", "Submission to last token.", _SECONDS)
        self.queue_s = self._histogram("vllm:request_queue_time_seconds", "Time in the queue.", _SECONDS)
        self.inference_s = self._histogram("vllm:request_inference_time_seconds", "Prefill and decode.", _SECONDS)
        self.prefill_s = self._histogram("vllm:request_prefill_time_seconds", "Time in prefill.", _SECONDS)
        self.decode_s = self._histogram("vllm:request_decode_time_seconds", "Time in decode.", _SECONDS)
        self.prompt_tokens = self._histogram("vllm:request_prompt_tokens", "Prompt tokens of a sample.", _TOKENS)
        self.generated_tokens = self._histogram(
            "vllm:request_generation_tokens", "Tokens generated for a sample.", _TOKENS
        )
        self._max_generated = self._histogram(
            "vllm:request_max_num_generation_tokens", "Tokens a sample could have had.", _TOKENS
        )
        self._max_tokens = self._histogram("vllm:request_params_max_tokens", "max_tokens of a request.", _TOKENS)
        self._n = self._histogram("vllm:request_params_n", "n of a request.", (1, 2, 5, 10, 20, 50, 128))
        self._step_tokens = self._histogram("vllm:iteration_tokens_total", "Tokens per step.", _STEP_TOKENS)
        self.depth_layers = self._histogram(
            "rhumb:request_mean_depth_layers", "Layers a generated token ran, on average.",
            (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 80), ["variant"],
        )  # fmt: skip
        self.kv_bytes = self._histogram(
            "rhumb:request_kv_bytes", "KV cache of a sample at its end.",
            tuple(4.0**power for power in range(6, 18)), ["variant"],
        )  # fmt: skip
        self._http = Counter(
            "rhumb:http_requests", "HTTP requests, by route pattern.", ["route", "status"], registry=self.registry
        )

    def _counter(self, name: str, help_text: str, labels: list[str] | None = None) -> Counter:
        return Counter(name, help_text, ["model_name", *(labels or [])], registry=self.registry)

    def _histogram(
        self, name: str, help_text: str, buckets: tuple[float, ...], labels: list[str] | None = None
    ) -> Histogram:
        return Histogram(name, help_text, ["model_name", *(labels or [])], buckets=buckets, registry=self.registry)

    def describe(self, info: EngineInfo) -> None:
        """Label everything with the loaded model."""
        self.model = self._engine.model = info.model
        self._engine.info = info

    def observe_stats(self, stats: EngineStats) -> None:
        """Take every report of the engine; its steps since the last one are counted here."""
        self._engine.stats = stats
        if self.model:
            steps = self._step_tokens.labels(self.model)
            for num_tokens in stats.iteration_tokens:
                steps.observe(num_tokens)

    def admission_rejected(self) -> None:
        self._rejections.labels(self.model).inc()

    def http_request(self, route: str, status: int) -> None:
        self._http.labels(route, str(status)).inc()

    def request_timer(self, request: EngineRequest) -> RequestTimer:
        """Start timing a submitted request."""
        self._n.labels(self.model).observe(request.num_samples)
        self._max_tokens.labels(self.model).observe(request.params.max_tokens)
        self._max_generated.labels(self.model).observe(request.params.max_tokens)
        return RequestTimer(self, request)

    def render(self, stats: EngineStats, *, is_ready: bool) -> bytes:
        """The Prometheus text format, as of now."""
        self._engine.stats = stats
        self._engine.is_ready = is_ready
        if METRICS_FOLDER not in os.environ:
            return generate_latest(self.registry)
        # What this process and the others have counted lies in files; the core's report is the same in all of them.
        registry = CollectorRegistry()
        registry.register(self._engine)
        MultiProcessCollector(registry)
        return generate_latest(registry)
