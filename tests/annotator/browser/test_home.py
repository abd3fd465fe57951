"""The first page in a real browser, over the real annotator with the embedded town."""

import base64
import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")

# How many colours a picture has, and what share of it the most common one covers.
COLOURS = """async (png) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const counts = new Map();
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  return { number: counts.size, largest: Math.max(...counts.values()) / pixels.length };
}"""


def choose(page, index):
    """Opens the details of a result."""
    page.locator(".card").nth(index).click()
    page.wait_for_selector("#place:not([hidden])")


def make_route(page, search):
    search(page, "pharmacy")
    choose(page, 0)
    page.click("#start")
    page.click("#back")
    choose(page, 1)
    page.click("#go")
    page.wait_for_selector("#route-answer .total")


def serious_findings(page):
    page.evaluate(f"{AXE}; undefined")
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        (item["id"], [node["target"] for node in item["nodes"]])
        for item in found
        if item["impact"] in ("serious", "critical")
    ]


def answer(places, **provenance):
    """A made-up answer of text_search."""
    source = {
        "provider": "town",
        "attribution": "Nobody",
        "licence": "CC0-1.0",
        "display": "any_map",
        "exchanges": [],
        **provenance,
    }
    result = {"kind": "places", "places": places}
    return json.dumps({"id": None, "outcome": "live", "result": result, "provenance": source, "latency_ms": 1.0})


def give(page, places, **provenance):
    page.route(
        "**/api/tools/text_search**",
        lambda route: route.fulfill(content_type="application/json", body=answer(places, **provenance)),
    )


def place(name, **fields):
    return {"pid": "town:n1", "provider": "town", "name": name, "lat": 45.3932, "lon": -65.3285, **fields}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_is_drawn_with_its_attribution(open_page, scheme):
    page = open_page(1280, 800, color_scheme=scheme)
    shot = base64.b64encode(page.locator("#map canvas").screenshot()).decode()
    colours = page.evaluate(COLOURS, shot)
    assert colours["number"] > 200
    assert colours["largest"] < 0.8
    assert page.locator(".maplibregl-ctrl-attrib").inner_text() == "Fictional town, not a real place"
    assert page.locator("#providers summary").inner_text().startswith("Providers: 1 ready")


def test_results_are_cards_and_markers_that_light_each_other(open_page, search):
    page = open_page()
    search(page, "pharmacy")
    cards, pins = page.locator(".card"), page.locator(".pin")
    assert cards.count() >= 2
    assert pins.count() == cards.count()
    assert [pin.inner_text() for pin in pins.all()] == [str(number + 1) for number in range(cards.count())]
    cards.nth(1).hover()
    page.wait_for_selector(".pin.lit span:text-is('2')")
    cards.nth(0).focus()
    page.wait_for_selector(".pin.lit span:text-is('1')")
    page.locator(".pin").nth(1).dispatch_event("pointerenter")
    assert "lit" in cards.nth(1).get_attribute("class")
    page.locator(".pin").nth(1).dispatch_event("pointerleave")
    assert "lit" not in cards.nth(1).get_attribute("class")


def test_nearby_search_asks_around_the_maps_centre(open_page):
    page = open_page()
    page.select_option("#type", "cafe")
    page.select_option("#radius", "10000")
    with page.expect_request("**/api/tools/nearby_search**") as caught:
        page.click("#near-form button")
    page.wait_for_selector("#results-title:text-is('cafe, within 10 km')")
    params = caught.value.post_data_json
    assert params["type"] == "cafe"
    assert params["radius_m"] == 10000
    box = page.evaluate("fetch('/api/maps').then((r) => r.json()).then((body) => body.maps[0].bbox)")
    assert box[0] < params["lat"] < box[2]
    assert box[1] < params["lon"] < box[3]
    assert page.locator(".away").count() == page.locator(".card").count() > 0


def test_every_answer_says_where_it_comes_from_and_links_its_exact_bytes(open_page, search, annotator_server):
    page = open_page()
    search(page, "museum of everything")
    source = page.locator("#results-source .provenance")
    assert "asked and recorded" in source.inner_text()
    search(page, "museum")
    page.fill("#query", "museum of everything")
    page.press("#query", "Enter")
    page.wait_for_selector("#results-source .outcome.hit")
    assert "from a recording" in source.inner_text()
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", source.inner_text())
    link = source.locator("a").first.get_attribute("href")
    body = httpx.get(f"{annotator_server.url}{link}").content
    assert hashlib.sha256(body).hexdigest() == link.removeprefix("/x/")


def test_a_place_shows_what_is_known_and_whether_it_is_open(open_page, search):
    page = open_page()
    search(page, "pharmacy")
    choose(page, 0)
    page.click("#now")
    page.wait_for_selector("#place-answer .state")
    assert re.match(r"(Open|Closed|Hours unknown) now", page.locator("#place-answer .state").inner_text())
    terms = page.locator("#place-answer dt").all_inner_texts()
    assert {"Type", "Address", "Hours", "Place id", "Position"} <= set(terms)
    assert page.locator("#place-answer .provenance").count() == 2


def test_a_route_between_two_places_is_drawn_and_described(open_page, search, settle):
    page = open_page()
    search(page, "pharmacy")
    settle(page)
    before = page.locator("#map canvas").screenshot()
    make_route(page, search)
    settle(page)
    assert page.locator("#map .end").all_inner_texts() == ["A", "B"]
    assert re.search(r"\d+ min\s+[\d.]+ k?m", page.locator(".total").inner_text())
    assert page.locator("#map canvas").screenshot() != before
    with page.expect_response("**/api/tools/compute_routes**") as caught:
        page.check("#modes input[value=drive]")
    assert caught.value.request.post_data_json["mode"] == "drive"
    body_sha = caught.value.json()["provenance"]["exchanges"][0]["body_sha"]
    page.wait_for_selector(f"#route-answer .provenance a[href='/x/{body_sha}']")
    page.locator("#ends button").first.click()
    assert page.locator("#map .end").count() == 0


def test_all_of_it_works_by_keyboard_alone(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("pharmacy")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    page.locator(".card").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".card").nth(1).evaluate("(card) => card === document.activeElement")
    page.keyboard.press("Enter")
    page.wait_for_selector("#place:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "place-title"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "start"
    page.keyboard.press("Enter")
    page.wait_for_selector("#route:not([hidden])")
    page.keyboard.press("Escape")
    page.wait_for_selector("#results:not([hidden])")
    assert page.locator(".card").nth(1).evaluate("(card) => card === document.activeElement")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_selector("#place:not([hidden])")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#route-answer .total")


def test_nothing_is_wider_than_a_narrow_screen(open_page, search):
    page = open_page(400, 800)

    def overflow():
        return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert overflow() == 0
    page.click("#providers summary")
    assert overflow() == 0
    make_route(page, search)
    page.click(".steps summary")
    assert overflow() == 0
    give(page, [place("Supercalifragilistic" * 10), place("The long and winding name " * 8), place("مقهى الميناء")])
    search(page, "long names")
    assert overflow() == 0
    assert page.locator(".pin").count() == 3


@pytest.mark.parametrize(("width", "scheme"), [(880, "light"), (400, "dark")])
def test_axe_finds_nothing_serious(open_page, search, width, scheme):
    page = open_page(width, 800, color_scheme=scheme)
    page.click("#providers summary")
    assert serious_findings(page) == []
    make_route(page, search)
    page.click("#now")
    page.wait_for_selector("#place-answer .state")
    assert serious_findings(page) == []
    page.click("#back")
    assert serious_findings(page) == []


def test_names_are_words_and_never_markup(open_page, search):
    page = open_page()
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    give(page, [place(hostile, address=hostile)])
    search(page, "hostile")
    assert page.locator(".card .name").inner_text() == hostile
    assert page.locator(".card img, .card script").count() == 0


def test_places_whose_terms_forbid_it_are_not_drawn_on_this_map(open_page, search):
    page = open_page()
    give(page, [place("Elsewhere")], display="own_map_only")
    search(page, "elsewhere")
    assert page.locator(".card").count() == 1
    assert page.locator(".pin").count() == 0
    assert "terms keep its places off other maps" in page.locator("#status").inner_text()


def test_a_server_that_is_gone_is_said_and_what_is_there_is_kept(open_page, search):
    page = open_page(expected=("failed to load resource",))
    search(page, "pharmacy")
    number = page.locator(".card").count()
    page.route("**/api/tools/**", lambda route: route.abort())
    page.fill("#query", "museum")
    page.press("#query", "Enter")
    page.wait_for_selector("#status.bad:has-text('does not answer')")
    assert page.locator(".card").count() == number
    page.unroute("**/api/tools/**")
    page.click("#status button")
    page.wait_for_selector("#results-title:text-is('“museum”')")
    assert page.locator("#status.bad").count() == 0


def test_a_refusal_is_shown_in_the_servers_own_words(open_page, annotator_server):
    page = open_page(expected=("failed to load resource",))
    page.eval_on_selector("#query", "(input) => input.removeAttribute('maxlength')")
    page.fill("#query", "x" * 300)
    page.press("#query", "Enter")
    page.wait_for_selector("#status.bad")
    refused = annotator_server.tool("text_search", {"query": "x" * 300}).json()["error"]["message"]
    assert page.locator("#status").inner_text().startswith(refused)


def test_the_theme_is_switched_kept_and_drawn(open_page, settle):
    page = open_page()
    land = page.locator("#map canvas").screenshot()
    page.click("#theme")
    page.click("#theme")
    settle(page)
    assert page.locator("#theme").inner_text() == "Theme: dark"
    assert page.locator("#map canvas").screenshot() != land
    page.reload()
    settle(page)
    assert page.locator("#theme").inner_text() == "Theme: dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 27, 33)"


def test_nothing_moves_for_people_who_asked_for_calm(open_page, search):
    page = open_page(reduced_motion="reduce")
    search(page, "pharmacy")
    durations = page.eval_on_selector_all(
        ".card, .number, .pin", "(all) => all.map((one) => getComputedStyle(one).transitionDuration)"
    )
    assert set(durations) == {"0s"}
