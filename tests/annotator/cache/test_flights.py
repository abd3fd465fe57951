"""One asker at a time for each key, across processes, even when one of them is killed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from annotator.cache.flights import Flights
from annotator.store.sessions import Database


def test_one_owner_at_a_time_until_it_gives_the_lease_back(database: Database, clock: Any) -> None:
    flights = Flights(database, clock)
    assert flights.holder("k") is None
    assert flights.acquire("k", "one", 90)
    assert not flights.acquire("k", "two", 90)
    assert flights.acquire("other", "two", 90)
    assert flights.holder("k") == "one"
    flights.release("k", "two")
    assert flights.holder("k") == "one"
    flights.release("k", "one")
    assert flights.acquire("k", "two", 90)


def test_a_lease_that_ran_out_is_taken_over_and_not_given_back_by_its_old_owner(database: Database, clock: Any) -> None:
    flights = Flights(database, clock)
    assert flights.acquire("k", "killed", 90)
    clock.pass_s(89.999)
    assert not flights.acquire("k", "two", 90)
    clock.pass_s(0.001)
    assert flights.holder("k") is None
    assert flights.acquire("k", "two", 90)
    flights.release("k", "killed")
    assert flights.holder("k") == "two"


def test_an_owner_renews_its_lease(database: Database, clock: Any) -> None:
    flights = Flights(database, clock)
    assert flights.acquire("k", "one", 90)
    clock.pass_s(60)
    assert flights.acquire("k", "one", 90)
    clock.pass_s(60)
    assert not flights.acquire("k", "two", 90)


def test_of_many_who_want_a_lease_at_once_exactly_one_gets_it(database: Database, clock: Any) -> None:
    class Rash(Flights):
        """Goes for every lease without a first look, as those do who all looked just before."""

        def holder(self, key: str) -> None:
            return None

    flights = Rash(database, clock)
    with ThreadPoolExecutor(8) as pool:
        for number in range(10):
            assert sum(pool.map(lambda owner, key=f"k{number}": flights.acquire(key, str(owner), 90), range(8))) == 1


def test_another_process_sees_a_lease(database: Database, database_url: str) -> None:
    assert Flights(database).acquire("k", "one", 90)
    code = (
        "import sys\n"
        "from annotator.cache.flights import Flights\n"
        "from annotator.store.sessions import open_database\n"
        "flights = Flights(open_database(sys.argv[1]))\n"
        "print(flights.acquire('k', 'two', 90), flights.holder('k'))\n"
    )
    seen = subprocess.run([sys.executable, "-c", code, database_url], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["False", "one"]
