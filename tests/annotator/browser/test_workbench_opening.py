"""What the workbench opens on, what it calls stops, the room that small screens have, and how long people worked."""

import re

import pytest

from tests.annotator.browser.asking import make_route
from tests.annotator.browser.conftest import HEIGHT, WIDTH
from tests.annotator.browser.writing import make_bench, pick_evidence, wait_saved

NUM_MANY = 300
LEAD_TIMES = "**/lead-times"


@pytest.fixture(scope="module")
def bench(annotator_server, project):
    return make_bench(annotator_server, project)


@pytest.fixture
def opened(open_page, bench):
    """`opened(query, …)` opens the context, and waits until it is shown whole."""

    def run(query="", width=WIDTH, **options):
        page = open_page(width, HEIGHT, path=f"{bench.path}{query}", **options)
        page.wait_for_selector("#answer-title", state="attached")
        return page

    return run


def view(page):
    return [float(part) for part in re.search(r"view=([^&]+)", page.url)[1].split("/")]


def test_a_context_opens_on_its_first_answer_and_the_map_is_fitted_once(opened, settle, bench):
    page = opened(with_map=True)
    place = bench.calls["details"]["result"]["place"]
    assert page.locator("#answer-title").inner_text() == place["name"]
    assert page.locator("#map .pin").count() == 1
    zoom, lat, lon = view(page)
    assert zoom == pytest.approx(16, abs=0.01)
    assert (lat, lon) == pytest.approx((place["lat"], place["lon"]), abs=1e-4)
    assert page.locator("#back").count() == 0
    assert page.evaluate("document.activeElement === document.body")
    page.locator("#map canvas").focus()
    page.keyboard.press("Minus")
    settle(page)
    left = view(page)
    assert left[0] < zoom
    page.click("#context-name")
    page.keyboard.type(" now")
    wait_saved(page)
    assert view(page) == left
    page.reload()
    page.wait_for_selector("#answer-title")
    settle(page)
    assert view(page) == pytest.approx(left, abs=1e-4)


def test_a_question_opens_on_what_it_cites_and_its_stops_have_the_contexts_names(opened, bench):
    route, near = bench.calls["route"], bench.calls["nearby"]
    evidence = bench.ask("POST", "/evidence", {"tool_call_id": near["id"], "pointer": "/places/0/name"})
    first = bench.new_question(type="open_ended", body="Which cafe is nearest?", evidence=[evidence])
    page = opened(f"?q={first['number']}", 400)
    name = bench.calls["details"]["result"]["place"]["name"]
    # Around the pharmacy's position, which the call knows as coordinates only.
    assert page.locator("#answer-title").text_content().endswith(f"within 3.0 km of {name}")
    assert page.locator("#tabs [aria-current]").get_attribute("data-tab") == "questions-pane"
    page.click("#tabs [data-tab=context-pane]")
    page.click("#items [data-key=route] .item-title")
    assert page.locator("#answer .ends .stop").first.inner_text() == name
    assert route["params"]["origin"] == {"place_id": bench.calls["details"]["result"]["place"]["pid"]}
    assert page.locator("#items [data-key=route] .item-title").text_content().startswith(f"Route: {name} → ")


def test_small_screens_have_two_lines_of_header_and_a_map_beside_tools_and_results_only(opened):
    page = opened(width=400)
    assert page.locator("#top").bounding_box()["height"] < 84
    assert page.locator("#top [aria-current]").is_visible()
    seen = {}
    for tab in ("tools", "cards", "context-pane", "questions-pane"):
        page.click(f"#tabs [data-tab={tab}]")
        seen[tab] = page.locator("#map").is_visible()
    assert seen == {"tools": True, "cards": True, "context-pane": False, "questions-pane": False}
    assert page.locator("#questions-heading").bounding_box()["y"] < 200
    page.keyboard.press("m")
    assert page.locator("#map").is_visible()
    assert page.evaluate("document.activeElement.className").startswith("maplibregl-canvas")


def test_one_of_several_routes_is_added_alone(open_bench, search):
    page = open_bench()
    make_route(page, search, alternatives=1)
    with page.expect_request(lambda request: request.method == "PUT" and "/contexts/" in request.url) as caught:
        page.click("[aria-label='Add only this: route 2']")
    (added,) = caught.value.post_data_json["content"]["items"]
    assert (added["kind"], added["view"]["hidden"]) == ("route", ["/routes/0"])


def test_j_and_k_move_in_the_cards_when_the_focus_is_there_and_between_questions_elsewhere(opened, bench):
    first, second = (bench.new_question(type="yes_no", body=body) for body in ("Is it open?", "Is it far?"))
    page = opened(f"?q={first['number']}")
    page.click("#items [data-key=nearby] .item-title")
    page.locator(".card").first.focus()
    page.keyboard.press("j")
    assert page.locator(".card").nth(1).evaluate("(card) => card === document.activeElement")
    assert page.locator("#question-heading").inner_text() == f"Question {first['number']}"
    page.focus("#question-heading")
    page.keyboard.press("j")
    page.wait_for_selector(f"#question-heading:text-is('Question {second['number']}')")
    page.keyboard.press("k")
    page.wait_for_selector(f"#question-heading:text-is('Question {first['number']}')")
    assert page.locator(".card").nth(1).get_attribute("tabindex") == "0"


def test_how_long_a_call_took_is_told_once_its_answer_is_used(opened, search, bench):
    page = opened()
    search(page, "library")
    with page.expect_request(LEAD_TIMES) as told:
        page.click("#add")
    (item,) = told.value.post_data_json["items"]
    assert item["subject"] == "tool_call"
    assert 0 < item["active_ms"] < 60_000
    assert told.value.response().ok
    more = []
    page.on("request", lambda request: request.url.endswith("/lead-times") and more.append(request.post_data_json))
    pick_evidence_of_shown(page)
    assert [each for body in more for each in body["items"] if each["subject"] == "tool_call"] == []
    assert bench.ask("GET", "/lead-times")


def pick_evidence_of_shown(page):
    """Takes a value of the answer that is shown, for which no form was touched again."""
    page.click("#question-new")
    page.wait_for_selector("#question:not([hidden]) #question-body:focus")
    pick_evidence(page, "details", "/place/name")


def test_a_context_of_many_items_is_drawn_and_put_in_order(open_page, bench):
    calls = list(bench.calls.items())
    items = []
    for index in range(NUM_MANY):
        kind, call = calls[index % len(calls)]
        items.append({"key": f"k{index}", "kind": kind, "tool_call_id": call["id"]})
    path = "/contexts"
    made = bench.ask("POST", path, {"content": {"title": "Many", "items": items}})
    bench.ask("PUT", f"{path}/{made['id']}", {"base_n": 1, "content": {"title": "Many", "items": items[:1]}})
    page = open_page(path=bench.path.replace(bench.context["id"], made["id"]))
    page.wait_for_selector("#items > li")
    with page.expect_response("**/undo"):
        page.click("#context-undo")
    page.wait_for_selector(f"#items > li:nth-child({NUM_MANY})")
    page.focus("#items [data-key=k0] .item-title")
    for _ in range(3):
        with page.expect_response(lambda response: response.request.method == "PUT"):
            page.keyboard.press("Alt+ArrowDown")
    assert page.locator("#items > li").nth(3).get_attribute("data-key") == "k0"
    assert page.evaluate("document.activeElement.closest('li').dataset.key") == "k0"
