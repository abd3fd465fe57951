"""How long every page takes on a large project: the server's answer, and the first paint in a real browser.

    python -m benchmarks.annotate.pages --contexts 1000 --questions 10000

Fills a fresh SQLite file, starts `mapqator serve` on it in a process of its own, and asks for each page and for the
JSON behind it over one kept connection. With Chromium at hand each page is also opened, and the browser's own first
contentful paint is taken. Saves `benchmarks/annotate/<date>-<machine>-pages.json`.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.annotate.project import SLUG, make_project
from benchmarks.maps.http import serving
from benchmarks.maps.record import percentiles, save_record
from server.bench.machine import describe_run

BROWSER_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
PAINT = """new Promise((done) => {
  new PerformanceObserver((list) => {
    const [paint] = list.getEntriesByName("first-contentful-paint");
    if (paint) done(paint.startTime);
  }).observe({ type: "paint", buffered: true });
})"""


def main(
    contexts: Annotated[int, typer.Option(min=1, help="Contexts of the project.")] = 1000,
    questions: Annotated[int, typer.Option(min=1, help="Questions of the project.")] = 10_000,
    requests: Annotated[int, typer.Option(min=3, help="Requests of each page.")] = 30,
    paints: Annotated[int, typer.Option(min=0, help="Times that each page is opened in a browser.")] = 5,
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside the other records.")] = None,
) -> None:
    """Measure the pages of a large project."""
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        make_project(Path(folder), contexts, questions)
        filled_s = time.perf_counter() - started
        size_bytes = sum(path.stat().st_size for path in Path(folder).glob("mapqator.sqlite*"))
        with serving(Path(folder)) as client:
            paths = addresses(client)
            samples = {name: [_timed(client, path) for _ in range(requests)] for name, path in paths.items()}
            painted = first_paints(str(client.base_url), paths, paints)
    record: dict[str, Any] = describe_run() | {
        "command": f"python -m benchmarks.annotate.pages --contexts {contexts} --questions {questions}",
        "num_contexts": contexts,
        "num_questions": questions,
        "filled_s": round(filled_s, 1),
        "database_bytes": size_bytes,
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        "summary_ms": {name: percentiles(found) for name, found in samples.items()},
        "first_paint_ms": {name: percentiles(found) for name, found in painted.items()},
        "samples_ms": {name: [round(value, 3) for value in found] for name, found in samples.items()},
    }
    save_record("pages", record, output, folder=Path(__file__).parent)
    table = Table("page", "median ms", "p99 ms", "first paint ms")
    for name, figures in record["summary_ms"].items():
        paint = record["first_paint_ms"].get(name)
        table.add_row(
            name, f"{figures['median']:.1f}", f"{figures['p99']:.1f}", f"{paint['median']:.0f}" if paint else ""
        )
    Console().print(table)


def addresses(client: httpx.Client) -> dict[str, str]:
    """Every page and list by name; which context and question are looked at is read from the project itself."""
    api, pages = f"/api/projects/{SLUG}", f"/p/{SLUG}"
    context = client.get(f"{api}/contexts").json()["contexts"][0]["id"]
    question = client.get(f"{api}/questions?status=submitted").json()["questions"][0]
    sha = client.get(f"{api}/contexts/{context}").json()["calls"].popitem()[1]["provenance"]["result_sha"]
    client.post(f"{api}/datasets", json={"title": "Bench", "slug": "bench"}).raise_for_status()
    return {
        "projects": "/",
        "project home": pages,
        "contexts": f"{pages}/contexts",
        "contexts, searched": f"{pages}/contexts?q=museums",
        "workbench": f"{pages}/contexts/{context}",
        "questions": f"{pages}/questions",
        "questions, filtered": f"{pages}/questions?status=submitted&category=poi",
        "questions, searched": f"{pages}/questions?q=pharmacy",
        "question": f"{pages}/questions/{question['number']}",
        "answer queue": f"{pages}/answer",
        "review queue": f"{pages}/review",
        "adjudication": f"{pages}/adjudicate",
        "datasets": f"{pages}/datasets",
        "dataset": f"{pages}/datasets/bench",
        "import": f"{pages}/import",
        "exports": f"{pages}/exports",
        "people": f"{pages}/people",
        "settings": f"{pages}/settings",
        "activity": f"{pages}/activity",
        "evidence viewer": f"/x/{sha}",
        "recordings": "/cache",
        "administration": "/admin",
        "own account": "/me",
        "JSON: contexts": f"{api}/contexts",
        "JSON: context": f"{api}/contexts/{context}",
        "JSON: questions": f"{api}/questions",
        "JSON: question": f"{api}/questions/{question['id']}",
        "JSON: review queue": f"{api}/queue?kind=review",
        "JSON: progress": f"{api}/progress",
        "JSON: agreement": f"{api}/agreement",
    }


def first_paints(base_url: str, paths: Mapping[str, str], times: int) -> dict[str, list[float]]:
    """First contentful paint of each page in milliseconds, in a browser that has our files in its cache."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None or not times:
        return {}
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        for name, address in paths.items():
            if name.startswith("JSON"):
                continue
            for _ in range(times + 1):
                page.goto(f"{base_url}{address}", wait_until="load")
                found.setdefault(name, []).append(page.evaluate(PAINT))
            # The first time fetches scripts and sheets that every later page has already.
            del found[name][0]
        browser.close()
    return found


def _timed(client: httpx.Client, path: str) -> float:
    started = time.perf_counter()
    client.get(
        path, headers={"accept": "text/html" if not path.startswith("/api") else "application/json"}
    ).raise_for_status()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    typer.run(main)
