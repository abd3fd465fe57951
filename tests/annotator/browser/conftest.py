"""A real browser: the Debian `chromium`, driven by Playwright. Missing in CI it fails, elsewhere its tests skip."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.annotator.browser.asking import wait_for_answer
from tests.annotator.program import Annotator

# The map needs WebGL, which SwiftShader draws on machines without a GPU; everything else of a page would be drawn the
# same slow way unless told otherwise. Pages live too briefly for scripts to be optimised. The rest keeps Chromium off
# the network.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-rasterization",
    "--disable-gpu-compositing",
    "--js-flags=--no-opt --no-maglev",
]
DRAWN_BY_THE_PROCESSOR = "GPU stall due to ReadPixels"
"""A warning that comes of these flags and of no page."""
PATIENCE_MS = 60_000
# The least at which the workbench has three panes: the map is drawn by the processor, so its pixels cost.
WIDTH, HEIGHT = 1024, 640
# Drawing the town takes a third of what a page takes, and most tests never look at it: theirs is a map of nothing, on
# which markers and ways are drawn all the same.
BARE_MAP = """(() => {
  const ask = window.fetch;
  window.fetch = async (asked, ...rest) => {
    const answer = await ask(asked, ...rest);
    if (!/\\/tiles\\/[^/]+\\/style-\\w+\\.json$/.test(answer.url)) return answer;
    const style = await answer.json();
    const layers = style.layers.filter(({ type }) => type === "background");
    return Response.json({ ...style, sources: {}, layers });
  };
})()"""
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")


def _missing(what: str):
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and in CI the pages must be tested: apt-get install chromium")
    pytest.skip(f"needs {what}, which is not here")


# Not for the session: while Playwright runs, asyncio takes its loop for that of the tests of other areas.
@pytest.fixture(scope="module")
def chromium() -> Iterator:
    """One browser for the tests of a module."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        _missing("Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("the package playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Window:
    """A page of a context of its own, which remembers what it complained of. Several tests have it, one after another:
    the process and the cache of a page that is used again spare two thirds of what a new one costs."""

    def __init__(self, context, url: str):
        self.context, self.url = context, url
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", lambda message: is_complaint(message) and self.complaints.append(message.text))
        self.page.on(
            "request",
            lambda request: (
                request.url.startswith((url, "blob:", "data:"))
                or self.complaints.append(f"asked another machine: {request.url}")
            ),
        )

    def forget(self) -> None:
        """Makes it what a new one would be, but for its cache."""
        for other in self.context.pages:
            if other is not self.page:
                other.close()
        self.page.unroute_all(behavior="ignoreErrors")
        self.context.set_offline(False)
        self.context.clear_permissions()
        # What is stored belongs to the origin: a document of it that has no scripts, and asks for no icon.
        blank = f"{self.url}/blank"
        self.page.route(
            blank, lambda route: route.fulfill(content_type="text/html", body="<link rel=icon href=data:,>")
        )
        self.page.goto(blank)
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.page.unroute(blank)
        self.page.mouse.move(0, 0)
        self.context.clear_cookies()
        self.complaints.clear()


@pytest.fixture(scope="module")
def spare_windows(chromium) -> Iterator[dict[bool, list[Window]]]:
    """Windows that no test has at the moment, by whether they show the map."""
    spare: dict[bool, list[Window]] = {True: [], False: []}
    yield spare
    for window in spare[True] + spare[False]:
        window.context.close()


@pytest.fixture
def open_page(chromium, annotator_server: Annotator, spare_windows: dict[bool, list[Window]]) -> Iterator[Callable]:
    """Opens a page; whatever it complained of fails the test.

    Args of what it gives: width, height, path, color_scheme; `expected` names, in lower case, what the test makes the
    page complain of; `with_map` shows the town and waits until it is drawn; `before(page)` is called before anything is
    asked; `is_new` is for a test that changes its page for good, and implied by options of Playwright's `new_context`.
    """
    windows: list[tuple[Window, bool, bool]] = []
    allowed: list[str] = []

    def open_it(
        width: int = WIDTH,
        height: int = HEIGHT,
        *,
        path: str = "/",
        expected: tuple[str, ...] = (),
        with_map: bool = False,
        color_scheme: str = "light",
        before: Callable | None = None,
        is_new: bool = False,
        **options,
    ):
        is_new = is_new or bool(options)
        if is_new or not spare_windows[with_map]:
            context = new_browser_context(chromium, width, height, with_map=with_map, **options)
            window = Window(context, annotator_server.url)
        else:
            window = spare_windows[with_map].pop()
        windows.append((window, with_map, is_new))
        allowed.extend(expected)
        page = window.page
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=color_scheme)
        if before:
            before(page)
        page.goto(f"{annotator_server.url}{path}")
        if with_map:
            wait_for_map(page)
        elif page.locator("#map").count():
            page.wait_for_selector("#map .maplibregl-canvas", state="attached")
        return page

    yield open_it
    complaints = [text for window, _, _ in windows for text in window.complaints]
    for window, with_map, is_new in windows:
        if is_new:
            window.context.close()
        else:
            window.forget()
            spare_windows[with_map].append(window)
    assert [text for text in complaints if not any(word in text.lower() for word in allowed)] == []


def new_browser_context(chromium, width: int = WIDTH, height: int = HEIGHT, *, with_map: bool = False, **options):
    """What one person at a browser has of their own; without the map also without motion."""
    if with_map:
        return chromium.new_context(viewport={"width": width, "height": height}, **options)
    options = {"reduced_motion": "reduce"} | options
    context = chromium.new_context(viewport={"width": width, "height": height}, **options)
    context.add_init_script(BARE_MAP)
    return context


def is_complaint(message) -> bool:
    """Whether a page's message in the console is one that fails a test."""
    return message.type in ("error", "warning") and DRAWN_BY_THE_PROCESSOR not in message.text


def wait_for_map(page) -> None:
    """Waits until the map has loaded and drawn all that is in view."""
    page.wait_for_selector("#map .maplibregl-canvas", state="attached")
    page.wait_for_selector("#map:not([aria-busy])", state="attached")


@pytest.fixture
def settle() -> Callable:
    """`settle(page)` waits until the map is drawn."""
    return wait_for_map


@pytest.fixture(scope="module")
def project(annotator_server: Annotator) -> str:
    """The slug of a project that a module's tests share."""
    made = httpx.post(f"{annotator_server.url}/api/projects", json={"name": "Harbour walks"}, timeout=30)
    assert made.status_code == 201, made.text
    return made.json()["slug"]


@pytest.fixture
def new_context(annotator_server: Annotator, project: str) -> Callable[..., dict]:
    """`new_context(title=…, items=…)` makes a context of the project and gives it as the API does."""

    def make(**content) -> dict:
        path = f"{annotator_server.url}/api/projects/{project}/contexts"
        made = httpx.post(path, json={"content": content}, timeout=30)
        assert made.status_code == 201, made.text
        return made.json()

    return make


@pytest.fixture
def open_bench(open_page: Callable, project: str, new_context: Callable[..., dict]) -> Callable:
    """`open_bench(width, height, context=…, query=…, **options)` opens the workbench on a context, a new one if none is
    given, and waits until its tools are there."""

    def open_it(width: int = WIDTH, height: int = HEIGHT, *, context: dict | None = None, query: str = "", **options):
        made = context or new_context(title="A walk at the harbour")
        page = open_page(width, height, path=f"/p/{project}/contexts/{made['id']}{query}", **options)
        page.wait_for_selector("#tool-form form", state="attached")
        return page

    return open_it


@pytest.fixture(scope="module")
def kept_page(chromium, annotator_server: Annotator, project: str) -> Iterator:
    """One workbench for the tests of a module that ask nothing of the page but its tools; see `shared_bench`."""
    path = f"{annotator_server.url}/api/projects/{project}/contexts"
    made = httpx.post(path, json={"content": {"title": "Asked by many"}}, timeout=30).json()
    context = new_browser_context(chromium)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("console", lambda message: is_complaint(message) and complaints.append(message.text))
    page.goto(f"{annotator_server.url}/p/{project}/contexts/{made['id']}")
    page.wait_for_selector("#tool-form form")
    page.wait_for_selector("#map .maplibregl-canvas", state="attached")
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def shared_bench(kept_page) -> Iterator:
    """A workbench in which earlier tests have asked for this and that; what this one reroutes is put back."""
    yield kept_page
    kept_page.unroute_all()


@pytest.fixture
def search() -> Callable:
    """`search(page, words)` types words into the workbench's search and waits for their results."""

    def run(page, words: str) -> None:
        if page.locator("#tabs").is_visible():
            page.click("#tabs [data-tab=tools]")
        page.select_option("#tool", "text_search")
        page.fill("#tool-form [name=query]", words)
        page.press("#tool-form [name=query]", "Enter")
        wait_for_answer(page)
        page.wait_for_selector(f"#answer-title:text-is('“{words}”')")

    return run


@pytest.fixture
def serious_findings() -> Callable:
    """`serious_findings(page)` gives what axe finds serious or critical: pairs of a rule and where it is broken."""

    def run(page) -> list:
        page.evaluate(f"{AXE}; undefined")
        found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        return [
            (item["id"], [node["target"] for node in item["nodes"]])
            for item in found
            if item["impact"] in ("serious", "critical")
        ]

    return run
