"""The pages of contexts, recordings and exact bytes in a real browser."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.annotator.program import Annotator

SQUARE = {"lat": 45.392654, "lon": -65.328712}
LONG = "Ein sehr langer Name ohne Ende " * 6 + "Donaudampfschifffahrtsgesellschaft"

ONE_ROW = "#list:not(:has(tbody tr:nth-child(2))) tbody tr"


@pytest.fixture(scope="module")
def api(annotator_server: Annotator) -> Iterator[httpx.Client]:
    """Asks the project of these tests, which has three contexts and a call."""
    with httpx.Client(base_url=annotator_server.url, timeout=60) as client:
        made = client.post("/api/projects", json={"name": "Evidence", "slug": "evidence-pages"})
        assert made.status_code == 201, made.text
        for title in ("Cafes around the square", "مقاهي حول الميناء", LONG[:200]):
            client.post("/api/projects/evidence-pages/contexts", json={"content": {"title": title}}).raise_for_status()
        yield client


@pytest.fixture(scope="module")
def answer(api: httpx.Client) -> dict:
    """An answer of the town."""
    params = {**SQUARE, "type": "cafe", "limit": 5}
    return api.post("/api/projects/evidence-pages/tools/nearby_search", json=params).json()


@pytest.fixture
def visit(open_page: Callable) -> Callable:
    """`visit(path)` opens a page; `body` are the exact bytes that it is to show."""

    def open_it(path: str, width: int = 1280, height: int = 800, *, body: bytes | None = None, **options):
        def before(page) -> None:
            if body is not None:
                page.route("**/x/*?raw", lambda route: route.fulfill(body=body, content_type="text/plain"))

        return open_page(width, height, path=path, before=before, **options)

    return open_it


def _bytes_path(answer: dict) -> str:
    return f"/x/{answer['provenance']['exchanges'][0]['body_sha']}"


def test_the_value_that_a_link_points_to_is_lit_and_said(visit, answer):
    page = visit(f"{_bytes_path(answer)}#/places/2/name")
    lit = page.wait_for_selector(".pointed")
    name = answer["result"]["places"][2]["name"]
    assert lit.inner_text() == f'"name": "{name}"'
    assert lit.is_visible()
    assert page.inner_text("#pointed") == f'At /places/2/name stands "{name}"'
    page.evaluate("location.hash = '#/places/4'")
    page.wait_for_selector("summary.pointed")
    page.evaluate("location.hash = '#/places/99/name'")
    page.wait_for_selector("#pointed:text('There is nothing at /places/99/name')")
    assert page.locator(".pointed").count() == 0


def test_the_bytes_are_shown_as_they_came_with_the_value_marked(visit, answer, api):
    raw = api.get(_bytes_path(answer)).text
    page = visit(f"{_bytes_path(answer)}#/places/0/lat")
    page.click("#as-text")
    page.wait_for_selector("#bytes:not([aria-busy]) mark")
    assert page.text_content("#bytes pre") == raw
    assert float(page.text_content("#bytes mark")) == answer["result"]["places"][0]["lat"]
    assert page.get_attribute("#as-text", "aria-pressed") == "true"


def test_a_key_in_the_tree_is_a_link_to_its_value(visit, answer):
    page = visit(_bytes_path(answer))
    page.click("#bytes a.key >> text='\"kind\"'")
    page.wait_for_selector("#pointed:text('At /kind stands')")
    assert page.url.endswith("#/kind")


def test_numbers_and_escapes_are_shown_exactly_as_written(visit, answer):
    numbers = rb'"one": 1.0, "big": 12345678901234567890, "e": 1E+2'
    body = b"{" + numbers + rb', "text": "\u00e9\/\"<b>", "a": 1, "a": 2, "empty": {}, "k~/": [true, null]}'
    page = visit(f"{_bytes_path(answer)}#/k~0~1/1", body=body)
    page.wait_for_selector(".pointed")
    shown = page.inner_text("#bytes")
    for lexeme in ("1.0", "12345678901234567890", "1E+2", r'"\u00e9\/\"<b>"', "{}", "null"):
        assert lexeme in shown
    assert page.locator("#bytes b").count() == 0
    # Of two members with one name, readers take the last.
    page.evaluate("location.hash = '#/a'")
    page.wait_for_selector("#pointed:text('At /a stands 2')")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"<html><script>alert(1)</script>", "<html><script>alert(1)</script>"),
        (b"\xff\xfe\x00PNG", "ff fe 00 50 4e 47"),
        (b"", "no bytes"),
        (b"[" * 5000 + b"]" * 5000, "[[[["),
        (b'{"half": ', '{"half": '),
    ],
    ids=["html", "binary", "empty", "deep", "half"],
)
def test_content_that_is_no_json_is_shown_faithfully(visit, answer, body, shown):
    page = visit(_bytes_path(answer), body=body)
    page.wait_for_selector("#bytes:not([aria-busy])")
    assert shown in page.inner_text("#bytes")
    assert page.locator("#bytes script").count() == 0


def test_a_large_body_unfolds_in_parts_and_is_reached_by_its_pointer(visit, answer):
    rows = ",".join(f'{{"n": {number}, "name": "place {number}"}}' for number in range(20_000))
    page = visit(f"{_bytes_path(answer)}#/rows/15000/name", body=f'{{"rows": [{rows}]}}'.encode())
    assert page.wait_for_selector(".pointed").inner_text() == '"name": "place 15000"'
    page.evaluate("location.hash = ''")
    page.reload()
    page.wait_for_selector("#bytes:not([aria-busy])")
    # Nobody waits for what is not looked at.
    assert page.locator("#bytes .row").count() < 500
    page.click("#bytes summary >> nth=1")
    page.click("#bytes .part summary >> text='19800 … 19999'")
    page.locator("#bytes .row summary", has_text="19999: {…} 2 members").wait_for()


def test_a_new_context_opens_and_the_list_finds_deletes_and_restores(visit, api):
    page = visit("/p/evidence-pages/contexts")
    page.fill("[type=search]", "square")
    page.wait_for_selector(ONE_ROW)
    assert "q=square" in page.url
    page.click("button[aria-label^='Delete']")
    page.wait_for_selector("#list .empty")
    page.click("#toasts button >> text='Undo'")
    page.wait_for_selector("#list a >> text='Cafes around the square'")
    page.click("button[aria-label^='Mark done']")
    page.wait_for_selector("#list .chip.ok >> text='done'")
    listed = api.get("/api/projects/evidence-pages/contexts").json()["total"]
    page.click("text='New context'")
    page.wait_for_url("**/p/evidence-pages/contexts/0*")
    assert api.get("/api/projects/evidence-pages/contexts").json()["total"] == listed + 1


def test_a_provider_is_asked_again_from_its_recording(visit, answer):
    exchange = answer["provenance"]["exchanges"][0]
    page = visit(f"/cache/{exchange['id']}")
    page.click("#ask-again")
    page.wait_for_selector("#asked-again >> text='Nothing changed.'")
    page.click("#asked-again a")
    page.wait_for_selector("h2 >> text='What changed'")
    assert exchange["id"] not in page.url


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    visit, answer, annotator_server, serious_findings, width, scheme
):
    exchange = answer["provenance"]["exchanges"][0]
    page = visit("/p/evidence-pages/contexts", width, color_scheme=scheme)
    for path in (
        "/p/evidence-pages/contexts",
        "/p/evidence-pages/contexts?q=nothing+like+it",
        f"{_bytes_path(answer)}#/places/0/name",
        "/cache",
        "/cache/statistics",
        f"/cache/{exchange['id']}",
    ):
        page.goto(f"{annotator_server.url}{path}")
        page.wait_for_selector("#main:not(:has([aria-busy]))")
        assert serious_findings(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_the_list_is_walked_by_keyboard_alone(visit):
    page = visit("/p/evidence-pages/contexts")
    page.keyboard.press("/")
    page.keyboard.type("square")
    page.wait_for_selector(ONE_ROW)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#list th a')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/contexts/0*")
