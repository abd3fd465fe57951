"""Two people with accounts of their own on one question, a session that ends meanwhile, and a model that helps."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

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


def model(asked: Asked) -> bytes:
    """A served model that proposes questions, or explains."""
    if asked.path.endswith("/models"):
        return http(200, {"object": "list", "data": [{"id": "rhumb-small", "max_model_len": 4096}]})
    prompt = json.loads(asked.body)["messages"][-1]["content"]
    said = {"text": "Because it is closed then."} if prompt.startswith("Explain") else SUGGESTED
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
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
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
