"""A real HTTP server whose answers a test chooses byte by byte, and tokenizers."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from server.bench.texts import Tokenizer, load_tokenizer
from server.cli import main

TOKENS = ["Once", " upon", "", " a", " time"]


@dataclass
class Peer:
    """An OpenAI-like server under a test's control.

    `chunks` makes the byte chunks of an answer from the request body; None answers `refusal` instead.
    """

    root: str | None = None
    has_usage: bool = True
    refusal: Response | None = None
    chunks: Callable[[dict[str, object]], list[bytes]] | None = None
    bodies: list[dict[str, object]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    num_running: int = 0
    peak_running: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> FastAPI:
        app = FastAPI()
        app.get("/v1/models")(self.models)
        app.post("/v1/completions")(self.answer)
        app.post("/v1/chat/completions")(self.answer)
        return app

    async def models(self) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [{"id": "story", "object": "model", "root": self.root}]})

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        if self.refusal is not None:
            return self.refusal
        return StreamingResponse(self._stream(body), media_type="text/event-stream")

    async def _stream(self, body: dict[str, object]) -> AsyncIterator[bytes]:
        self.num_running += 1
        self.peak_running = max(self.peak_running, self.num_running)
        *chunks, last = (self.chunks or self.events)(body)
        for chunk in chunks:
            yield chunk
            # Let the other requests in, so that some overlap, and the chunks leave one by one.
            await asyncio.sleep(0.002)
        # Who has the last chunk may send the next request at once.
        self.num_running -= 1
        yield last

    def events(self, body: dict[str, object]) -> list[bytes]:
        """A well-formed answer of as many tokens as were asked for, one a chunk."""
        is_chat = "messages" in body
        count = int(str(body["max_completion_tokens" if is_chat else "max_tokens"]))
        texts = [TOKENS[i % len(TOKENS)] for i in range(count)]
        choices: list[dict[str, object]] = []
        if is_chat:
            choices.append({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
            choices += [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
            choices.append({"index": 0, "delta": {}, "finish_reason": "length"})
        else:
            choices += [{"index": 0, "text": text, "finish_reason": None} for text in texts]
            choices.append({"index": 0, "text": "", "finish_reason": "length"})
        events: list[dict[str, object]] = [{"choices": [choice]} for choice in choices]
        if self.has_usage:
            events.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": count}})
        return [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        peer.port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(peer.app(), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the peer did not start"
                time.sleep(0.005)
            yield peer
        finally:
            server.should_exit = True
            thread.join()


@dataclass
class Run:
    """What one command printed and how it ended."""

    exit_code: int
    output: str
    errors: str


@pytest.fixture
def bench(monkeypatch, capsys):
    def run(*arguments: object) -> Run:
        monkeypatch.setattr("sys.argv", ["rhumb", "bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Run(int(end.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def tokenizers(tiny_llama: Path, shared_data: Path) -> dict[str, Tokenizer]:
    """Byte-level BPE without special tokens, and a real SentencePiece-like one that puts a token before the text."""
    return {
        "bytes": load_tokenizer(str(tiny_llama)),
        "stories": load_tokenizer(str(shared_data / "models" / "stories260K")),
    }
