"""Runs of models in a browser: started, watched, stopped, read in numbers, and followed question by question."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from annotator.client import MapQaTor
from tests.annotator.datasets.over_http import CENTER, write_project
from tests.annotator.evaluate.runs.scripted import calls, says, served

LONG_NAME = "x" * 200
ARABIC_NAME = "أدوات الخريطة"
LAT, LON = CENTER
CAFES = {"lat": LAT, "lon": LON, "radius_m": 4000, "type": "cafe", "limit": 4}
WALK = {
    "origin": {"lat": LAT, "lon": LON},
    "destination": {"lat": LAT + 0.006, "lon": LON + 0.008},
    "mode": "walk",
}


@dataclass
class Model:
    """Says A to everything, once it may; with tools it looks for cafés and a way first, and miscalls once."""

    may_say: threading.Event = field(default_factory=threading.Event)

    def __call__(self, body: dict[str, Any]) -> bytes:
        assert self.may_say.wait(60)
        if "tools" not in body:
            return says("The context says so.\nAnswer: A")
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        script = (
            calls(("find_cafes", {"near": "me"}), ("nearby_search", CAFES)),
            calls(("compute_routes", WALK)),
            calls(("submit_answer", {"answer": "A", "evidence": ["r2"]})),
        )
        return script[min(turn, 2)]


@dataclass(frozen=True)
class Evaluated:
    """A project with a frozen dataset of three questions, an endpoint, and two finished runs.

    Args:
        tools: id of a run in which tools were called, `told` of one with text contexts and a long name.
    """

    slug: str
    model: Model
    url: str
    tools: str
    told: str

    @property
    def base(self) -> str:
        return f"/p/{self.slug}/evaluations"


@pytest.fixture(scope="module")
def evaluated(annotator_server) -> Iterator[Evaluated]:
    slug = write_project(annotator_server.url, name="Runs in a browser")
    for version, shares in (("0.9.0", {"train": 0.5, "test": 0.5}), ("1.0.0", {"all": 1})):
        frozen = httpx.post(
            f"{annotator_server.url}/api/projects/{slug}/datasets/walks/snapshots",
            json={"version": version, "splits": {"shares": shares}},
            timeout=60,
        )
        assert frozen.status_code == 201, frozen.text
    model = Model()
    model.may_say.set()
    with served(model) as server, MapQaTor(annotator_server.url) as mq:
        endpoint = {"name": "runs-box", "base_url": server.url}
        made = httpx.post(f"{annotator_server.url}/api/evaluations/endpoints", json=endpoint, timeout=60)
        assert made.status_code == 201, made.text
        runs = mq.project(slug).evaluations
        tools = runs.wait(runs.start("walks", endpoint="runs-box", name=ARABIC_NAME, mode="tools"))
        told = runs.wait(runs.start("walks", endpoint="runs-box", name=LONG_NAME))
        yield Evaluated(slug, model, server.url, str(tools["id"]), str(told["id"]))


def test_a_run_is_started_watched_and_becomes_its_page(open_page, evaluated: Evaluated) -> None:
    page = open_page(path=f"{evaluated.base}/new?endpoint=runs-box&mode=closed_book")
    page.wait_for_selector("#plan-text:has-text('3 questions')")
    assert page.locator("#plan-text li:has-text('no difference can be seen')").count() == 2
    page.wait_for_selector("#model-list input:checked")
    page.fill("[name=limit]", "2")
    page.wait_for_selector("#plan-text:has-text('2 questions')")
    page.fill("[name=limit]", "")
    page.wait_for_selector("#plan-text:has-text('3 questions')")
    page.click("#model-list button:text-is('All variants')")
    assert page.locator("#model-list input:checked").evaluate_all("all => all.map(({ value }) => value)") == [
        "tiny:fast"
    ]
    evaluated.model.may_say.clear()
    try:
        page.click("#start")
        page.wait_for_selector("#live")
        assert page.inner_text("#live-done") == "0"
    finally:
        evaluated.model.may_say.set()
    page.wait_for_selector("#accuracy")
    assert page.locator("#live").count() == 0
    assert "3 questions cannot tell this run from another one" in page.inner_text("#visible")
    assert "knows the answers" in page.inner_text("#right-title + .scroll")
    page.wait_for_selector("#items tbody tr >> nth=2")
    assert "tiny:fast" in page.inner_text("#run")


def test_a_form_that_cannot_begin_says_why_in_place(open_page, evaluated: Evaluated) -> None:
    page = open_page(path=f"{evaluated.base}/new?endpoint=runs-box", expected=("400",))
    page.wait_for_selector("#model-list input:checked")
    page.uncheck("#model-list input:checked")
    page.click("#start")
    page.wait_for_selector("#run-form [role=alert]:text-is('Tick a model first.')")
    page.click("summary:text-is('More')")
    page.check("[name=type][value=yes_no]")
    page.wait_for_selector("#plan-text[data-bad]:has-text('none fits the filters')")
    page.fill("#endpoint-form [name=name]", "elsewhere")
    page.fill("#endpoint-form [name=base_url]", "http://example.org/v1")
    page.press("#endpoint-form [name=base_url]", "Enter")
    page.wait_for_selector("#endpoint-form [role=alert]:has-text('MAPQATOR_MODEL_HOSTS')")
    page.fill("#endpoint-form [name=base_url]", evaluated.url)
    page.fill("#endpoint-form [name=params]", "top_k=20")
    page.press("#endpoint-form [name=base_url]", "Enter")
    page.wait_for_selector("#endpoint-form [role=alert]:has-text('one JSON object')")
    page.fill("#endpoint-form [name=params]", '{"top_k": 20}')
    page.press("#endpoint-form [name=base_url]", "Enter")
    page.wait_for_selector("#endpoint option[value=elsewhere]", state="attached")
    assert page.input_value("#endpoint") == "elsewhere"
    page.wait_for_selector("#model-list input:checked")


def test_an_endpoint_is_removed_and_brought_back(open_page, evaluated: Evaluated) -> None:
    # With it gone the form asks `local`, where nobody answers.
    page = open_page(path=f"{evaluated.base}/new?endpoint=runs-box", expected=("502",))
    endpoints = f"{page.url.split('/p/')[0]}/api/evaluations/endpoints"
    made = {"name": "for-now", "base_url": evaluated.url, "params": {"top_k": 20}}
    assert httpx.post(endpoints, json=made, timeout=60).status_code == 201
    page.goto(page.url.replace("runs-box", "for-now"))
    row = page.locator("#endpoint-list li[data-name=for-now]")
    assert '{"top_k":20}' in row.inner_text()
    assert page.locator("#endpoint-list li[data-name=local] button").count() == 0
    row.locator("button").click()
    page.wait_for_selector("#endpoint-list li[data-name=for-now]", state="detached")
    assert page.input_value("#endpoint") != "for-now"
    assert "for-now" not in [one["name"] for one in httpx.get(endpoints, timeout=60).json()["endpoints"]]
    page.click("#toasts button:text-is('Undo')")
    page.wait_for_selector("#endpoint-list li[data-name=for-now]")
    assert page.input_value("#endpoint") == "for-now"
    found = [one for one in httpx.get(endpoints, timeout=60).json()["endpoints"] if one["name"] == "for-now"]
    assert found[0]["params"] == {"top_k": 20}


def test_all_that_a_run_can_be_told_can_be_told_in_the_form(open_page, evaluated: Evaluated) -> None:
    page = open_page(path=f"{evaluated.base}/new?endpoint=runs-box&dataset=walks&version=1.0.0")
    page.wait_for_selector("#model-list input:checked")
    page.wait_for_selector("#plan-text:has-text('3 questions')")
    assert page.locator("#tools-settings").is_hidden()
    page.check("[name=mode][value=tools]")
    page.wait_for_selector("#tools-settings:visible")
    page.select_option("#run-form [name=protocol]", "react")
    page.check("[name=live]")
    page.fill("[name=max_turns]", "7")
    page.fill("[name=top_p]", "0.5")
    page.click("summary:text-is('More')")
    assert page.locator("#splits").is_hidden()
    page.check("[name=category][value=routing]")
    page.wait_for_selector("#plan-text:has-text('1 question')")
    page.fill("[name=timeout_s]", "33")
    page.fill("[name=max_failures]", "2")
    # What is wrong is shown, also where it was folded up meanwhile.
    page.fill("[name=max_retries]", "99")
    page.click("summary:text-is('More')")
    page.click("#start")
    page.wait_for_selector("[name=max_retries]:focus")
    page.fill("[name=max_retries]", "1")
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.click("#start")
    page.wait_for_selector("#accuracy")
    config = sent.value.post_data_json["config"]
    assert config["categories"] == ["routing"]
    told = {name: config[name] for name in ("protocol", "live", "max_turns", "top_p", "timeout_s", "max_failures")}
    assert told == {
        "protocol": "react",
        "live": True,
        "max_turns": 7,
        "top_p": 0.5,
        "timeout_s": 33,
        "max_failures": 2,
    }
    settings = page.inner_text("#settings-title + dl")
    assert "in text (ReAct): the run asks for it" in settings
    assert "categories: routing" in settings


def test_splits_and_categories_are_those_of_the_chosen_version(open_page, evaluated: Evaluated) -> None:
    page = open_page(path=f"{evaluated.base}/new?endpoint=runs-box&dataset=walks&version=1.0.0")
    page.wait_for_selector("#plan-text:has-text('3 questions')")
    page.click("summary:text-is('More')")
    assert page.locator("[name=split]").count() == 0
    page.select_option("[name=what]", "walks@0.9.0")
    page.check("[name=split][value=test]")
    page.wait_for_selector(
        "#plan-text:has-text('questions'):not(:has-text('3 questions')), #plan-text:has-text('1 question')"
    )
    page.select_option("[name=what]", "walks@1.0.0")
    page.wait_for_selector("#plan-text:has-text('3 questions')")
    assert page.locator("[name=split]").count() == 0


def test_a_run_is_cancelled_and_resumed_where_events_do_not_come(open_page, evaluated: Evaluated) -> None:
    def no_events(page) -> None:
        page.route("**/events", lambda route: route.abort())

    evaluated.model.may_say.clear()
    try:
        page = open_page(
            path=f"{evaluated.base}/new?endpoint=runs-box", expected=("failed to load resource",), before=no_events
        )
        page.wait_for_selector("#model-list input:checked")
        page.click("#start")
        page.wait_for_selector("#cancel:enabled")
        page.focus("#cancel")
        page.keyboard.press("Enter")
        page.wait_for_selector("h2:has-text('Cancelled after 0 of 3 questions')")
    finally:
        evaluated.model.may_say.set()
    page.click("[data-resume]")
    page.wait_for_selector("#accuracy")
    assert page.get_attribute("#run", "data-state") == "done"


def test_the_list_follows_what_goes_on_and_leads_to_comparisons(open_page, evaluated: Evaluated) -> None:
    evaluated.model.may_say.clear()
    try:
        page = open_page(path=f"{evaluated.base}?dataset=walks@1.0.0")
        page.wait_for_selector("#compare-button:disabled")
        started = httpx.post(
            f"{page.url.split('/p/')[0]}/api/projects/{evaluated.slug}/evaluations",
            json={"dataset": "walks", "endpoint": "runs-box", "config": {"types": ["single_choice"]}},
            timeout=60,
        ).json()["id"]
        page.reload()
        page.wait_for_selector(f"#run-{started}:has-text('0 of 2')")
        assert page.locator(f"#run-{started} input").count() == 0
        page.check(f"#run-{evaluated.told} input")
    finally:
        evaluated.model.may_say.set()
    page.check(f"#run-{started} input")
    assert page.is_checked(f"#run-{evaluated.told} input")
    page.click("#compare-button:enabled")
    page.wait_for_url(f"**/compare?run={started}&run={evaluated.told}")


def test_questions_are_filtered_and_walked_with_their_filter(open_page, evaluated: Evaluated) -> None:
    page = open_page(path=f"{evaluated.base}/{evaluated.told}")
    page.wait_for_selector("#items tbody tr >> nth=2")
    page.select_option("#filter-category", "nearby")
    page.wait_for_selector("#items [role=status]:text-is('2 questions')")
    page.click("#items tbody a >> nth=0")
    page.wait_for_selector(".walk:has-text('1 of 2, only nearby')")
    assert page.locator("#previous").count() == 0
    page.wait_for_selector("#next kbd")
    page.keyboard.press("j")
    page.wait_for_selector(".walk:has-text('2 of 2')")
    page.wait_for_selector("#previous kbd")
    assert page.locator("h1").inner_text() == "2. Which café is number 2 by distance?"
    assert "A was given and B is right" in page.inner_text(".verdict-line")
    page.keyboard.press("k")
    page.wait_for_selector(".walk:has-text('1 of 2')")


def test_a_trace_replays_every_call_on_the_map_and_leads_to_its_bytes(open_page, evaluated: Evaluated) -> None:
    page = open_page(path=f"{evaluated.base}/{evaluated.tools}/items/1")
    page.wait_for_selector("#shown-title:has-text('4 places')")
    assert page.inner_text("#cited").startswith("r2 1 of 1 shows a supporting value")
    assert page.locator(".step.call:has(.chip:text-is('cited')) code:text-is('r2')").count() == 1
    assert page.locator("#map .pin-drop").count() == page.locator("#marks li").count() == 4
    assert page.input_value("#slider") == "5"
    page.focus("#slider")
    page.keyboard.press("End")
    page.wait_for_selector("#shown-title:has-text('1 route')")
    assert page.locator("#map .pin-stop").count() == 2
    assert "submit_answer" in page.inner_text("[aria-current=step]")
    page.keyboard.press("p")
    page.keyboard.press("p")
    page.keyboard.press("p")
    page.keyboard.press("p")
    page.wait_for_selector("#shown-title:has-text('put nothing on the map')")
    assert "not found" in page.inner_text("[aria-current=step]")
    link = page.locator(".step.call a:text-is('the exact result')").first.get_attribute("href")
    found = httpx.get(f"{page.url.split('/p/')[0]}{link}?raw", timeout=30).json()
    assert [place["name"] for place in found["places"]] == page.evaluate(
        "[...document.querySelectorAll('.answers li')].map((row) => row.firstChild.nextSibling.textContent.trim())"
    )


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 800, "light"), (400, 800, "dark")])
def test_no_page_has_a_serious_fault_or_is_too_wide(
    open_page, serious_findings, evaluated: Evaluated, width, height, scheme
) -> None:
    page = open_page(width, height, path=f"{evaluated.base}?dataset=walks@1.0.0", color_scheme=scheme)
    assert page.locator(f"#runs a:text-is('{ARABIC_NAME}')").count() == 1
    server = page.url.split("/p/")[0]
    for path, ready in (
        ("", "#runs tbody tr"),
        ("/new?endpoint=runs-box", "#model-list input"),
        (f"/{evaluated.told}", "#items table"),
        (f"/{evaluated.tools}/items?verdict=wrong", "#items tbody tr"),
        (f"/{evaluated.tools}/items?verdict=limit", "#items .empty"),
        (f"/{evaluated.tools}/items/3", "#marks li"),
    ):
        page.goto(f"{server}{evaluated.base}{path}")
        page.wait_for_selector(ready, state="attached")
        assert serious_findings(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_project_without_a_frozen_dataset_is_told_what_to_do_first(open_page, project) -> None:
    page = open_page(path=f"/p/{project}/evaluations")
    assert page.get_attribute("#runs a", "href") == f"/p/{project}/datasets"
    page.goto(page.url + "/new")
    assert "Freeze a version" in page.inner_text(".empty")
