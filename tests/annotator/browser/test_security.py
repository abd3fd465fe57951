"""Hostile words everywhere that people, files and providers may write: no page runs or fetches any of them."""

import time
from collections.abc import Callable, Iterator
from itertools import batched

import httpx
import pytest

from tests.annotator.browser.conftest import PATIENCE_MS, new_browser_context
from tests.annotator.program import Annotator

EVIL = "https://evil.invalid"
ATTACK = (
    '"><img src=x onerror=window.ran=1><script>window.ran=1</script><svg onload=window.ran=1>'
    "<iframe srcdoc='<script>top.ran=1</script>'></iframe>'-window.ran=1-'{{7*7}}${window.ran=1}"
)
MARKDOWN = (
    f"![x]({EVIL}/a.png) [a](javascript:window.ran=1) [b](data:text/html,<script>window.ran=1</script>)"
    f" [c](JaVaScRiPt&#58;window.ran=1) <{EVIL}/auto> [d]({EVIL} \"t' onmouseover='window.ran=1\")\n\n"
    f"<div hx-get='{EVIL}/hx' hx-trigger='load' data-go=x style='background:url({EVIL}/s.png)'>x</div>\n\n"
    f'<img src="{EVIL}/raw.png" onerror="window.ran=1">\n\n[ref]: {EVIL}/ref.png\n![ref]\n\n'
)
HOSTILE = f"{ATTACK} \u202eevil\u0000\ufffe\u2066 {MARKDOWN}"

AT_ONCE = 6
"""Pages that are open side by side."""

HOOK = """
window.ran = undefined; window.reports = [];
Object.defineProperty(window, "ran", { set() { window.reports.push("a script ran"); }, get() {} });
for (const name of ["alert", "confirm", "prompt", "open"]) {
  window[name] = () => { window.reports.push(`${name} was called`); };
}
document.addEventListener("securitypolicyviolation", (event) => {
  window.reports.push(`${event.violatedDirective} refused ${event.blockedURI}`);
});
"""


class Project:
    """A project, every text of which is hostile.

    Args:
        paths: the pages that show it.
    """

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=60)
        self.post("/api/me", {"display_name": ATTACK[:60]}, method="PATCH")
        self.slug = self.post("/api/projects", {"name": f"P {ATTACK}"[:100], "guidelines": HOSTILE})["slug"]
        base = self.base = f"/api/projects/{self.slug}"
        checklist = [ATTACK[:190]]
        changed = {"settings": {"min_reviews": 2, "review_own": True, "checklist": checklist, "categories": ["<b>x"]}}
        self.post(base, changed, method="PATCH")
        near = {"lat": 45.3957, "lon": -65.33, "radius_m": 3000, "type": "cafe", "limit": 3}
        answer = self.post(f"{base}/tools/nearby_search", near)
        self.post(f"{base}/calls/{answer['id']}", {"label": ATTACK[:190], "is_saved": True}, method="PATCH")
        self.sha = answer["provenance"]["result_sha"] if "provenance" in answer else answer["result_sha"]
        items = [
            {"key": "a", "kind": "note", "title": ATTACK[:190], "text": HOSTILE},
            {"key": "b", "kind": "nearby", "tool_call_id": answer["id"], "title": ATTACK[:190]},
        ]
        context = self.post(f"{base}/contexts", {"content": {"title": ATTACK[:190], "items": items}})
        evidence = self.post(f"{base}/evidence", {"tool_call_id": answer["id"], "pointer": "/places/0/name"})
        content = {
            "type": "single_choice",
            "body": HOSTILE,
            "options": [{"key": key, "text": f"{key} {HOSTILE}"} for key in "AB"],
            "gold_keys": ["A"],
            "explanation": HOSTILE,
            "category": "<b>x",
            "tags": ["<img src=x onerror=window.ran=1>"],
            "evidence": [evidence],
        }
        questions = f"{base}/contexts/{context['id']}/questions"
        question = self.post(questions, {"content": content})
        subject = {"subject": "question", "subject_id": question["id"]}
        self.post(f"{base}/comments", subject | {"body": HOSTILE, "about": "body"})
        self.post(f"{base}/comments", {"subject": "context", "subject_id": context["id"], "body": HOSTILE})
        self.post(f"{base}/questions/{question['id']}/submit", {})
        self.post(f"{base}/datasets", {"title": ATTACK[:190], "slug": "evil", "licence": ATTACK[:60], "card": HOSTILE})
        self.post(f"{base}/webhooks", {"url": f"{EVIL}/?<img/src=x/onerror=window.ran=1>'\""})
        lines = f'{{"question": "x", "options": 1}}\n<script>window.ran=1</script>{HOSTILE}'.replace("\0", "")
        sent = self.client.post(
            f"{base}/imports",
            params={"name": f"{ATTACK[:100]}.jsonl", "dry_run": "true"},
            content=lines.encode(),
            headers={"content-type": "application/octet-stream"},
        )
        assert sent.status_code == 202, sent.text
        while self.client.get(f"{base}/jobs/{sent.json()['id']}").json()["state"] in ("waiting", "running"):
            time.sleep(0.05)
        page = f"/p/{self.slug}"
        self.paths = (
            "/",
            "/me",
            "/admin",
            "/admin/audit",
            "/cache",
            f"/cache?q={ATTACK[:100]}",
            f"/x/{self.sha}#/{ATTACK}",
            page,
            f"{page}/contexts",
            f"{page}/contexts?q={ATTACK[:100]}",
            f"{page}/contexts/{context['id']}",
            f"{page}/contexts/{context['id']}?q={question['number']}",
            f"{page}/questions",
            f"{page}/questions?q={ATTACK[:100]}&status={ATTACK[:20]}&tag={ATTACK[:60]}",
            f"{page}/questions/{question['number']}",
            f"{page}/answer",
            f"{page}/review?number={question['number']}",
            f"{page}/adjudicate",
            f"{page}/assignments",
            f"{page}/agreement",
            f"{page}/datasets",
            f"{page}/datasets/evil",
            f"{page}/import",
            f"{page}/exports",
            f"{page}/people",
            f"{page}/settings",
            f"{page}/activity",
            f"{page}/webhooks",
            f"{page}/{ATTACK[:60]}",
            f"/login?next=javascript:window.ran=1//{ATTACK[:60]}",
        )

    def post(self, path: str, body: object, method: str = "POST") -> dict:
        """A request that must succeed."""
        answer = self.client.request(method, path, json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json()


@pytest.fixture(scope="module")
def hostile(annotator_server: Annotator) -> Iterator[Project]:
    """The project, made over HTTP; afterwards the account has its own name again."""
    made = Project(annotator_server.url)
    yield made
    made.post("/api/me", {"display_name": "You"}, method="PATCH")
    made.client.delete(made.base)
    made.client.close()


@pytest.fixture
def watched(chromium, annotator_server: Annotator) -> Iterator[Callable[..., list]]:
    """`watched(*paths)` opens a page each, side by side: everything that they run, say or fetch is noticed.

    A page is at rest when it has asked for nothing for half a second, which many can wait for at once.
    """
    context = new_browser_context(chromium, 1280, 800)
    context.add_init_script(HOOK)
    noticed: list[str] = []
    context.on("dialog", lambda dialog: (noticed.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
    context.on(
        "request",
        lambda request: (
            request.url.startswith((annotator_server.url, "blob:", "data:", "about:"))
            or noticed.append(f"asked another machine: {request.url}")
        ),
    )
    pages: list = []

    def open_them(*paths: str) -> list:
        while len(pages) < len(paths):
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("popup", lambda other: noticed.append(f"opened {other.url}"))
            pages.append(page)
        opened = list(zip(pages, paths, strict=False))
        for page, path in opened:
            page.goto("about:blank")
            page.goto(f"{annotator_server.url}{path}", wait_until="load")
        for page, path in opened:
            if page.locator("#tool-form").count():
                page.wait_for_selector("#tool-form form", state="attached")
            page.wait_for_load_state("networkidle")
            noticed.extend(f"{path[:60]}: {one}" for one in page.evaluate("window.reports"))
        return pages[: len(paths)]

    yield open_them
    context.close()
    assert noticed == []


def test_no_page_runs_or_fetches_what_people_wrote(hostile: Project, watched: Callable) -> None:
    num_shown = 0
    dangerous = "img[src=x], iframe, [onerror], [onload], [onmouseover], [hx-trigger=load][data-go]"
    for paths in batched(hostile.paths, AT_ONCE):
        for page, path in zip(watched(*paths), paths, strict=True):
            num_shown += "onerror=window.ran" in page.content().replace("&lt;", "<")
            assert page.locator(dangerous).count() == 0, path
            assert page.locator("script:not([src]):not([type])").count() == 0, path
            for address in page.eval_on_selector_all("a[href]", "links => links.map((link) => link.protocol)"):
                assert address in ("http:", "https:", "mailto:"), path
    # They are there, as words.
    assert num_shown >= 15


def test_no_answer_of_a_provider_runs(hostile: Project, watched: Callable, annotator_server: Annotator) -> None:
    [page] = watched(next(path for path in hostile.paths if "/contexts/" in path))

    def spoiled(route) -> None:
        answer = route.fetch()
        body = answer.json()
        for place in body["result"].get("places", []):
            place["name"] = place["address"] = f"{ATTACK} {MARKDOWN}"
            place["website"] = "javascript:window.ran=1"
            place["type"] = ATTACK[:60]
            place["facts"] = {ATTACK[:40]: ATTACK}
        route.fulfill(response=answer, json=body)

    page.route("**/tools/**", spoiled)
    page.select_option("#tool", "text_search")
    page.fill("#tool-form [name=query]", "cafe")
    page.press("#tool-form [name=query]", "Enter")
    page.get_by_text("onerror=window.ran=1").first.wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    # An answer that is still on its way when the page closes is nobody's business.
    page.unroute_all(behavior="ignoreErrors")
    assert page.locator("img[src=x], iframe, [onerror], [onload], [href^='javascript:' i]").count() == 0
    assert page.evaluate("window.reports") == []


def test_recorded_bytes_are_never_a_page_of_ours(hostile: Project) -> None:
    answer = hostile.client.get(f"/x/{hostile.sha}", params={"raw": ""}, headers={"accept": "text/html"})
    assert answer.headers["content-type"].startswith(("application/json", "text/plain"))
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"
