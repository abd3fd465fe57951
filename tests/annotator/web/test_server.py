"""The program around the tools: pages, tiles, health, headers, and who may ask."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.annotator.program import Annotator, serving


def test_health_version_metrics_and_the_catalogue_answer(annotator_server: Annotator) -> None:
    url = annotator_server.url
    assert httpx.get(f"{url}/health/live").json() == {"status": "alive"}
    assert httpx.get(f"{url}/health/ready").json() == {"status": "ready"}
    assert httpx.get(f"{url}/version").json()["version"]
    annotator_server.tool("text_search", {"query": "park"})
    assert 'mapqator_tool_calls_total{outcome="' in httpx.get(f"{url}/metrics").text
    listed = httpx.get(f"{url}/api/providers").json()
    assert listed["default"] == "town"
    by_key = {status["key"]: status for status in listed["providers"]}
    assert by_key["town"]["is_enabled"]
    assert not by_key["google"]["is_enabled"]
    assert {tool["name"] for tool in httpx.get(f"{url}/api/tools").json()["tools"]} >= {"text_search", "open_at"}
    assert {"cafe", "pharmacy"} <= {item["key"] for item in httpx.get(f"{url}/api/types").json()["types"]}


def test_tiles_are_served_with_their_description_and_styles(annotator_server: Annotator) -> None:
    url = annotator_server.url
    described = httpx.get(f"{url}/tiles/town.json").json()
    assert described["tilejson"].startswith("3.")
    assert described["attribution"]
    (template,) = described["tiles"]
    west, south, east, north = described["bounds"]
    assert west < east
    assert south < north
    tile = httpx.get(template.format(z=0, x=0, y=0))
    assert tile.status_code == 200
    assert tile.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    again = httpx.get(template.format(z=0, x=0, y=0), headers={"if-none-match": tile.headers["etag"]})
    assert again.status_code == 304
    for theme in ("light", "dark"):
        style = httpx.get(f"{url}/tiles/town/style-{theme}.json").json()
        assert style["version"] == 8
        assert style["layers"]


@pytest.mark.parametrize("path", ["0/1/0", "99/0/0", "-1/0/0", "5/32/0"])
def test_a_tile_that_cannot_be_is_a_404(annotator_server: Annotator, path: str) -> None:
    assert httpx.get(f"{annotator_server.url}/tiles/town/{path}.mvt").status_code == 404


@pytest.mark.parametrize("path", ["/tiles/nowhere.json", "/tiles/nowhere/0/0/0.mvt", "/tiles/..%2f..%2fetc/0/0/0.mvt"])
def test_a_map_that_is_not_there_is_a_404(annotator_server: Annotator, path: str) -> None:
    assert httpx.get(f"{annotator_server.url}{path}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/docs", "/x/" + "0" * 64, "/static/rhumb.svg"])
def test_every_answer_carries_the_security_headers(annotator_server: Annotator, path: str) -> None:
    headers = httpx.get(f"{annotator_server.url}{path}").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_unknown_bytes_and_ids_are_a_404_and_malformed_ones_a_400(annotator_server: Annotator) -> None:
    url = annotator_server.url
    assert httpx.get(f"{url}/x/{'0' * 64}").status_code == 404
    assert httpx.get(f"{url}/x/nonsense").status_code == 400
    assert httpx.get(f"{url}/api/exchanges/{'0' * 26}").status_code == 404
    assert httpx.get(f"{url}/api/exchanges/1").status_code == 400


def test_a_page_elsewhere_that_borrows_our_address_is_refused(annotator_server: Annotator) -> None:
    answer = httpx.get(f"{annotator_server.url}/api/providers", headers={"host": "evil.example"})
    assert answer.status_code == 400


def test_a_sigterm_ends_the_program_with_status_zero(data_dir: Path) -> None:
    with serving(data_dir) as annotator:
        assert annotator.tool("text_search", {"query": "park"}).status_code == 200
        annotator.process.send_signal(signal.SIGTERM)
        assert annotator.process.wait(20) == 0
    assert "Traceback" not in (data_dir / "serve.log").read_text()


def test_without_any_map_the_program_serves_and_says_how_to_get_one(tmp_path: Path) -> None:
    with serving(tmp_path / "data", {"MAPQATOR_TOWN": "false"}) as annotator:
        answer = annotator.tool("text_search", {"query": "park"})
        assert answer.status_code == 404
        assert "mapqator map build" in answer.json()["error"]["message"]
        assert httpx.get(f"{annotator.url}/").status_code == 200
        assert annotator.tool(
            "open_at", {"opening_hours": "24/7", "at": "2026-01-01T00:00", "timezone": "UTC"}
        ).is_success
