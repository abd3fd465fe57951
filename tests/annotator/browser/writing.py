"""What the tests of the question editor share: a context with recorded answers, and waiting for what is saved."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.annotator.program import Annotator


@dataclass(frozen=True)
class Bench:
    """A context of a project, asked over HTTP as the page does."""

    server: Annotator
    project: str
    context: dict[str, Any]
    calls: dict[str, dict[str, Any]]

    @property
    def path(self) -> str:
        return f"/p/{self.project}/contexts/{self.context['id']}"

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON API of the project; fails unless it answers well."""
        url = f"{self.server.url}/api/projects/{self.project}{path}"
        answer = httpx.request(method, url, json=body, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def now(self) -> dict[str, Any]:
        """The context as the server has it."""
        return self.ask("GET", f"/contexts/{self.context['id']}")

    def questions(self) -> list[dict[str, Any]]:
        """The context's questions as the server has them."""
        return self.ask("GET", f"/contexts/{self.context['id']}/questions")

    def new_question(self, **content: object) -> dict[str, Any]:
        """Makes a question."""
        return self.ask("POST", f"/contexts/{self.context['id']}/questions", {"content": content})


def make_bench(server: Annotator, project: str) -> Bench:
    """A context that holds a pharmacy, the cafes near it and a walk to the next pharmacy."""

    def ask(path: str, body: object) -> Any:
        answer = httpx.post(f"{server.url}/api/projects/{project}{path}", json=body, timeout=60)
        assert answer.is_success, answer.text
        return answer.json()

    first, second = ask("/tools/text_search", {"query": "pharmacy"})["result"]["places"][:2]
    near = {"lat": first["lat"], "lon": first["lon"], "radius_m": 3000, "type": "cafe", "limit": 5}
    ends = {"origin": {"place_id": first["pid"]}, "destination": {"place_id": second["pid"]}}
    calls = {
        "details": ask("/tools/place_details", {"place_id": first["pid"]}),
        "nearby": ask("/tools/nearby_search", near),
        "route": ask("/tools/compute_routes", {**ends, "mode": "walk"}),
    }
    items = [{"key": kind, "kind": kind, "tool_call_id": call["id"]} for kind, call in calls.items()]
    context = ask("/contexts", {"content": {"title": "A walk at the harbour", "items": items}})
    return Bench(server, project, context, calls)


def wait_saved(page) -> None:
    """Waits until the server has everything that was written."""
    page.wait_for_function(
        "() => document.getElementById('saved').textContent.startsWith('Saved')"
        " && !Object.keys(localStorage).some((key) => key.startsWith('mapqator.pending.'))"
    )


def say_question(page, type_title: str, body: str) -> None:
    """Chooses a type and writes the question's words."""
    page.click(f"#question-type label:has-text('{type_title}')")
    page.fill("#question-body", body)


def pick_evidence(page, item: str, pointer: str) -> None:
    """Shows an item of the context and takes a value of its card as evidence, in evidence mode."""
    page.click(f"#items [data-key={item}] .item-title")
    page.wait_for_selector(f"#cards .value[data-pointer='{pointer}']")
    if page.get_attribute("#evidence-mode", "aria-pressed") == "false":
        page.click("#evidence-mode")
    page.click(f"#cards .value[data-pointer='{pointer}']")
    page.wait_for_selector(f"#evidence .evidence a[href$='#{pointer}']")


def findings(page) -> list[str]:
    """What lint says, as people read it."""
    return page.locator(".finding").all_inner_texts()
