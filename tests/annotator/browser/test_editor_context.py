"""The context's panel in a real browser: order, fields, rows, notes, its rendered text, and undo."""

import pytest

from tests.annotator.browser.writing import make_bench, wait_saved


@pytest.fixture
def bench(annotator_server, project):
    return make_bench(annotator_server, project)


@pytest.fixture
def page(open_page, bench):
    opened = open_page(path=bench.path)
    opened.wait_for_selector("#items .item")
    return opened


def keys(bench):
    return [item["key"] for item in bench.now()["content"]["items"]]


def shown(page):
    return page.locator("#items > li").evaluate_all("rows => rows.map((row) => row.dataset.key)")


def test_items_are_ordered_by_keys_and_by_dragging(page, bench):
    page.focus("#items [data-key=details] .item-title")
    page.keyboard.press("Alt+ArrowDown")
    assert shown(page) == ["nearby", "details", "route"]
    assert page.evaluate("document.activeElement.closest('li').dataset.key") == "details"
    page.keyboard.press("Alt+ArrowDown")
    wait_saved(page)
    assert keys(bench) == ["nearby", "route", "details"]
    grip, first = page.locator("#items [data-key=details] .handle"), page.locator("#items [data-key=nearby]")
    grip.hover()
    page.mouse.down()
    box = first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 4, steps=4)
    page.mouse.up()
    assert shown(page) == ["details", "nearby", "route"]
    wait_saved(page)
    assert keys(bench) == ["details", "nearby", "route"]


def test_hidden_rows_and_fields_change_what_models_read(page, bench):
    text = page.locator("#rendered-text")
    name = bench.calls["nearby"]["result"]["places"][1]["name"]
    page.wait_for_function("name => document.querySelector('#rendered-text').textContent.includes(name)", arg=name)
    before = page.locator("#context-size").inner_text()
    row = page.locator("#items [data-key=nearby]")
    row.locator("button:has-text('More')").click()
    row.get_by_label(name, exact=True).uncheck()
    assert row.locator(".item-rows").inner_text() == "4/5"
    page.wait_for_function("name => !document.querySelector('#rendered-text').textContent.includes(name)", arg=name)
    wait_saved(page)
    view = bench.now()["content"]["items"][1]["view"]
    assert view["hidden"] == ["/places/1"]
    assert page.locator("#context-size").inner_text() != before
    row.get_by_label("Address", exact=True).uncheck()
    wait_saved(page)
    assert "address" not in bench.now()["content"]["items"][1]["view"]["fields"]
    address = bench.calls["nearby"]["result"]["places"][0]["address"]
    page.wait_for_function("text => !document.querySelector('#rendered-text').textContent.includes(text)", arg=address)
    assert bench.calls["nearby"]["result"]["places"][0]["name"] in text.inner_text()


def test_steps_headings_and_notes_are_told(page):
    route = page.locator("#items [data-key=route]")
    route.locator("button:has-text('More')").click()
    route.get_by_label("Heading").fill("The way to the other pharmacy")
    route.get_by_label("Tell each step of the way").check()
    page.click("#note-add")
    page.keyboard.type("The harbour is closed in winter.")
    page.wait_for_function(
        "() => ['The way to the other pharmacy', 'The harbour is closed in winter.', 'High Street']"
        ".every((words) => document.querySelector('#rendered-text').textContent.includes(words))"
    )


def test_what_is_removed_comes_back_by_its_toast_and_by_undo(page, bench):
    page.click("#items [data-key=nearby] [aria-label^='Remove']")
    assert shown(page) == ["details", "route"]
    page.click("#toasts button:text-is('Undo')")
    assert shown(page) == ["details", "nearby", "route"]
    page.click("#items [data-key=route] [aria-label^='Remove']")
    wait_saved(page)
    assert keys(bench) == ["details", "nearby"]
    page.keyboard.press("Control+z")
    page.wait_for_selector("#items [data-key=route]")
    assert keys(bench) == ["details", "nearby", "route"]
    page.keyboard.press("Control+Shift+z")
    page.wait_for_selector("#items [data-key=route]", state="detached")
    assert keys(bench) == ["details", "nearby"]


def test_the_context_reads_as_text_json_and_markdown_and_can_be_copied(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.wait_for_selector("#rendered-text pre:not(:empty)")
    page.focus("#tab-text")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('#rendered-text').textContent.startsWith('{')")
    page.click("#rendered-copy")
    page.wait_for_selector(".toast:has-text('Copied.')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#rendered-text").text_content()
    page.click("#tab-markdown")
    page.wait_for_function("() => document.querySelector('#rendered-text').textContent.startsWith('#')")
    assert "tokens" in page.locator("#context-size").inner_text()


def test_an_answer_is_added_once_and_a_row_lights_its_marker(page, bench, search):
    search(page, "museum")
    page.click("#answer button:has-text('Add to context') >> nth=0")
    page.wait_for_selector("#items > li:nth-child(4)")
    wait_saved(page)
    assert len(keys(bench)) == 4
    page.click("#items [data-key=nearby] .item-title")
    page.wait_for_selector("#cards .value[data-pointer='/places/1/name']")
    page.click("#items [data-key=nearby] button:has-text('More')")
    name = bench.calls["nearby"]["result"]["places"][1]["name"]
    page.locator("#items [data-key=nearby]").get_by_text(name, exact=True).hover()
    page.wait_for_selector("#map .pin.lit")


def test_an_earlier_revision_is_brought_back_from_the_history(page, bench):
    page.fill("#context-name", "Another name")
    wait_saved(page)
    assert bench.now()["title"] == "Another name"
    page.click("#context-history")
    page.wait_for_selector("#history .chip:text-is('current')")
    assert "changed title" in page.locator("#history li").first.inner_text()
    page.click("#history [aria-label='Restore revision 1']")
    page.wait_for_function("() => document.getElementById('context-name').value === 'A walk at the harbour'")
    wait_saved(page)
    assert bench.now()["title"] == "A walk at the harbour"
