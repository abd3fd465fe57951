"""What is computed here becomes evidence of the open question by itself, and can be taken back at once."""

import pytest

from tests.annotator.browser.asking import pick, send, tool
from tests.annotator.browser.writing import make_bench, say_question, wait_saved


@pytest.fixture(scope="module")
def bench(annotator_server, project):
    return make_bench(annotator_server, project)


def test_a_computed_distance_records_itself_as_evidence_and_is_taken_back_by_the_notice(open_page, bench):
    page = open_page(path=bench.path)
    page.click("#question-new")
    page.wait_for_selector("#question:not([hidden]) #question-body:focus")
    say_question(page, "Open-ended", "How far is it in a straight line?")
    tool(page, "distance_bearing")
    pick(page, "origin", 0)
    pick(page, "destination", 1)
    send(page, "Straight line from")
    page.wait_for_selector("#evidence .evidence-value")
    wait_saved(page)
    (evidence,) = bench.questions()[-1]["content"]["evidence"]
    assert evidence["pointer"] == ""
    assert evidence["value"]["kind"] == "distance_bearing"
    page.click(".toast button:text-is('Undo')")
    page.wait_for_selector("#evidence .evidence-value", state="detached")
    wait_saved(page)
    assert bench.questions()[-1]["content"]["evidence"] == []
