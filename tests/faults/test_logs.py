"""The log of a server holds no prompt, no answer and no key, and one line stays one line whatever clients send."""

import json
import re

from tests.faults.conftest import StartProgram
from tests.faults.program import Program, begin, exchange, post_bytes, read_all

KEY = "sk-0123456789-very-secret"
WRONG_KEY = "sk-someone-elses"
SECRET = "Alice was beginning to get very tired"
ENTRY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+: [\x20-\x7e]*")


def test_nothing_of_a_request_but_its_address_is_logged(start_program: StartProgram) -> None:
    program = start_program("--api-key", KEY, "--log-level", "debug")  # More than any other level logs.
    spoken = _talk(program)
    log = program.log
    assert "POST /v1/completions 200" in log
    for secret in (SECRET, SECRET[:12], KEY, WRONG_KEY, "s3cret-salt", "a-user-id", "query-secret", *spoken):
        assert secret not in log
    assert "id=my-own.id:1" in log
    assert "Traceback" not in log
    for line in log.splitlines():
        assert ENTRY.fullmatch(line), line
    assert "\x1b" not in log
    assert not any(line.startswith("FORGED") for line in log.splitlines())


def _talk(program: Program) -> list[str]:
    """Sends everything that must not be logged; returns the answers that were written."""
    auth = b"authorization: Bearer " + KEY.encode()
    body = {
        "prompt": SECRET, "max_tokens": 30, "ignore_eos": True, "cache_salt": "s3cret-salt", "user": "a-user-id",
    }  # fmt: skip
    texts = []
    answer = exchange(program.port, post_bytes("/v1/completions?q=query-secret", json.dumps(body).encode(), auth))
    texts.append(json.loads(answer.body)["choices"][0]["text"])
    chat = {"messages": [{"role": "user", "content": SECRET}], "max_tokens": 30, "stream": True}
    read_all(begin(program.port, chat, auth, path="/v1/chat/completions"))
    forged = "tiny\r\nFORGED \x1b[31mred"
    hostile = [
        post_bytes("/v1/completions", json.dumps(body | {"model": forged}).encode(), auth),
        post_bytes("/v1/completions", json.dumps(body | {"stop": SECRET * 100}).encode(), auth),
        post_bytes("/v1/completions", json.dumps(body | {forged: SECRET}).encode(), auth),
        post_bytes("/v1/completions", SECRET.encode(), auth),
        post_bytes("/v1/completions", json.dumps(body).encode(), b"authorization: Bearer " + WRONG_KEY.encode()),
        post_bytes("/v1/completions", json.dumps(body).encode(), b"authorization: Basic " + WRONG_KEY.encode()),
        post_bytes("/v1/completions", json.dumps(body).encode(), auth, b"x-request-id: my-own.id:1"),
        post_bytes("/v1/completions", b"{}", auth, b"x-request-id: a\x1b[31m FORGED"),
        post_bytes("/v1/completions", b"{}", auth, b"x-request-id: " + b"FORGED" * 100),
        b"GET /v1/%0d%0aFORGED%1b[31m HTTP/1.1\r\nhost: a\r\n" + auth + b"\r\n\r\n",
        b"GET /v1/models/%0aFORGED HTTP/1.1\r\nhost: a\r\n" + auth + b"\r\n\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nhost: a\r\n" + auth + b"\r\n\r\n",
        b"FORGED\x1b " + SECRET.encode() + b"\r\n\r\n",
    ]
    for raw in hostile:
        assert exchange(program.port, raw).status in {200, 400, 401, 404}
    # An answer of a few characters could be in any log by chance.
    return [text for text in texts if len(text) > 8]
