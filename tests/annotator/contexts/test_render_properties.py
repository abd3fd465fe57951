"""What holds of every rendering, whatever the places are called."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from annotator.cache.stored_results import StoredResult
from annotator.contexts.fields import FIELDS_OF_KIND
from annotator.contexts.markdown import escape
from annotator.contexts.model import ContextContent, Item, View
from annotator.contexts.render import FORMATS, render, shown_places
from annotator.contexts.words import clean

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SECRET = "Xq7secret"
"""Stands in every text of a hidden row."""

PLACES_CALL, ROUTE_CALL, ALONG_CALL, MATRIX_CALL = (f"01ARZ3NDEKTSV4RRFFQ69G5FA{digit}" for digit in "ABCD")

# Half a surrogate pair is no text that could have been recorded: canonical JSON has none.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
metres = st.floats(0, 100_000).map(lambda value: round(value, 1))


@st.composite
def places(draw, secret: bool = False) -> dict[str, Any]:
    def text() -> str:
        return draw(words) + (SECRET if secret else "")

    return {
        "pid": f"osm:n{draw(st.integers(1, 10**9))}{SECRET if secret else ''}",
        "provider": "town",
        "name": text(),
        "lat": draw(st.floats(-90, 90).map(lambda value: round(value, 6) + 0.0)),
        "lon": draw(st.floats(-180, 180).map(lambda value: round(value, 6) + 0.0)),
        "names": {"fr": text()},
        "address": text(),
        "address_parts": {"street": text()},
        "categories": draw(st.sampled_from([[], ["cafe"], ["cafe", "bakery"]])),
        "kind": f"amenity={text()}",
        "rating": draw(st.none() | st.floats(0, 5).map(lambda value: round(value, 1))),
        "opening_hours": {"raw": text(), "weekdays": [text()]},
        "phone": text(),
        "website": text(),
        "email": text(),
        "wheelchair": draw(st.sampled_from([None, "yes", "limited", "no"])),
        "attributes": {f"key {text()}": text(), "list": [text()], "map": {"a": text()}, "flag": True, "number": 1.5},
        "distance_m": draw(metres),
        "travel": {"mode": "walk", "duration_s": draw(metres), "distance_m": draw(metres)},
        "detour": {"duration_s": draw(metres), "distance_m": draw(metres), "offset_m": draw(metres)},
    }


@st.composite
def routes(draw, secret: bool = False) -> dict[str, Any]:
    text = draw(words) + (SECRET if secret else "")
    step = {"text": text, "distance_m": draw(metres), "duration_s": draw(metres), "road": text}
    leg = {"distance_m": draw(metres), "duration_s": draw(metres), "steps": [step]}
    return {
        "mode": "walk",
        "distance_m": draw(metres),
        "duration_s": draw(metres),
        "legs": [leg, leg],
        "geometry": "",
        "summary": text,
        "warnings": [text],
    }


@st.composite
def contexts(draw) -> tuple[ContextContent, dict[str, StoredResult]]:
    """A context of lists, routes and places along a way, whose hidden rows are full of the secret."""
    hidden_places = draw(st.lists(st.booleans(), min_size=1, max_size=5))
    hidden_routes = draw(st.lists(st.booleans(), min_size=1, max_size=3))
    listed = [draw(places(secret=is_hidden)) for is_hidden in hidden_places]
    ways = [draw(routes(secret=is_hidden)) for is_hidden in hidden_routes]
    # A route may well begin at a place that is hidden; its name must not be told by it.
    ends = [{"lat": place["lat"], "lon": place["lon"]} for place in (listed[0], listed[-1])]
    trip = {
        "origin": ends[0],
        "destination": ends[1],
        "intermediates": [ends[0]],
        "mode": "walk",
        "avoid": [],
        "language": "en",
    }
    near = {**ends[0], "radius_m": 500, "type": "cafe", "rank": "distance", "language": "en", "limit": 20}
    # Pointers into a row hide it as the row's own pointer does.
    deeper = draw(st.sampled_from(["", "/name", "/attributes/list/0"]))
    place_pointers = tuple(f"/places/{index}{deeper}" for index, is_hidden in enumerate(hidden_places) if is_hidden)
    if deeper == "/attributes/list/0":
        # An element of a list is a row itself, so that the place would stay.
        place_pointers = tuple(pointer.removesuffix(deeper) for pointer in place_pointers)
    route_pointers = tuple(f"/routes/{index}" for index, is_hidden in enumerate(hidden_routes) if is_hidden)
    results = {
        PLACES_CALL: _stored(PLACES_CALL, "nearby_search", near, {"kind": "places", "places": listed, "total": 99}),
        ROUTE_CALL: _stored(ROUTE_CALL, "compute_routes", trip, {"kind": "routes", "routes": ways}),
        ALONG_CALL: _stored(
            ALONG_CALL,
            "search_along_route",
            {**trip, "type": "cafe", "rank": "detour"},
            {"kind": "along_route", "route": ways[0] if not hidden_routes[0] else None, "places": listed},
        ),
        MATRIX_CALL: _stored(
            MATRIX_CALL,
            "travel_matrix",
            {"origins": ends, "destinations": ends, "mode": "walk", "avoid": []},
            {"kind": "matrix", "mode": "walk", "cells": [[{"duration_s": 60.0}, {}], [{}, {"distance_m": 5.0}]]},
        ),
    }
    fields = draw(
        st.none()
        | st.lists(
            st.sampled_from([field.name for kind in FIELDS_OF_KIND.values() for field in kind]), max_size=20
        ).map(tuple)
    )
    title = draw(words.map(lambda text: text[:200]))
    items = (
        Item(
            key="places",
            kind="nearby",
            tool_call_id=PLACES_CALL,
            title=title,
            view=View(fields=fields, hidden=place_pointers),
        ),
        Item(
            key="route",
            kind="route",
            tool_call_id=ROUTE_CALL,
            view=View(fields=fields, hidden=route_pointers, show_steps=draw(st.booleans())),
        ),
        Item(key="along", kind="along_route", tool_call_id=ALONG_CALL, view=View(fields=fields, hidden=place_pointers)),
        Item(key="matrix", kind="matrix", tool_call_id=MATRIX_CALL, view=View(fields=fields)),
    )
    return ContextContent(title=title, items=items), results


def _stored(call_id: str, tool: str, params: dict[str, Any], result: dict[str, Any] | None) -> StoredResult:
    return StoredResult(
        tool_call_id=call_id,
        tool=tool,
        provider="town",
        adapter_version=1,
        params=params,
        result=result,
        result_sha="0" * 64,
        exchanges=(),
        created_at=NOW,
        expires_at=None,
    )


def _reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed_keys(child) for key, child in reversed(value.items())}
    return [_reversed_keys(child) for child in value] if isinstance(value, list) else value


@settings(deadline=None, max_examples=40)
@given(contexts())
def test_nothing_of_a_hidden_row_is_ever_told(made):
    content, results = made
    for format in FORMATS:
        assert SECRET not in render(content, results, format=format).text
    assert all(SECRET not in place.name for place in shown_places(content, results))


@settings(deadline=None, max_examples=25)
@given(contexts())
def test_equal_input_gives_equal_bytes_without_loose_ends(made):
    content, results = made
    turned = {
        call_id: _stored(call_id, stored.tool, _reversed_keys(stored.params), _reversed_keys(stored.result))
        for call_id, stored in reversed(results.items())
    }
    for format in FORMATS:
        rendered = render(content, results, format=format)
        assert rendered == render(content, turned, format=format)
        assert rendered.chars == len(rendered.text)
        assert rendered.tokens > 0
        if format == "json":
            assert rfc8785.dumps(json.loads(rendered.text)).decode() == rendered.text
        else:
            assert rendered.text.endswith("\n")
            assert not rendered.text.endswith("\n\n")
            assert all(line == line.rstrip() for line in rendered.text.split("\n"))


FULL_PLACE = {
    "pid": "osm:n17",
    "provider": "town",
    "name": "Café des Îles",
    "lat": 43.5,
    "lon": 7.25,
    "names": {"ar": "مقهى الجزر"},
    "address": "1 Quay",
    "categories": ["museum"],
    "rating": 4.5,
    "rating_count": 12,
    "price_level": 2,
    "opening_hours": {"raw": "Mo-Fr 09:00-18:00", "weekdays": []},
    "phone": "+1 506 555 0100",
    "website": "https://cafe.example.com",
    "email": "a@cafe.example.com",
    "wheelchair": "limited",
    "attributes": {"cuisine": "coffee_shop;cake", "outdoor_seating": True},
    "distance_m": 1234.5,
    "travel": {"mode": "walk", "duration_s": 600.0, "distance_m": 800.0},
    "detour": {"duration_s": 120.0, "distance_m": 900.0, "offset_m": 3100.0},
}
SAID = {
    "category": ("museum", "museum"),
    "address": ("1 Quay", "1 Quay"),
    "position": ("43.5, 7.25", "43.5"),
    "distance": ("1.23 km", "1234.5"),
    "travel": ("10 min on foot (800 m)", "duration_s"),
    "detour": ("2 min and 900 m, reached after 3.1 km", "offset_m"),
    "opening_hours": ("Monday to Friday 09:00 to 18:00 (Mo-Fr 09:00-18:00)", "Mo-Fr"),
    "rating": ("4.5 of 5 (12 ratings)", "rating_count"),
    "price_level": ("2 of 4", "price_level"),
    "phone": ("+1 506 555 0100", "+1 506 555 0100"),
    "website": ("https://cafe.example.com", "https://cafe.example.com"),
    "email": ("a@cafe.example.com", "a@cafe.example.com"),
    "wheelchair": ("limited", "limited"),
    "names": ("مقهى الجزر (ar)", "مقهى الجزر"),
    "attributes": ("coffee shop, cake", "coffee_shop;cake"),
    "id": ("osm:n17", "osm:n17"),
}
"""What each field makes the text and the JSON say of `FULL_PLACE`."""

PLACE_KINDS = ("details", "places", "nearby", "along_route")


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(PLACE_KINDS), st.data())
def test_every_chosen_field_is_told_and_no_other(kind, data):
    known = [field.name for field in FIELDS_OF_KIND[kind]]
    fields = data.draw(st.lists(st.sampled_from(known), unique=True))
    content = ContextContent(
        items=(Item(key="a", kind=kind, tool_call_id=PLACES_CALL, view=View(fields=tuple(fields))),)
    )
    text = render(content, {PLACES_CALL: _full(kind)}, format="text").text
    written = render(content, {PLACES_CALL: _full(kind)}, format="json").text
    place = json.loads(written)["items"][0]["result"]
    place = json.dumps(place.get("place") or place["places"][0], ensure_ascii=False)
    assert "Café des Îles" in text
    for field in known:
        in_text, in_json = SAID[field]
        assert (in_text in text) == (field in fields), field
        # The id is how a program tells places apart, so that JSON always has it.
        if field != "id":
            assert (in_json in place) == (field in fields), field


def _full(kind: str) -> StoredResult:
    params = {"lat": 1.0, "lon": 2.0, "radius_m": 500, "rank": "distance", "query": "x", "place_id": "osm:n17"}
    way = {"origin": {"lat": 1.0, "lon": 2.0}, "destination": {"lat": 3.0, "lon": 4.0}, "mode": "drive", "type": "bar"}
    route = {"mode": "drive", "distance_m": 50.0, "duration_s": 5.0, "legs": [], "geometry": ""}
    match kind:
        case "details":
            return _stored(PLACES_CALL, "place_details", params, {"kind": "place", "place": FULL_PLACE})
        case "along_route":
            result = {"kind": "along_route", "route": route, "places": [FULL_PLACE]}
            return _stored(PLACES_CALL, "search_along_route", way, result)
        case "nearby":
            return _stored(PLACES_CALL, "nearby_search", params, {"kind": "places", "places": [FULL_PLACE]})
    return _stored(PLACES_CALL, "text_search", params, {"kind": "places", "places": [FULL_PLACE]})


@settings(deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[-+#>*_`~&|<\[\]()!\\.\d a]{1,30}", fullmatch=True))
def test_markdown_shows_any_name_as_it_is(name):
    name = clean(name)
    parsed = MarkdownIt("commonmark").enable("table").parse(f"{escape(name)}\n\n- **x:** {escape(name)}\n")
    inline = [token for token in parsed if token.type == "inline"]
    if name:
        assert "".join(child.content for child in inline[0].children) == name
    assert "".join(child.content for child in inline[-1].children).strip() == f"x: {name}".strip()
    assert not {child.type for token in inline for child in token.children} - {
        "text",
        "strong_open",
        "strong_close",
        "text_special",
    }


@pytest.mark.parametrize("format", FORMATS)
def test_an_expired_answer_says_so_in_its_place(format):
    stored = _stored(PLACES_CALL, "nearby_search", {}, None)
    content = ContextContent(items=(Item(key="a", kind="nearby", tool_call_id=PLACES_CALL, title="Cafes"),))
    text = render(content, {PLACES_CALL: stored}, format=format).text
    assert ("is_expired" if format == "json" else "no longer held") in text
    # A call whose recording is of another shape than today's is as good as expired.
    strange = _stored(PLACES_CALL, "nearby_search", {}, {"kind": "places", "places": [{"name": "?"}]})
    assert render(content, {PLACES_CALL: strange}, format=format).text == text


def test_namesakes_are_told_apart_where_a_route_names_one():
    one, other = (
        {**FULL_PLACE, "pid": f"osm:n{number}", "lat": 43.0 + number, "address": f"{number} Quay, Town"}
        for number in (1, 2)
    )
    listed = _stored(PLACES_CALL, "text_search", {"query": "x"}, {"kind": "places", "places": [one, other]})
    ends = {"origin": {"place_id": "osm:n1"}, "destination": {"lat": 45.0, "lon": 7.25}, "mode": "walk"}
    route = _stored(ROUTE_CALL, "compute_routes", ends, {"kind": "routes", "routes": [], "reason": "no path."})
    content = ContextContent(
        items=(
            Item(key="a", kind="places", tool_call_id=PLACES_CALL),
            Item(key="b", kind="route", tool_call_id=ROUTE_CALL),
        )
    )
    text = render(content, {PLACES_CALL: listed, ROUTE_CALL: route}, format="text").text
    assert "There is no way from Café des Îles (1 Quay) to Café des Îles (2 Quay) on foot: no path." in text


@pytest.mark.parametrize("said", sorted(FIELDS_OF_KIND.keys() - {"note"}))
@pytest.mark.parametrize("kind", PLACE_KINDS)
def test_an_item_that_says_it_is_of_another_kind_shows_what_its_call_gave(kind, said):
    results = {PLACES_CALL: _full(kind)}
    rendered = [
        render(ContextContent(items=(Item(key="a", kind=name, tool_call_id=PLACES_CALL),)), results, format="text").text
        for name in (kind, said)
    ]
    assert rendered[0] == rendered[1]
    assert "Café des Îles" in rendered[0]
