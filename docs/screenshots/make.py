"""Takes the pictures of the README: a fresh annotator with its demo project, in Chromium.

    python docs/screenshots/make.py

Needs Chromium on the path and the package playwright. Writes JPEG files beside this script.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
FLAGS = ["--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
QUALITY = 82


def main() -> None:
    """Takes all pictures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("docs/screenshots/make.py: needs Chromium on the path")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, (width, height, theme, path, act) in pictures(url).items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            page = context.new_page()
            page.goto(f"{url}{path}")
            page.wait_for_load_state("networkidle")
            act(page)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=HERE / f"{name}.jpg", type="jpeg", quality=QUALITY)
            context.close()
            print(f"docs/screenshots/{name}.jpg")
        browser.close()


def pictures(url: str) -> dict[str, tuple[int, int, str, str, Callable[[Any], None]]]:
    """Width, height, theme, address, and what to do there first, by file name."""
    pages, api = "/p/saltmere", f"{url}/api/projects/saltmere"
    contexts = {item["title"]: item["id"] for item in httpx.get(f"{api}/contexts").json()["contexts"]}
    station, lunch = (contexts[title] for title in ("From the square to the station", "Lunch on the way"))
    questions = httpx.get(f"{api}/contexts/{station}/questions").json()
    listed = questions["questions"] if isinstance(questions, dict) else questions
    walk = next(item["number"] for item in listed if item["content"]["body"].startswith("How long does the quickest"))
    evidence = httpx.get(f"{api}/contexts/{lunch}").json()["calls"].popitem()[1]["provenance"]["result_sha"]
    dataset = f"{pages}/datasets/saltmere-questions/1.0.0"
    return {
        "workbench": (1440, 900, "light", f"{pages}/contexts/{station}?q={walk}", _show_route),
        "workbench-dark": (1440, 900, "dark", f"{pages}/contexts/{lunch}", _show_last),
        "phone": (400, 800, "light", f"{pages}/contexts/{station}", _show_route),
        "project": (1280, 800, "light", pages, _wait),
        "review": (1280, 800, "light", f"{pages}/review", _wait),
        "snapshot": (1280, 800, "light", dataset, _wait),
        "evidence": (1280, 800, "light", f"/x/{evidence}#/places/0/name", _wait),
    }


def _wait(page: Any) -> None:
    page.wait_for_timeout(300)


def _show_route(page: Any) -> None:
    _show(page, "on foot")


def _show_last(page: Any) -> None:
    _show(page, "Restaurants on the way")


def _show(page: Any, heading: str) -> None:
    """Shows an item of the context on the map."""
    tab = page.locator("#tabs [data-tab=context-pane]")
    if tab.is_visible():
        tab.click()
    page.locator("#context-pane li", has_text=heading).first.locator("button", has_text=heading).first.click()
    if tab.is_visible():
        page.locator("#tabs [data-tab=cards]").click()
    page.wait_for_selector("#map:not([aria-busy])")
    page.wait_for_timeout(1500)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A fresh annotator with the demo project; gives its address."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAPQATOR_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "annotator.cli", "--data-dir", str(folder), "serve", "--port", "0"],
        env=kept,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        with httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=120) as client:
            while client.get(f"{found[0]}/health/ready").status_code != 200:
                continue
        yield found[0]
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
