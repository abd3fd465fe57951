"""No key, password or session token is in any byte that the database writes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from annotator.cache.exchanges import ExchangeStore
from annotator.cache.keys import normalised, request_key
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import TextSearchParams
from annotator.maps.provider import ProviderInfo
from annotator.store.sessions import Database

SECRET = "AIza-q7Zk-very-secret"


def test_secrets_are_in_no_byte_of_the_files(
    sqlite_database: Database, info: Callable[..., ProviderInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_KEY", SECRET)
    secrets = (Secret("ATLAS_KEY", "x-api-key"), Secret("ATLAS_KEY", "key", "query"))
    places = {
        "header": {"headers": {"x-api-key": SECRET, "authorization": f"Bearer {SECRET}", "accept-language": "en"}},
        "query": {"query": (("q", "visible-question"), ("key", SECRET))},
        "address": {"url": f"https://me:{SECRET}@atlas.example/search?key={SECRET}"},
        "token": {"query": (("session", SECRET),), "volatile": frozenset({"session"})},
    }
    store = ExchangeStore(sqlite_database)
    for number, change in enumerate(places.values()):
        call = HttpCall(**{"method": "GET", "url": "https://atlas.example/search", "secrets": secrets, **change})
        headers = {"content-type": "application/json", "set-cookie": SECRET, "location": f"/?key={SECRET}"}
        key = request_key("atlas", normalised(call))
        recorded = store.record("live", info(), key, HttpResponse(200, b"[%d]" % number, headers), 1)
        assert store.read(recorded).body == b"[%d]" % number
        store.record_tool_call(info(), TextSearchParams(query="cafe"), b"{}", [recorded], "miss", 1)
    path = Path(sqlite_database.engine.url.database or "")
    files = list(path.parent.glob(f"{path.name}*"))
    assert {file.name.removeprefix(path.name) for file in files} >= {"", "-wal"}
    assert any(b"visible-question" in file.read_bytes() for file in files)
    for file in files:
        assert SECRET.encode() not in file.read_bytes()
