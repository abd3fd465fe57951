"""Tool calls of a project: made, listed, kept, and rebuilt from their recordings."""

import concurrent.futures
import itertools
import sqlite3
import time

import httpx

_places = itertools.count(int(time.time()) % 10_000)


def _line(project) -> dict:
    """A call that nobody made before."""
    offset = next(_places) / 1_000_000
    ends = {"origin": {"lat": 45.0, "lon": 7.0}, "destination": {"lat": 45.1, "lon": 7.0 + offset}}
    return project.tool("distance_bearing", ends)


def test_a_call_is_rebuilt_as_it_was_answered(project, item, square):
    asked = project.tool("nearby_search", {**square, "type": "cafe", "limit": 3})
    rebuilt = project.ask("GET", f"/calls/{asked['id']}")
    made = project.context(items=[item("a", asked)])
    assert made["calls"] == {asked["id"]: rebuilt}
    assert made["gone"] == {}
    assert rebuilt["outcome"] == "replay"
    for answer in (asked, rebuilt):
        del answer["outcome"]
        for exchange in answer["provenance"]["exchanges"]:
            del exchange["outcome"]
    assert rebuilt == asked
    without = project.ask("GET", f"/contexts/{made['id']}", calls="false")
    assert without["calls"] == {}


def test_calls_are_listed_latest_first_named_and_kept(project, square):
    line = _line(project)
    near = project.tool("nearby_search", {**square, "type": "cafe", "radius_m": 800})
    listed = project.ask("GET", "/calls")
    assert [call["id"] for call in listed["calls"]] == [near["id"], line["id"]]
    assert listed["total"] == 2
    assert listed["calls"][0]["summary"] == "cafe within 800 m of 45.39265, -65.32871"
    assert listed["calls"][0]["by"]["username"] == "local"
    changed = project.ask("PATCH", f"/calls/{line['id']}", {"label": "  The  line ", "is_saved": True})
    assert (changed["label"], changed["is_saved"]) == ("The line", True)
    assert [call["id"] for call in project.ask("GET", "/calls", saved="true")["calls"]] == [line["id"]]
    assert [call["id"] for call in project.ask("GET", "/calls", tool="nearby_search")["calls"]] == [near["id"]]
    assert project.ask("PATCH", f"/calls/{line['id']}", {"label": ""})["label"] is None
    project.ask("PATCH", f"/calls/{line['id']}", {}, code=400)
    first = project.ask("GET", "/calls", limit=1)
    second = project.ask("GET", "/calls", limit=1, cursor=first["next"])
    assert [call["id"] for call in second["calls"]] == [line["id"]]
    assert second["next"] is None


def test_a_call_of_another_project_is_not_found(new_project, item):
    one, other = new_project(), new_project()
    call = _line(one)
    other.ask("GET", f"/calls/{call['id']}", code=404)
    other.ask("PATCH", f"/calls/{call['id']}", {"is_saved": True}, code=404)
    # A context that holds it makes it the project's too.
    other.context(items=[item("a", call)])
    assert other.ask("GET", f"/calls/{call['id']}")["id"] == call["id"]


def test_a_project_asks_only_whom_it_allows(new_project, square):
    closed = new_project(allowed_providers=["nominatim"])
    refused = closed.ask("POST", "/tools/reverse_geocode", square, code=403, provider="town")
    assert "nominatim" in refused["error"]["message"]
    closed.ask("POST", "/tools/reverse_geocode", square, code=403)
    # What is computed here is nobody's content.
    assert _line(closed)["provider"] == "local"
    assert closed.ask("GET", "/calls")["total"] == 1
    assert new_project(allowed_providers=["town"]).tool("reverse_geocode", square)["provider"] == "town"


def test_bad_parameters_and_unknown_tools_are_refused(project):
    refused = project.ask("POST", "/tools/reverse_geocode", {"lat": 95, "lon": 7}, code=400)["error"]
    assert refused["param"] == "lat"
    project.ask("POST", "/tools/no_such_tool", {}, code=400)
    project.ask("POST", "/tools/reverse_geocode", {"lat": 45, "lon": 7}, code=404, provider="nobody")
    assert project.ask("GET", "/calls")["total"] == 0


def test_an_answer_whose_storage_has_ended_is_told_and_not_shown(project, item, annotator_server):
    call = _line(project)
    made = project.context(items=[item("a", call)])
    with sqlite3.connect(annotator_server.data_dir / "mapqator.sqlite", timeout=30) as database:
        changed = database.execute(
            "UPDATE tool_call SET expires_at = '2026-01-02T00:00:00.000Z' WHERE id = ?", (call["id"],)
        )
        assert changed.rowcount == 1
    database.close()
    refused = project.ask("GET", f"/calls/{call['id']}", code=404)["error"]
    assert "expired on 2026-01-02" in refused["message"]
    assert "ask again" in refused["message"]
    shown = project.ask("GET", f"/contexts/{made['id']}")
    assert shown["calls"] == {}
    assert "expired on 2026-01-02" in shown["gone"][call["id"]]
    assert "no longer held" in project.render(made["id"], "text")
    assert "is_expired" in project.render(made["id"], "json")


def test_a_pasted_link_is_read_over_http(project):
    found = project.ask("GET", "/link", text="https://www.openstreetmap.org/node/17#map=19/43.7/7.4")
    assert (found["kind"], found["place_id"], found["zoom"]) == ("place", "osm:n17", 19)
    refused = project.ask("GET", "/link", text="hello", code=400)["error"]
    assert refused["param"] == "text"


def test_many_calls_at_once_are_all_kept(project):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: _line(project)["id"], range(24)))
    listed = project.ask("GET", "/calls", limit=100)
    assert {call["id"] for call in listed["calls"]} == set(made)
    assert httpx.get(f"{project.http.base_url}/health/ready").status_code == 200
