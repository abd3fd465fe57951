"""Content that was changed after it was stored is never taken for what it was."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from annotator.cache.blobs import verify_blobs
from annotator.cache.exchanges import ExchangeStore
from annotator.cache.keys import RequestKey
from annotator.errors import TamperedError
from annotator.maps.calls import HttpResponse
from annotator.maps.provider import ProviderInfo
from annotator.store.migrate import migrate
from annotator.store.sessions import Database, open_database

Ask = Callable[[str], RequestKey]
Answer = Callable[..., HttpResponse]
Info = Callable[..., ProviderInfo]

SHORT, LONG, NOISE = b'{"places":[]}', b'{"name":"Cafe de Paris"}' * 200, os.urandom(900)


def change(database: Database, sha: str, **values: Any) -> None:
    changes = ", ".join(f"{name} = :{name}" for name in values)
    with database.writing() as connection:
        connection.execute(text(f"UPDATE blob SET {changes} WHERE sha256 = :sha"), {**values, "sha": sha})


def stored_bytes(database: Database, sha: str) -> bytes:
    with database.reading() as connection:
        found = connection.execute(text("SELECT bytes FROM blob WHERE sha256 = :sha"), {"sha": sha}).scalar_one()
    return bytes(found)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.sampled_from([SHORT, LONG, NOISE]), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_detected(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, body: bytes, place: float, bit: int
) -> None:
    recorded = store.record("live", info(), ask(str(len(body))), answer(body), 1)
    good = stored_bytes(store.database, recorded.body_sha)
    bad = bytearray(good)
    bad[int(place * len(bad))] ^= 1 << bit
    change(store.database, recorded.body_sha, bytes=bytes(bad))
    for look in (lambda: store.read(recorded), lambda: store.blob(recorded.body_sha)):
        with pytest.raises(TamperedError, match=recorded.body_sha):
            look()
    assert verify_blobs(store.database).tampered == (recorded.body_sha,)
    change(store.database, recorded.body_sha, bytes=good)
    assert verify_blobs(store.database).tampered == ()
    assert store.read(recorded).body == body


@pytest.mark.parametrize(
    "values",
    [
        {"bytes": b""},
        {"bytes": LONG[:-1], "codec": "identity"},
        {"codec": "identity"},
        {"size_bytes": 10},
        {"size_bytes": -5},
        {"size_bytes": 0},
    ],
)
def test_content_cut_short_or_read_another_way_is_detected(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, values: dict[str, Any]
) -> None:
    recorded = store.record("live", info(), ask("long"), answer(LONG), 1)
    store.record("live", info(), ask("other"), answer(SHORT), 1)
    change(store.database, recorded.body_sha, **values)
    with pytest.raises(TamperedError, match=recorded.body_sha):
        store.read(recorded)
    found = verify_blobs(store.database)
    assert (found.num_blobs, found.tampered) == (2, (recorded.body_sha,))


def test_content_that_unpacks_to_gigabytes_is_not_unpacked(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zlib

    recorded = store.record("live", info(), ask("long"), answer(LONG), 1)
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    change(store.database, recorded.body_sha, bytes=bomb)
    unpacked: list[int] = []

    class Watched:
        def __init__(self) -> None:
            self._inner = zlib.decompressobj()

        def decompress(self, data: bytes, limit: int) -> bytes:
            found = self._inner.decompress(data, limit)
            unpacked.append(len(found))
            return found

    class Module:
        error, decompressobj = zlib.error, Watched

    monkeypatch.setattr("annotator.cache.blobs.zlib", Module)
    with pytest.raises(TamperedError):
        store.read(recorded)
    assert unpacked == [len(LONG) + 1]


def test_a_changed_request_is_detected(store: ExchangeStore, ask: Ask, answer: Answer, info: Info) -> None:
    recorded = store.record("live", info(), ask("cafe"), answer(), 1)
    with store.database.writing() as connection:
        connection.execute(text("UPDATE exchange SET request_json = replace(request_json, 'cafe', 'bars')"))
    with pytest.raises(TamperedError, match=recorded.id):
        store.read(store.exchange(recorded.id))


def test_bytes_changed_in_the_file_itself_are_detected(sqlite_url: str, ask: Ask, answer: Answer, info: Info) -> None:
    database = open_database(sqlite_url)
    migrate(database)
    recorded = ExchangeStore(database).record("live", info(), ask("cafe"), answer(b'{"rating": 4.5}'), 1)
    database.close()
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    content = path.read_bytes()
    assert content.count(b'{"rating": 4.5}') == 1
    path.write_bytes(content.replace(b'{"rating": 4.5}', b'{"rating": 4.9}'))
    database = open_database(sqlite_url)
    with pytest.raises(TamperedError, match=recorded.body_sha):
        ExchangeStore(database).read(recorded)
    assert verify_blobs(database).tampered == (recorded.body_sha,)
    database.close()


def test_every_blob_is_looked_at_whatever_their_number(
    sqlite_database: Database, ask: Ask, answer: Answer, info: Info
) -> None:
    store = ExchangeStore(sqlite_database)
    shas = [store.record("live", info(), ask(f"q{n}"), answer(f"[{n}]".encode()), 1).body_sha for n in range(201)]
    bad = sorted(shas)[::50]
    for sha in bad:
        change(sqlite_database, sha, bytes=b"!")
    found = verify_blobs(sqlite_database)
    assert (found.num_blobs, found.tampered) == (201, tuple(bad))
