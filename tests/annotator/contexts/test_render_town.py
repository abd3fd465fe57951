"""What a context of the embedded town's real answers reads like. `UPDATE_SNAPSHOTS=1` writes the expected texts anew;
a change that existing contexts can see needs a new `TEMPLATE_VERSION`."""

import json
import os
from pathlib import Path

import pytest
import rfc8785

from annotator.contexts.render import TEMPLATE_VERSION

SNAPSHOTS = Path(__file__).parent / "snapshots"
FILES = {"text": "town.txt", "markdown": "town.md", "json": "town.json"}


@pytest.fixture
def town_context(project, item, square, station):
    """A context with an answer of every tool, some rows hidden, some fields chosen, steps, and a note."""
    near = project.tool("nearby_search", {**square, "type": "cafe", "radius_m": 800, "travel_mode": "walk", "limit": 8})
    first, last = near["result"]["places"][0], near["result"]["places"][-1]
    a, b = ({"lat": place["lat"], "lon": place["lon"]} for place in (first, last))
    route = {"origin": a, "destination": b, "mode": "walk", "alternatives": 2}
    trip = {"origin": a, "destination": {"place_id": last["pid"]}, "intermediates": [station, square], "mode": "drive"}
    chosen = ["address", "phone", "website", "position"]
    hours = first["opening_hours"]["raw"]
    answers = {
        "near": item("near", near, hidden=["/places/1", "/places/4"]),
        "details": item("details", project.tool("place_details", {"place_id": first["pid"]})),
        "search": item("search", project.tool("text_search", {"query": "pharmacy", "limit": 3}), fields=chosen),
        "nothing": item("nothing", project.tool("text_search", {"query": "zzqqxx"})),
        "where": item("where", project.tool("reverse_geocode", {**square, "limit": 3})),
        "route": item("route", project.tool("compute_routes", route), show_steps=True, hidden=["/routes/1"]),
        "trip": item("trip", project.tool("compute_routes", {**trip, "optimize_order": True, "avoid": ["ferries"]})),
        "matrix": item(
            "matrix",
            project.tool(
                "travel_matrix", {"origins": [a, square, station], "destinations": [b, station], "mode": "bicycle"}
            ),
            hidden=["/cells/2", "/cells/1/0"],
        ),
        "along": item(
            "along",
            project.tool(
                "search_along_route", {"origin": square, "destination": station, "type": "restaurant", "limit": 4}
            ),
        ),
        "line": item(
            "line", project.tool("distance_bearing", {"origin": a, "destination": b}), title="As the crow flies"
        ),
        "open": item("open", project.tool("open_at", {"opening_hours": hours, "at": "2026-07-01T10:00", **a})),
        "note": {"key": "note", "kind": "note", "text": "The ferry runs hourly.  \r\nNot on Sundays.\n"},
    }
    return project.context(title="Cafes around the square", items=list(answers.values()))


@pytest.mark.parametrize("format", FILES)
def test_the_town_s_answers_read_as_they_did(project, town_context, format):
    rendered = project.ask("GET", f"/contexts/{town_context['id']}/render", format=format)
    expected = SNAPSHOTS / FILES[format]
    shown = rendered["text"]
    if format == "json":
        assert rfc8785.dumps(json.loads(shown)).decode() == shown
        shown = json.dumps(json.loads(shown), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        expected.write_text(shown)
    assert shown == expected.read_text()
    assert rendered["template_version"] == TEMPLATE_VERSION == 1
    assert rendered["chars"] == len(rendered["text"])


def test_a_rewrite_takes_the_place_of_the_text_and_stands_beside_the_json(project, item, square):
    found = item("a", project.tool("nearby_search", {**square, "type": "pharmacy"}))
    note = {"key": "b", "kind": "note", "text": "A note."}
    rewrite = {"key": "c", "kind": "note", "role": "rewrite", "text": "There are pharmacies."}
    made = project.context(title="Title", items=[found, note, rewrite])
    assert project.render(made["id"], "text") == "Title\n\nThere are pharmacies.\n"
    assert project.render(made["id"], "markdown") == "# Title\n\nThere are pharmacies.\n"
    items = json.loads(project.render(made["id"], "json"))["items"]
    assert [entry.get("role") for entry in items] == [None, "note", "rewrite"]


def test_an_earlier_revision_renders_as_it_did(project):
    made = project.context(title="Before", items=[{"key": "a", "kind": "note", "text": "One."}])
    before = project.ask("GET", f"/contexts/{made['id']}/render")
    project.ask("PUT", f"/contexts/{made['id']}", {"base_n": 1, "content": {"title": "After", "items": []}})
    assert project.render(made["id"], "text") == "After\n"
    assert project.ask("GET", f"/contexts/{made['id']}/render", n=1) == before
    project.ask("GET", f"/contexts/{made['id']}/render", n=9, code=404)


def test_an_empty_context_is_an_empty_text(project):
    made = project.context()
    assert project.render(made["id"], "text") == ""
    assert json.loads(project.render(made["id"], "json")) == {"schema": "mapqator.context/1", "title": "", "items": []}
