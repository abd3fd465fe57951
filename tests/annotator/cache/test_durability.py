"""Killed, crowded, or out of space: what was acknowledged is there and whole, and there is no half of anything."""

import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, text

from annotator.cache.blobs import verify_blobs
from annotator.cache.exchanges import ExchangeStore
from annotator.cache.keys import RequestKey
from annotator.errors import StorageError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import TextSearchParams
from annotator.maps.provider import ProviderInfo
from annotator.store.sessions import Database

Ask = Callable[[str], RequestKey]
Answer = Callable[..., HttpResponse]
Info = Callable[..., ProviderInfo]
Acknowledged = list[tuple[str, str, str]]

BURST = Path(__file__).with_name("burst.py")


def start_burst(url: str, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, BURST, url, name, str(count)], stdout=subprocess.PIPE, text=True)


def parsed(lines: list[str]) -> Acknowledged:
    found = [tuple(line.split()) for line in lines if line.endswith("\n")]
    return [(kind, name, question) for kind, name, question in found]


def assert_whole(database: Database, acknowledged: Acknowledged) -> None:
    """Everything acknowledged is there and as it was, and nothing is there by half."""
    store = ExchangeStore(database)
    for kind, name, question in acknowledged:
        if kind == "exchange":
            body = store.read(store.exchange(name)).body
            assert body.startswith(question.encode())
            assert body.endswith(question.encode())
        else:
            call = store.tool_call(name)
            assert store.blob(call.result_sha or "").body == question.encode()
            assert len(call.exchange_ids) == 1
    with database.reading() as connection:
        if database.is_sqlite:
            assert connection.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        for parts in (
            "SELECT id FROM exchange WHERE body_sha NOT IN (SELECT sha256 FROM blob)",
            "SELECT id FROM exchange WHERE id NOT IN (SELECT exchange_id FROM cache_head)",
            "SELECT sha256 FROM blob EXCEPT SELECT body_sha FROM exchange EXCEPT SELECT result_sha FROM tool_call",
            "SELECT id FROM tool_call WHERE id NOT IN (SELECT tool_call_id FROM tool_call_exchange)",
        ):
            assert connection.execute(text(parts)).all() == []
    assert verify_blobs(database).tampered == ()


def test_killing_a_process_in_a_burst_of_misses_loses_no_acknowledged_recording_and_leaves_no_half(
    database: Database, database_url: str
) -> None:
    rng = random.Random(20261124)
    acknowledged: Acknowledged = []
    num_rounds = 4 if database.is_sqlite else 2
    for number in range(num_rounds):
        burst = start_burst(database_url, f"round{number}", 100_000)
        assert burst.stdout is not None
        lines = [burst.stdout.readline() for _ in range(rng.randrange(1, 80))]
        burst.send_signal(signal.SIGKILL)
        # What it had said before it died, it had committed.
        lines += burst.stdout.readlines()
        assert burst.wait() == -signal.SIGKILL
        burst.stdout.close()
        acknowledged += parsed(lines)
        assert_whole(database, acknowledged)
    assert len(acknowledged) >= num_rounds


def test_two_processes_record_into_one_database_at_once(database: Database, database_url: str) -> None:
    bursts = [start_burst(database_url, name, 40) for name in ("same", "same")]
    outputs = [burst.communicate(timeout=120)[0] for burst in bursts]
    assert [burst.returncode for burst in bursts] == [0, 0]
    acknowledged = [found for output in outputs for found in parsed(output.splitlines(keepends=True))]
    assert len(acknowledged) == 2 * 2 * 40
    with database.reading() as connection:
        heads = connection.execute(text("SELECT count(*) FROM cache_head")).scalar()
        exchanges = connection.execute(text("SELECT count(*) FROM exchange")).scalar()
    assert (heads, exchanges) == (40, 80)
    store = ExchangeStore(database)
    for kind, name, _ in acknowledged:
        if kind == "exchange":
            assert store.read(store.exchange(name))


@contextmanager
def pragma(database: Database, statement: str) -> Iterator[None]:
    """A setting of all SQLite connections that are made in this block."""

    def apply(connection: sqlite3.Connection, record: object) -> None:
        connection.execute(f"PRAGMA {statement}")

    database.engine.dispose()
    event.listen(database.engine, "connect", apply)
    try:
        yield
    finally:
        event.remove(database.engine, "connect", apply)
        database.engine.dispose()


def fails_and_works_again(database: Database, setting: str, message: str, ask: Ask, answer: Answer, info: Info) -> None:
    store = ExchangeStore(database)
    noise = random.Random(1)
    kept = [store.record("live", info(), ask(f"before{n}"), answer(noise.randbytes(50_000)), 1) for n in range(3)]

    def record_without_end() -> None:
        for number in range(100):
            kept.append(store.record("live", info(), ask(f"more{number}"), answer(noise.randbytes(50_000)), 1))

    with pragma(database, setting), pytest.raises(StorageError, match=message) as caught:
        record_without_end()
    assert "\n" not in caught.value.message
    assert "everything recorded before is kept" in caught.value.message
    assert store.find("live", ask(f"more{len(kept) - 3}")) is None
    kept.append(store.record("live", info(), ask("after"), answer(), 1))
    for recorded in kept:
        assert store.read(recorded)
    with database.reading() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert connection.execute(text("SELECT count(*) FROM exchange")).scalar() == len(kept)
        assert connection.execute(text("SELECT count(*) FROM blob")).scalar() == len(kept)


def test_a_full_disk_is_one_line_and_the_database_works_on(
    sqlite_database: Database, ask: Ask, answer: Answer, info: Info
) -> None:
    fails_and_works_again(sqlite_database, "max_page_count = 120", "the disk of .* is full", ask, answer, info)


def test_a_database_that_is_read_only_is_one_line(
    sqlite_database: Database, ask: Ask, answer: Answer, info: Info
) -> None:
    fails_and_works_again(sqlite_database, "query_only = ON", "is read-only", ask, answer, info)


def test_a_database_that_another_program_locks_is_one_line(
    sqlite_database: Database, ask: Ask, answer: Answer, info: Info
) -> None:
    other = sqlite3.connect(sqlite_database.engine.url.database or "", isolation_level=None)
    store = ExchangeStore(sqlite_database)
    recorded = store.record("live", info(), ask("cafe"), answer(), 1)
    with pragma(sqlite_database, "busy_timeout = 1"):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="is locked by another program"):
            store.record("live", info(), ask("bar"), answer(), 1)
        assert store.read(recorded)
        other.execute("ROLLBACK")
    other.close()
    assert store.record("live", info(), ask("bar"), answer(), 1)


def test_writing_that_fails_in_the_middle_of_the_file_is_one_line_and_the_database_works_on(
    sqlite_database: Database, migrated_sqlite_url: str
) -> None:
    # The system refuses to let any file grow beyond a limit, as it does on a full disk or a broken one.
    code = textwrap.dedent(
        """
        import resource, signal, sys
        sys.path.insert(0, sys.argv[2])
        from burst import record
        from annotator.cache.exchanges import ExchangeStore
        from annotator.errors import StorageError
        from annotator.store.sessions import open_database

        store = ExchangeStore(open_database(sys.argv[1]))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, unlimited[1]))
        try:
            for number in range(1000):
                record(store, f"limited-{number}")
        except StorageError as error:
            print("failed", number, error.message, file=sys.stderr)
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        record(store, "after-1")
        """
    )
    command = [sys.executable, "-c", code, migrated_sqlite_url, str(BURST.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.count("\n") == 1
    assert "cannot be read or written" in done.stderr
    acknowledged = parsed(done.stdout.splitlines(keepends=True))
    assert len(acknowledged) > 4
    assert acknowledged[-1][2] == "after-1"
    assert_whole(sqlite_database, acknowledged)


def test_a_damaged_file_is_one_line(sqlite_database: Database, ask: Ask, answer: Answer, info: Info) -> None:
    store = ExchangeStore(sqlite_database)
    recorded = store.record("live", info(), ask("cafe"), answer(b"x" * 100_000), 1)
    sqlite_database.truncate_log()
    sqlite_database.engine.dispose()
    path = Path(sqlite_database.engine.url.database or "")
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x5a" * (len(content) - 4096))
    with pytest.raises(StorageError, match="is damaged") as caught:
        store.read(recorded)
    assert "\n" not in caught.value.message


def test_a_tool_call_is_written_whole_or_not_at_all(store: ExchangeStore, ask: Ask, answer: Answer, info: Info) -> None:
    recorded = store.record("live", info(), ask("cafe"), answer(), 1)
    missing = ExchangeStore(store.database).exchange(recorded.id)
    with store.database.writing() as connection:
        connection.execute(text("DELETE FROM cache_head"))
        connection.execute(text("DELETE FROM exchange"))
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        store.record_tool_call(info(), TextSearchParams(query="x"), b"{}", [missing], "miss", 1)
    with store.database.reading() as connection:
        for table in ("tool_call", "tool_call_exchange"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
        assert connection.execute(text("SELECT count(*) FROM blob")).scalar() == 1
