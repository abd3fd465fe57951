"""No provider is asked faster than its limit, by however many processes together."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.cache.pace import Pace
from annotator.maps.provider import RateLimit
from annotator.store.sessions import Database

Clock = Callable[[], datetime]

PACED = Path(__file__).with_name("paced.py")


def earliest_us(now_us: int, turns_us: list[int], limit: RateLimit) -> int:
    """The first moment at which one more request keeps the limit, by its definition: of any k + 1 requests in a row
    the last comes at least k + 1 - burst intervals after the first."""
    interval_us = round(limit.interval_s * 1e6)
    bounds = [turn + (k + 1 - limit.burst) * interval_us for k, turn in enumerate(reversed(turns_us), 1)]
    return max([now_us, *bounds])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    interval_s=st.sampled_from([0.001, 0.5, 1.0, 1.5]),
    burst=st.integers(1, 4),
    pauses_s=st.lists(st.sampled_from([0.0, 0.0, 0.0003, 0.4, 1.0, 2.5, 100.0]), min_size=1, max_size=12),
)
def test_requests_get_the_earliest_turns_that_keep_the_limit(
    sqlite_database: Database, clock: Any, interval_s: float, burst: int, pauses_s: list[float]
) -> None:
    limit, key = RateLimit(interval_s, burst), uuid4().hex
    pace, start = Pace(sqlite_database, clock), clock.now
    turns_us: list[int] = []
    for pause_s in pauses_s:
        clock.pass_s(pause_s)
        now_us = (clock.now - start) // timedelta(microseconds=1)
        turn_us = now_us + round(pace.reserve(key, limit) * 1e6)
        assert turn_us == earliest_us(now_us, turns_us, limit)
        turns_us.append(turn_us)


def test_each_provider_has_its_own_pace_and_no_limit_is_no_wait(database: Database, clock: Any) -> None:
    pace, slow = Pace(database, clock), RateLimit(1.0)
    assert [pace.reserve("nominatim", slow) for _ in range(3)] == [0, 1, 2]
    assert pace.reserve("overpass", slow) == 0
    assert [pace.reserve("own", RateLimit()) for _ in range(3)] == [0, 0, 0]


def test_a_turn_that_is_too_late_is_not_taken(database: Database, clock: Any) -> None:
    pace, slow = Pace(database, clock), RateLimit(1.0)
    assert [pace.reserve("nominatim", slow, 1.5) for _ in range(5)] == [0, 1, 2, 2, 2]
    clock.pass_s(1)
    assert [pace.reserve("nominatim", slow, 1.5) for _ in range(2)] == [1, 2]


def test_a_pause_that_a_provider_orders_holds_everybody_and_then_the_pace_goes_on(
    database: Database, clock: Any
) -> None:
    pace, slow = Pace(database, clock), RateLimit(1.0)
    assert pace.held_s("nominatim") == 0
    pace.hold("nominatim", 30)
    pace.hold("nominatim", 5)
    assert (pace.held_s("nominatim"), pace.held_s("overpass")) == (30, 0)
    assert [Pace(database, clock).reserve("nominatim", slow) for _ in range(3)] == [30, 31, 32]
    assert pace.reserve("overpass", slow) == 0
    clock.pass_s(100)
    assert pace.held_s("nominatim") == pace.reserve("nominatim", slow) == 0


def test_a_clock_that_is_set_back_does_not_stop_all_requests(database: Database, clock: Any) -> None:
    pace, slow = Pace(database, clock), RateLimit(1.0)
    assert [pace.reserve("nominatim", slow) for _ in range(2)] == [0, 1]
    clock.pass_s(-86400)
    assert [pace.reserve("nominatim", slow) for _ in range(2)] == [2, 3]
    pace.hold("nominatim", 30)
    clock.pass_s(-86400)
    assert (pace.held_s("nominatim"), pace.reserve("nominatim", slow)) == (30, 30)


def test_a_process_whose_clock_was_read_a_little_earlier_gains_nothing(database: Database, clock: Any) -> None:
    pace, slow = Pace(database, clock), RateLimit(1.0)
    assert pace.reserve("nominatim", slow) == 0
    clock.pass_s(-0.25)
    assert pace.reserve("nominatim", slow) == 1.25


def test_intervals_are_rounded_up_to_microseconds(database: Database) -> None:
    pace = Pace(database, lambda: datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=UTC))
    assert [pace.reserve("atlas", RateLimit(0.0000015)) for _ in range(3)] == [0, 2e-6, 4e-6]


def test_two_processes_together_keep_the_limit(database: Database, database_url: str) -> None:
    burst = 2
    # Each takes turns without waiting for them, as fast as it can, and prints them.
    command = [sys.executable, PACED, database_url, "60", "0.01", str(burst)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    turns_us = sorted(int(turn) for output in outputs for turn in output)
    assert len(turns_us) == 120
    assert min(last - first for first, last in zip(turns_us, turns_us[burst:], strict=False)) >= 10_000
