"""People with accounts of their own: two on one question, those who may only look or are still to answer blind, a
session that ends meanwhile, and a model that helps."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.annotator.browser.conftest import new_browser_context
from tests.annotator.browser.writing import wait_saved
from tests.annotator.program import Annotator, serving
from tests.annotator.upstream import Asked, http, running_upstream

PASSWORD = "seven lemon harbours"
SUGGESTED = {
    "questions": [
        {"question": "Which is nearer?", "options": ["Cafe", "Park"], "answer": "Park", "explanation": "It says so."},
        {"question": "How far is it?", "options": [], "answer": "300 m", "explanation": ""},
    ]
}


SAID = {
    "Explain": {"text": "Because it is closed then."},
    "Rewrite": {"text": "Closed from November to March."},
    "Write 3 wrong": {"options": ["In June", "In July", "In August"]},
}


def model(asked: Asked) -> bytes:
    """A served model that proposes questions, or explains."""
    if asked.path.endswith("/models"):
        return http(200, {"object": "list", "data": [{"id": "rhumb-small", "max_model_len": 4096}]})
    prompt = json.loads(asked.body)["messages"][-1]["content"]
    said = next((words for start, words in SAID.items() if prompt.startswith(start)), SUGGESTED)
    return http(200, {"choices": [{"message": {"role": "assistant", "content": json.dumps(said)}}]})


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Annotator]:
    """An annotator that asks for a login, without a map, with its first administrator and a model that helps."""
    with running_upstream(model) as upstream:
        env = {"MAPQATOR_LOGIN": "required", "MAPQATOR_TOWN": "false", "MAPQATOR_ASSIST_URL": f"{upstream.url}/v1"}
        with serving(tmp_path_factory.mktemp("office") / "data", env) as server:
            httpx.post(f"{server.url}/api/setup", json={"username": "anna", "password": PASSWORD}).raise_for_status()
            yield server


@pytest.fixture(scope="module")
def anna(office: Annotator) -> Iterator[httpx.Client]:
    """Anna's programs, who administers all of it."""
    with httpx.Client(base_url=office.url, timeout=30) as client:
        client.post("/api/login", json={"username": "anna", "password": PASSWORD}).raise_for_status()
        token = re.search(r'name="csrf" content="([^"]+)"', client.get("/").text)
        assert token
        client.headers["x-csrf-token"] = token[1]
        account = {"username": "ben", "display_name": "Ben Saltmere", "password": PASSWORD}
        client.post("/api/admin/accounts", json=account).raise_for_status()
        client.post("/api/projects", json={"name": "Walks"}).raise_for_status()
        client.put("/api/projects/walks/members/ben", json={"role": "annotator"}).raise_for_status()
        yield client


@pytest.fixture
def question(anna: httpx.Client) -> tuple[str, str]:
    """The page of a question, and its path in the API."""
    note = {"key": "a", "kind": "note", "text": "The harbour is closed in winter."}
    context = anna.post("/api/projects/walks/contexts", json={"content": {"title": "Harbour", "items": [note]}}).json()
    content = {"type": "yes_no", "body": "Is the harbour open?", "category": "poi"}
    made = anna.post(f"/api/projects/walks/contexts/{context['id']}/questions", json={"content": content}).json()
    return f"/p/walks/contexts/{context['id']}?q={made['number']}", f"/api/projects/walks/questions/{made['id']}"


def enter(page, username):
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")


@pytest.fixture
def sign_in(chromium, office) -> Iterator:
    """`sign_in(username, path)` opens a page in a browser of its own."""
    contexts = []

    def run(username: str, path: str):
        context = new_browser_context(chromium, 1280, 800)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{office.url}/login")
        enter(page, username)
        page.wait_for_url(lambda url: "/login" not in url)
        page.goto(f"{office.url}{path}")
        page.wait_for_selector("#question:not([hidden])")
        return page

    yield run
    for context in contexts:
        context.close()


def test_two_people_see_who_writes_and_get_each_others_words(sign_in, question, anna):
    page_path, api_path = question
    first, second = sign_in("anna", page_path), sign_in("ben", page_path)
    first.focus("#question-explanation")
    second.fill("#question-body", "Is the harbour open in January?")
    wait_saved(second)
    first.wait_for_selector("#question-others:text-is('Ben Saltmere is editing this question')")
    first.wait_for_function("() => document.getElementById('question-body').value.includes('January')")
    assert first.evaluate("document.activeElement.id") == "question-explanation"
    theirs = anna.get(api_path).json()
    first.context.set_offline(True)
    first.fill("#question-body", "Is the harbour open in February?")
    second.fill("#question-body", "Is the harbour open in March?")
    wait_saved(second)
    first.context.set_offline(False)
    first.wait_for_selector(".conflict [role=alert]:has-text('Ben Saltmere changed the same part')")
    first.locator(".choice input[value=theirs]").check()
    first.click(".conflict button")
    wait_saved(first)
    assert first.input_value("#question-body") == "Is the harbour open in March?"
    assert anna.get(api_path).json()["n"] == theirs["n"] + 1


def test_a_session_that_ends_loses_nothing_and_signing_in_sends_it(sign_in, question, anna):
    page_path, api_path = question
    page = sign_in("ben", page_path)
    page.context.clear_cookies()
    page.fill("#question-body", "Is the harbour closed?")
    page.wait_for_selector("#saved:text-is('Signed out, 1 change kept here')")
    page.click("#offline a")
    enter(page, "ben")
    page.wait_for_selector("#question:not([hidden])")
    assert page.input_value("#question-body") == "Is the harbour closed?"
    wait_saved(page)
    assert anna.get(api_path).json()["content"]["body"] == "Is the harbour closed?"


def test_suggestions_are_named_as_such_and_taken_up_one_by_one(sign_in, question, anna):
    page_path, api_path = question
    page = sign_in("ben", page_path)
    page.wait_for_selector("#assist-model:text-is('Model: rhumb-small')")
    page.fill("#question-body", "")
    page.click("#question-suggest")
    page.wait_for_selector(".suggestion >> nth=1")
    assert "Suggested by rhumb-small" in page.locator(".suggestion").first.inner_text()
    wait_saved(page)
    assert anna.get(api_path).json()["content"]["body"] == ""
    page.locator(".suggestion button:text-is('Use it')").first.click()
    page.locator(".suggestion button:text-is('Dismiss')").first.click()
    wait_saved(page)
    content = anna.get(api_path).json()["content"]
    assert (content["body"], content["gold_keys"]) == ("Which is nearer?", ["B"])
    latest, before = anna.get(f"{api_path}/history").json()[:2]
    assert latest["origin"]["model"] == "rhumb-small"
    assert latest["origin"]["prompt_sha"]
    assert before["origin"] is None
    page.click("#explanation-suggest")
    page.wait_for_selector(".suggestion:has-text('closed then')")
    page.locator(".suggestion button:text-is('Dismiss')").click()
    page.wait_for_selector(".suggestion", state="detached")
    assert page.input_value("#question-explanation") == "It says so."


def test_distractors_and_a_rewrite_say_where_they_come_from(sign_in, question, anna):
    page_path, api_path = question
    options = [{"key": "A", "text": "In May"}, {"key": "B", "text": ""}]
    content = {"type": "single_choice", "body": "When?", "options": options, "gold_keys": ["A"], "category": "poi"}
    anna.put(api_path, json={"base_n": 1, "content": content}).raise_for_status()
    page = sign_in("ben", page_path)
    page.click("#distractors-suggest")
    page.locator("#suggestions button:text-is('Use it')").first.click()
    page.locator("#suggestions button:text-is('Use it')").first.click()
    wait_saved(page)
    saved = anna.get(api_path).json()["content"]
    assert [option["text"] for option in saved["options"]] == ["In May", "In June", "In July"]
    assert saved["gold_keys"] == ["A"]
    page.click("#context-rewrite")
    use = page.locator("#context-suggestions button:text-is('Use it')")
    use.wait_for()
    page.route("**/api/projects/walks/contexts/*", lambda route: route.abort())
    use.click()
    # The page is closed before it is saved: what was taken up is sent by the next, and its origin with it.
    page.wait_for_function("() => Object.values(localStorage).some((kept) => kept.includes('suggestion_id'))")
    page.unroute("**/api/projects/walks/contexts/*")
    page.reload()
    page.wait_for_selector("#items > li:nth-child(2)")
    wait_saved(page)
    context = page_path.split("?")[0].replace("/p/", "/api/projects/")
    items = anna.get(context).json()["content"]["items"]
    assert [(item["role"], item["text"]) for item in items][1] == ("rewrite", "Closed from November to March.")
    assert anna.get(f"{context}/history").json()[0]["origin"]["model"] == "rhumb-small"


def writes(page):
    """Requests of a page that would change something; presence and lint's checks change nothing."""
    found = []
    page.on(
        "request",
        lambda request: (
            request.method in ("PUT", "POST", "DELETE", "PATCH")
            and not request.url.endswith(("/presence", "/check", "/lead-times"))
            and found.append(f"{request.method} {request.url}")
        ),
    )
    return found


def test_whoever_may_only_look_sees_everything_and_writes_nothing(sign_in, question, anna):
    account = {"username": "vera", "display_name": "Vera", "password": PASSWORD}
    anna.post("/api/admin/accounts", json=account).raise_for_status()
    anna.put("/api/projects/walks/members/vera", json={"role": "viewer"}).raise_for_status()
    page_path, api_path = question
    before = anna.get(api_path).json()
    page = sign_in("vera", page_path)
    written = writes(page)
    assert page.input_value("#question-body") == "Is the harbour open?"
    editable = page.evaluate(
        "() => [...document.querySelectorAll('#side :is(input, textarea, select)')]"
        ".filter((field) => field.checkVisibility() && !field.matches(':disabled')).map((field) => field.id)"
    )
    assert editable == []
    offered = page.locator("#side button:enabled").evaluate_all(
        "all => all.filter((one) => one.checkVisibility()).map((one) => one.id).filter(Boolean)"
    )
    assert set(offered) <= {
        "context-history",
        "question-history",
        "rendered-copy",
        "tab-text",
        "tab-json",
        "tab-markdown",
    }
    assert "you see what was asked" in page.locator("#tools").inner_text()
    for keys in ("n", "1", "e", "Control+s", "Control+Enter", "Shift+Control+Enter", "Control+z"):
        page.keyboard.press(keys)
    page.click("#context-history")
    page.wait_for_selector("#history li")
    assert page.locator("#history button").all_inner_texts() == ["Close"]
    assert written == []
    assert anna.get(api_path).json() == before


def test_a_question_that_is_still_to_be_answered_blind_is_shown_without_its_answer_and_never_saved(sign_in, anna):
    settings = {"blind_answers": 1, "require_evidence": False}
    anna.post("/api/projects", json={"name": "Blind", "settings": settings}).raise_for_status()
    anna.put("/api/projects/blind/members/ben", json={"role": "annotator"}).raise_for_status()
    context = anna.post("/api/projects/blind/contexts", json={"content": {"title": "Harbour"}}).json()["id"]
    gold = {"kind": "text", "value": "Until six"}
    content = {"type": "open_ended", "body": "How long is it open?", "gold": gold, "category": "poi"}
    made = anna.post(f"/api/projects/blind/contexts/{context}/questions", json={"content": content}).json()
    path = f"/p/blind/contexts/{context}?q={made['number']}"
    api_path = f"/api/projects/blind/questions/{made['id']}"
    page = sign_in("ben", path)
    page.wait_for_selector("#question-form:enabled")
    # Handed in while it lies open here, with something written that has not arrived.
    page.route(f"**{api_path}", lambda route: route.abort() if route.request.method == "PUT" else route.continue_())
    page.fill("#question-body", "Is it closed?")
    page.wait_for_selector("#saved:has-text('1 change kept here')")
    anna.put(
        api_path, json={"base_n": made["n"], "content": {**content, "explanation": "It says so."}}
    ).raise_for_status()
    anna.post(f"{api_path}/submit", json={}).raise_for_status()
    page.wait_for_selector("#question-form:disabled")
    page.unroute(f"**{api_path}")
    written = writes(page)
    page.reload()
    page.wait_for_selector("#question-locked:has-text('You may still be asked for your own answer')")
    assert page.input_value("#question-body") == "How long is it open?"
    assert page.input_value("#question-explanation") == ""
    assert page.locator("#question-reopen").is_hidden()
    assert page.locator("#question-body").is_disabled()
    disabled = ("undo", "redo", "history", "duplicate", "delete", "submit", "save", "save-next")
    assert [name for name in disabled if page.locator(f"#question-{name}").is_enabled()] == []
    for keys in ("1", "Control+s", "Control+Enter", "Shift+Control+Enter", "Control+z"):
        page.keyboard.press(keys)
    assert page.locator("#saved").inner_text() == "Saved"
    assert written == []
    kept = page.evaluate("id => JSON.parse(localStorage[`mapqator.pending.${id}`]).content.body", made["id"])
    assert kept == "Is it closed?"


def test_an_approved_question_looks_finished_and_is_written_again_once_reopened(sign_in, anna):
    settings = {"require_evidence": False, "review_own": True, "checklist": []}
    anna.post("/api/projects", json={"name": "Done", "settings": settings}).raise_for_status()
    context = anna.post("/api/projects/done/contexts", json={"content": {"title": "Harbour"}}).json()["id"]
    content = {"type": "open_ended", "body": "How far?", "gold": {"kind": "text", "value": "Far"}, "category": "poi"}
    made = anna.post(f"/api/projects/done/contexts/{context}/questions", json={"content": content}).json()
    api_path = f"/api/projects/done/questions/{made['id']}"
    anna.post(f"{api_path}/submit", json={}).raise_for_status()
    anna.post(f"{api_path}/reviews", json={"verdict": "approve", "n": 1}).raise_for_status()
    page = sign_in("anna", f"/p/done/contexts/{context}?q={made['number']}")
    body = page.locator("#question-body")
    assert page.locator("#question-locked span").inner_text() == "This question is approved. Reopen it to change it."
    assert body.is_disabled()
    assert body.evaluate("field => getComputedStyle(field).borderStyle") == "dashed"
    page.focus("#question-heading")
    page.keyboard.press("Control+z")
    assert page.locator("#question-status").inner_text() == "approved"
    page.click("#question-reopen")
    page.wait_for_selector("#question-body:focus")
    assert page.locator("#question-locked").is_hidden()
    assert body.evaluate("field => getComputedStyle(field).borderStyle") == "solid"
    body.fill("How far is it?")
    wait_saved(page)
    now = anna.get(api_path).json()
    assert (now["status"], now["content"]["body"]) == ("draft", "How far is it?")
