"""Recordings on both databases: found by their question, read byte for byte, never rewritten."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from annotator.cache.exchanges import ExchangeStore
from annotator.cache.keys import RequestKey
from annotator.cache.statistics import ProviderStatistics, statistics
from annotator.errors import NotFoundError, StorageError, UpstreamError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import TextSearchParams
from annotator.maps.provider import Policy, ProviderInfo
from annotator.store.sessions import Database

Ask = Callable[[str], RequestKey]
Answer = Callable[..., HttpResponse]
Info = Callable[..., ProviderInfo]

MONTH = Policy("expire", 2_592_000, "place_ids")


def num_rows(database: Database, table: str) -> int:
    with database.reading() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def test_a_recording_is_found_by_its_question_and_read_as_it_came(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, clock: Any
) -> None:
    response = HttpResponse(
        200,
        b'{ "places" : [] }\n',
        {"content-type": "application/json", "etag": '"7"', "set-cookie": "id=1", "server": "x", "x-trace": "t"},
        data_vintage="osm 2026-11-01",
    )
    key = ask("café")
    recorded = store.record("live", info(), key, response, 12.3456)
    assert store.find("live", key) == recorded == store.exchange(recorded.id)
    assert (recorded.request_hash, recorded.method, recorded.url) == (key.sha256, "GET", key.redacted_url)
    assert json.loads(recorded.request_json)["query"] == [["q", "café"]]
    assert (recorded.provider, recorded.adapter_version, recorded.data_vintage) == ("atlas", 3, "osm 2026-11-01")
    assert (recorded.fetched_at, recorded.elapsed_ms, recorded.expires_at) == (clock.now, 12.346, None)
    assert recorded.body_sha == hashlib.sha256(response.body).hexdigest()
    read = store.read(recorded)
    assert (read.status, read.body, read.data_vintage) == (200, response.body, "osm 2026-11-01")
    assert read.headers == {"content-type": "application/json", "etag": '"7"'}


def test_what_was_never_recorded_is_not_found(store: ExchangeStore, ask: Ask, answer: Answer, info: Info) -> None:
    recorded = store.record("live", info(), ask("cafe"), answer(), 1)
    assert store.find("live", ask("bar")) is None
    assert store.find("dataset-1", ask("cafe")) is None
    for look in (store.exchange, store.tool_call, store.blob):
        with pytest.raises(NotFoundError):
            look("01M8823M6Q8BNK0P4NYYYJXH2B")
    assert store.by_body_sha("0" * 64) == store.history("0" * 64) == ()
    assert store.changes(recorded) is None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=2000) | st.binary(min_size=1, max_size=3).map(lambda unit: unit * 700))
def test_every_body_comes_back_byte_for_byte(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, body: bytes
) -> None:
    recorded = store.record("live", info(), ask("cafe"), answer(body), 1)
    assert store.read(recorded).body == body
    assert store.blob(recorded.body_sha).body == body


def test_equal_answers_share_their_bytes_and_long_ones_are_compressed(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info
) -> None:
    body = json.dumps([{"name": "Café de Paris"}] * 500).encode()
    noise = os.urandom(5000)
    for number in range(5):
        store.record("live", info(), ask(f"q{number}"), answer(body), 1)
    store.record("live", info(), ask("noise"), answer(noise), 1)
    found = statistics(store.database)
    assert found.num_blobs == 2
    assert found.content_bytes == len(body) + len(noise)
    assert len(noise) < found.stored_bytes < len(noise) + len(body) / 10
    assert found.providers["atlas"].content_bytes == 5 * len(body) + len(noise)
    assert len(store.by_body_sha(hashlib.sha256(body).hexdigest())) == 5


def test_asking_again_adds_an_exchange_and_says_what_changed(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, clock: Any
) -> None:
    key = ask("cafe")
    first = store.record("live", info(), key, answer(b'{"open":true}'), 1)
    clock.pass_s(60)
    second = store.record("live", info(), key, answer(b'{"open":false}'), 1)
    assert store.find("live", key) == second
    assert second.supersedes == first.id
    assert store.history(key.sha256) == (first, second)
    assert store.read(first).body == b'{"open":true}'
    changes = store.changes(second)
    assert changes is not None
    assert [(change.pointer, change.old, change.new) for change in changes.changes] == [("/open", True, False)]
    assert store.by_body_sha(first.body_sha) == (first,)


def test_a_frozen_namespace_keeps_its_exchange_when_another_is_refreshed(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, clock: Any
) -> None:
    key = ask("cafe")
    frozen = store.record("dataset-1", info(), key, answer(b"1"), 1)
    store.record("live", info(), key, answer(b"2"), 1)
    clock.pass_s(1)
    store.record("live", info(), key, answer(b"3"), 1)
    assert store.find("dataset-1", key) == frozen


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_is_remembered_for_ten_minutes_and_displaces_no_answer(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, clock: Any, status: int
) -> None:
    refused = store.record("live", info(), ask("new"), answer(b"{}", status), 1)
    assert store.find("live", ask("new")) == refused
    good = store.record("live", info(), ask("known"), answer(), 1)
    refusal = store.record("live", info(), ask("known"), answer(b"{}", status), 1)
    assert refusal.supersedes == good.id
    assert store.find("live", ask("known")) == good
    clock.pass_s(600)
    assert store.find("live", ask("new")) is None
    assert store.find("live", ask("known")) == good
    answered = store.record("live", info(), ask("new"), answer(b"[]", status), 1, is_answer=True)
    assert store.find("live", ask("new")) == answered
    clock.pass_s(10**9)
    assert store.find("live", ask("new")) == answered


@pytest.mark.parametrize("status", [301, 401, 403, 408, 425, 429, 500, 502, 503])
def test_failures_are_never_recorded(store: ExchangeStore, ask: Ask, answer: Answer, info: Info, status: int) -> None:
    with pytest.raises(UpstreamError):
        store.record("live", info(), ask("cafe"), answer(b"{}", status), 1)
    assert num_rows(store.database, "exchange") == num_rows(store.database, "blob") == 0


def test_where_terms_forbid_storage_only_the_hash_of_a_result_is_written(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info
) -> None:
    secretive = info(policy=Policy("none"))
    with pytest.raises(StorageError, match="forbid"):
        store.record("live", secretive, ask("cafe"), answer(), 1)
    call_id = store.record_tool_call(secretive, TextSearchParams(query="cafe"), b"{}", (), "live", 1)
    assert store.tool_call(call_id).result_sha == hashlib.sha256(b"{}").hexdigest()
    with pytest.raises(NotFoundError, match="only its hash"):
        store.blob(hashlib.sha256(b"{}").hexdigest())
    assert num_rows(store.database, "blob") == 0


def test_expired_content_is_never_given_though_nobody_has_swept(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, clock: Any
) -> None:
    key, google = ask("cafe"), info(policy=MONTH)
    recorded = store.record("live", google, key, answer(b'{"rating":5}'), 1)
    params = TextSearchParams(query="cafe")
    call_id = store.record_tool_call(google, params, b'{"result":5}', [recorded], "miss", 1)
    assert recorded.expires_at == clock.now + timedelta(days=30)
    assert store.tool_call(call_id).expires_at == recorded.expires_at
    result_sha = store.tool_call(call_id).result_sha
    assert result_sha is not None
    clock.pass_s(30 * 86400 - 0.001)
    assert store.read(recorded).body == b'{"rating":5}'
    assert store.blob(result_sha).body == b'{"result":5}'
    clock.pass_s(0.001)
    assert store.find("live", key) is None
    for look in (lambda: store.read(recorded), lambda: store.blob(recorded.body_sha), lambda: store.blob(result_sha)):
        with pytest.raises(NotFoundError, match="expired"):
            look()
    assert store.exchange(recorded.id) == recorded
    again = store.record("live", google, key, answer(b'{"rating":4}'), 1)
    assert again.supersedes == recorded.id
    assert store.find("live", key) == again
    assert store.changes(again) is None


def test_bytes_that_somebody_else_may_keep_are_shown_after_one_copy_expired(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, clock: Any
) -> None:
    gone = store.record("live", info("google", MONTH), ask("cafe"), answer(), 1)
    store.record("live", info(), ask("bar"), answer(), 1)
    clock.pass_s(31 * 86400)
    assert store.blob(gone.body_sha).body == answer().body
    with pytest.raises(NotFoundError):
        store.read(gone)


def test_a_tool_call_names_its_parameters_its_result_and_its_exchanges(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, clock: Any
) -> None:
    exchanges = [store.record("live", info(), ask(f"q{number}"), answer(), 1) for number in range(3)]
    params = TextSearchParams(query="cafe", lat=43.7, lon=7.4)
    call_id = store.record_tool_call(info(), params, b'{"places":[]}', exchanges[::-1], "miss", 4.5678)
    call = store.tool_call(call_id)
    assert (call.tool, call.provider, call.adapter_version, call.outcome) == ("text_search", "atlas", 3, "miss")
    assert json.loads(call.params_json) == params.canonical()
    assert call.params_hash == hashlib.sha256(call.params_json.encode()).hexdigest()
    assert call.exchange_ids == tuple(recorded.id for recorded in exchanges[::-1])
    assert (call.created_at, call.latency_ms, call.expires_at, call.error_code) == (clock.now, 4.568, None, None)
    assert call.result_sha is not None
    content = store.blob(call.result_sha)
    assert (content.body, content.mime) == (b'{"places":[]}', "application/json")
    failed = store.tool_call(
        store.record_tool_call(info(), params, None, (), "error", 1, error_code="upstream_timeout")
    )
    assert (failed.result_sha, failed.error_code, failed.exchange_ids) == (None, "upstream_timeout", ())


def test_hits_are_counted_and_written_with_the_next_recording(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info
) -> None:
    def num_hits() -> int:
        return statistics(store.database).providers["atlas"].num_hits

    store.record("live", info(), ask("cafe"), answer(), 1)
    for _ in range(7):
        store.find("live", ask("cafe"))
        store.find("live", ask("nowhere"))
    store.record_tool_call(info(), TextSearchParams(query="cafe"), b"{}", (), "hit", 1)
    assert num_hits() == 7
    store.find("live", ask("cafe"))
    store.record("live", info(), ask("bar"), answer(), 1)
    store.find("live", ask("bar"))
    store.flush_hits()
    store.flush_hits()
    assert num_hits() == 9


def test_hits_that_could_not_be_written_are_written_later(
    store: ExchangeStore, ask: Ask, answer: Answer, info: Info, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record("live", info(), ask("cafe"), answer(), 1)
    store.find("live", ask("cafe"))

    def fail(*args: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("annotator.cache.exchanges.write_hits", fail)
        with pytest.raises(StorageError):
            store.record("live", info(), ask("bar"), answer(), 1)
    assert num_rows(store.database, "exchange") == 1
    store.flush_hits()
    assert statistics(store.database).providers["atlas"].num_hits == 1


def test_statistics_add_up(store: ExchangeStore, ask: Ask, answer: Answer, info: Info, clock: Any) -> None:
    assert statistics(store.database).providers == {}
    store.record("live", info(), ask("a"), answer(b"1234"), 1)
    store.record("live", info("google", MONTH), ask("b"), answer(b"123456"), 1)
    store.record("live", info("google", MONTH), ask("c"), answer(b"123456"), 1)
    store.record_tool_call(info(), TextSearchParams(query="cafe"), None, (), "error", 1)
    found = statistics(store.database)
    assert found.providers == {
        "atlas": ProviderStatistics(num_exchanges=1, num_live=1, num_hits=0, content_bytes=4),
        "google": ProviderStatistics(num_exchanges=2, num_live=2, num_hits=0, content_bytes=12),
    }
    assert (found.num_blobs, found.content_bytes, found.num_tool_calls) == (2, 10, {"error": 1})


def test_headers_and_texts_that_databases_dislike_are_recorded(store: ExchangeStore, ask: Ask, info: Info) -> None:
    headers: Mapping[str, str] = {"etag": "a\x00b\x7f", "content-type": "text/ä; x=\x00", "date": "\U0001f600"}
    recorded = store.record("live", info(), ask("\x00 \U0001f600"), HttpResponse(200, b"\x00", headers), 1)
    assert store.exchange(recorded.id) == recorded
    assert store.read(recorded).body == b"\x00"
