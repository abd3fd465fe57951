"""Tools mode: a model that calls, miscalls, repeats itself and never ends, answered from recordings alone."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from annotator.assembly import open_service
from annotator.datasets.manifest import Manifest, read_manifest
from annotator.datasets.snapshots import manifest_bytes
from annotator.evaluate import store
from annotator.evaluate.react import action_in
from annotator.evaluate.tools_mode import SUBMIT, Called, SnapshotTools
from annotator.evaluate.trace import messages_of, trace_of
from annotator.maps.params import PARAMS
from tests.annotator.evaluate.runs.conftest import Town
from tests.annotator.evaluate.runs.scripted import calls, says, served
from tests.annotator.upstream import http, running_upstream

NEAR = {"lat": 45.3957, "lon": -65.32998, "radius_m": 3000, "type": "cafe", "limit": 5}


def turn_of(body: dict[str, Any]) -> int:
    """How often the model has spoken already."""
    return sum(message["role"] == "assistant" for message in body["messages"])


def script(*replies: bytes) -> Callable[[dict[str, Any]], bytes]:
    """The same replies, turn by turn, to every question; the last one for ever."""
    return lambda body: replies[min(turn_of(body), len(replies) - 1)]


def recorded(town: Town) -> dict[str, Any]:
    """Parameters of the dataset's search for cafés."""
    return next(dict(call.params) for call in manifest(town).calls if call.tool == "nearby_search")


def manifest(town: Town) -> Manifest:
    with town.database.reading() as connection:
        return read_manifest(manifest_bytes(connection, town.snapshot))


def test_calls_are_answered_counted_and_kept_with_the_hashes_of_their_bytes(town: Town) -> None:
    play = script(
        calls(("find_cafes", {"near": "me"}), ("nearby_search", "{nonsense"), ("nearby_search", {"lat": 500})),
        calls(("nearby_search", recorded(town))),
        calls((SUBMIT, {"answer": "A", "evidence": ["r4"]})),
    )
    with served(play) as server:
        run, found = town.evaluate(server.url, mode="tools", limit=None, types=("single_choice",))
    assert {tool["function"]["name"] for tool in server.bodies[0]["tools"]} == {*PARAMS, SUBMIT}
    assert "Saltmere" in server.bodies[0]["messages"][0]["content"]
    assert [one.judgement.verdict for one in found] == ["right"] * 4
    assert {one.judgement.given.how for one in found} == {"submit"}
    for one in found:
        assert (one.num_turns, one.num_tool_calls, one.num_tool_errors, one.num_offline_misses) == (3, 4, 3, 0)
        assert (one.evidence_found, one.evidence_wanted) == (1, 1)
        assert one.tools == {"find_cafes": 1, "nearby_search": 3}
    with town.database.reading() as connection:
        trace = trace_of(connection, run, found[0].facts.number)
    made = [event for event in trace.events if event.kind == "call"]
    assert [event.payload["error"] for event in made] == ["not_found", "bad_input", "bad_input", None]
    assert made[-1].result_sha == trace.item.evidence[0].result_sha
    assert made[-1].payload["outcome"] == "replay"
    # What the trace shows is what was really sent.
    mine = [body for body in server.bodies if trace.item.question in body["messages"][1]["content"]]
    assert messages_of(trace, in_text=False)[:-1] == max(mine, key=turn_of)["messages"]
    told = json.loads(mine[-1]["messages"][-1]["content"])
    assert (told["ref"], told["kind"], len(told["places"])) == ("r4", "places", 5)


@pytest.mark.parametrize("live", [False, True])
def test_the_embedded_map_answers_what_nobody_asked_before(town: Town, live: bool) -> None:
    asked = {**NEAR, "radius_m": 1234, "limit": 3}
    with served(script(calls(("nearby_search", asked)), says("Answer: A"))) as server:
        _, found = town.evaluate(server.url, mode="tools", limit=2, live=live)
    assert [(one.num_tool_errors, one.num_offline_misses) for one in found] == [(0, 0)] * 2
    told = json.loads(server.bodies[-1]["messages"][-1]["content"])
    assert 0 < len(told["places"]) <= 3


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({}, "the same call of distance_bearing came 3 times"),
        ({"max_repeats": 50, "max_tool_calls": 4}, "no answer after 4 tool calls"),
        ({"max_repeats": 50, "max_turns": 2}, "no answer after 2 turns"),
    ],
)
def test_a_model_that_never_ends_is_stopped(town: Town, config: dict[str, int], why: str) -> None:
    with served(script(calls(("distance_bearing", {"origin": {"lat": 1, "lon": 1}})))) as server:
        _, found = town.evaluate(server.url, mode="tools", limit=1, **config)
    assert (found[0].judgement.verdict, found[0].judgement.detail) == ("limit", why)


def test_what_was_answered_before_a_limit_still_counts(town: Town) -> None:
    words = says("I think so.\nAnswer: A").partition(b'data: {"choices": [], "usage"')[0]
    both = words + calls(("open_at", {})).partition(b"\r\n\r\n")[2]
    with served(script(both)) as server:
        _, found = town.evaluate(server.url, mode="tools", types=("single_choice",), limit=1, max_turns=1)
    assert found[0].judgement.verdict == "right"
    assert "no answer after 1 turns" in found[0].judgement.detail


def test_tools_are_asked_in_text_where_functions_cannot_be_called(town: Town) -> None:
    wanted = json.dumps(recorded(town))
    action = f"Thought: look\nAction: nearby_search\nAction Input: {wanted}\nObservation: made up\nAnswer: B"
    with served(script(says(action), says("Thought: seen\nAnswer: A"))) as server:
        run, found = town.evaluate(server.url, mode="tools", protocol="react", types=("single_choice",), max_tokens=500)
    assert [one.judgement.verdict for one in found] == ["right"] * 4
    assert all((one.num_tool_calls, one.evidence_found) == (1, 1) for one in found)
    first, second = server.bodies[0], next(body for body in server.bodies if turn_of(body))
    assert "tools" not in first
    assert first["stop"] == ["Observation:"]
    assert all(tool in first["messages"][0]["content"] for tool in PARAMS)
    assert "made up" not in json.dumps(second["messages"])
    assert second["messages"][-1]["content"].startswith('Observation: {"ref":"r1","')
    with town.database.reading() as connection:
        kept = store.get_run(connection, run.project_id, run.id)
    assert kept.template == "react 2"


@pytest.mark.parametrize(
    ("said", "name", "arguments"),
    [
        ("Action: open_at\nAction Input: {}", "open_at", "{}"),
        ('Thought: x\n**Action:** `open_at`\nAction Input: ```json\n{"a": [1]}\n```', "open_at", '{"a": [1]}'),
        ("Action: open_at\nAction Input: the harbour", "open_at", "the harbour"),
        ("Action: open_at", "open_at", ""),
        ("I will take action: open_at", None, None),
        ("", None, None),
    ],
)
def test_actions_are_read_from_text(said: str, name: str | None, arguments: str | None) -> None:
    found = action_in(said, "c")
    read = (None, None) if found is None else (found.name, found.arguments)
    assert read == (name, arguments)


def remote_manifest(town: Town, url: str) -> Manifest:
    """The dataset's manifest as if its map were Nominatim's."""
    found = manifest(town)
    entries = tuple(
        entry.model_copy(update={"key": "nominatim", "build": None, "base_url": url}) if entry.build else entry
        for entry in found.providers
    )
    made = tuple(call.model_copy(update={"provider": "nominatim", "build": None}) for call in found.calls)
    return found.model_copy(update={"providers": entries, "calls": made, "maps": ()})


def test_no_provider_is_asked_for_what_is_not_recorded_unless_the_run_is_live(town: Town) -> None:
    async def ask(url: str, wanted: str, *, is_live: bool) -> tuple[Called, tuple[str, ...]]:
        settings = town.settings.model_copy(update={"enable": ("nominatim",), "urls": {"nominatim": url}})
        async with open_service(settings, {}) as service:
            live = service if is_live else None
            tools = SnapshotTools(service, town.snapshot, remote_manifest(town, url), live=live)
            return await tools.call("text_search", json.dumps({"query": wanted})), tools.names

    with running_upstream(lambda asked: http(200, [])) as provider:
        missed, names = asyncio.run(ask(provider.url, "harbour", is_live=False))
        assert missed.is_offline_miss
        assert "nothing is recorded" in json.loads(missed.content)["error"]["message"]
        assert {"text_search", "distance_bearing", "open_at"} <= set(names)
        assert "compute_routes" not in names
        assert provider.asked == []
        found, _ = asyncio.run(ask(provider.url, "harbour", is_live=True))
        assert (found.error, found.shown["places"]) == ("", [])
        assert len(provider.asked) == 1


def test_long_lists_are_cut_by_rows_and_say_so(town: Town) -> None:
    async def ask() -> Called:
        async with open_service(town.settings, {}) as service:
            tools = SnapshotTools(service, town.snapshot, manifest(town), max_rows=2)
            return await tools.call("nearby_search", json.dumps({**NEAR, "limit": 5}))

    told = json.loads(asyncio.run(ask()).content)
    assert len(told["places"]) == 2
    assert told["cut"] == {"places": "2 of 5 shown"}
