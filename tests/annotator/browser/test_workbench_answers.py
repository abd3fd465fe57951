"""Answers in the workbench: drawn, linked with their rows, traced to their bytes, and taken into the context."""

import base64
import hashlib
import re

import httpx
import pytest

from tests.annotator.browser.asking import find, give, place, tool
from tests.annotator.browser.conftest import HEIGHT, WIDTH

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

SIZES = [(WIDTH, HEIGHT), (400, 800)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_is_drawn_with_its_attribution(open_bench, scheme):
    page = open_bench(color_scheme=scheme, with_map=True)
    shot = base64.b64encode(page.locator("#map canvas").screenshot()).decode()
    colours = page.evaluate(COLOURS, shot)
    assert colours["number"] > 200
    assert colours["largest"] < 0.8
    assert page.locator(".maplibregl-ctrl-attrib").inner_text() == "Fictional town, not a real place"
    assert page.locator("#providers summary").inner_text().startswith("Providers: 1 ready")


def test_the_page_is_painted_within_a_second(open_bench):
    page = open_bench()
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    # The best of three: what else the machine does must not decide.
    times = [page.evaluate(paint)]
    for _ in range(2):
        page.reload()
        page.wait_for_selector("#tool-form form")
        times.append(page.evaluate(paint))
    assert min(times) < 1000


def test_results_are_cards_and_markers_that_light_each_other(open_bench, search):
    page = open_bench()
    search(page, "pharmacy")
    cards, pins = page.locator(".card"), page.locator(".pin")
    assert cards.count() >= 2
    assert [pin.inner_text() for pin in pins.all()] == [str(number + 1) for number in range(cards.count())]
    cards.nth(1).hover()
    page.wait_for_selector(".pin.lit span:text-is('2')")
    # Where nothing that scrolls or moves can come to lie under the pointer.
    page.mouse.move(1, 1)
    page.wait_for_selector(".pin.lit", state="detached")
    cards.nth(0).focus()
    page.wait_for_selector(".pin.lit span:text-is('1')")
    page.locator(".pin").nth(1).dispatch_event("pointerenter")
    page.wait_for_selector(".card.lit:nth-of-type(2)")
    page.locator(".pin").nth(1).dispatch_event("pointerleave")
    page.wait_for_selector(".card.lit:nth-of-type(2)", state="detached")


def test_a_marker_that_stays_is_never_taken_away(open_bench, search):
    page = open_bench()
    search(page, "pharmacy")
    first = page.locator(".card .name").first.inner_text().split("\n")[0]
    page.evaluate("document.querySelector('.pin').wasHere = true")
    search(page, first)
    assert page.evaluate("[...document.querySelectorAll('.pin')].some((pin) => pin.wasHere)")


def test_every_answer_says_where_it_comes_from_and_links_its_exact_bytes(open_bench, search, annotator_server):
    page = open_bench()
    search(page, "museum of everything")
    source = page.locator("#answer .provenance")
    assert "asked and recorded" in source.inner_text()
    page.click("#tool-form button[type=submit]")
    page.wait_for_selector("#answer .outcome.hit")
    assert "from a recording" in source.inner_text()
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", source.inner_text())
    link = source.locator("a").first.get_attribute("href")
    body = httpx.get(f"{annotator_server.url}{link}").content
    assert hashlib.sha256(body).hexdigest() == link.removeprefix("/x/")
    page.click("#again")
    page.wait_for_selector("#answer .changes:has-text('nothing changed')")
    assert "asked again and recorded" in source.inner_text()


def test_every_value_can_be_copied_and_seen_in_the_exact_bytes(open_bench, search, annotator_server):
    page = open_bench(permissions=["clipboard-read", "clipboard-write"])
    search(page, "pharmacy")
    value = page.locator(".card [data-pointer='/places/0/address']")
    value.click()
    items = page.locator("[role=menu] [role=menuitem]")
    assert items.all_inner_texts() == ["Use as evidence", "Use as option", "Copy", "See raw"]
    href = items.nth(3).get_attribute("href")
    raw = httpx.get(f"{annotator_server.url}{href}").json()
    assert href.endswith("#/places/0/address")
    assert raw["places"][0]["address"] == value.inner_text()
    assert items.nth(0).evaluate("(item) => item === document.activeElement")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == value.inner_text()
    assert value.evaluate("(button) => button === document.activeElement")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_answers_and_single_cards_go_into_the_context(open_bench, search, width, height):
    page = open_bench(width, height)
    search(page, "pharmacy")
    with page.expect_request(lambda request: request.method == "PUT" and "/contexts/" in request.url) as caught:
        page.click("#add")
    items = caught.value.post_data_json["content"]["items"]
    assert [item["kind"] for item in items] == ["places"]
    if page.locator("#tabs").is_visible():
        page.click("#tabs [data-tab=cards]")
    with page.expect_request(lambda request: request.method == "PUT" and "/contexts/" in request.url) as caught:
        page.locator(".card").nth(1).get_by_text("Add").click()
    items = caught.value.post_data_json["content"]["items"]
    assert [item["kind"] for item in items] == ["places", "details"]


def test_recorded_calls_are_opened_without_asking_named_and_kept(open_bench, search):
    page = open_bench()
    search(page, "library")
    search(page, "museum")
    call = page.locator("#calls li").filter(has_text="“library”").first
    asked = []
    page.on("request", lambda request: request.method == "POST" and "/tools/" in request.url and asked.append(request))
    call.locator(".call").click()
    page.wait_for_selector("#answer-title:text-is('“library”')")
    assert page.input_value("#tool-form [name=query]") == "library"
    assert asked == []
    call.get_by_label("Rename “library”").click()
    page.fill("#calls [name=label]", "Where to read")
    page.keyboard.press("Enter")
    page.wait_for_selector("#calls .call:has-text('Where to read')")
    page.click("#calls button:text-is('Saved')")
    page.wait_for_selector("#calls li:only-child .call:has-text('Where to read')")
    page.reload()
    page.click("#calls button:text-is('Saved')")
    page.wait_for_selector("#calls .call:has-text('Where to read')")
    page.get_by_label("Save Where to read").click()
    page.wait_for_selector("#calls li:has-text('Nothing saved yet')")


def test_another_provider_is_asked_when_chosen_and_the_others_say_what_is_missing(open_page, project, new_context):
    path = f"/p/{project}/contexts/{new_context()['id']}"
    page = open_page(path=path)

    def with_photon(route):
        body = route.fetch().json()
        for item in body.get("tools", []):
            if item["name"] == "text_search":
                item["providers"].append("photon")
        for provider in body.get("providers", []):
            if provider["key"] == "photon":
                provider["missing"] = []
        route.fulfill(json=body)

    page.route("**/api/tools", with_photon)
    page.route("**/api/providers", with_photon)
    page.reload()
    page.wait_for_selector("#tool-form form")
    assert page.locator("#provider option").count() == 2
    page.select_option("#provider", "photon")
    give(page, [place("Elsewhere")], provider="photon")
    with page.expect_request("**/tools/text_search**") as caught:
        find(page, "elsewhere")
    assert "provider=photon" in caught.value.url
    assert "Photon" in page.locator("#answer .provenance").inner_text()
    tool(page, "compute_routes")
    assert page.locator("#provider option").count() == 1
    page.click("#providers summary")
    reasons = page.locator("#provider-list li").filter(has_text="Photon").first.inner_text()
    assert "It does not answer this tool." in reasons
