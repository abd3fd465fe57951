"""A whole annotator in front of a provider that misbehaves: clear errors, nothing recorded, and it goes on."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
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


@contextmanager
def annotator_before(script: Script, folder: Path, **env: str) -> Iterator[tuple[Annotator, Upstream]]:
    """An annotator whose Nominatim is `script`."""
    with running_upstream(script) as upstream:
        settings = {
            "MAPQATOR_TOWN": "false",
            "MAPQATOR_URLS__NOMINATIM": upstream.url,
            "MAPQATOR_REQUEST_TIMEOUT_S": "5",
        }
        with serving(folder, settings | env) as annotator:
            yield annotator, upstream


def search(annotator: Annotator, query: str = "lumen", **options: str) -> httpx.Response:
    return annotator.tool("text_search", {"query": query}, provider="nominatim", **options)


def num_exchanges(folder: Path) -> int:
    with sqlite3.connect(folder / "mapqator.sqlite") as connection:
        return int(connection.execute("SELECT count(*) FROM exchange").fetchone()[0])


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (http(429, "slow down", headers={"retry-after": "7"}), 429, "pause"),
        (http(500, "<h1>Oops</h1>"), 502, "HTTP 500"),
        (http(503, ""), 502, "HTTP 503"),
        (http(403, {"error": "no"}), 502, "refused us"),
        (http(200, "<html>captive portal</html>"), 502, "not JSON; it begins with '<html>captive portal"),
        (http(200, '[{"place_id": 1, "osm_ty'), 502, "not JSON"),
        (http(200, {"a": "dictionary"}), 502, ""),
        (http(200, "[" * 100_000), 502, "not JSON"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n[", 502, "broke off its answer"),
        (http(302, "", headers={"location": "http://192.168.0.1/"}), 502, "redirect to 192.168.0.1"),
    ],
    ids=["429", "500", "503", "403", "HTML", "half JSON", "wrong shape", "deep JSON", "half a body", "redirect"],
)
def test_what_a_provider_does_wrong_is_said_in_one_line_and_asked_again_next_time(
    tmp_path: Path, answer: bytes, status: int, words: str
) -> None:
    good = threading.Event()
    with annotator_before(lambda asked: http(200, [PLACE]) if good.is_set() else answer, tmp_path) as (annotator, _):
        response = search(annotator)
        assert response.status_code == status, response.text
        message = response.json()["error"]["message"]
        assert words in message
        assert "\n" not in message
        if status == 429:
            assert response.headers["retry-after"] == "7"
            return
        good.set()
        again = search(annotator, mode="refresh")
        assert again.status_code == 200, again.text
        assert again.json()["result"]["places"][0]["pid"] == "osm:n42"
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def test_a_429_holds_everybody_back_until_its_time_is_over(tmp_path: Path) -> None:
    answers = iter([http(429, "", headers={"retry-after": "2"}), http(200, [PLACE])])
    with annotator_before(lambda asked: next(answers), tmp_path, MAPQATOR_MAX_WAIT_S="0") as (annotator, upstream):
        assert search(annotator).status_code == 429
        held = search(annotator, "something else")
        assert held.status_code == 429
        assert 1 <= int(held.headers["retry-after"]) <= 2
        assert len(upstream.asked) == 1


def test_silence_ends_at_the_deadline_and_others_are_answered_meanwhile(tmp_path: Path) -> None:
    release = threading.Event()

    def script(asked: Asked) -> bytes:
        if asked.query["q"] == "slow":
            release.wait(30)
        return http(200, [PLACE])

    with (
        annotator_before(script, tmp_path, MAPQATOR_REQUEST_TIMEOUT_S="1.5") as (annotator, _),
        ThreadPoolExecutor(1) as pool,
    ):
        slow = pool.submit(search, annotator, "slow")
        assert search(annotator, "quick").status_code == 200
        assert slow.result().status_code == 504
        assert "MAPQATOR_REQUEST_TIMEOUT_S" in slow.result().json()["error"]["message"]
        release.set()


def test_fifty_identical_misses_make_one_upstream_call(tmp_path: Path) -> None:
    together = threading.Event()

    def script(asked: Asked) -> bytes:
        together.wait(20)
        return http(200, [PLACE])

    with annotator_before(script, tmp_path) as (annotator, upstream), ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(search, annotator) for _ in range(50)]
        wait_until(lambda: len(upstream.asked) == 1)
        together.set()
        answers = [future.result().json() for future in futures]
        assert len(upstream.asked) == 1
    assert sorted(answer["outcome"] for answer in answers) == ["hit"] * 49 + ["miss"]
    assert num_exchanges(tmp_path) == 1


def test_fifty_that_wait_for_a_failure_all_get_it_and_it_is_asked_for_once(tmp_path: Path) -> None:
    together = threading.Event()

    def script(asked: Asked) -> bytes:
        together.wait(20)
        return http(500, "no")

    with annotator_before(script, tmp_path) as (annotator, upstream), ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(search, annotator) for _ in range(50)]
        wait_until(lambda: len(upstream.asked) == 1 and in_flight(annotator) == 50)
        together.set()
        assert {future.result().status_code for future in futures} == {502}
        assert len(upstream.asked) == 1
    assert num_exchanges(tmp_path) == 0


def test_two_processes_on_one_database_ask_once_between_them(tmp_path: Path) -> None:
    together = threading.Event()

    def script(asked: Asked) -> bytes:
        together.wait(20)
        return http(200, [PLACE])

    with (
        annotator_before(script, tmp_path) as (one, upstream),
        serving(tmp_path, {"MAPQATOR_TOWN": "false", "MAPQATOR_URLS__NOMINATIM": upstream.url}) as two,
        ThreadPoolExecutor(10) as pool,
    ):
        futures = [pool.submit(search, annotator) for annotator in (one, two) for _ in range(5)]
        wait_until(lambda: len(upstream.asked) == 1 and in_flight(one) == in_flight(two) == 5)
        together.set()
        shas = {future.result().json()["provenance"]["exchanges"][0]["id"] for future in futures}
        assert len(upstream.asked) == 1
        assert len(shas) == 1
    assert num_exchanges(tmp_path) == 1


def test_a_clients_departure_does_not_take_the_answer_from_the_others(tmp_path: Path) -> None:
    together = threading.Event()

    def script(asked: Asked) -> bytes:
        together.wait(20)
        return http(200, [PLACE])

    with annotator_before(script, tmp_path) as (annotator, upstream), ThreadPoolExecutor(1) as pool:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{annotator.url}/api/tools/text_search?provider=nominatim", json={"query": "lumen"}, timeout=0.5
            )
        other = pool.submit(search, annotator)
        wait_until(lambda: in_flight(annotator) >= 1)
        together.set()
        assert other.result().status_code == 200
        assert len(upstream.asked) == 1


def test_a_refusal_is_remembered_for_a_while_and_said_again_without_asking(tmp_path: Path) -> None:
    with annotator_before(lambda asked: http(400, {"error": {"message": "bad query"}}), tmp_path) as (
        annotator,
        upstream,
    ):
        first, second = search(annotator), search(annotator)
        assert first.status_code == second.status_code == 502
        assert first.json() == second.json()
        assert len(upstream.asked) == 1


def test_a_refresh_shows_what_changed_and_the_old_answer_stays(tmp_path: Path) -> None:
    answers = iter([http(200, [PLACE]), http(200, [PLACE | {"name": "Café Lumière"}])])
    with annotator_before(lambda asked: next(answers), tmp_path) as (annotator, _):
        old = search(annotator).json()
        new = search(annotator, mode="refresh").json()
        (exchange,) = new["provenance"]["exchanges"]
        assert exchange["changes"] == [
            {"kind": "changed", "pointer": "/0/name", "old": "Café Lumen", "new": "Café Lumière"}
        ]
        old_sha = old["provenance"]["exchanges"][0]["body_sha"]
        assert httpx.get(f"{annotator.url}/x/{old_sha}").json()[0]["name"] == "Café Lumen"
        assert search(annotator).json()["result"]["places"][0]["name"] == "Café Lumière"


def test_recordings_answer_when_the_provider_is_gone(tmp_path: Path) -> None:
    with annotator_before(lambda asked: http(200, [PLACE]), tmp_path) as (annotator, _):
        recorded = search(annotator).json()
    with serving(tmp_path, {"MAPQATOR_TOWN": "false"}) as annotator:
        replayed = search(annotator, mode="replay")
        assert replayed.status_code == 200, replayed.text
        assert replayed.json()["result"] == recorded["result"]
        unseen = search(annotator, "never asked")
        assert unseen.status_code == 403


def test_a_tampered_blob_is_named_and_never_served(tmp_path: Path) -> None:
    with annotator_before(lambda asked: http(200, [PLACE]), tmp_path) as (annotator, _):
        sha = search(annotator).json()["provenance"]["exchanges"][0]["body_sha"]
        with sqlite3.connect(tmp_path / "mapqator.sqlite") as connection:
            forged = json.dumps([PLACE | {"name": "Forged"}]).encode()
            connection.execute("UPDATE blob SET bytes = ?, codec = 'identity' WHERE sha256 = ?", (forged, sha))
        for response in (search(annotator), httpx.get(f"{annotator.url}/x/{sha}")):
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
            "HTTPS_PROXY": "",
            "PYTHONPATH": str(redirecting_site(tmp_path, upstream.url)),
        }
        with (
            serving(tmp_path / "data", env) as one,
            serving(tmp_path / "data", env) as two,
            ThreadPoolExecutor(4) as pool,
        ):
            futures = [pool.submit(search, (one, two)[index % 2], f"q{index}") for index in range(4)]
            assert [future.result().status_code for future in futures] == [200] * 4
    assert len(upstream.asked) == 4
    assert min(later - earlier for earlier, later in pairwise(arrivals)) > 0.95
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


def wait_until(condition: object, timeout_s: float = 20.0) -> None:
    """Returns when `condition()` holds."""
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)
