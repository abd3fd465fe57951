"""The workbench when something is wrong, by keyboard alone, on small screens, and under axe."""

import pytest

from tests.annotator.browser.asking import (
    find,
    give,
    make_route,
    open_details,
    overflow,
    place,
    tool,
    wait_for_answer,
)
from tests.annotator.browser.conftest import HEIGHT, WIDTH


def test_names_are_words_and_never_markup(open_bench):
    page = open_bench()
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    give(page, [place(hostile, address=hostile)])
    find(page, "hostile")
    assert page.locator(".card .name .value").inner_text() == hostile
    assert page.locator(".card img, .card script").count() == 0


def test_places_whose_terms_forbid_it_are_not_drawn_on_this_map(open_bench):
    page = open_bench()
    give(page, [place("Elsewhere")], display="own_map_only")
    find(page, "elsewhere")
    assert page.locator(".card").count() == 1
    assert page.locator(".pin").count() == 0
    assert "terms keep its places off other maps" in page.locator("#status").inner_text()
    assert page.locator("#add").is_disabled()


def test_without_webgl_everything_but_the_map_works(open_page, project, new_context, search):
    page = open_page(path="/docs", expected=("gpuinitializationerror",), is_new=True)
    page.add_init_script(
        "const old = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "return kind.startsWith('webgl') ? null : old.call(this, kind, ...rest); };"
    )
    address = page.url.removesuffix("/docs")
    page.goto(f"{address}/p/{project}/contexts/{new_context()['id']}")
    page.wait_for_selector(".no-map:has-text('no WebGL')")
    search(page, "pharmacy")
    assert page.locator(".card").count() >= 2


def test_a_server_that_is_gone_is_said_and_what_is_there_is_kept(open_bench, search):
    page = open_bench(expected=("failed to load resource",))
    search(page, "pharmacy")
    number = page.locator(".card").count()
    page.route("**/tools/**", lambda route: route.abort())
    page.fill("#tool-form [name=query]", "museum")
    page.press("#tool-form [name=query]", "Enter")
    page.wait_for_selector("#status.bad:has-text('does not answer')")
    assert page.locator(".card").count() == number
    assert page.input_value("#tool-form [name=query]") == "museum"
    page.unroute("**/tools/**")
    page.click("#status button")
    page.wait_for_selector("#answer-title:text-is('“museum”')")
    assert page.locator("#status.bad").count() == 0


def test_a_refusal_is_shown_in_the_servers_own_words(open_bench, annotator_server):
    page = open_bench(expected=("failed to load resource",))
    page.eval_on_selector("#tool-form [name=query]", "(input) => input.removeAttribute('maxlength')")
    page.fill("#tool-form [name=query]", "x" * 300)
    page.press("#tool-form [name=query]", "Enter")
    page.wait_for_selector("#status.bad")
    refused = annotator_server.tool("text_search", {"query": "x" * 300}).json()["error"]["message"]
    assert page.locator("#status").inner_text() == refused
    assert page.evaluate("document.activeElement.name") == "query"


@pytest.mark.parametrize(("width", "height"), [(WIDTH, HEIGHT), (400, 800)])
def test_an_answer_leaves_whoever_has_gone_on_where_they_are(open_bench, search, width, height):
    page = open_bench(width, height)
    search(page, "pharmacy")
    held = []
    page.route("**/tools/text_search**", lambda route: held.append(route))
    tool(page, "text_search")
    page.fill("#tool-form [name=query]", "museum")
    with page.expect_request("**/tools/text_search**"):
        page.press("#tool-form [name=query]", "Enter")
    tool(page, "compute_routes")
    page.click("#tool-form [name=origin]")
    assert page.locator("#tool-form [role=option]:visible").count() > 0
    held[0].continue_()
    wait_for_answer(page)
    assert page.locator("#answer-title").text_content() == "“museum”"
    assert page.evaluate("document.activeElement.name") == "origin"
    assert page.locator("#tool-form [role=option]:visible").count() > 0


def test_a_form_that_lacks_a_place_says_which(shared_bench):
    page = shared_bench
    tool(page, "compute_routes")
    page.click("#tool-form button[type=submit]")
    page.wait_for_selector("#status.bad:has-text('From: choose a place')")
    assert page.evaluate("document.activeElement.name") == "origin"


def test_all_of_it_works_by_keyboard_alone(open_bench):
    page = open_bench()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("t")
    assert page.evaluate("document.activeElement.id") == "tool"
    page.locator("#main").focus()
    page.keyboard.press("m")
    assert page.evaluate("document.activeElement.className").startswith("maplibregl-canvas")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "query"
    page.keyboard.type("pharmacy")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    assert page.evaluate("document.activeElement.id") == "answer-title"
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    assert page.locator(".card").nth(1).evaluate("(card) => card === document.activeElement")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.pointer") == "/places/1/name"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer .values")
    assert page.evaluate("document.activeElement.id") == "answer-title"
    page.keyboard.press("Escape")
    page.wait_for_selector("#answer-title:text-is('“pharmacy”')")
    page.keyboard.press("?")
    listed = page.locator("#keys").inner_text()
    assert "Search for places" in listed
    assert "Next row of the answer" in listed


def test_a_place_is_chosen_by_keyboard(shared_bench, search):
    page = shared_bench
    search(page, "pharmacy")
    name = page.locator(".card .name > .value").nth(1).inner_text()
    tool(page, "compute_routes")
    box = page.get_by_role("combobox", name="From", exact=True)
    box.focus()
    page.keyboard.type(name[:6])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert box.input_value() == name
    assert box.get_attribute("aria-expanded") == "false"


def test_words_in_a_place_field_are_searched_for(shared_bench):
    page = shared_bench
    tool(page, "compute_routes")
    page.fill("#tool-form [name=origin]", "museum")
    page.locator("#tool-form [role=option]:visible").get_by_text("Look for “museum”").click()
    page.wait_for_selector("#tool-form [role=option] .quiet")
    name = page.locator("#tool-form [role=option] span").first.inner_text()
    page.keyboard.press("Enter")
    assert page.input_value("#tool-form [name=origin]") == name


def test_an_id_that_nobody_has_located_is_no_point(shared_bench):
    page = shared_bench
    tool(page, "distance_bearing")
    page.fill("#tool-form [name=origin]", "town:n5195")
    page.fill("#tool-form [name=destination]", "45.39, -65.33")
    page.click("#tool-form button[type=submit]")
    page.wait_for_selector("#status.bad:has-text('only its details tell')")


def test_panes_are_resized_and_remembered(open_bench):
    page = open_bench(1280, 800)
    grip = page.get_by_role("separator", name="Width of the tools")
    before = page.locator("#tools").bounding_box()["width"]
    grip.focus()
    page.keyboard.press("ArrowRight")
    wider = page.locator("#tools").bounding_box()["width"]
    assert wider == before + 16
    box = grip.bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 104, box["y"] + 300)
    page.mouse.up()
    dragged = page.locator("#tools").bounding_box()["width"]
    assert dragged > wider + 80
    page.reload()
    page.wait_for_selector("#tool-form form")
    assert page.locator("#tools").bounding_box()["width"] == dragged


def test_nothing_is_wider_than_a_narrow_screen(open_bench, search):
    page = open_bench(400, 800)
    assert overflow(page) == 0
    page.click("#providers summary")
    assert overflow(page) == 0
    make_route(page, search)
    page.locator(".steps summary").first.click()
    assert overflow(page) == 0
    long = [place("Supercalifragilistic" * 10), place("The long and winding name " * 8), place("مقهى الميناء")]
    give(page, [{**item, "pid": f"town:n{index}"} for index, item in enumerate(long)])
    find(page, "long names")
    assert overflow(page) == 0
    assert page.locator(".pin").count() == 3


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_axe_finds_nothing_serious(open_bench, search, serious_findings, width, scheme):
    page = open_bench(width, 800, color_scheme=scheme)
    page.click("#providers summary")
    make_route(page, search, alternatives=1)
    assert serious_findings(page) == []
    search(page, "pharmacy")
    open_details(page, 0)
    page.locator("#answer .value").first.click()
    page.wait_for_selector("[role=menu]")
    assert serious_findings(page) == []


def test_the_theme_is_switched_kept_and_drawn(open_bench, settle):
    page = open_bench(with_map=True)
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


def test_nothing_moves_for_people_who_asked_for_calm(open_bench, search):
    page = open_bench(reduced_motion="reduce")
    search(page, "pharmacy")
    durations = page.eval_on_selector_all(
        ".card, .card .number, .pin", "(all) => all.map((one) => getComputedStyle(one).transitionDuration)"
    )
    assert set(durations) == {"0s"}
