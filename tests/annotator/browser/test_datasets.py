"""Pages of datasets in a browser: build a snapshot, be refused with reasons, verify, follow a value to its source."""

import httpx
import pytest

from tests.annotator.datasets.over_http import write_project

SIZES = [(1280, 800), (400, 800)]


@pytest.fixture(scope="module")
def slug(annotator_server) -> str:
    slug = write_project(annotator_server.url)
    path = f"{annotator_server.url}/api/projects/{slug}/datasets"
    frozen = httpx.post(f"{path}/walks/snapshots", json={"version": "1.0.0"}, timeout=60)
    assert frozen.status_code == 201, frozen.text
    for title in ("x" * 200, "أطلس الميناء القديم"):
        assert httpx.post(path, json={"title": title}, timeout=30).status_code == 201
    return slug


def test_the_list_tells_each_dataset_with_its_latest_version(open_page, slug) -> None:
    page = open_page(path=f"/p/{slug}/datasets")
    cells = page.locator("#datasets tr:has(a:text-is('Walks')) :is(th, td)").all_inner_texts()
    assert cells[0] == "Walks"
    assert cells[2:4] == ["3", "2"]
    assert page.locator("#datasets tr:has-text('أطلس')").inner_text().count("not frozen yet") == 1


def test_a_snapshot_is_built_from_a_dry_run_to_a_verified_version(open_page, slug) -> None:
    page = open_page(path=f"/p/{slug}/datasets/walks", expected=("409",))
    assert page.input_value("[name=version]") == "1.1.0"
    page.select_option("[name=status]", "")
    page.click("#check")
    page.wait_for_selector("#outcome .verdict.bad")
    page.wait_for_selector("#outcome li[data-code=unapproved]")
    assert page.get_attribute("#outcome a:text-is('Question 4')", "href") == f"/p/{slug}/questions/4"
    page.click("button.main:text-is('Freeze')")
    page.wait_for_selector("#outcome li[data-code=gold_missing]")
    page.select_option("[name=status]", "approved")
    page.select_option("[name=by]", "place")
    page.locator("#shares [data-remove]").nth(1).click()
    page.click("#check")
    page.wait_for_selector("#outcome .verdict.ok")
    assert page.locator("#outcome tbody tr").count() == 2
    page.fill("[name=version]", "1.2.0")
    page.click("button.main:text-is('Freeze')")
    page.wait_for_url("**/datasets/walks/1.2.0")
    assert page.locator("h1").inner_text() == "Walks 1.2.0"
    page.wait_for_selector("#since li:text-is('Added: 0')")
    assert page.get_attribute("main a:text-is('Walks')", "href") == f"/p/{slug}/datasets/walks"
    page.click("#verify")
    page.wait_for_selector("#outcome .verdict.ok:text-is('Every byte is what was frozen.')")
    page.click("#replay")
    page.wait_for_selector("#outcome .verdict.ok:has-text('the same bytes')")


def test_a_bad_number_or_version_is_said_beside_the_form(open_page, slug) -> None:
    page = open_page(path=f"/p/{slug}/datasets/walks", expected=("400",))
    page.fill("[name=number]", "3-1")
    page.click("#check")
    page.wait_for_selector("#builder [role=alert]:has-text('write them like 1, 2, 5-9')")
    page.fill("[name=number]", "")
    page.fill("[name=version]", "next")
    page.click("#check")
    page.wait_for_selector("#builder [role=alert]:has-text('is no version')")


def test_a_value_is_followed_from_its_question_to_the_recorded_bytes_by_keyboard(open_page, slug) -> None:
    page = open_page(path=f"/p/{slug}/datasets/walks/1.0.0")
    summary = page.locator(".tree summary").nth(1)
    summary.focus()
    page.keyboard.press("Enter")
    tree = page.locator(".tree > li").nth(1)
    assert "nearby search" in tree.inner_text()
    assert "map build" in tree.inner_text()
    tree.locator("a:has-text('the value in the provider')").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/x/*#/places/1/name")


def test_questions_are_found_by_split_and_number(open_page, slug) -> None:
    page = open_page(path=f"/p/{slug}/datasets/walks/1.0.0?number=3")
    assert page.locator(".tree > li").count() == 1
    assert "straight line" in page.locator(".tree").inner_text()
    page.fill("[name=number]", "77")
    page.press("[name=number]", "Enter")
    page.wait_for_selector("text=No question of this version fits.")


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 800, "light"), (400, 800, "dark")])
def test_no_page_has_a_serious_fault_or_is_too_wide(open_page, serious_findings, slug, width, height, scheme) -> None:
    page = open_page(width, height, path=f"/p/{slug}/datasets", color_scheme=scheme)
    for path in ("", "/walks", "/" + "x" * 48, "/walks/1.0.0?number=1"):
        page.goto(page.url.split("/datasets")[0] + f"/datasets{path}")
        if path == "/walks":
            page.select_option("[name=status]", "")
            page.click("#check")
            page.wait_for_selector("#outcome .verdict")
        assert serious_findings(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
