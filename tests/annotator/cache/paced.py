"""Takes turns of a provider's pace and prints them in microseconds: `paced.py URL TURNS INTERVAL_S BURST`."""

import sys
from datetime import UTC, datetime, timedelta

from annotator.cache.pace import Pace
from annotator.maps.provider import RateLimit
from annotator.store.sessions import open_database

url, num_turns, interval_s, burst = sys.argv[1:]
read: list[datetime] = []


def clock() -> datetime:
    read.append(datetime.now(UTC))
    return read[-1]


pace, limit = Pace(open_database(url), clock), RateLimit(float(interval_s), int(burst))
for _ in range(int(num_turns)):
    wait_s = pace.reserve("nominatim", limit)
    print((read[-1] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) + round(wait_s * 1e6))
