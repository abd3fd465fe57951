"""The pages of people in a real browser: by keyboard alone, at two widths, in light and dark, checked by axe."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotator.people.actor import Actor
from tests.annotator.browser.conftest import FLAGS, is_complaint
from tests.annotator.program import Annotator

AXE = Path(__file__).parents[1] / "browser" / "vendor" / "axe.min.js"
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    """One browser."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and in CI the pages must be tested: apt-get install chromium")
        pytest.skip("needs Chromium, which is not here")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_as(chromium, server: Annotator, house) -> Iterator:
    """`open_as("owner", "/me")` opens a page as that person; what it complains of fails the test. A `page` that was
    opened so is used again, which costs far less than another."""
    contexts, complaints = [], []

    def new_page(expected: str, options: dict):
        context = chromium.new_context(bypass_csp=True, **{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                is_complaint(message)
                and not (expected and expected in message.text)
                and complaints.append(message.text)
            ),
        )
        return page

    def open_it(who: str | None, path: str, *, page=None, expected: str = "", **options):
        page = page or new_page(expected, options)
        page.context.clear_cookies()
        if who is not None:
            secret = house.session_headers(who)["cookie"].partition("=")[2]
            cookie = {"name": "mapqator_session", "value": secret, "url": server.url, "httpOnly": True}
            page.context.add_cookies([cookie])
        page.goto(f"{server.url}{path}")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []


def findings(page) -> list[str]:
    """What axe finds wrong and serious."""
    page.evaluate(AXE.read_text())
    violations = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        f"{item['id']}: {item['nodes'][0]['html'][:120]}"
        for item in violations
        if item["impact"] in ("serious", "critical")
    ]


def test_somebody_signs_in_by_keyboard_alone_and_comes_where_they_wanted_to_go(
    open_as, person: Actor, password: str
) -> None:
    page = open_as(None, "/me", expected="401")
    assert page.title() == "Sign in · MapQaTor"
    assert findings(page) == []
    # The first field has the focus, so that nothing has to be found first.
    page.keyboard.type(person.username)
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    alert = page.wait_for_selector("[role=alert]:not(:empty)")
    assert alert.inner_text() == "the name or the password is wrong"
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/me")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/login")


PAGES = (
    ("owner", "/"),
    ("owner", "/me"),
    ("administrator", "/admin"),
    ("administrator", "/admin/audit"),
    ("owner", "/p/{project}/people"),
    ("owner", "/p/{project}/settings"),
    ("reviewer", "/p/{project}/activity"),
    ("admin", "/p/{project}/webhooks"),
)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_no_page_has_a_serious_finding_or_is_wider_than_the_screen(open_as, house, width: int, scheme: str) -> None:
    page = None
    for who, path in PAGES:
        address = path.format(project=house.project.slug)
        page = open_as(who, address, page=page, viewport={"width": width, "height": 800}, color_scheme=scheme)
        assert page.locator("h1").count() == 1
        assert findings(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address


def test_a_token_is_made_copied_and_revoked_on_the_own_page(open_as) -> None:
    page = open_as("annotator", "/me")
    page.fill("form[data-api='POST /api/me/tokens'] [name=name]", "my <b>script</b>")
    page.get_by_role("button", name="Make token").click()
    secret = page.wait_for_selector(".secret code:not(:empty)").inner_text()
    assert secret.startswith("mq_")
    page.wait_for_selector("#tokens td:has-text('my <b>script</b>')")
    page.reload()
    assert secret not in page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke my <b>script</b>").click()
    page.wait_for_selector("#tokens .empty")


def test_a_member_is_added_promoted_removed_and_brought_back(open_as, house) -> None:
    username = house.actors["stranger"].username
    page = open_as("owner", f"/p/{house.project.slug}/people")
    page.fill("[data-in-path]", username)
    page.get_by_role("button", name="Add member").click()
    role = page.get_by_role("combobox", name=f"Role of {username}")
    role.wait_for()
    held: list = []
    page.route("**/people", lambda route: held.append(route))
    role.select_option("reviewer")
    while not held:
        page.evaluate("1")
    # What undoes a removal stands in the row, so nothing is said to be done while the row is still the old one.
    done = page.locator(f".toast:has-text('{username} is reviewer now.')")
    assert done.count() == 0
    held[0].continue_()
    done.wait_for()
    page.unroute("**/people")
    page.get_by_role("button", name=f"Remove {username}").click()
    role.wait_for(state="detached")
    page.get_by_role("button", name="Undo").click()
    role.wait_for()
    assert role.input_value() == "reviewer"
    page.get_by_role("button", name=f"Remove {username}").click()
    role.wait_for(state="detached")


def test_settings_are_saved_and_a_wrong_one_is_told_beside_the_form(open_as, house) -> None:
    page = open_as("admin", f"/p/{house.project.slug}/settings", expected="400")
    page.fill("[name='settings.categories']", "poi, " + "x" * 65)
    page.get_by_role("button", name="Save settings").click()
    alert = page.wait_for_selector("form [role=alert]:not(:empty)")
    assert "categories" in alert.inner_text()
    page.fill("[name='settings.categories']", "poi, nearby")
    page.get_by_role("button", name="Save settings").click()
    page.wait_for_selector(".toast:has-text('Settings saved.')")
    page.reload()
    assert page.input_value("[name='settings.categories']") == "poi, nearby"
    assert page.get_by_role("button", name="Delete project").count() == 0


def test_the_audit_log_is_checked_on_its_page(open_as) -> None:
    page = open_as("administrator", "/admin/audit")
    page.get_by_role("button", name="Check the log").click()
    page.wait_for_selector("#verdict .ok:has-text('as they were written')")


def test_an_error_is_a_page_for_people(open_as, house) -> None:
    page = open_as("viewer", f"/p/{house.project.slug}/settings", expected="403")
    assert page.inner_text("h1") == "Not allowed"
    assert "this needs admin or more" in page.inner_text("main")
    page.get_by_role("link", name="Projects").click()
    page.wait_for_selector(f"a[href='/p/{house.project.slug}']")
