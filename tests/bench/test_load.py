"""Arrival processes and the driver that follows them."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bench.load import Arrivals, Ramp, drive
from server.errors import ConfigError


@given(st.integers(1, 200), st.floats(0.1, 1000), st.floats(0.2, 10), st.integers(0, 2**32))
def test_a_constant_rate_offers_exactly_the_load_it_names(num_requests, rate, burstiness, seed):
    times = Arrivals(rate, burstiness).times_s(num_requests, np.random.default_rng(seed))
    assert times.shape == (num_requests,)
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] == pytest.approx(num_requests / rate)


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0])
def test_gaps_are_as_bursty_as_asked(burstiness):
    times = Arrivals(10.0, burstiness).times_s(40_000, np.random.default_rng(1))
    gaps = np.diff(times)
    # The coefficient of variation of a gamma distribution is 1 / sqrt(shape).
    assert gaps.std() / gaps.mean() == pytest.approx(burstiness**-0.5, rel=0.05)


def test_poisson_arrivals_count_like_a_poisson_process():
    times = Arrivals(50.0).times_s(50_000, np.random.default_rng(2))
    counts = np.bincount(times.astype(int))[:1000]
    assert counts.mean() == pytest.approx(50, rel=0.02)
    assert counts.var() == pytest.approx(50, rel=0.15)


def test_an_infinite_rate_sends_everything_at_once():
    assert Arrivals().times_s(5, np.random.default_rng(0)).tolist() == [0.0] * 5


@pytest.mark.parametrize("strategy", ["linear", "exponential"])
def test_a_ramp_goes_from_its_first_rate_to_its_last(strategy):
    ramp = Ramp(strategy, 2.0, 50.0)
    gaps = np.diff(Arrivals(ramp=ramp).times_s(40_000, np.random.default_rng(3)))
    assert 1 / gaps[:300].mean() == pytest.approx(2.0, rel=0.25)
    assert 1 / gaps[-300:].mean() == pytest.approx(50.0, rel=0.2)
    middle = 26.0 if strategy == "linear" else 10.0
    assert 1 / gaps[19_000:21_000].mean() == pytest.approx(middle, rel=0.1)


def test_the_same_seed_gives_the_same_arrivals():
    first, second = (Arrivals(3.0).times_s(50, np.random.default_rng(9)) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Arrivals(0.0),
        lambda: Arrivals(float("nan")),
        lambda: Arrivals(1.0, burstiness=0.0),
        lambda: Ramp("exponential", 0.0, 5.0),
        lambda: Ramp("linear", -1.0, 5.0),
        lambda: Arrivals(5.0, ramp=Ramp("linear", 0.0, 5.0)),
    ],
)
def test_a_load_that_makes_no_sense_is_refused(make):
    with pytest.raises(ConfigError, match="--"):
        make()


@given(st.integers(1, 30), st.integers(1, 8))
def test_no_more_requests_run_at_once_than_allowed_and_answers_keep_their_order(num_items, limit):
    running = peak = done = 0

    async def send(item: int) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        for _ in range(item % 3 + 1):
            await asyncio.sleep(0)
        running -= 1
        return item * 10

    def on_done() -> None:
        nonlocal done
        done += 1

    answers = asyncio.run(
        drive(send, list(range(num_items)), np.zeros(num_items), max_concurrency=limit, on_done=on_done)
    )
    assert answers == [item * 10 for item in range(num_items)]
    assert peak == min(limit, num_items)
    assert done == num_items


async def test_requests_are_sent_at_their_times_even_while_others_run():
    times = np.array([0.0, 0.02, 0.04])
    loop = asyncio.get_running_loop()
    start = loop.time()
    last_sent = asyncio.Event()

    async def send(item: int) -> float:
        sent = loop.time() - start
        if item == 2:
            last_sent.set()
        # The first ends only after the last was sent: arrivals do not wait for answers.
        await last_sent.wait()
        return sent

    sent = await drive(send, [0, 1, 2], times)
    assert all(after >= planned for after, planned in zip(sent, times, strict=True))
