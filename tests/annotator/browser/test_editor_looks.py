"""What axe finds in the editor, on a wide and a narrow screen, in light and dark; long names and Arabic ones fit."""

import pytest

from tests.annotator.browser.writing import make_bench, wait_saved

LONG = "A very long name that somebody typed without thinking of who reads it later on a telephone " * 2
ARABIC = "صيدلية المرفأ القديمة"


@pytest.fixture(scope="module")
def bench(annotator_server, project):
    made = make_bench(annotator_server, project)
    details = made.calls["details"]
    attached = {"tool_call_id": details["id"], "pointer": "/place/phone", "option_key": "A"}
    evidence = made.ask("POST", "/evidence", attached)
    options = [{"key": "A", "text": ARABIC, "pid": details["result"]["place"]["pid"]}, {"key": "B", "text": LONG}]
    made.new_question(
        type="single_choice", body=f"{ARABIC}؟", options=options, gold_keys=["A"], evidence=[evidence], category="poi"
    )
    made.new_question(type="open_ended", body=LONG, gold={"kind": "place", "name": ARABIC})
    return made


def open_tab(page, tab):
    if page.locator("#tabs").is_visible():
        page.click(f"#tabs [data-tab={tab}]")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_nothing_serious_is_found_and_nothing_is_cut_off(open_page, serious_findings, bench, width, scheme):
    first, second = bench.questions()[:2]

    page = open_page(width, 800, path=f"{bench.path}?q={first['number']}", color_scheme=scheme, expected=("409",))
    page.wait_for_selector("#question:not([hidden])", state="attached")
    open_tab(page, "context-pane")
    page.wait_for_selector("#rendered-text pre:not(:empty)")
    page.click("#items [data-key=nearby] button:has-text('More')")
    page.fill("#context-name", LONG)
    wait_saved(page)
    assert serious_findings(page) == []
    page.click("#context-history")
    page.wait_for_selector("#history li")
    assert serious_findings(page) == []
    page.keyboard.press("Escape")
    open_tab(page, "questions-pane")
    assert page.locator(".option-text").first.evaluate("field => getComputedStyle(field).direction") == "rtl"
    page.fill("#question-body", "")
    page.keyboard.type("@")
    page.wait_for_selector("#mentions [aria-selected=true]")
    assert serious_findings(page) == []
    page.keyboard.press("Escape")
    page.fill("#question-body", "")
    page.click("#question-submit")
    page.wait_for_selector("#question-alert:not(:empty)")
    assert serious_findings(page) == []
    page.click("#question-next")
    page.wait_for_selector(f"#question-heading:text-is('Question {second['number']}')")
    page.wait_for_selector("#gold-fields select")
    assert serious_findings(page) == []
    wide = page.evaluate(
        "() => [...document.querySelectorAll('#side, #side .pane')]"
        ".filter((pane) => pane.scrollWidth > pane.clientWidth).map((pane) => pane.id)"
    )
    assert wide == []
