"""Runs beside each other in a browser: variants with one click, comparisons in pairs, the leaderboard."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from annotator.client import MapQaTor
from tests.annotator.datasets.over_http import write_project
from tests.annotator.evaluate.runs import scripted
from tests.annotator.evaluate.runs.scripted import chunk, served, stream

SAID = {"tiny:full": "Answer: A", "tiny:duo": "Answer: B", "tiny:skip": "I do not know."}
KV_BYTES = {"tiny:full": 4_000_000, "tiny:duo": 1_500_000, "tiny:skip": 4_000_000}
LONG_NAME = "x" * 200
ARABIC_NAME = "تجربة المقاهي في الميناء القديم"


MAY_SAY = threading.Event()
"""Cleared, no model says anything."""
MAY_SAY.set()


def play(body: dict) -> bytes:
    """Every variant says one thing to all questions; Rhumb's timings come with it."""
    assert MAY_SAY.wait(60)
    model = body["model"]
    return stream(
        chunk({"content": SAID.get(model, "Answer: A")}),
        chunk({}, "stop", usage={"prompt_tokens": 50, "completion_tokens": 8}),
        chunk({}, None, timings={"kv_bytes": KV_BYTES.get(model, 1), "mean_depth_layers": 6}),
        b"data: [DONE]\n\n",
    )


@dataclass(frozen=True)
class Compared:
    """A project with two frozen versions of `walks`, an endpoint that serves variants, and finished runs.

    Args:
        ids: of runs over version 1.0.0 by model.
        elsewhere: of a run over version 1.1.0.
    """

    slug: str
    ids: dict[str, str]
    elsewhere: str

    def path(self, page: str, *models: str) -> str:
        """The address of a page about the runs of these models."""
        query = "&".join(f"run={self.ids[model]}" for model in models)
        return f"/p/{self.slug}/evaluations/{page}" + (f"?{query}" if query else "")


@pytest.fixture(scope="module")
def compared(annotator_server) -> Iterator[Compared]:
    slug = write_project(annotator_server.url, name="Compared walks")
    names = ("tiny", *SAID)
    listed = {"object": "list", "data": [{"id": name, "root": "tiny", "max_model_len": 4096} for name in names]}
    with (
        pytest.MonkeyPatch.context() as patch,
        served(play) as server,
        httpx.Client(base_url=annotator_server.url, timeout=60) as client,
        MapQaTor(annotator_server.url) as mq,
    ):
        patch.setattr(scripted, "MODELS", listed)
        for version in ("1.0.0", "1.1.0"):
            frozen = client.post(f"/api/projects/{slug}/datasets/walks/snapshots", json={"version": version})
            assert frozen.status_code == 201, frozen.text
        endpoint = {"name": "variants", "base_url": server.url}
        assert client.post("/api/evaluations/endpoints", json=endpoint).status_code == 201
        runs = mq.project(slug).evaluations

        def finished(model: str, version: str, name: str = "") -> str:
            begun = runs.start("walks", version=version, endpoint="variants", name=name, model=model)
            return str(runs.wait(begun)["id"])

        yield Compared(
            slug,
            {
                "tiny:full": finished("tiny:full", "1.0.0", LONG_NAME),
                "tiny:duo": finished("tiny:duo", "1.0.0", ARABIC_NAME),
                "tiny:skip": finished("tiny:skip", "1.0.0"),
            },
            finished("tiny:full", "1.1.0"),
        )
        assert client.delete("/api/evaluations/endpoints/variants").status_code == 204


def test_one_click_runs_all_variants_and_draws_what_each_costs(open_page, compared) -> None:
    page = open_page(path=f"/p/{compared.slug}/evaluations/variants?dataset=walks@1.1.0&endpoint=variants")
    page.wait_for_selector("select[name=model]")
    assert page.locator("select[name=model]").inner_text() == "tiny, 3 variants"
    page.select_option("[name=mode]", "closed_book")
    page.click("button:text-is('Compare all variants of this model')")
    page.wait_for_selector("#scatter svg circle.bubble")
    rows = page.locator("#variant-rows tbody tr")
    cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    assert [row[0].split()[0] for row in cells] == ["full", "duo", "skip"]
    assert cells[0][0].split() == ["full", "baseline"]
    assert [row[6] for row in cells] == ["4 MB", "1.5 MB", "4 MB"]
    assert "so few cannot show a difference" in cells[1][4]
    assert "the commonest answer 66.7 %" in page.inner_text("#references")
    radii = [float(circle.get_attribute("r")) for circle in page.locator("#scatter circle.bubble").all()]
    assert max(radii) > min(radii)
    labels = page.locator("#scatter text.label").all_text_contents()
    assert sorted(labels) == ["duo", "full", "skip"]
    page.click("a:text-is('Compare them in pairs, question by question')")
    page.wait_for_selector("h1:text-is('3 runs compared')")
    assert page.locator("#pairs > li").count() == 3


def test_what_is_left_of_the_variants_is_cancelled(open_page, compared) -> None:
    page = open_page(path=f"/p/{compared.slug}/evaluations/variants?dataset=walks@1.1.0&endpoint=variants")
    page.wait_for_selector("select[name=model]")
    page.select_option("[name=mode]", "json_context")
    MAY_SAY.clear()
    try:
        page.click("button:text-is('Compare all variants of this model')")
        page.wait_for_selector("#variant-rows tr[data-state=running]")
        page.click("#cancel-all:enabled")
        page.wait_for_selector("#variants:not([data-going])")
    finally:
        MAY_SAY.set()
    rows = page.locator("#variant-rows tbody tr")
    assert [row.get_attribute("data-state") for row in rows.all()] == ["cancelled"] * 3
    assert all("0 of 3" in row.inner_text() for row in rows.all())
    assert page.locator("#cancel-all").count() == 0
    page.click("#variant-rows tbody a >> nth=0")
    page.wait_for_selector("h2:text-is('Cancelled after 0 of 3 questions')")
    page.click("[data-resume]")
    page.wait_for_selector("#accuracy")


def test_two_runs_are_compared_to_the_single_question(open_page, compared) -> None:
    page = open_page(path=compared.path("compare", "tiny:full", "tiny:duo"))
    beside = page.inner_text("#references")
    assert "chance 13.3 %; the commonest answer 66.7 %; people (no item has blind answers of people)" in beside
    pair = page.locator("#pairs > li")
    assert pair.get_attribute("data-seen") == "no"
    assert pair.locator(".square td.number").all_inner_texts() == ["0", "1", "1", "1"]
    assert page.locator("#differing tbody tr").count() == 2
    page.locator(".square a").first.click()
    page.wait_for_url("**only=*")
    row = page.locator("#differing tbody tr")
    assert row.count() == 1
    assert "✓ right" in row.locator("td").nth(1).inner_text()
    assert "✕ wrong" in row.locator("td").nth(2).inner_text()
    # Both answers are there in the words of the question, and the right one once more.
    texts = row.locator("[dir=auto]:not(th *)").all_inner_texts()
    assert texts[0] == texts[1] != texts[2] != ""
    link = f"/p/{compared.slug}/evaluations/{compared.ids['tiny:full']}/items/1"
    assert row.locator("a").first.get_attribute("href") == link


def test_runs_over_other_questions_are_refused_and_others_offered(open_page, compared) -> None:
    path = f"{compared.path('compare', 'tiny:full')}&run={compared.elsewhere}"
    page = open_page(path=path, expected=("400",))
    assert "only runs over the same frozen items can be compared" in page.inner_text("#problem")
    form = page.locator("form[data-choose]:has(legend:text-is('walks@1.0.0'))")
    form.locator("[name=run]:checked").first.press("Space")
    form.locator("button").press("Enter")
    assert form.locator("[role=alert]").inner_text() == "Tick at least two runs."
    form.locator("[name=run]").nth(0).press("Space")
    form.locator("[name=run]").nth(1).press("Space")
    form.locator("button").press("Enter")
    page.wait_for_selector("h1:text-is('2 runs compared')")


def test_the_leaderboard_is_sorted_by_keyboard_and_keeps_its_intervals(open_page, compared) -> None:
    page = open_page(path=compared.path("leaderboard") + "?dataset=walks@1.0.0&mode=text_context&quoted=true")
    shares = page.locator("#board tbody td:nth-child(3)").all_inner_texts()
    assert shares == sorted(shares, key=lambda text: -float(text.split()[0]))
    assert page.locator("#board tr.reference").count() >= 2
    assert page.locator("#board tr.quoted .chip").first.inner_text() == "quoted"
    page.locator("th[data-sort=name] button").press("Enter")
    assert page.get_attribute("th[data-sort=name]", "aria-sort") == "ascending"
    names = page.locator("#board tbody tr").evaluate_all("rows => rows.map((row) => row.dataset.name)")
    assert names == sorted(names, key=str.casefold)
    bars = page.locator("#board td.bars svg .tick")
    assert bars.count() == len(names)
    page.select_option("[name=mode]", "tools")
    page.click("button:text-is('Show')")
    page.wait_for_url("**mode=tools**")
    assert page.locator("#board tr.run").count() == 0


def test_on_paper_tables_fit_and_a_dark_theme_is_light(open_page, compared) -> None:
    page = open_page(path=compared.path("compare"))
    root = page.url.split("/p/")[0]
    page.evaluate("localStorage.setItem('mapqator.theme', 'dark')")
    # A4 at 96 points an inch.
    page.set_viewport_size({"width": 794, "height": 1123})
    page.emulate_media(media="print", color_scheme="dark")
    for path in (
        compared.path("compare", *SAID),
        compared.path("leaderboard") + "?dataset=walks@1.0.0&quoted=true",
        compared.path("variants", *SAID),
        f"/p/{compared.slug}/evaluations/{compared.ids['tiny:full']}",
    ):
        page.goto(root + path)
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 36, 48)", path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert not page.locator("form:visible").count(), path
    page.emulate_media(media="screen")


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 800, "light"), (400, 800, "dark")])
def test_no_page_has_a_serious_fault_or_is_too_wide(
    open_page, serious_findings, compared, project, width, height, scheme
) -> None:
    page = open_page(width, height, path=compared.path("compare"), color_scheme=scheme)
    root = page.url.split("/p/")[0]
    paths = (
        compared.path("compare", *SAID),
        compared.path("leaderboard") + "?dataset=walks@1.0.0",
        compared.path("variants", *SAID) + "&endpoint=variants",
        f"/p/{project}/evaluations/compare",
        f"/p/{project}/evaluations/leaderboard",
        f"/p/{project}/evaluations/variants",
    )
    for path in paths:
        page.goto(root + path)
        if "variants?" in path:
            page.wait_for_selector("select[name=model]")
        assert serious_findings(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
