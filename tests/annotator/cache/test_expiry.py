"""Content whose time is up goes, to place ids or altogether; hashes and the record of what went stay."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import select, text

from annotator.cache.blobs import verify_blobs
from annotator.cache.exchanges import Exchange, ExchangeStore
from annotator.cache.expiry import Sweep, sweep
from annotator.cache.keys import RequestKey
from annotator.errors import NotFoundError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import TextSearchParams
from annotator.maps.provider import Policy, Provider, ProviderInfo
from annotator.store.sessions import Database
from annotator.store.tables import blob, erasure, exchange, tool_call

Ask = Callable[[str], RequestKey]
Answer = Callable[..., HttpResponse]
Info = Callable[..., ProviderInfo]
Providers = dict[str, Provider]

MONTH_S = 30 * 86400


class Paper(Provider):
    """A provider that answers with places and ids."""

    operations: ClassVar[dict] = {}

    def __init__(self, info: ProviderInfo) -> None:
        self.info = info
        super().__init__()

    def place_ids(self, response: HttpResponse) -> tuple[str, ...]:
        return tuple(place["id"] for place in response.json()["places"])


@pytest.fixture
def providers(info: Info) -> Providers:
    """One that keeps ids, one that keeps nothing, one that keeps all."""
    policies = {
        "ids": Policy("expire", MONTH_S, "place_ids"),
        "brief": Policy("expire", MONTH_S, "nothing"),
        "open": Policy("keep"),
    }
    return {key: Paper(info(key, policy)) for key, policy in policies.items()}


def body_of(*ids: str) -> bytes:
    return json.dumps({"places": [{"id": name, "rating": f"rating-of-{name}"} for name in ids]}).encode()


def recorded(store: ExchangeStore, provider: Provider, key: RequestKey, response: HttpResponse) -> tuple[Exchange, str]:
    """An exchange and a tool call that was made of it."""
    found = store.record("live", provider.info, key, response, 1)
    result = b'{"made of":"' + found.body_sha.encode() + b'"}'
    call_id = store.record_tool_call(provider.info, TextSearchParams(query="x"), result, [found], "miss", 1)
    return found, call_id


def test_expired_content_goes_to_its_place_ids_and_hashes_stay(
    store: ExchangeStore, providers: Providers, ask: Ask, answer: Answer, clock: Any
) -> None:
    found, call_id = recorded(store, providers["ids"], ask("cafe"), answer(body_of("p1", "p2", "p1")))
    result_sha = store.tool_call(call_id).result_sha
    clock.pass_s(MONTH_S - 1)
    assert sweep(store.database, providers, clock.now) == Sweep()
    clock.pass_s(1)
    done = sweep(store.database, providers, clock.now)
    assert (done.num_redacted, done.num_expired, done.num_results, done.num_blobs) == (1, 0, 1, 2)
    assert done.freed_bytes == found.body_bytes + len(b'{"made of":""}') + 64
    left = store.exchange(found.id)
    assert (left.state, left.body_sha, left.request_json) == ("redacted", found.body_sha, found.request_json)
    assert store.kept_place_ids(left) == ("p1", "p2")
    assert store.tool_call(call_id).result_sha == result_sha
    assert store.find("live", ask("cafe")) is None
    for sha in (found.body_sha, result_sha):
        with pytest.raises(NotFoundError, match="only its hash"):
            store.blob(sha or "")
    with pytest.raises(NotFoundError, match="expired"):
        store.read(left)
    with store.database.reading() as connection:
        notes = connection.execute(select(erasure).order_by(erasure.c.subject)).mappings().all()
        assert connection.execute(select(blob.c.bytes)).scalars().all() == [b'{"place_ids":["p1","p2"]}']
    assert [(note["subject"], note["subject_id"], note["content_sha"], note["kept"]) for note in notes] == [
        ("exchange", found.id, found.body_sha, "place_ids"),
        ("tool_call", call_id, result_sha, "nothing"),
    ]
    assert {note["erased_at"] for note in notes} == {clock.now}


def test_where_nothing_may_stay_nothing_stays(
    store: ExchangeStore, providers: Providers, ask: Ask, answer: Answer, clock: Any
) -> None:
    found, _ = recorded(store, providers["brief"], ask("cafe"), answer(body_of("p1")))
    kept, _ = recorded(store, providers["open"], ask("cafe"), answer(body_of("p2")))
    clock.pass_s(MONTH_S)
    done = sweep(store.database, providers, clock.now)
    assert (done.num_redacted, done.num_expired, done.num_results, done.num_blobs) == (0, 1, 1, 2)
    assert store.exchange(found.id).state == "expired"
    assert store.kept_place_ids(store.exchange(found.id)) == ()
    assert store.read(kept).body == body_of("p2")


def test_of_an_unknown_provider_and_of_a_refusal_nothing_stays(
    store: ExchangeStore, providers: Providers, ask: Ask, answer: Answer, clock: Any
) -> None:
    refused = store.record("live", providers["ids"].info, ask("bad"), answer(body_of("p1"), 400), 1)
    unknown, _ = recorded(store, providers["ids"], ask("cafe"), answer(body_of("p2")))
    clock.pass_s(MONTH_S)
    sweep(store.database, {}, clock.now)
    assert store.exchange(refused.id).state == store.exchange(unknown.id).state == "expired"
    with store.database.reading() as connection:
        assert connection.execute(select(blob)).all() == []


@pytest.mark.parametrize("body", [b"<html>", b'{"places":3}', b'{"places":[{}]}', b""])
def test_an_answer_in_which_no_ids_can_be_found_goes_all_the_same(
    store: ExchangeStore, providers: Providers, ask: Ask, answer: Answer, clock: Any, body: bytes
) -> None:
    found, _ = recorded(store, providers["ids"], ask("cafe"), answer(body))
    other, _ = recorded(store, providers["ids"], ask("bar"), answer(body_of("p1")))
    clock.pass_s(MONTH_S)
    sweep(store.database, providers, clock.now)
    assert store.kept_place_ids(store.exchange(found.id)) == ()
    assert store.kept_place_ids(store.exchange(other.id)) == ("p1",)


def test_content_that_is_in_use_elsewhere_stays_there(
    store: ExchangeStore, providers: Providers, ask: Ask, answer: Answer, clock: Any
) -> None:
    gone, _ = recorded(store, providers["ids"], ask("cafe"), answer(body_of("p1")))
    ours = store.record("live", providers["open"].info, ask("cafe"), answer(body_of("p1")), 1)
    clock.pass_s(MONTH_S / 2)
    fresh = store.record("live", providers["ids"].info, ask("cafe"), answer(body_of("p1")), 1)
    clock.pass_s(MONTH_S / 2)
    done = sweep(store.database, providers, clock.now)
    assert (done.num_redacted, done.num_blobs) == (1, 1)
    for still in (ours, fresh):
        assert store.read(still).body == body_of("p1")
    with pytest.raises(NotFoundError):
        store.read(gone)


def test_an_answer_that_is_its_own_redaction_is_not_lost(
    store: ExchangeStore, providers: Providers, ask: Ask, answer: Answer, clock: Any
) -> None:
    bare = b'{"place_ids":[]}'
    found = store.record("live", providers["ids"].info, ask("cafe"), answer(bare), 1)
    clock.pass_s(MONTH_S)
    assert sweep(store.database, providers, clock.now).num_blobs == 0
    assert store.kept_place_ids(store.exchange(found.id)) == ()


def test_a_sweep_is_complete_and_a_second_one_finds_nothing(
    store: ExchangeStore, providers: Providers, ask: Ask, answer: Answer, clock: Any
) -> None:
    rng = random.Random(7)
    expected: dict[str, str] = {}
    for number in range(180):
        key = rng.choice(["ids", "brief", "open"])
        # A few bodies for many exchanges, so that blobs are shared within and between providers.
        found, _ = recorded(store, providers[key], ask(f"q{number}"), answer(body_of(f"p{rng.randrange(20)}")))
        expected[found.id] = {"ids": "redacted", "brief": "expired", "open": "live"}[key]
    clock.pass_s(MONTH_S)
    done = sweep(store.database, providers, clock.now)
    states = list(expected.values())
    assert (done.num_redacted, done.num_expired) == (states.count("redacted"), states.count("expired"))
    assert sweep(store.database, providers, clock.now) == Sweep()
    with store.database.reading() as connection:
        found_states = {row.id: row.state for row in connection.execute(select(exchange.c.id, exchange.c.state))}
        unused = (
            "SELECT count(*) FROM blob WHERE sha256 NOT IN (SELECT blob_sha FROM exchange WHERE blob_sha IS NOT NULL)"
        )
        unused += " AND sha256 NOT IN (SELECT result_blob FROM tool_call WHERE result_blob IS NOT NULL)"
        assert connection.execute(text(unused)).scalar() == 0
        overdue = select(tool_call.c.id).where(
            tool_call.c.expires_at <= clock.now, tool_call.c.result_blob.is_not(None)
        )
        assert connection.execute(overdue).all() == []
    assert found_states == expected
    assert verify_blobs(store.database).tampered == ()


def test_swept_content_is_in_no_byte_of_the_files(
    sqlite_database: Database, providers: Providers, ask: Ask, answer: Answer, clock: Any
) -> None:
    store = ExchangeStore(sqlite_database, clock)
    mark = "Zanzibar-7731"
    store.record("live", providers["ids"].info, ask("cafe"), answer(body_of(mark)), 1)
    store.record_tool_call(
        providers["ids"].info, TextSearchParams(query="x"), body_of(mark), store.history(ask("cafe").sha256), "miss", 1
    )
    path = Path(sqlite_database.engine.url.database or "")
    content = b"rating-of-Zanzibar-7731"

    def is_in_files() -> bool:
        return any(content in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))

    assert is_in_files()
    clock.pass_s(MONTH_S)
    sweep(sqlite_database, providers, clock.now)
    assert not is_in_files()
    assert mark.encode() in path.read_bytes()
