"""Who may do what, as a table: every route of the program, asked over HTTP by everybody there is."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.routing import iter_route_contexts

from annotator.app import build_app
from annotator.people.roles import Permission
from annotator.settings import Settings
from annotator.web.access import Allow, SignedIn, guards
from tests.annotator.program import Annotator

PUBLIC = {
    "GET /health/live",
    "GET /health/ready",
    "GET /version",
    "GET /metrics",
    "GET /docs",
    "GET /openapi.json",
    "HEAD /openapi.json",
    "GET /login",
    "GET /login/oidc",
    "GET /login/oidc/callback",
    "GET /setup",
    "POST /api/login",
    "POST /api/setup",
}
"""All that answers somebody who is not signed in; files under /static aside."""

MEMBERS = ("viewer", "annotator", "reviewer", "admin", "owner")
EVERYBODY = (
    *MEMBERS,
    "stranger",
    "administrator",
    "signed-out",
    "read-token",
    "write-token",
    "admin-token",
    "other-project's-token",
    "administrator's project token",
)
"""The tokens are an owner's, so that only their scope and project hold them back."""

TOKENS = ("read-token", "write-token", "admin-token", "other-project's-token", "administrator's project token")
SIGNED_IN = tuple(who for who in EVERYBODY if who != "signed-out")

IN_PROJECT: dict[Permission, tuple[str, ...]] = {
    Permission.READ: (*MEMBERS, "read-token", "write-token", "admin-token"),
    Permission.COMMENT: (*MEMBERS[1:], "write-token", "admin-token"),
    Permission.WRITE: (*MEMBERS[1:], "write-token", "admin-token"),
    Permission.ANSWER: (*MEMBERS[1:], "write-token", "admin-token"),
    Permission.REVIEW: (*MEMBERS[2:], "write-token", "admin-token"),
    Permission.EXPORT: (*MEMBERS[2:], "read-token", "write-token", "admin-token"),
    Permission.MANAGE: (*MEMBERS[3:], "admin-token"),
    Permission.OWN: (*MEMBERS[4:], "admin-token"),
}
"""Who has each permission in the project; its installation's administrator has all, also by a token for the project."""

OUTSIDE: dict[tuple[str, str], tuple[str, ...]] = {
    ("account", "read"): SIGNED_IN,
    ("account", "write"): tuple(who for who in SIGNED_IN if who != "read-token"),
    ("account", "admin"): (*MEMBERS, "stranger", "administrator", "admin-token"),
    ("person", "admin"): (*MEMBERS, "stranger", "administrator"),
    ("admin", "admin"): ("administrator",),
}

GUARD_WORDS = (
    "your role in '",
    "this token has the scope '",
    "this token is for one project only",
    "only an administrator of this installation may do this",
    "no token may do this",
)


@dataclass(frozen=True)
class Endpoint:
    """A method of a route, and its guards."""

    method: str
    path: str
    guards: tuple[Allow | SignedIn, ...]

    @property
    def name(self) -> str:
        """For instance `GET /api/projects/{project}`."""
        return f"{self.method} {self.path}"

    def may(self, who: str) -> bool:
        """Whether the table lets somebody through."""
        return all(_may(guard, who) for guard in self.guards)


def _may(guard: Allow | SignedIn, who: str) -> bool:
    if isinstance(guard, Allow):
        return who in ("administrator", "administrator's project token") or who in IN_PROJECT[guard.permission]
    return who in OUTSIDE[guard.level, guard.scope]


def endpoints() -> list[Endpoint]:
    """All there are, whoever added them."""
    app = build_app(Settings(town=False, login="required"))
    return [
        Endpoint(method, route.path, tuple(guards(route.dependant)) if hasattr(route, "dependant") else ())
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or ())
    ]


ENDPOINTS = endpoints()
GUARDED = [endpoint for endpoint in ENDPOINTS if endpoint.guards]


def test_all_routes_are_found() -> None:
    assert len(GUARDED) > 60
    assert any(isinstance(guard, Allow) for endpoint in GUARDED for guard in endpoint.guards)


def test_only_the_listed_routes_are_public() -> None:
    assert {endpoint.name for endpoint in ENDPOINTS if not endpoint.guards} == PUBLIC


def test_a_project_route_is_guarded_by_a_permission_in_that_project() -> None:
    for endpoint in GUARDED:
        is_project_route = "{project}" in endpoint.path
        assert is_project_route == any(isinstance(guard, Allow) for guard in endpoint.guards), endpoint.name


def test_a_viewer_changes_nothing() -> None:
    changing = [item for item in GUARDED if item.method not in ("GET", "HEAD") and "{project}" in item.path]
    # What is asked with a body but keeps nothing: checks, and who else looks.
    harmless = ("check", "verify", "presence")
    assert [item.name for item in changing if item.may("viewer") and not item.path.endswith(harmless)] == []


@dataclass(frozen=True)
class Answer:
    """A status, and the body where there is an error or JSON that ends."""

    status: int
    text: str

    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)


class Client:
    """Asks over one connection, since there are thousands of questions.

    Args:
        headers: by which the server knows who asks.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self.headers = headers

    def send(self, method: str, path: str, headers: dict[str, str] | None = None) -> Answer:
        """Sends an empty object, or nothing where only something is looked at."""
        body = None if method in ("GET", "HEAD") else b"{}"
        kind = {} if body is None else {"content-type": "application/json"}
        self._connection.request(method, path, body, {**kind, **(self.headers if headers is None else headers)})
        answer = self._connection.getresponse()
        if answer.status < 400 and answer.length is None:
            # It may never end.
            self._connection.close()
            return Answer(answer.status, "")
        return Answer(answer.status, answer.read().decode(errors="replace"))

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


@pytest.fixture(scope="module")
def clients(server: Annotator, house):
    """A client for everybody."""
    headers = {who: house.session_headers(who) for who in (*MEMBERS, "stranger", "administrator")}
    headers["signed-out"] = {}
    headers["read-token"] = house.token_headers("owner", "read")
    headers["write-token"] = house.token_headers("owner", "write")
    headers["admin-token"] = house.token_headers("owner", "admin")
    headers["other-project's-token"] = house.token_headers("owner", "write", house.other)
    headers["administrator's project token"] = house.token_headers("administrator", "admin", house.project)
    opened = {who: Client(server.url, headers[who]) for who in EVERYBODY}
    yield opened
    for client in opened.values():
        client.close()


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
def test_everybody_is_let_through_or_refused_as_the_table_says(endpoint: Endpoint, clients, house) -> None:
    path = endpoint.path.replace("{project}", house.project.slug)
    while "{" in path:
        before, _, rest = path.partition("{")
        path = f"{before}x{rest.partition('}')[2]}"
    wrong = {}
    for who in EVERYBODY:
        # One request ends the session with which it is sent, and the others need theirs.
        is_last = path == "/api/logout" and clients[who].headers.get("cookie")
        answer = clients[who].send(endpoint.method, path, house.session_headers(who) if is_last else None)
        if is_refusal(answer) == endpoint.may(who):
            wrong[who] = f"{answer.status} {answer.text[:200] if answer.status >= 400 else ''}"
        if endpoint.method not in ("GET", "HEAD") and answer.status < 400:
            house.restore()
    assert wrong == {}


def is_refusal(answer: Answer) -> bool:
    """Whether a guard let nobody through; a 403 or 404 of what lies behind is something else."""
    if answer.status == 401:
        return True
    if answer.status not in (403, 404):
        return False
    message = answer.json()["error"]["message"]
    return message.startswith((*GUARD_WORDS, "there is no project '"))


@pytest.mark.parametrize("who", ["stranger", "other-project's-token"])
def test_a_project_that_is_not_theirs_is_no_different_from_one_that_is_not(clients, house, who: str) -> None:
    theirs = clients[who].send("GET", f"/api/projects/{house.project.slug}")
    nobodys = clients[who].send("GET", "/api/projects/no-such-house")
    assert theirs.status == nobodys.status == 404
    assert theirs.text.replace(house.project.slug, "") == nobodys.text.replace("no-such-house", "")


def test_a_list_of_projects_holds_only_those_of_whoever_asks(clients, house) -> None:
    listed = {
        who: {item["slug"] for item in clients[who].send("GET", "/api/projects").json()["projects"]}
        for who in ("viewer", "stranger", "owner", "other-project's-token")
    }
    assert listed["viewer"] == {house.project.slug}
    assert listed["stranger"] == set()
    assert listed["owner"] >= {house.project.slug, house.other.slug}
    assert listed["other-project's-token"] == {house.other.slug}


def test_an_archived_project_can_be_read_and_not_written_to(clients, house) -> None:
    address = f"/api/projects/{house.project.slug}"
    assert clients["owner"].send("POST", f"{address}/archive").status == 200
    try:
        assert clients["viewer"].send("GET", address).status == 200
        refused = clients["annotator"].send("POST", f"{address}/contexts")
        assert refused.status == 409
        assert "archived" in refused.json()["error"]["message"]
    finally:
        assert clients["owner"].send("POST", f"{address}/unarchive").status == 200
    assert clients["annotator"].send("POST", f"{address}/contexts").status in (200, 201)
