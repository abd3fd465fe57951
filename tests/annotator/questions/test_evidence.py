"""Evidence over HTTP: every value can be attached and found in the provider's bytes, and what was changed shows."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, text

from annotator import pointers
from annotator.cache.blobs import Content, get_blob
from annotator.cache.exchanges import ExchangeStore
from annotator.cache.keys import request_key
from annotator.errors import InputError, NotFoundError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import TextSearchParams
from annotator.maps.provider import Policy, ProviderInfo
from annotator.questions.evidence import attach, attach_computed, check
from annotator.questions.model import Evidence

BODY = json.dumps(
    {"results": [{"id": "p1", "name": "Anchor", "phone": "+1"}, {"id": "p2", "name": "Anchor", "phone": "+1"}]}
).encode()
RESULT: dict[str, Any] = {
    "kind": "places",
    "places": [
        {"pid": "atlas:p1", "provider": "atlas", "name": "Anchor", "phone": "+1", "lat": 1.0, "lon": 2.0},
        {"pid": "atlas:p2", "provider": "atlas", "name": "Anchor", "phone": "+1", "lat": 1.0, "lon": 2.5},
    ],
}


def test_every_value_of_a_card_can_be_evidence_and_holds(
    work: Any, cafes: dict[str, Any], client: httpx.Client
) -> None:
    attached = []
    for pointer, value in pointers.walk(cafes["result"]):
        if not pointer.startswith(("/places/0", "/places/3")):
            continue
        found = work.attach(cafes, pointer)
        assert found["value"] == value
        assert found["result_sha"] == cafes["provenance"]["result_sha"]
        body = client.get(f"/x/{found['response']['body_sha']}").content
        assert hashlib.sha256(body).hexdigest() == found["response"]["body_sha"]
        # The town's answers are its results, so every value stands there, and beside its own place's id.
        assert found["response"]["pointer"] == pointer
        attached.append(found)
    assert len({one["key"] for one in attached}) == len(attached) > 20
    assert work.ok("POST", "/evidence/check", {"evidence": attached[:200]}) == {"mismatches": []}


def test_what_was_computed_here_is_evidence_as_a_whole(work: Any) -> None:
    points = {"origin": {"lat": 45.39, "lon": -65.32}, "destination": {"lat": 45.4, "lon": -65.33}}
    for tool, params in (
        ("distance_bearing", points),
        ("open_at", {"opening_hours": "Mo-Fr 09:00-18:00", "at": "2026-11-24T10:00", "timezone": "Etc/UTC"}),
    ):
        call = work.tool(tool, params)
        found = work.attach(call, "")
        assert found["value"] == {name: value for name, value in call["result"].items() if value is not None}
        assert found["response"]["pointer"] == ""
        assert work.ok("POST", "/evidence/check", {"evidence": [found]}) == {"mismatches": []}


def test_what_is_not_there_cannot_be_attached(work: Any, cafes: dict[str, Any]) -> None:
    for pointer, status in (("/places/999/name", 404), ("/nothing", 404), ("places", 400), ("", 400)):
        answer = work("POST", "/evidence", {"tool_call_id": cafes["id"], "pointer": pointer})
        assert answer.status_code == status, pointer
    assert work("POST", "/evidence", {"tool_call_id": "0" * 26, "pointer": "/kind"}).status_code == 404


def test_evidence_that_was_changed_by_hand_is_named_with_the_reason(work: Any, cafes: dict[str, Any]) -> None:
    good = work.attach(cafes, "/places/0/name")
    response = good["response"]
    changed: dict[str, tuple[dict[str, Any], str]] = {
        "value": ({"value": "Elsewhere"}, "another value at /places/0/name"),
        "moved": ({"pointer": "/places/77/name"}, "nothing at /places/77/name"),
        "result": ({"result_sha": "0" * 64}, "result is not the one"),
        "call": ({"tool_call_id": "0" * 26}, "no longer recorded"),
        "body": ({"response": response | {"body_sha": "0" * 64}}, "answer is not the one"),
        "exchange": ({"response": response | {"exchange_id": "0" * 26}}, "is not behind its tool call"),
        "raw": ({"response": response | {"pointer": "/places/1/name"}}, "does not have this value at /places/1/name"),
    }
    sent = [good] + [good | change | {"key": key} for key, (change, _) in changed.items()]
    found = work.ok("POST", "/evidence/check", {"evidence": sent})["mismatches"]
    assert [one["key"] for one in found] == list(changed)
    for one in found:
        assert changed[one["key"]][1] in one["reason"]
        assert "\n" not in one["reason"]


def recorded(team: Any, *, policy: Policy | None = None, body: bytes = BODY) -> str:
    """A tool call of a provider that is not the town; returns its id."""
    info = ProviderInfo(
        key="atlas",
        title="Atlas",
        family="atlas",
        namespace="atlas",
        version=1,
        base_url="https://atlas.example",
        licence="ODbL-1.0",
        attribution="Atlas",
        policy=policy or Policy(),
    )
    store = ExchangeStore(team.database, team.now)
    key = request_key("atlas", HttpCall("GET", "https://atlas.example/search", query=(("q", str(team.now())),)))
    exchange = store.record("live", info, key, HttpResponse(200, body, {"content-type": "application/json"}), 1)
    result = json.dumps(RESULT, sort_keys=True, separators=(",", ":")).encode()
    return store.record_tool_call(info, TextSearchParams(query="anchor"), result, [exchange], "miss", 1)


def attached(team: Any, call_id: str, pointer: str) -> Evidence:
    with team.database.reading() as connection:
        return attach(connection, call_id, pointer, now=team.now())


def reasons(team: Any, *evidence: Evidence, now: datetime | None = None) -> list[str]:
    with team.database.reading() as connection:
        return [one.reason for one in check(connection, evidence, now or team.now())]


def test_of_equal_values_in_a_body_the_one_of_the_place_is_attached(team: Any) -> None:
    call_id = recorded(team)
    for place in (0, 1):
        for name in ("name", "phone", "pid"):
            found = attached(team, call_id, f"/places/{place}/{name}")
            assert found.response is not None
            assert found.response.pointer == f"/results/{place}/{'id' if name == 'pid' else name}"
            assert reasons(team, found) == []
    computed = attached(team, call_id, "/places/1/lon")
    assert computed.response is not None
    assert computed.response.pointer is None
    assert reasons(team, computed) == []


@pytest.mark.parametrize("body", [b"<html>Anchor</html>", b'"Anchor"', b"\x00\xff"])
def test_bodies_that_are_no_json_are_named_without_a_place_in_them(team: Any, body: bytes) -> None:
    found = attached(team, recorded(team, body=body), "/places/0/name")
    assert found.response is not None
    assert found.response.body_sha == hashlib.sha256(body).hexdigest()
    assert found.response.pointer is None
    assert reasons(team, found) == []


def test_evidence_ends_when_its_providers_terms_end_the_storage(team: Any) -> None:
    call_id = recorded(team, policy=Policy(storage="expire", ttl_s=3600, export="forbidden"))
    found = attached(team, call_id, "/places/0/name")
    assert reasons(team, found) == []
    later = team.now() + timedelta(hours=2)
    (reason,) = reasons(team, found, now=later)
    assert reason == "the answer expired on 2026-11-24 by the terms of atlas"
    with team.database.reading() as connection, pytest.raises(NotFoundError, match="expired on 2026-11-24"):
        attach(connection, call_id, "/places/0/name", now=later)


@pytest.mark.parametrize(
    ("table", "reason"), [("tool_call", "the recorded result was changed"), ("exchange", "recorded answer was changed")]
)
def test_a_byte_that_was_changed_in_the_database_is_noticed(team: Any, table: str, reason: str) -> None:
    found = attached(team, recorded(team), "/places/0/name")
    sha = found.result_sha if table == "tool_call" else found.response and found.response.body_sha
    with team.database.writing() as connection:
        connection.execute(
            text(
                "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'Anchor', 'Ancher') AS BLOB) "
                "WHERE sha256 = :sha"
            ),
            {"sha": sha},
        )
    (said,) = reasons(team, found)
    assert reason in said


def test_one_spoiled_call_says_nothing_against_the_others(team: Any) -> None:
    good, bad = attached(team, recorded(team), "/places/0/name"), attached(team, recorded(team), "/places/0/lat")
    gone = bad.model_copy(update={"tool_call_id": "0" * 26})
    assert len(reasons(team, good, gone, good.model_copy(update={"key": "other"}))) == 1


def test_only_what_is_computed_here_is_evidence_as_a_whole(team: Any) -> None:
    with (
        team.database.reading() as connection,
        pytest.raises(InputError, match="only results of distance_bearing and open_at"),
    ):
        attach_computed(connection, recorded(team), now=datetime(2026, 11, 24, 10, tzinfo=UTC))


def test_looking_at_evidence_reads_each_body_once(team: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call_id = recorded(team)
    many = [attached(team, call_id, f"/places/{place}/name") for place in (0, 1)] * 20
    read: list[str] = []

    def counting(connection: Connection, sha: str) -> Content | None:
        read.append(sha)
        return get_blob(connection, sha)

    monkeypatch.setattr("annotator.questions.evidence.get_blob", counting)
    assert reasons(team, *many) == []
    assert len(read) == 1
