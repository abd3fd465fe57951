"""Servers that answer as a test wants them to: always right, or not as a server should."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from server.quality.result import load_run
from tests.quality.made import TOOL, context, question, write_lines

FAR = {"kind": "number", "value": 109.0, "abs_tol": 1.0, "unit": "m"}
Answer = Callable[[dict[str, Any]], Response]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server with one model that answers every chat with `answer`; gives its address."""
    app = FastAPI()

    @app.get("/v1/models")
    async def models() -> JSONResponse:
        return JSONResponse({"data": [{"id": "oracle"}]})

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return answer(await request.json())

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # From here on connections wait to be accepted instead of being refused.
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def said(**message: Any) -> JSONResponse:
    usage = {"prompt_tokens": 30, "completion_tokens": 5}
    return JSONResponse({"choices": [{"message": {"role": "assistant", "content": None} | message}], "usage": usage})


@pytest.fixture
def tool_file(tmp_path: Path) -> Path:
    """One question about a context, and one that takes two calls."""
    calls = [
        {"name": "nearby_search", "arguments": {"near": "Town Hall"}, "content": "Early Bird"},
        {"name": "nearby_search", "arguments": {"near": "Early Bird", "limit": 1}, "content": "109 m"},
    ]
    line = context(0, [question(0, FAR), question(1, FAR, calls=calls)], tools=[TOOL])
    return write_lines(tmp_path / "tools.jsonl", [line])


def all_knowing(body: dict[str, Any]) -> Response:
    """Calls with what the last tool message said, copies, and reads pass keys."""
    messages = body["messages"]
    asked = messages[0]["content"]
    if "tools" in body and messages[-1]["content"] != "109 m":
        arguments = {"near": "Town Hall"} if len(messages) == 1 else {"limit": 1, "near": messages[-1]["content"]}
        function = {"name": "nearby_search", "arguments": json.dumps(arguments)}
        return said(tool_calls=[{"id": f"call_{len(messages)}", "type": "function", "function": function}])
    if key := re.search(r"The pass key is (\d+)", asked):
        return said(content=f"The pass key is {key[1]}.")
    if asked.endswith("Repeat this text word for word."):
        return said(content=asked.rpartition("\n\n")[0])
    return said(content="Answer: 109 m")


def test_a_server_that_knows_everything_is_right_everywhere(rhumb, tool_file: Path, tmp_path: Path):
    with serving(all_knowing) as url:
        run = rhumb(
            *("--base-url", url, "--questions", tool_file, "--tasks", "map,tools,passkey,copy", "--disable-tqdm"),
            *("--passkey-lengths", "300,900", "--copy-repeats", 2, "--output-json", tmp_path / "run.json"),
        )
    assert run.exit_code == 0, run.errors
    saved = load_run(tmp_path / "run.json")
    known = [record for record in saved.records if record.facts.get("kind") in (None, "passage")]
    assert {record.task for record in known} == {"map", "tools", "passkey", "copy"}
    assert {(record.outcome, record.score) for record in known} == {("right", 1.0)}
    [tools] = [record for record in known if record.task == "tools"]
    assert (tools.facts["num_turns"], tools.facts["num_calls_recorded"], tools.completion_tokens) == (3, 2, 15)
    passkeys = [
        row for row in json.loads((tmp_path / "run.json").read_text())["summary"] if row["measure"] == "passkey"
    ]
    assert [(row["num_counted"], row["accuracy"]) for row in passkeys] == [(66, 1.0)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda body: PlainTextResponse("out of order", 500), "HTTP 500: out of order"),
        (lambda body: PlainTextResponse("<html>"), "not a JSON object"),
        (lambda body: JSONResponse([]), "not a JSON object"),
        (lambda body: JSONResponse({"choices": []}), "holds no choice"),
        (lambda body: JSONResponse({"choices": [{"text": "hm"}]}), "holds no message"),
        (lambda body: said(content=["hm"]), "something else than text and calls"),
        (
            lambda body: said(tool_calls=[{"id": "1", "function": {"name": "fly"}}]),
            "something else than text and calls",
        ),
    ],
)
def test_a_server_that_gives_no_answers_is_an_error_in_one_line(rhumb, tool_file: Path, answer: Answer, reason: str):
    with serving(answer) as url:
        run = rhumb("--base-url", url, "--questions", tool_file, "--tasks", "map", "--disable-tqdm", "--no-breakdowns")
    assert run.exit_code == 2
    assert run.errors.startswith("rhumb: nothing was answered: ")
    assert reason in run.errors
    assert "1 of map: text with oracle failed" in run.output


def test_a_prompt_that_the_server_finds_too_long_is_skipped(rhumb, tool_file: Path):
    refusal = {
        "error": {"message": "This model's maximum context length is 8 tokens.", "code": "context_length_exceeded"}
    }
    with serving(lambda body: JSONResponse(refusal, 400)) as url:
        run = rhumb("--base-url", url, "--questions", tool_file, "--tasks", "map", "--disable-tqdm", "--no-breakdowns")
    assert run.exit_code == 0
    assert (
        "1 of map: text with oracle skipped: HTTP 400: This model's maximum context length is 8 tokens." in run.output
    )
