"""The tools of the workbench in a real browser, over the real annotator with the embedded town."""

import math
import re

import polyline
import pytest

from tests.annotator.browser.asking import make_route, open_details, overflow, pick, send, tool
from tests.annotator.browser.conftest import HEIGHT, WIDTH

SIZES = [(WIDTH, HEIGHT), (400, 800)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nearby_search_asks_around_the_maps_centre(open_bench, width, height):
    page = open_bench(width, height)
    tool(page, "nearby_search")
    page.select_option("#tool-form [name=type]", "cafe")
    page.fill("#tool-form [name=radius_m]", "10000")
    with page.expect_request("**/tools/nearby_search**") as caught:
        send(page, "cafe, within 10 km")
    params = caught.value.post_data_json
    assert params["type"] == "cafe"
    assert params["radius_m"] == 10000
    box = page.evaluate("fetch('/api/maps').then((r) => r.json()).then((body) => body.maps[0].bbox)")
    assert box[0] < params["lat"] < box[2]
    assert box[1] < params["lon"] < box[3]
    assert page.locator(".card [data-label=Distance]").count() == page.locator(".card").count() > 0
    assert overflow(page) == 0


def test_a_place_shows_what_is_known_and_whether_it_is_open(open_bench, search):
    page = open_bench()
    search(page, "pharmacy")
    open_details(page, 0)
    terms = page.locator("#answer dt").all_inner_texts()
    assert {"Name", "Type", "Address", "Hours", "Place id", "Position"} <= set(terms)
    page.click("text=Open now?")
    page.wait_for_selector("#answer .state")
    said = page.locator("[data-pointer='/state']").inner_text()
    assert said in ("Open", "Closed", "Hours unknown")
    page.click("#back")
    page.click("#back")
    assert page.locator("#answer-title").inner_text() == "“pharmacy”"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_route_has_alternatives_to_choose_by_mouse_and_by_keyboard(open_bench, search, settle, width, height):
    page = open_bench(width, height)
    search(page, "pharmacy")
    settle(page)
    before = page.locator("#map canvas").screenshot()
    make_route(page, search, alternatives=2)
    settle(page)
    assert page.locator("#map .pin-stop").all_inner_texts() == ["A", "B"]
    assert re.search(r"\d+ min\s+[\d.]+ k?m", page.locator(".total").first.inner_text())
    assert page.locator("#map canvas").screenshot() != before
    routes = page.locator(".card")
    assert routes.count() >= 2
    page.click("[aria-label='Show in front: route 2']")
    assert routes.nth(1).get_attribute("aria-current") == "true"
    assert routes.nth(1).evaluate("(row) => row === document.activeElement")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert routes.nth(0).get_attribute("aria-current") == "true"
    assert overflow(page) == 0


def test_a_route_drawn_beside_the_chosen_one_is_chosen_by_a_click(open_bench, search, settle):
    page = open_bench()
    with page.expect_response("**/tools/compute_routes**") as caught:
        make_route(page, search, alternatives=1)
    settle(page)
    first, second = (polyline.decode(route["geometry"]) for route in caught.value.json()["result"]["routes"])
    # Where the other route is farthest from the one in front.
    lat, lon = max(second, key=lambda point: min(math.dist(point, other) for other in first))
    zoom, center_lat, center_lon = map(float, re.search(r"view=([^&]+)", page.url)[1].split("/"))
    box = page.locator("#map").bounding_box()

    def pixels(latitude, longitude):
        """The Web Mercator position on a world of 512 px at zoom 0."""
        scale = 512 * 2**zoom / 360
        north = math.degrees(math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2)))
        return longitude * scale, -north * scale

    x, y = pixels(lat, lon)
    middle_x, middle_y = pixels(center_lat, center_lon)
    page.mouse.click(box["x"] + box["width"] / 2 + x - middle_x, box["y"] + box["height"] / 2 + y - middle_y)
    page.wait_for_selector(".card[data-row='/routes/1'][aria-current]")


def test_stops_are_named_in_the_order_of_visit(open_bench, search):
    page = open_bench()
    search(page, "pharmacy")
    tool(page, "compute_routes")
    start, end = pick(page, "origin", 0), pick(page, "destination", 1)
    page.click("text=Add a place")
    first = pick(page, "intermediates", 2)
    page.click("text=Add a place")
    second = pick(page, "intermediates", 3, nth=1)
    page.get_by_label("Stops between 2: earlier").click()
    send(page, "Drive from")
    assert page.locator("#answer .ends .stop").all_inner_texts() == [start, second, first, end]
    assert page.locator("#map .pin-stop").all_inner_texts() == ["A", "B", "C", "D"]
    assert page.locator(".legs li").count() == 3


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_places_along_a_route_tell_their_detours(open_bench, search, width, height):
    page = open_bench(width, height)
    search(page, "pharmacy")
    tool(page, "search_along_route")
    pick(page, "origin", 0)
    pick(page, "destination", 3)
    page.select_option("#tool-form [name=type]", "cafe")
    send(page, "cafe along the way")
    places = page.locator("#answer li.card")
    assert places.count() > 0
    assert page.locator("#answer li.card [data-pointer$='/detour/duration_s']").count() == places.count()
    assert page.locator("#map .pin-diamond").count() == places.count()
    assert overflow(page) == 0


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_matrix_has_a_cell_for_every_pair(open_bench, search, width, height):
    page = open_bench(width, height)
    search(page, "pharmacy")
    tool(page, "travel_matrix")
    pick(page, "origins", 0)
    pick(page, "destinations", 1)
    page.locator("text=Add a place").nth(1).click()
    pick(page, "destinations", 2, nth=1)
    send(page, "Drive: 1 origin, 2 destinations")
    cells = page.locator(".matrix td[data-row]")
    assert cells.count() == 2
    cells.nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert "lit" in cells.nth(1).get_attribute("class")
    assert overflow(page) == 0


def test_computed_tools_fill_from_chosen_places(open_bench, search):
    page = open_bench()
    search(page, "pharmacy")
    tool(page, "distance_bearing")
    pick(page, "origin", 0)
    pick(page, "destination", 1)
    send(page, "Straight line from")
    assert re.fullmatch(r"[\d.]+ k?m", page.locator("[data-pointer='/distance_m']").inner_text())
    tool(page, "open_at")
    pick(page, "hours_of", 0)
    assert page.input_value("#tool-form [name=opening_hours]") != ""
    page.fill("#tool-form [name=at]", "2026-07-01T10:30")
    send(page, "Open at 2026-07-01 10:30?")
    assert page.locator("[data-pointer='/local_time']").inner_text() == "2026-07-01 10:30"


def test_a_pasted_link_or_coordinates_find_what_is_there(open_bench):
    page = open_bench()
    tool(page, "text_search")
    page.fill("#tool-form [name=query]", "https://www.openstreetmap.org/#map=17/45.392654/-65.328712")
    send(page, "What is at 45.392654, -65.328712")
    tool(page, "reverse_geocode")
    page.fill("#tool-form [name=near]", "45.3968, -65.3275")
    send(page, "What is at 45.396800, -65.327500")


def test_a_point_is_chosen_on_the_map_by_mouse_and_by_keyboard(open_bench):
    page = open_bench(with_map=True)
    tool(page, "reverse_geocode")
    page.get_by_label("Around: choose on the map").click()
    page.locator("#map canvas").click(position={"x": 250, "y": 180})
    clicked = page.input_value("#tool-form [name=near]")
    assert re.fullmatch(r"4\d\.\d+, -6\d\.\d+", clicked)
    page.get_by_label("Around: choose on the map").click()
    page.keyboard.press("Enter")
    assert page.input_value("#tool-form [name=near]") != clicked
    page.get_by_label("Around: choose on the map").click()
    page.keyboard.press("Escape")
    assert page.locator("#map.aiming").count() == 0
