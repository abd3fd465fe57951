"""What the tests of the workbench share: filling the forms of tools, and answers that are made up."""

import json


def tool(page, name):
    """Shows the form of a tool."""
    if page.locator("#tabs").is_visible():
        page.click("#tabs [data-tab=tools]")
    page.select_option("#tool", name)


def pick(page, name, index, *, nth=0):
    """Chooses the place of that place in the list for a field."""
    page.locator(f"#tool-form [name={name}]").nth(nth).click()
    option = page.locator("#tool-form [role=option]:visible").nth(index)
    chosen = option.locator("span").first.inner_text()
    option.click()
    return chosen


def wait_for_answer(page):
    """Waits until what was asked is answered: an earlier answer may have the heading of the one to come."""
    page.wait_for_selector("#centre:not([aria-busy])", state="attached")


def send(page, heading):
    """Asks, and waits for an answer with such a heading."""
    page.click("#tool-form button[type=submit]")
    wait_for_answer(page)
    page.wait_for_selector(f"#answer-title:has-text('{heading}')")


def open_details(page, index):
    page.locator(".card").nth(index).get_by_text("Details").click()
    page.wait_for_selector("#answer .values")


def make_route(page, search, *, alternatives=0):
    search(page, "pharmacy")
    tool(page, "compute_routes")
    pick(page, "origin", 0)
    pick(page, "destination", 1)
    page.select_option("#tool-form [name=mode]", "walk")
    page.fill("#tool-form [name=alternatives]", str(alternatives))
    send(page, "Walk from")


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def answer(places, **provenance):
    """A made-up answer of text_search."""
    source = {
        "provider": "town",
        "attribution": "Nobody",
        "licence": "CC0-1.0",
        "display": "any_map",
        "result_sha": "0" * 64,
        "exchanges": [],
        **provenance,
    }
    result = {"kind": "places", "places": places}
    call = {"id": None, "tool": "text_search", "provider": source["provider"], "params": {"query": "made up"}}
    return json.dumps({**call, "outcome": "live", "result": result, "provenance": source, "latency_ms": 1.0})


def give(page, places, **provenance):
    """Makes the next search answer with these places."""
    page.route(
        "**/tools/text_search**",
        lambda route: route.fulfill(content_type="application/json", body=answer(places, **provenance)),
    )


def find(page, words):
    """Searches for what `give` answers."""
    tool(page, "text_search")
    page.fill("#tool-form [name=query]", words)
    page.press("#tool-form [name=query]", "Enter")
    wait_for_answer(page)
    page.wait_for_selector("#answer-title:text-is('“made up”')")


def place(name, **fields):
    return {"pid": "town:n1", "provider": "town", "name": name, "lat": 45.3932, "lon": -65.3285, **fields}
