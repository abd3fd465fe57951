"""Another site's page in a signed-in browser: it can change nothing here, and looking changes nothing either."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from annotator.app import build_app
from annotator.settings import Settings
from annotator.store.sessions import Database
from annotator.store.tables import metadata
from tests.annotator.program import Annotator
from tests.annotator.security.conftest import Stranger, Walks
from tests.annotator.security.described import operations
from tests.annotator.security.test_other_projects import state_of

COMPARED = tuple(name for name in metadata.tables if name != "webhook_delivery")
"""Tables that only requests change; webhooks are delivered meanwhile."""

FOREIGN = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
)


@pytest.fixture(scope="module")
def browser(guarded: Annotator, stranger: Stranger) -> Iterator[httpx.Client]:
    """What a browser sends of its own accord: the cookie."""
    with httpx.Client(base_url=guarded.url, headers=stranger.cookie, timeout=60) as client:
        yield client


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda one: " ".join(one.values()))
def test_a_foreign_page_changes_nothing(
    browser: httpx.Client,
    annotator_server: Annotator,
    stranger: Stranger,
    walks: Walks,
    database: Database,
    headers: dict[str, str],
) -> None:
    description = browser.get("/openapi.json").json()
    before = state_of(database, COMPARED)
    for operation in operations(description, walks.ids):
        if operation.method == "GET":
            continue
        # Even with the right token, and where nobody signs in: the browser says whose page it was.
        for server, sent in (
            (str(browser.base_url), stranger.cookie | {"x-csrf-token": stranger.csrf}),
            (annotator_server.url, {}),
        ):
            url = server.rstrip("/") + operation.url(walks.ids | {"project": walks.slug})
            answer = browser.request(operation.method, url, json=operation.body, headers=sent | headers)
            assert answer.status_code == 403, operation.name
    assert state_of(database, COMPARED) == before


def test_a_cookie_without_its_token_changes_nothing(
    browser: httpx.Client, stranger: Stranger, walks: Walks, database: Database
) -> None:
    before = state_of(database, tuple(name for name in COMPARED if name != "session"))
    for operation in operations(browser.get("/openapi.json").json(), walks.ids):
        if operation.method == "GET" or operation.path in ("/api/login", "/api/setup"):
            continue
        for token in ({}, {"x-csrf-token": ""}, {"x-csrf-token": "guess"}):
            url = operation.url(walks.ids | {"project": stranger.slug})
            answer = browser.request(operation.method, url, json=operation.body, headers=token)
            assert answer.status_code == 403, operation.name
    assert state_of(database, tuple(name for name in COMPARED if name != "session")) == before


def test_looking_changes_nothing(client: httpx.Client, walks: Walks, database: Database) -> None:
    values = walks.ids | {"project": walks.slug, "n": "1", "number": "1", "sha": walks.manifest_sha, "form_key": "k"}
    paths = {
        route.path
        for route in iter_route_contexts(build_app(Settings(town=False)).routes)
        if "GET" in (route.methods or ()) and "path:path" not in route.path
    }
    assert len(paths) > 80
    before = state_of(database, COMPARED)
    for path in sorted(paths):
        url = path
        for name, value in values.items():
            url = url.replace(f"{{{name}}}", value)
        for accept in ("text/html", "application/json"):
            assert client.get(url, headers={"accept": accept}).status_code < 500, url
    assert state_of(database, COMPARED) == before


def test_an_upload_that_is_too_large_or_too_slow_harms_nobody(outside: httpx.Client, stranger: Stranger) -> None:
    path = f"/api/projects/{stranger.slug}/imports"
    pieces = (b'{"a":1}\n' * 1024 for _ in range(16))
    sent = outside.post(path, content=pieces, headers={"content-type": "application/octet-stream"})
    assert sent.status_code == 413, sent.text
    announced = outside.post(path, content=b"x" * 70_000, headers={"content-type": "application/octet-stream"})
    assert announced.status_code == 413

    where = urlsplit(str(outside.base_url))
    slow = []
    try:
        for _ in range(50):
            connection = socket.create_connection((where.hostname, where.port), timeout=10)
            head = f"POST {path} HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-length: 1000\r\n"
            connection.sendall(f"{head}authorization: {stranger.bearer['authorization']}\r\n\r\n{{".encode())
            slow.append(connection)
        # Those who hold their bodies back hold no thread and no transaction.
        assert outside.get("/api/projects", timeout=5).status_code == 200
        assert outside.patch(f"/api/projects/{stranger.slug}", json={"guidelines": "x"}, timeout=5).status_code == 200
    finally:
        for connection in slow:
            connection.close()
