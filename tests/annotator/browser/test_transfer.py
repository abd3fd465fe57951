"""The pages of imports and exports in a real browser: look at a file, import it, undo it, export, download."""

import csv
import json
from pathlib import Path

import httpx
import pytest

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
SIZES = [(1280, 800), (400, 800)]
ROWS = [
    {"question": "Which café is nearest?", "options": ["Lumen", "قهوة"], "answer": "B", "context": "Two cafés."},
    {"question": "How far is it?", "answer": "5 km", "context": "Two cafés."},
    {"question": "", "answer": "x", "context": "Two cafés."},
]


def serious_findings(page):
    page.evaluate(f"{AXE}; undefined")
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        (item["id"], [node["target"] for node in item["nodes"]])
        for item in found
        if item["impact"] in ("serious", "critical")
    ]


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture
def slug(annotator_server) -> str:
    """A project of the test's own."""
    return httpx.post(f"{annotator_server.url}/api/projects", json={"name": "Comings and goings"}).json()["slug"]


@pytest.fixture
def rows(tmp_path) -> Path:
    path = tmp_path / f"{'long-name-' * 18}مقهى.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def look_at(page, path: Path) -> None:
    page.set_input_files("#file", path)
    page.click("text=Look at the file")
    page.wait_for_selector("#found:not([hidden])")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_file_is_looked_at_imported_and_undone(open_page, annotator_server, slug, rows, width, height):
    page = open_page(width, height, path=f"/p/{slug}/import")
    assert serious_findings(page) == []
    assert page.is_visible("text=Nothing was imported yet")
    look_at(page, rows)
    assert "2 questions in 1 context; 1 bad row left out" in page.inner_text("#found-title")
    assert "line 3: 'question' is empty" in page.inner_text("#found-body")
    assert "قهوة ✓ right" in page.inner_text("#found-body")
    assert serious_findings(page) == []
    assert fits(page)
    total = f"{annotator_server.url}/api/projects/{slug}/questions"
    assert httpx.get(total).json()["total"] == 0
    page.click("#go")
    page.wait_for_selector("#jobs .chip.ok")
    assert httpx.get(total).json()["total"] == 2
    page.click("#jobs button:text-is('Undo')")
    page.wait_for_selector("#jobs .chip:text-is('undone')")
    assert httpx.get(total).json()["total"] == 0
    page.click("#jobs button:text-is('Bring back')")
    page.wait_for_selector("#jobs .chip.ok")
    assert httpx.get(total).json()["total"] == 2
    assert serious_findings(page) == []
    assert fits(page)


def test_a_file_that_cannot_be_read_is_told_in_the_form(open_page, slug, tmp_path):
    path = tmp_path / "picture.json"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    page = open_page(path=f"/p/{slug}/import")
    page.set_input_files("#file", path)
    page.click("text=Look at the file")
    page.wait_for_selector("#import-form [role=alert]:not(:empty)")
    assert "UTF-8" in page.inner_text("#import-form [role=alert]")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_questions_are_exported_and_downloaded(open_page, annotator_server, slug, rows, width, height):
    page = open_page(width, height, path=f"/p/{slug}/import")
    look_at(page, rows)
    page.click("#go")
    page.wait_for_selector("#jobs .chip.ok")
    page.goto(f"{annotator_server.url}/p/{slug}/exports")
    assert serious_findings(page) == []
    page.select_option("[name=status]", "draft")
    page.check("[name=format][value=csv]")
    page.click("button:text-is('Export')")
    page.wait_for_selector("#jobs a[download]")
    with page.expect_download() as started:
        page.click("#jobs a[download]")
    with started.value.path().open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["question"] for row in found] == [ROWS[0]["question"], ROWS[1]["question"]]
    assert serious_findings(page) == []
    assert fits(page)


def test_an_export_that_holds_nothing_says_so(open_page, slug):
    page = open_page(400, 800, path=f"/p/{slug}/exports")
    page.click("button:text-is('Export')")
    page.wait_for_selector("#export-form [role=alert]:not(:empty)")
    assert "no question fits" in page.inner_text("#export-form [role=alert]")


def test_the_import_page_is_walked_by_keyboard_alone(open_page, slug, rows):
    page = open_page(path=f"/p/{slug}/import")
    page.set_input_files("#file", rows)
    page.focus("#file")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "format"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#found:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "found-title"
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.id") != "go":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#jobs .chip.ok")
