"""Statistics and goodput against numpy and against a plain reading of their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bench.client import RequestResult
from server.bench.report import (
    Slo,
    common_errors,
    parse_metrics,
    parse_percentiles,
    peak_concurrency,
    spread,
    summarise,
)
from server.errors import ConfigError

seconds = st.floats(0.001, 100.0)


@st.composite
def results(draw: st.DrawFn) -> RequestResult:
    gaps = draw(st.lists(seconds, max_size=5))
    ttft_s = draw(seconds)
    return RequestResult(
        prompt_len=draw(st.integers(1, 1000)),
        output_len=len(gaps) + 1,
        start_s=draw(seconds),
        ttft_s=ttft_s,
        latency_s=ttft_s + sum(gaps),
        itls_s=gaps,
        num_chunks=len(gaps) + 1,
        error=draw(st.sampled_from([None, None, None, "HTTP 500: no"])),
    )


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.lists(st.floats(0, 100), max_size=3, unique=True))
def test_a_spread_is_what_numpy_says(samples, percentiles):
    found = spread(samples, percentiles, "ttft_ms")
    assert found["mean_ttft_ms"] == pytest.approx(np.mean(samples))
    assert found["median_ttft_ms"] == pytest.approx(np.median(samples))
    assert found["std_ttft_ms"] == pytest.approx(np.std(samples))
    for percentile in percentiles:
        assert found[f"p{percentile:g}_ttft_ms"] == pytest.approx(np.percentile(samples, percentile))


def test_no_samples_give_no_numbers_rather_than_nan():
    assert spread([], [99], "itl_ms") == {
        "mean_itl_ms": None,
        "median_itl_ms": None,
        "std_itl_ms": None,
        "p99_itl_ms": None,
    }


@given(st.lists(results(), max_size=12), st.floats(0.1, 100))
def test_totals_and_rates_count_only_what_succeeded(runs, duration_s):
    good = [run for run in runs if run.error is None]
    summary = summarise(runs, duration_s)
    assert summary["completed"] == len(good)
    assert summary["failed"] == len(runs) - len(good)
    assert summary["total_input_tokens"] == sum(run.prompt_len for run in good)
    assert summary["total_output_tokens"] == sum(run.output_len for run in good)
    assert summary["request_throughput"] == pytest.approx(len(good) / duration_s)
    assert summary["output_throughput"] == pytest.approx(sum(run.output_len for run in good) / duration_s)
    assert summary["total_token_throughput"] == pytest.approx(
        sum(run.output_len + run.prompt_len for run in good) / duration_s
    )
    assert summary["request_goodput"] is None


@given(st.lists(results(), min_size=1, max_size=12))
def test_latencies_are_those_of_the_definitions(runs):
    good = [run for run in runs if run.error is None]
    summary = summarise(runs, 10.0, percentiles=[50, 99])
    itls_ms = [gap * 1e3 for run in good for gap in run.itls_s]
    tpots_ms = [sum(run.itls_s) / len(run.itls_s) * 1e3 for run in good if run.itls_s]
    for name, samples in {
        "ttft": [run.ttft_s * 1e3 for run in good],
        "tpot": tpots_ms,
        "itl": itls_ms,
        "e2el": [(run.ttft_s + sum(run.itls_s)) * 1e3 for run in good],
    }.items():
        if samples:
            assert summary[f"mean_{name}_ms"] == pytest.approx(np.mean(samples))
            assert summary[f"p99_{name}_ms"] == pytest.approx(np.percentile(samples, 99))
            assert summary[f"p50_{name}_ms"] == pytest.approx(summary[f"median_{name}_ms"])
        else:
            assert summary[f"mean_{name}_ms"] is None


@given(st.lists(results(), max_size=12), st.floats(1, 1e5), st.floats(1, 1e5), st.floats(1, 1e5))
def test_goodput_counts_requests_within_every_limit(runs, ttft_ms, tpot_ms, e2el_ms):
    slo = Slo.parse([f"ttft:{ttft_ms!r}", f"tpot:{tpot_ms!r},e2el:{e2el_ms!r}"])
    num_good = 0
    for run in runs:
        tpot_s = (run.latency_s - run.ttft_s) / (run.output_len - 1) if run.output_len > 1 else 0.0
        within = run.ttft_s * 1e3 <= ttft_ms and tpot_s * 1e3 <= tpot_ms and run.latency_s * 1e3 <= e2el_ms
        num_good += run.error is None and within
    assert summarise(runs, 4.0, slo=slo)["request_goodput"] == pytest.approx(num_good / 4.0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=12))
def test_peak_concurrency_is_that_of_the_busiest_moment(spans):
    runs = [RequestResult(1, start_s=float(start), latency_s=float(length)) for start, length in spans]
    moments = [start for start, _ in spans]
    busiest = max((sum(s <= moment < s + n for s, n in spans) for moment in moments), default=0)
    assert peak_concurrency(runs) == busiest


@pytest.mark.parametrize("text", ["ttft", "ttft:fast", "itl:3", "ttft:-1", "ttft:nan", ":5"])
def test_a_service_level_that_cannot_be_read_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="NAME:MILLISECONDS"):
        Slo.parse([text])


@pytest.mark.parametrize("text", ["101", "-1", "abc", "50;90"])
def test_percentiles_outside_0_to_100_are_refused(text):
    with pytest.raises(ConfigError, match="0 to 100"):
        parse_percentiles(text)


def test_flags_of_metrics_and_percentiles_are_read():
    assert parse_metrics("ttft, e2el") == ["ttft", "e2el"]
    assert parse_percentiles("50,99.9") == [50.0, 99.9]
    with pytest.raises(ConfigError, match="choose from ttft"):
        parse_metrics("ttft,speed")


def test_the_most_common_errors_come_first():
    runs = [RequestResult(1, error=error) for error in ["a", None, "b", "b", None]]
    assert common_errors(runs) == [("b", 2), ("a", 1)]
