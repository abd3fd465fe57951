"""A real browser: the Debian `chromium`, driven by Playwright. Missing in CI it fails, elsewhere its tests skip."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.annotator.program import Annotator

# The map needs WebGL, which SwiftShader draws on machines without a GPU; the rest keeps Chromium off the network.
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
]
PATIENCE_MS = 30_000


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


@pytest.fixture
def open_page(chromium, annotator_server: Annotator) -> Iterator[Callable]:
    """Opens the first page and waits until its map is drawn; whatever the page complained of fails the test.

    Args of what it gives: width, height, and any option of Playwright's `new_context`; `expected` names, in lower case,
    what the test itself makes the page complain of.
    """
    contexts = []
    complaints: list[str] = []
    allowed: list[str] = []

    def open_it(width: int = 880, height: int = 560, *, path: str = "/", expected: tuple[str, ...] = (), **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        allowed.extend(expected)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda message: message.type in ("error", "warning") and complaints.append(message.text),
        )
        page.on(
            "request",
            lambda request: (
                request.url.startswith((annotator_server.url, "blob:", "data:"))
                or complaints.append(f"asked another machine: {request.url}")
            ),
        )
        page.goto(f"{annotator_server.url}{path}")
        wait_for_map(page)
        return page

    yield open_it
    for context in contexts:
        context.close()
    unexpected = [text for text in complaints if not any(word in text.lower() for word in allowed)]
    assert unexpected == []


def wait_for_map(page) -> None:
    """Waits until the map has loaded and drawn all that is in view."""
    page.wait_for_selector("#map .maplibregl-canvas")
    page.wait_for_selector("#map:not([aria-busy])")


@pytest.fixture
def settle() -> Callable:
    """`settle(page)` waits until the map is drawn."""
    return wait_for_map


@pytest.fixture
def search() -> Callable:
    """`search(page, words)` types words and waits for their results."""

    def run(page, words: str) -> None:
        page.fill("#query", words)
        page.press("#query", "Enter")
        page.wait_for_selector(f"#results-title:text-is('“{words}”')")

    return run
