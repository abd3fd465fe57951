"""How a run in tools mode asks them: by what it is told, what the server lists, or what a request for a call brings."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from annotator.evaluate.config import RunConfig
from annotator.evaluate.endpoints import Endpoint
from annotator.evaluate.protocol import Chosen, choose_protocol, says_of_tools
from tests.annotator.datasets.over_http import write_project
from tests.annotator.evaluate.runs.scripted import calls, says, served
from tests.annotator.program import Annotator
from tests.annotator.upstream import http

READY = calls(("ready", {}))
TOOLS = RunConfig(mode="tools", max_retries=0)


def refuses(status: int, words: str) -> bytes:
    return http(status, {"error": {"message": words}})


def chosen(play: Callable[[dict[str, Any]], bytes], **endpoint: Any) -> tuple[Chosen, list[dict[str, Any]]]:
    """What is chosen for a server, and the requests that it got."""
    with served(play) as server:
        made = Endpoint("scripted", server.url, **endpoint)
        found = asyncio.run(choose_protocol(made, {"id": "tiny"}, TOOLS))
        return found, server.bodies


def test_a_server_that_calls_is_asked_to_call() -> None:
    found, bodies = chosen(lambda body: READY)
    assert found.protocol == "tools"
    assert len(bodies) == 1
    assert "tool_choice" not in bodies[0]


def test_a_model_that_only_calls_when_it_must_is_asked_to_call() -> None:
    found, bodies = chosen(lambda body: READY if body.get("tool_choice") == "required" else says("Ready!"))
    assert (found.protocol, len(bodies)) == ("tools", 2)


@pytest.mark.parametrize(
    ("play", "why"),
    [
        (lambda body: says("I am ready."), "ignores tools"),
        (lambda body: refuses(400, "this model does not support tools") if "tools" in body else says("x"), "refuses"),
        (lambda body: refuses(500, "tools param requires --jinja flag"), "refuses tools"),
        (lambda body: refuses(404, "No endpoints found that support tool use"), "refuses tools"),
        (lambda body: refuses(422, "extra inputs are not permitted") if "tools" in body else says("x"), "takes others"),
        (
            lambda body: refuses(400, "tool_choice is not known") if "tool_choice" in body else says("x"),
            "cannot be made to call",
        ),
    ],
)
def test_a_server_that_ignores_or_refuses_tools_is_asked_in_text(play: Callable, why: str) -> None:
    found, _ = chosen(play)
    assert found.protocol == "react"
    assert why in found.why


@pytest.mark.parametrize(
    "play",
    [
        lambda body: refuses(503, "loading the model"),
        lambda body: refuses(400, "the context is too long"),
        lambda body: says("", finish="length"),
    ],
)
def test_where_nothing_is_found_out_nothing_changes_and_it_says_so(play: Callable) -> None:
    found, _ = chosen(play)
    assert found.protocol == "tools"
    assert "not found out" in found.why


def test_what_is_said_beforehand_is_not_asked_about() -> None:
    found, bodies = chosen(lambda body: READY, protocol="react")
    assert (found.protocol, bodies) == ("react", [])
    told = asyncio.run(
        choose_protocol(Endpoint("nobody", "http://127.0.0.1:9/v1"), {}, TOOLS.model_copy(update={"protocol": "tools"}))
    )
    assert told.protocol == "tools"


@pytest.mark.parametrize(
    ("listed", "says_so"),
    [
        ({"capabilities": {"function_calling": False}}, False),
        ({"capabilities": {"function_calling": True}}, True),
        ({"supported_parameters": ["temperature"]}, False),
        ({"supported_parameters": ["tools", "temperature"]}, True),
        ({"capabilities": ["completion", "tools"]}, True),
        ({"capabilities": ["completion"]}, None),
        ({"capabilities": None, "supported_parameters": []}, None),
        ({}, None),
    ],
)
def test_lists_of_models_are_believed_where_they_tell(listed: dict[str, Any], says_so: bool | None) -> None:
    assert says_of_tools(listed) is says_so


def test_a_run_without_a_protocol_falls_back_to_text_and_records_why(annotator_server: Annotator) -> None:
    slug = write_project(annotator_server.url, name="No functions here")

    def play(body: dict[str, Any]) -> bytes:
        return refuses(400, "tools are not supported") if "tools" in body else says("Evidence: none\nAnswer: A")

    with served(play) as server, httpx.Client(base_url=annotator_server.url, timeout=60) as client:
        assert (
            client.post(f"/api/projects/{slug}/datasets/walks/snapshots", json={"version": "1.0.0"}).status_code == 201
        )
        client.post("/api/evaluations/endpoints", json={"name": "plain-words", "base_url": server.url})
        base = f"/api/projects/{slug}/evaluations"
        body = {"dataset": "walks", "endpoint": "plain-words", "config": {"mode": "tools"}}
        run = client.post(base, json=body).json()
        with client.stream("GET", f"{base}/{run['id']}/events") as answer:
            answer.read()
        run = client.get(f"{base}/{run['id']}").json()
    assert (run["state"], run["config"]["protocol"], run["template"]) == ("done", "react", "react 2")
    assert run["server"]["tools"] == {
        "protocol": "react",
        "why": "the server refuses tools: HTTP 400: tools are not supported",
    }
    assert run["verdicts"].get("right", 0) >= 1
