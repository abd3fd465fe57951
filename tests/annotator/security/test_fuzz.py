"""Hostile values in every parameter and every body: an answer or a refusal, never a failure."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.annotator.program import Annotator
from tests.annotator.security.conftest import Walks
from tests.annotator.security.described import Operation, escaped, operations, spoiled

TEXTS = (
    "' OR 1=1 --",
    '" NEAR(a b) AND col:x*',
    "%_\\",
    "-1",
    "1" * 21,
    "9223372036854775808",
    "1e400",
    "NaN",
    "a\0b",
    "\ud800",
    "\u202e<b>",
    "x" * 5000,
    "../../../etc/passwd",
    "eyJhIjoxfQ",
    "9999-99-99T99:99:99Z",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "",
)
"""SQL, full-text and LIKE syntax, numbers that are too large, half characters, paths, other people's cursors."""

VALUES = (None, -1, 10**21, "", "a\0b", "' OR 1=1 --", "x" * 3000, [[1]], {"a": 1})
RAW = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"{}",
    b"\xff\xfe{}",
    b"[" * 60_000,
    b'{"content":' * 20_000,
    b'{"n":NaN,"base_n":Infinity}',
    b'{"name":"\\ud800","body":"\\ud800","text":"\\ud800","content":{"body":"\\ud800","title":"\\udc00"}}',
    b'{"base_n":' + b"9" * 5000 + b"}",
    b'{"name":1,"name":"two"}',
)

LEFT_OUT = re.compile(
    r"/api/(login|logout|setup|me/password|cache/statistics|admin/accounts.*)|.*/(archive|replay|verify|assist)"
)
"""What ends the session or makes the project read-only, what only takes long, and what asks another program."""


@pytest.fixture(scope="module")
def described(client: httpx.Client, walks: Walks) -> list[Operation]:
    """The operations, without those that would end the test."""
    return [
        one
        for one in operations(client.get("/openapi.json").json(), walks.ids)
        if not LEFT_OUT.fullmatch(one.path) and one.name != "DELETE /api/projects/{project}"
    ]


@pytest.fixture(scope="module")
def values(walks: Walks) -> dict[str, str]:
    """Of path parameters."""
    return walks.ids | {
        "project": walks.slug,
        "tool": "text_search",
        "sha": walks.result_sha,
        "n": "1",
        "form_key": "k",
    }


@pytest.fixture(scope="module")
def ask(annotator_server: Annotator, client: httpx.Client) -> Iterator[Callable[..., httpx.Response]]:
    """Sends a request whose answer must be good or a refusal; at the end nothing was in the log."""

    def send(method: str, url: str, **options: Any) -> httpx.Response:
        answer = client.request(method, url, **options)
        told = f"{method} {url[:300]} {str(options)[:300]}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500, told
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert error["code"], told
            assert error["message"], told
            assert len(answer.content) < 5000, told
        return answer

    yield send
    log = (annotator_server.data_dir / "serve.log").read_text()
    assert "Traceback" not in log, log[-3000:]


def test_no_parameter_makes_it_fail(
    described: list[Operation], values: dict[str, str], ask: Callable[..., httpx.Response]
) -> None:
    asked = [operation for operation in described if operation.method == "GET"]
    for number, operation in enumerate(asked):
        # Every second text, others for every second operation: the same code reads them all.
        for name in operation.query_names:
            for text in TEXTS[number % 2 :: 2]:
                ask("GET", f"{operation.url(values)}?{name}={escaped(text)}")
        for name in operation.path_names:
            for text in filter(None, TEXTS[number % 2 :: 2]):
                ask("GET", operation.url(values | {name: text}))


def test_no_body_makes_it_fail(
    described: list[Operation], values: dict[str, str], ask: Callable[..., httpx.Response]
) -> None:
    for number, operation in enumerate(described):
        if operation.body is None:
            continue
        for raw in RAW[number % 2 :: 2]:
            ask(operation.method, operation.url(values), content=raw, headers={"content-type": "application/json"})
        # With an id that nothing has, so that what would be changed is not there.
        for body in spoiled(operation.body, VALUES):
            ask(operation.method, operation.url({"project": values["project"], "tool": values["tool"]}), json=body)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
def test_what_a_form_can_send_is_no_json(client: httpx.Client, walks: Walks, kind: str) -> None:
    sent = client.post("/api/projects", content=b'{"name": "From a form"}', headers={"content-type": kind})
    assert sent.status_code == 400
    assert "From a form" not in client.get("/api/projects").text


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fpyproject.toml",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/annotator/..\\..\\..\\pyproject.toml",
        "/static//etc/passwd",
        "/static/annotator/site.css%00.js",
        "/tiles/..%2f..%2fmapqator.sqlite.json",
        "/x/..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text
    assert "[project]" not in answer.text
