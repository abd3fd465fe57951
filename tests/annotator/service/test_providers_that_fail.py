"""A whole annotator in front of a provider that misbehaves: clear errors, nothing recorded, and it goes on."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.annotator.program import Annotator, run_mapqator, serving
from tests.annotator.upstream import Asked, Script, Upstream, http, running_upstream

PLACE = {
    "place_id": 1,
    "osm_type": "node",
    "osm_id": 42,
    "lat": "43.7396",
    "lon": "7.4273",
    "category": "amenity",
    "type": "cafe",
    "name": "Café Lumen",
    "display_name": "Café Lumen, Quay Street, Monaco",
    "address": {"road": "Quay Street", "country_code": "mc"},
}
SECRET = "tt-very-secret-key"
PATIENCE_S = 60
"""For conditions that must come true, on a machine that others use."""


@contextmanager
def annotator_before(script: Script, folder: Path, **env: str) -> Iterator[tuple[Annotator, Upstream]]:
    """An annotator whose Nominatim is `script`."""
    with running_upstream(script) as upstream:
        settings = {"MAPQATOR_TOWN": "false", "MAPQATOR_URLS__NOMINATIM": upstream.url}
        with serving(folder, settings | env) as annotator:
            yield annotator, upstream


@dataclass
class Pair:
    """An annotator and the provider that it asks, whose script each test sets; queries are the test's own."""

    annotator: Annotator
    upstream: Upstream

    def search(self, query: str, **options: str) -> httpx.Response:
        return search(self.annotator, query, **options)

    def num_exchanges(self) -> int:
        return num_exchanges(self.annotator.data_dir)

    def plays(self, script: Script) -> None:
        self.upstream.script = script
        self.upstream.asked.clear()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with annotator_before(lambda asked: b"", folder, MAPQATOR_REQUEST_TIMEOUT_S="60") as (
        annotator,
        upstream,
    ):
        yield Pair(annotator, upstream)
        assert "Traceback" not in (folder / "serve.log").read_text()


def search(annotator: Annotator, query: str, **options: str) -> httpx.Response:
    return annotator.tool("text_search", {"query": query}, provider="nominatim", **options)


def num_exchanges(folder: Path) -> int:
    with sqlite3.connect(folder / "mapqator.sqlite") as connection:
        return int(connection.execute("SELECT count(*) FROM exchange").fetchone()[0])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(500, "<h1>Oops</h1>"), "HTTP 500"),
        (http(503, ""), "HTTP 503"),
        (http(403, {"error": "no"}), "refused us"),
        (http(200, "<html>captive portal</html>"), "not JSON; it begins with '<html>captive portal"),
        (http(200, '[{"place_id": 1, "osm_ty'), "not JSON"),
        (http(200, {"a": "dictionary"}), ""),
        (http(200, "[" * 100_000), "not JSON"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n[", "broke off its answer"),
        (http(302, "", headers={"location": "http://192.168.0.1/"}), "redirect to 192.168.0.1"),
    ],
    ids=["500", "503", "403", "HTML", "half JSON", "wrong shape", "deep JSON", "half a body", "redirect"],
)
def test_what_a_provider_does_wrong_is_said_in_one_line_and_the_next_asking_works(
    pair: Pair, answer: bytes, words: str, request: pytest.FixtureRequest
) -> None:
    query = request.node.callspec.id
    pair.plays(lambda asked: answer)
    response = pair.search(query)
    assert response.status_code == 502, response.text
    message = response.json()["error"]["message"]
    assert words in message
    assert "\n" not in message
    pair.plays(lambda asked: http(200, [PLACE]))
    again = pair.search(query)
    assert again.status_code == 200, again.text
    assert again.json()["outcome"] == "miss"
    assert again.json()["result"]["places"][0]["pid"] == "osm:n42"


def test_a_429_holds_everybody_back_until_its_time_is_over(tmp_path: Path) -> None:
    slow_down = http(429, "slow down", headers={"retry-after": "60"})
    with annotator_before(lambda asked: slow_down, tmp_path, MAPQATOR_MAX_WAIT_S="0") as (annotator, upstream):
        first = search(annotator, "one thing")
        assert first.status_code == 429
        assert first.headers["retry-after"] == "60"
        assert "pause" in first.json()["error"]["message"]
        held = search(annotator, "another")
        assert held.status_code == 429
        assert 1 <= int(held.headers["retry-after"]) <= 60
        assert len(upstream.asked) == 1
        assert num_exchanges(tmp_path) == 0


def test_silence_ends_at_the_deadline_and_others_are_answered_meanwhile(tmp_path: Path) -> None:
    release = threading.Event()

    def script(asked: Asked) -> bytes:
        if asked.query["q"] == "slow":
            release.wait(PATIENCE_S)
        return http(200, [PLACE])

    with (
        annotator_before(script, tmp_path, MAPQATOR_REQUEST_TIMEOUT_S="3") as (annotator, _),
        ThreadPoolExecutor(1) as pool,
    ):
        slow = pool.submit(search, annotator, "slow")
        assert search(annotator, "quick").status_code == 200
        assert slow.result().status_code == 504
        assert "MAPQATOR_REQUEST_TIMEOUT_S" in slow.result().json()["error"]["message"]
        release.set()


def test_fifty_identical_misses_make_one_upstream_call(pair: Pair) -> None:
    together = threading.Event()
    pair.plays(lambda asked: http(200, [PLACE]) if together.wait(PATIENCE_S) else b"")
    before = pair.num_exchanges()
    with ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(pair.search, "fifty misses") for _ in range(50)]
        wait_until(lambda: len(pair.upstream.asked) == 1 and in_flight(pair.annotator) == 50)
        together.set()
        answers = [future.result().json() for future in futures]
    assert len(pair.upstream.asked) == 1
    assert sorted(answer["outcome"] for answer in answers) == ["hit"] * 49 + ["miss"]
    assert pair.num_exchanges() == before + 1


def test_fifty_that_wait_for_a_failure_all_get_it_and_it_is_asked_for_once(pair: Pair) -> None:
    together = threading.Event()
    pair.plays(lambda asked: http(500, "no") if together.wait(PATIENCE_S) else b"")
    before = pair.num_exchanges()
    with ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(pair.search, "fifty failures") for _ in range(50)]
        wait_until(lambda: len(pair.upstream.asked) == 1 and in_flight(pair.annotator) == 50)
        together.set()
        assert {future.result().status_code for future in futures} == {502}
    assert len(pair.upstream.asked) == 1
    assert pair.num_exchanges() == before


def test_two_processes_on_one_database_ask_once_between_them(pair: Pair) -> None:
    together = threading.Event()
    pair.plays(lambda asked: http(200, [PLACE]) if together.wait(PATIENCE_S) else b"")
    before = pair.num_exchanges()
    env = {"MAPQATOR_TOWN": "false", "MAPQATOR_URLS__NOMINATIM": pair.upstream.url}
    with serving(pair.annotator.data_dir, env) as other, ThreadPoolExecutor(10) as pool:
        both = (pair.annotator, other)
        futures = [pool.submit(search, annotator, "two processes") for annotator in both for _ in range(5)]
        wait_until(lambda: len(pair.upstream.asked) == 1 and all(in_flight(annotator) == 5 for annotator in both))
        together.set()
        ids = {future.result().json()["provenance"]["exchanges"][0]["id"] for future in futures}
    assert len(pair.upstream.asked) == 1
    assert len(ids) == 1
    assert pair.num_exchanges() == before + 1


def test_a_clients_departure_does_not_take_the_answer_from_the_others(pair: Pair) -> None:
    together = threading.Event()
    pair.plays(lambda asked: http(200, [PLACE]) if together.wait(PATIENCE_S) else b"")
    with ThreadPoolExecutor(1) as pool:
        content = b'{"query": "departure"}'
        head = b"POST /api/tools/text_search?provider=nominatim HTTP/1.1\r\nhost: localhost\r\n"
        head += b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)
        url = httpx.URL(pair.annotator.url)
        with socket.create_connection((url.host, url.port), timeout=PATIENCE_S) as leaves:
            leaves.sendall(head + content)
            wait_until(lambda: len(pair.upstream.asked) == 1)
        other = pool.submit(pair.search, "departure")
        wait_until(lambda: in_flight(pair.annotator) >= 1)
        together.set()
        assert other.result().status_code == 200
    assert len(pair.upstream.asked) == 1


def test_a_refusal_is_remembered_for_a_while_and_said_again_without_asking(pair: Pair) -> None:
    pair.plays(lambda asked: http(400, {"error": {"message": "bad query"}}))
    first, second = pair.search("refusal"), pair.search("refusal")
    assert first.status_code == second.status_code == 502
    assert first.json() == second.json()
    assert "bad query" in first.json()["error"]["message"]
    assert len(pair.upstream.asked) == 1


def test_a_refresh_shows_what_changed_and_the_old_answer_stays(pair: Pair) -> None:
    pair.plays(lambda asked: http(200, [PLACE]))
    old = pair.search("refresh").json()
    pair.plays(lambda asked: http(200, [PLACE | {"name": "Café Lumière"}]))
    new = pair.search("refresh", mode="refresh").json()
    (exchange,) = new["provenance"]["exchanges"]
    assert exchange["changes"] == [
        {"kind": "changed", "pointer": "/0/name", "old": "Café Lumen", "new": "Café Lumière"}
    ]
    old_sha = old["provenance"]["exchanges"][0]["body_sha"]
    assert httpx.get(f"{pair.annotator.url}/x/{old_sha}").json()[0]["name"] == "Café Lumen"
    assert pair.search("refresh").json()["result"]["places"][0]["name"] == "Café Lumière"


def test_recordings_answer_when_the_provider_is_gone(tmp_path: Path) -> None:
    with annotator_before(lambda asked: http(200, [PLACE]), tmp_path) as (annotator, upstream):
        recorded = search(annotator, "lumen").json()
    with serving(tmp_path, {"MAPQATOR_TOWN": "false", "MAPQATOR_URLS__NOMINATIM": upstream.url}) as annotator:
        for mode, outcome in (("replay", "replay"), ("record", "hit")):
            again = search(annotator, "lumen", mode=mode)
            assert again.json()["outcome"] == outcome
            assert again.json()["result"] == recorded["result"]
        unseen = search(annotator, "never asked")
        assert unseen.status_code == 502
        assert "cannot reach" in unseen.json()["error"]["message"]


def test_a_tampered_blob_is_named_and_never_served(pair: Pair) -> None:
    pair.plays(lambda asked: http(200, [PLACE | {"name": "Genuine"}]))
    sha = pair.search("tampered").json()["provenance"]["exchanges"][0]["body_sha"]
    with sqlite3.connect(pair.annotator.data_dir / "mapqator.sqlite") as connection:
        forged = json.dumps([PLACE | {"name": "Forged"}]).encode()
        connection.execute("UPDATE blob SET bytes = ?, codec = 'identity' WHERE sha256 = ?", (forged, sha))
    for response in (pair.search("tampered"), httpx.get(f"{pair.annotator.url}/x/{sha}")):
        assert response.status_code == 500
        assert sha in response.json()["error"]["message"]
        assert response.json()["error"]["code"] == "tampered"


def test_a_key_reaches_the_provider_and_nothing_else(tmp_path: Path) -> None:
    def script(asked: Asked) -> bytes:
        # A provider that echoes the request, key and all, as some do in their errors.
        return http(200, {"summary": {"query": asked.query["key"]}, "results": []})

    with running_upstream(script) as upstream:
        env = {
            "MAPQATOR_TOWN": "false",
            "MAPQATOR_ENABLE": "tomtom",
            "MAPQATOR_URLS__TOMTOM": upstream.url,
            "TOMTOM_API_KEY": SECRET,
            "MAPQATOR_LOG_LEVEL": "debug",
        }
        with serving(tmp_path, env) as annotator:
            response = annotator.tool("text_search", {"query": "pizza"}, provider="tomtom")
            assert response.status_code == 200, response.text
            assert upstream.asked[0].query["key"] == SECRET
            sha = response.json()["provenance"]["exchanges"][0]["body_sha"]
            seen = [response.text, httpx.get(f"{annotator.url}/x/{sha}").text]
            seen += [httpx.get(f"{annotator.url}{path}").text for path in ("/metrics", "/api/providers", "/api/cache")]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET.encode() not in written
    assert not any(SECRET in text for text in seen)


def test_nominatims_pace_holds_for_the_whole_app(tmp_path: Path) -> None:
    arrivals: list[float] = []

    def script(asked: Asked) -> bytes:
        arrivals.append(time.monotonic())
        return http(200, [PLACE])

    with running_upstream(script) as upstream:
        # Pointing the default address here instead of configuring an own one keeps the public service's rules.
        env = {
            "MAPQATOR_TOWN": "false",
            "MAPQATOR_ENABLE": "nominatim",
            "MAPQATOR_CONTACT": "us@example.org",
            "PYTHONPATH": str(redirecting_site(tmp_path, upstream.url)),
        }
        data = tmp_path / "data"
        with serving(data, env) as one, serving(data, env) as two, ThreadPoolExecutor(4) as pool:
            begun = time.monotonic()
            futures = [pool.submit(search, (one, two)[index % 2], f"q{index}") for index in range(4)]
            assert [future.result().status_code for future in futures] == [200] * 4
    assert len(upstream.asked) == 4
    # Any arrival may be late, so that two may be close together; but the last cannot be early.
    assert max(arrivals) - begun > 2.9
    assert all("us@example.org" in asked.headers["user-agent"] for asked in upstream.asked)


def redirecting_site(folder: Path, url: str) -> Path:
    """A folder for PYTHONPATH whose `sitecustomize` makes Nominatim's default address the test's."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "from dataclasses import replace\n"
        "from annotator.maps.providers.nominatim import Nominatim\n"
        f"Nominatim.info = replace(Nominatim.info, base_url={url!r})\n"
    )
    return site


def test_a_check_makes_one_call_per_tool_and_records_nothing(tmp_path: Path) -> None:
    with running_upstream(
        lambda asked: http(200, [PLACE] if "search" in asked.path or "lookup" in asked.path else PLACE)
    ) as (upstream):
        env = {"MAPQATOR_URLS__NOMINATIM": upstream.url}
        checked = run_mapqator(tmp_path, "providers", "check", "nominatim", env=env)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "ok   text_search" in checked.stdout
        assert "Café Lumen" in checked.stdout
    assert num_exchanges(tmp_path) == 0


def test_a_check_goes_on_after_a_tool_that_fails_and_says_so_with_its_status(tmp_path: Path) -> None:
    with running_upstream(lambda asked: http(200, [PLACE]) if "search" in asked.path else http(500, "no")) as upstream:
        checked = run_mapqator(
            tmp_path, "providers", "check", "nominatim", env={"MAPQATOR_URLS__NOMINATIM": upstream.url}
        )
    assert checked.returncode == 1
    assert "ok   text_search" in checked.stdout
    assert "FAIL reverse_geocode" in checked.stdout


def in_flight(annotator: Annotator) -> int:
    """Tool calls that have arrived and are not answered."""
    text = httpx.get(f"{annotator.url}/metrics").text
    return int(
        float(next(line for line in text.splitlines() if line.startswith("mapqator_tool_calls_in_flight")).split()[1])
    )


def wait_until(condition: object) -> None:
    """Returns when `condition()` holds."""
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)
