"""The editor by keyboard alone, keys that people change, and comments."""

import pytest

from tests.annotator.browser.writing import make_bench, wait_saved


@pytest.fixture(scope="module")
def bench(annotator_server, project):
    return make_bench(annotator_server, project)


@pytest.fixture
def page(open_page, bench):
    opened = open_page(path=bench.path)
    opened.wait_for_selector("#items .item")
    opened.wait_for_selector("#question-new kbd")
    return opened


def heading(page, question):
    page.wait_for_selector(f"#question-heading:text-is('Question {question['number']}')")


def test_a_question_is_written_without_a_pointer(page, bench):
    page.keyboard.press("n")
    page.wait_for_selector("#question-body:focus")
    page.keyboard.type("How far is it?")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert page.locator("[name=question-type]:checked").get_attribute("value") == "multiple_choice"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    while not page.evaluate("document.activeElement.matches('.option-text')"):
        page.keyboard.press("Tab")
    for text in ("100 m", "200 m", "300 m"):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    page.keyboard.press("Backspace")
    page.keyboard.press("Alt+ArrowUp")
    texts = page.locator(".option-text").evaluate_all("all => all.map((field) => field.value)")
    assert texts == ["100 m", "300 m", "200 m"]
    page.focus("#question-heading")
    page.keyboard.press("3")
    page.keyboard.press("1")
    page.keyboard.press("e")
    assert page.get_attribute("#evidence-mode", "aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.get_attribute("#evidence-mode", "aria-pressed") == "false"
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#question-body:focus")
    written, new = bench.questions()[-2:]
    heading(page, new)
    assert written["content"]["body"] == "How far is it?"
    assert written["content"]["gold_keys"] == ["A", "C"]
    page.keyboard.type("Another one?")
    page.focus("#question-heading")
    page.keyboard.press("k")
    heading(page, written)
    page.keyboard.press("j")
    heading(page, new)
    wait_saved(page)


def test_a_question_is_duplicated_with_everything_in_it(page, bench):
    bench.new_question(type="yes_no", body="Is it open?", category="poi", tags=["hours"])
    page.reload()
    page.wait_for_selector("#question-new kbd")
    before = bench.questions()
    page.click(f"#question-list button:has-text('Q{before[-1]['number']}')")
    heading(page, before[-1])
    page.click("#question-duplicate")
    page.wait_for_function("n => document.querySelectorAll('#question-list > li').length === n", arg=len(before) + 1)
    after = bench.questions()
    assert after[-1]["content"] == after[-2]["content"]


def test_a_key_is_changed_taken_away_and_kept_with_the_account(page, bench):
    page.keyboard.press("?")
    change = page.locator("#keys [data-action='editor.new']")
    change.click()
    page.keyboard.press("j")
    page.wait_for_selector(".toast.bad:has-text('already means')")
    change.click()
    with page.expect_response("**/api/me/prefs"):
        page.keyboard.press("x")
    assert change.inner_text() == "X"
    marks = page.locator("#keys [data-action='editor.evidence']")
    marks.click()
    with page.expect_response("**/api/me/prefs"):
        page.keyboard.press("Backspace")
    assert marks.inner_text() == "none"
    marks.click()
    page.keyboard.press("Escape")
    assert page.locator("#keys").get_attribute("open") is not None
    page.locator("#keys button:text-is('Close')").click()
    assert page.locator("#question-new kbd").inner_text() == "X"
    assert page.locator("#evidence-mode kbd").count() == 0
    page.keyboard.press("n")
    page.keyboard.press("x")
    page.wait_for_selector("#question-body:focus")
    other = page.context.browser.new_context()
    elsewhere = other.new_page()
    elsewhere.goto(f"{bench.server.url}{bench.path}")
    elsewhere.wait_for_selector("#question-new kbd:text-is('X')")
    other.close()
    page.focus("#question-heading")
    page.keyboard.press("?")
    with page.expect_response("**/api/me/prefs"):
        page.click("#keys button:has-text('Back to the standard keys')")
    assert page.locator("#question-new kbd").inner_text() == "N"


def test_a_keyboard_of_another_script_has_the_same_keys(page):
    event = {"key": "ت", "code": "KeyN", "bubbles": True, "cancelable": True}
    page.evaluate("init => document.body.dispatchEvent(new KeyboardEvent('keydown', init))", event)
    page.wait_for_selector("#question-body:focus")


def test_keys_do_nothing_under_an_open_dialogue(page, bench):
    num_questions = len(bench.questions())
    page.click("#context-history")
    page.wait_for_selector("#history[open]")
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    page.wait_for_selector("#history:not([open])", state="attached")
    assert len(bench.questions()) == num_questions


def test_a_comment_is_written_beside_the_question(page, bench):
    question = bench.new_question(type="yes_no", body="Is it open?")
    page.goto(f"{bench.server.url}{bench.path}?q={question['number']}")
    page.wait_for_selector("#comments:not([hidden])")
    page.focus("#question-heading")
    page.keyboard.press("c")
    page.keyboard.type("Which day is meant? <b>Sunday</b>")
    page.click("#comment-form button")
    page.wait_for_selector(".comment .words:text-is('Which day is meant? <b>Sunday</b>')")
    page.click(".comment button:text-is('Resolve')")
    page.wait_for_selector(".comment.resolved")
