"""Nothing that was written is lost: without a connection, after a crash, signed out, and with two people at once."""

from contextlib import suppress

import httpx
import pytest
from playwright.sync_api import Error as PlaywrightError

from tests.annotator.browser.writing import make_bench, wait_saved

LOST = ("failed to load resource", "err_internet_disconnected")


@pytest.fixture(scope="module")
def bench(annotator_server, project):
    return make_bench(annotator_server, project)


@pytest.fixture
def question(bench):
    options = [{"key": "A", "text": "one"}, {"key": "B", "text": "two"}]
    return bench.new_question(type="single_choice", body="Which one?", options=options, category="poi")


@pytest.fixture
def open_question(open_page, bench, question):
    """Opens the question in a browser of its own."""

    def run(**options):
        page = open_page(path=f"{bench.path}?q={question['number']}", **options)
        page.wait_for_selector("#question:not([hidden])")
        return page

    return run


def stored(bench, question):
    return bench.ask("GET", f"/questions/{question['id']}")


def wait_body(page, words):
    page.wait_for_function("words => document.getElementById('question-body').value === words", arg=words)


def crash(page):
    """Ends the page's process at once, as a power cut would: nothing of the page runs any more."""
    with page.expect_event("crash"), suppress(PlaywrightError):
        page.goto("chrome://crash", timeout=5000)


def test_what_is_written_without_a_connection_is_sent_when_it_is_back(open_question, bench, question):
    page = open_question(expected=LOST)
    page.context.set_offline(True)
    page.fill("#question-body", "Which one is nearer?")
    page.fill("#question-explanation", "Measured along the street.")
    page.locator(".option-text").nth(0).fill("the first")
    page.wait_for_selector("#saved:text-is('Offline, 3 changes kept here')")
    page.wait_for_selector("#offline:not([hidden])")
    assert stored(bench, question)["content"]["body"] == "Which one?"
    page.context.set_offline(False)
    wait_saved(page)
    content = stored(bench, question)["content"]
    assert content["body"] == "Which one is nearer?"
    assert content["explanation"] == "Measured along the street."
    assert content["options"][0]["text"] == "the first"


def test_a_server_that_fails_for_a_while_is_asked_again(open_question, bench, question):
    page = open_question(expected=LOST, is_new=True)
    page.clock.install()
    failing = f"**/questions/{question['id']}"
    page.route(failing, lambda route: route.fulfill(status=503, json={"error": {"code": "busy", "message": "Busy."}}))
    page.fill("#question-body", "Still here?")
    page.clock.run_for(1500)
    page.wait_for_selector("#saved:has-text('Offline, 1 change kept here')")
    page.unroute(failing)
    page.clock.run_for(40_000)
    wait_saved(page)
    assert stored(bench, question)["content"]["body"] == "Still here?"


def test_a_page_that_dies_before_it_saved_has_everything_when_it_is_opened_again(open_question, bench, question):
    page = open_question(expected=LOST, is_new=True)
    page.route(
        "**/api/projects/**", lambda route: route.abort() if route.request.method == "PUT" else route.continue_()
    )
    page.fill("#question-body", "Written just before the crash?")
    page.wait_for_selector("#saved:has-text('kept here')")
    context = page.context
    crash(page)
    assert stored(bench, question)["content"]["body"] == "Which one?"
    again = context.new_page()
    again.goto(f"{bench.server.url}{bench.path}?q={question['number']}")
    again.wait_for_selector("#question:not([hidden])")
    assert again.input_value("#question-body") == "Written just before the crash?"
    wait_saved(again)
    assert stored(bench, question)["content"]["body"] == "Written just before the crash?"


def test_whoever_is_signed_out_keeps_what_they_wrote(open_question, bench, question):
    page = open_question(expected=LOST)
    out = {"error": {"code": "signed_out", "message": "sign in first"}}
    page.route("**/api/projects/**", lambda route: route.fulfill(status=401, json=out))
    page.fill("#question-body", "Written after the session ended?")
    page.wait_for_selector("#saved:text-is('Signed out, 1 change kept here')")
    assert page.locator("#offline a").get_attribute("href").startswith("/login?next=")
    page.unroute("**/api/projects/**")
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    wait_saved(page)
    assert stored(bench, question)["content"]["body"] == "Written after the session ended?"


def test_undo_and_redo_go_over_the_revisions_of_the_server(open_question, bench, question):
    page = open_question()
    for words in ("First words?", "Second words?"):
        page.fill("#question-body", words)
        wait_saved(page)
    page.focus("#question-body")
    page.keyboard.press("Control+z")
    wait_body(page, "First words?")
    page.keyboard.press("Control+z")
    wait_body(page, "Which one?")
    page.keyboard.press("Control+Shift+z")
    wait_body(page, "First words?")
    assert stored(bench, question)["content"]["body"] == "First words?"
    page.click("#question-history")
    page.click("#history [aria-label='Restore revision 3']")
    wait_body(page, "Second words?")
    wait_saved(page)
    assert stored(bench, question)["n"] == 4


def test_two_people_see_each_other_and_each_others_words_without_losing_the_cursor(open_question, bench, question):
    anna, ben = open_question(), open_question()
    ben.clock.install()
    ben.focus("#question-explanation")
    ben.keyboard.type("Because of the street.")
    ben.keyboard.press("Home")
    anna.fill("#question-body", "Which one is nearer to the harbour?")
    wait_saved(anna)
    ben.clock.run_for(12_000)
    wait_body(ben, "Which one is nearer to the harbour?")
    ben.wait_for_selector("#question-others:has-text('editing this question')")
    assert ben.evaluate("[document.activeElement.id, document.activeElement.selectionStart]") == [
        "question-explanation",
        0,
    ]
    wait_saved(ben)
    content = stored(bench, question)["content"]
    assert content["body"] == "Which one is nearer to the harbour?"
    assert content["explanation"] == "Because of the street."


def test_two_people_may_write_in_two_options_at_once(open_question, bench, question):
    anna, ben = open_question(expected=(*LOST, "409")), open_question()
    anna.context.set_offline(True)
    anna.locator(".option-text").nth(0).fill("the first")
    ben.locator(".option-text").nth(1).fill("the second")
    wait_saved(ben)
    anna.context.set_offline(False)
    wait_saved(anna)
    assert [option["text"] for option in stored(bench, question)["content"]["options"]] == ["the first", "the second"]


def test_a_conflict_is_shown_side_by_side_and_solved_field_by_field(open_question, bench, question):
    page = open_question(expected=(*LOST, "409"))
    page.context.set_offline(True)
    page.fill("#question-body", "My words?")
    page.fill("#question-category", "trip")
    page.fill("#question-explanation", "Mine alone.")
    theirs = {**question["content"], "body": "Their words?", "category": "nearby"}
    bench.ask("PUT", f"/questions/{question['id']}", {"base_n": question["n"], "content": theirs})
    page.context.set_offline(False)
    page.wait_for_selector("#question-conflict .conflict")
    assert page.locator("#saved").inner_text().startswith("Changed by two")
    sides = page.locator(".choice:has-text('Question') pre").all_inner_texts()
    assert sides == ["My words?", "Their words?"]
    assert page.is_disabled("#question-conflict button")
    page.locator(".choice:has-text('Question')").locator("input[value=mine]").check()
    page.locator(".choice:has-text('Category')").locator("input[value=theirs]").check()
    page.click("#question-conflict button")
    wait_saved(page)
    assert not page.locator(".conflict").count()
    content = stored(bench, question)["content"]
    assert (content["body"], content["category"], content["explanation"]) == ("My words?", "nearby", "Mine alone.")
    assert page.input_value("#question-category") == "nearby"


def test_working_time_is_recorded_for_the_question(open_question, bench, question):
    page = open_question()
    with page.expect_response("**/lead-times") as reported:
        page.focus("#question-body")
        page.keyboard.type(" Really?")
    assert reported.value.ok
    items = reported.value.request.post_data_json["items"]
    assert [(item["subject"], item["subject_id"]) for item in items] == [("question", question["id"])]
    assert 0 < items[0]["active_ms"] < 60_000


def test_a_deleted_question_comes_back_by_undo(open_question, bench, question):
    # Whatever the page was asking about the question when it went is answered by a 404.
    page = open_question(expected=("404",))
    page.click("#question-delete")
    page.wait_for_selector(f".toast:has-text('Question {question['number']} was deleted.')")
    url = f"{bench.server.url}/api/projects/{bench.project}/questions/{question['id']}"
    assert httpx.get(url).status_code == 404
    page.keyboard.press("Control+z")
    page.wait_for_selector(f"#question-heading:text-is('Question {question['number']}')")
    assert httpx.get(url).status_code == 200
