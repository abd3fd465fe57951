"""A project of one's own on the running annotator, asked over HTTP as any program would."""

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.annotator.program import Annotator

_numbers = itertools.count()

SQUARE = {"lat": 45.392654, "lon": -65.328712}
STATION = {"lat": 45.396802, "lon": -65.327567}


class ProjectClient:
    """Asks the API of one project."""

    def __init__(self, url: str, slug: str) -> None:
        self.slug = slug
        self.http = httpx.Client(base_url=url, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, *, code: int = 200, **query: Any) -> Any:
        """One request below the project's address, which must end with `code`; the answer's JSON."""
        response = self.http.request(method, f"/api/projects/{self.slug}{path}", json=body, params=query)
        assert response.status_code == code, response.text
        return response.json()

    def tool(self, tool: str, params: dict[str, Any], **query: Any) -> dict[str, Any]:
        """The answer of a tool."""
        return self.ask("POST", f"/tools/{tool}", params, **query)

    def context(self, **content: Any) -> dict[str, Any]:
        """A new context."""
        return self.ask("POST", "/contexts", {"content": content}, code=201)

    def render(self, context_id: str, format: str, **query: Any) -> str:
        """A context's text in a format."""
        return self.ask("GET", f"/contexts/{context_id}/render", format=format, **query)["text"]


@pytest.fixture
def new_project(annotator_server: Annotator) -> Iterator[Callable[..., ProjectClient]]:
    """Makes a project; settings may be given."""
    clients: list[ProjectClient] = []

    def make(**settings: Any) -> ProjectClient:
        slug = f"contexts-{os.getpid()}-{next(_numbers)}"
        made = httpx.post(
            f"{annotator_server.url}/api/projects",
            json={"name": "Contexts", "slug": slug, "settings": settings}
            if settings
            else {"name": "Contexts", "slug": slug},
        )
        assert made.status_code == 201, made.text
        clients.append(ProjectClient(annotator_server.url, slug))
        return clients[-1]

    yield make
    for client in clients:
        client.http.close()


@pytest.fixture
def project(new_project: Callable[..., ProjectClient]) -> ProjectClient:
    """A new project."""
    return new_project()


@pytest.fixture
def item() -> Callable[..., dict[str, Any]]:
    """Makes an item of a context from a tool's answer."""
    kinds = {
        "text_search": "places",
        "reverse_geocode": "places",
        "place_details": "details",
        "nearby_search": "nearby",
        "compute_routes": "route",
        "travel_matrix": "matrix",
        "search_along_route": "along_route",
        "distance_bearing": "calc",
        "open_at": "calc",
    }

    def make(key: str, answer: dict[str, Any], **values: Any) -> dict[str, Any]:
        view = {name: values.pop(name) for name in ("fields", "hidden", "show_steps") if name in values}
        return {"key": key, "kind": kinds[answer["tool"]], "tool_call_id": answer["id"], "view": view, **values}

    return make


@pytest.fixture
def square() -> dict[str, float]:
    """The town's market square."""
    return dict(SQUARE)


@pytest.fixture
def station() -> dict[str, float]:
    """The town's station."""
    return dict(STATION)
