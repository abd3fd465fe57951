"""Questions of each type, written in a real browser: with evidence, mentions, and lint beside the fields."""

import pytest

from tests.annotator.browser.writing import findings, make_bench, pick_evidence, say_question, wait_saved


@pytest.fixture(scope="module")
def bench(annotator_server, project):
    return make_bench(annotator_server, project)


@pytest.fixture
def page(open_page, bench):
    """The workbench with a new question."""
    opened = open_page(path=bench.path)
    opened.click("#question-new")
    opened.wait_for_selector("#question:not([hidden]) #question-body:focus")
    return opened


def latest(bench):
    return bench.questions()[-1]


def test_a_single_choice_question_is_written_with_evidence_and_submitted(page, bench):
    place = bench.calls["details"]["result"]["place"]
    say_question(page, "Single choice", "What is the phone number of ")
    page.press("#question-body", "End")
    page.keyboard.type(f"@{place['name'][:4].lower()}")
    page.wait_for_selector("#mentions [role=option][aria-selected=true]")
    page.keyboard.press("Enter")
    page.keyboard.type("?")
    assert page.input_value("#question-body") == f"What is the phone number of {place['name']}?"
    page.locator(".option-text").first.fill(place["phone"])
    page.keyboard.press("Enter")
    page.keyboard.type("+1 506 555 0100")
    page.keyboard.press("Enter")
    page.keyboard.type("+1 506 555 0101")
    page.focus("#question-heading")
    page.keyboard.press("1")
    pick_evidence(page, "details", "/place/phone")
    chip = page.locator("#evidence .evidence-value")
    assert chip.inner_text() == f'{place["name"]}: phone → "{place["phone"]}"'
    assert chip.get_attribute("href") == f"/x/{bench.calls['details']['provenance']['result_sha']}#/place/phone"
    assert "town" in page.locator("#evidence .evidence .quiet").inner_text()
    page.fill("#question-category", "poi")
    page.click("#question-submit")
    page.wait_for_selector("#question-status:text-is('submitted')")
    kept = latest(bench)
    assert kept["status"] == "submitted"
    assert kept["content"]["options"][0]["text"] == place["phone"]
    assert kept["content"]["gold_keys"] == ["A"]
    assert kept["content"]["evidence"][0]["value"] == place["phone"]
    assert kept["content"]["evidence"][0]["response"]["body_sha"]


def test_a_yes_or_no_question_has_its_two_options_and_their_keys(page, bench):
    say_question(page, "Yes or no", "Is the pharmacy open on Sunday?")
    assert page.locator("#options .option-text").evaluate_all("all => all.map((field) => field.value)") == ["Yes", "No"]
    page.focus("#question-heading")
    page.keyboard.press("2")
    pick_evidence(page, "details", "/place/opening_hours/raw")
    wait_saved(page)
    content = latest(bench)["content"]
    assert (content["type"], content["gold_keys"]) == ("yes_no", ["no"])


def test_a_multiple_choice_question_takes_values_as_options_and_several_right_ones(page, bench):
    say_question(page, "Multiple choice", "Which of these are cafes near the pharmacy?")
    page.click("#items [data-key=nearby] .item-title")
    names = [place["name"] for place in bench.calls["nearby"]["result"]["places"][:2]]
    for index in range(2):
        page.click(f"#cards .value[data-pointer='/places/{index}/name']")
        page.click("#cards [role=menuitem]:text-is('Use as option')")
        page.wait_for_selector(f"#evidence .evidence a[href$='#/places/{index}/name']")
    assert page.locator("#options .option-text").evaluate_all("all => all.map((field) => field.value)") == names
    assert page.locator(".place-chip:visible").count() == 2
    page.focus("#question-heading")
    page.keyboard.press("1")
    page.keyboard.press("2")
    wait_saved(page)
    content = latest(bench)["content"]
    assert content["gold_keys"] == ["A", "B"]
    assert [option["pid"] for option in content["options"]] == [
        place["pid"] for place in bench.calls["nearby"]["result"]["places"][:2]
    ]
    assert [item["option_key"] for item in content["evidence"]] == ["A", "B"]


def test_an_unanswerable_question_needs_no_answer(page, bench):
    say_question(page, "Unanswerable", "Who owns the pharmacy?")
    assert not page.is_visible("#part-gold")
    wait_saved(page)
    content = latest(bench)["content"]
    assert (content["type"], content["gold_keys"], content["gold"]) == ("unanswerable", [], None)


def fill(page, label, value):
    page.locator("#gold-fields").get_by_label(label, exact=True).fill(value)


OPEN = {
    "text": (
        [("Answer", "Lion Pharmacy"), ("Also right, one a line", "Lion\nThe Lion")],
        {"value": "Lion Pharmacy", "aliases": ["Lion", "The Lion"]},
    ),
    "number": (
        [("Value", "4.5"), ("Unit", "stars"), ("Right within ±", "0.1")],
        {"value": 4.5, "unit": "stars", "abs_tol": 0.1},
    ),
    "duration": ([("Minutes", "12"), ("Seconds", "30"), ("or within, %", "5")], {"value_s": 750.0, "rel_tol": 0.05}),
    "distance": (
        [("Kilometres", "2"), ("Metres", "300"), ("Right within ± m", "50")],
        {"value_m": 2300.0, "abs_tol_m": 50.0},
    ),
    "time": ([("Time", "14:30"), ("Right within ± min", "5")], {"value": "14:30", "abs_tol_s": 300.0}),
    "point": (
        [("Latitude", "45.3932"), ("Longitude", "-65.3285"), ("Right within m", "75")],
        {"lat": 45.3932, "lon": -65.3285, "max_m": 75.0},
    ),
    "ordered_list": ([("Items in order, one a line", "first\nsecond")], {"items": ["first", "second"]}),
    "set": ([("Items, one a line", "one\ntwo\nthree")], {"items": ["one", "two", "three"]}),
}


@pytest.fixture
def open_ended(page):
    """An open-ended question, whose answers of all kinds are written one after the other."""
    say_question(page, "Open-ended", "How is it?")
    return page


def test_open_ended_answers_have_the_inputs_of_their_kind_in_units_that_people_use(open_ended, bench):
    page = open_ended
    for kind, (inputs, wanted) in OPEN.items():
        page.select_option("#gold-kind", kind)
        for label, value in inputs:
            fill(page, label, value)
        wait_saved(page)
        gold = latest(bench)["content"]["gold"]
        assert gold["kind"] == kind
        assert {name: gold[name] for name in wanted} == wanted
    page.select_option("#gold-kind", "distance")
    assert page.locator("#gold-fields").get_by_label("Kilometres").input_value() == "2"
    assert page.locator("#gold-fields").get_by_label("Metres", exact=True).input_value() == "300"


def test_an_answer_that_is_a_place_is_chosen_from_the_context(open_ended, bench):
    page = open_ended
    place = bench.calls["details"]["result"]["place"]
    page.select_option("#gold-kind", "place")
    page.locator("#gold-fields select").select_option(place["pid"])
    fill(page, "Also right within m of it", "40")
    wait_saved(page)
    gold = latest(bench)["content"]["gold"]
    assert (gold["pid"], gold["name"], gold["max_m"]) == (place["pid"], place["name"], 40.0)
    assert (gold["lat"], gold["lon"]) == (place["lat"], place["lon"])


def test_lint_speaks_beside_the_option_and_its_fix_is_a_button(page, bench):
    say_question(page, "Single choice", "Which one?")
    page.locator(".option-text").nth(0).fill("Cafe")
    page.locator(".option-text").nth(1).fill("Park")
    page.keyboard.press("Enter")
    page.keyboard.type("cafe ")
    page.click("#options li:nth-child(3) .finding.error button")
    page.wait_for_function("() => document.querySelectorAll('#options > li').length === 2")
    wait_saved(page)
    assert [option["text"] for option in latest(bench)["content"]["options"]] == ["Cafe", "Park"]


def test_submitting_what_is_not_finished_says_what_is_missing(open_page, bench):
    question = bench.new_question(type="yes_no", body="")
    page = open_page(path=f"{bench.path}?q={question['number']}", expected=("409",))
    page.click("#question-submit")
    page.wait_for_selector("#question-alert:not(:empty)")
    assert any("Error" in text for text in findings(page))
    assert bench.ask("GET", f"/questions/{question['id']}")["status"] == "draft"


def test_looking_at_another_type_loses_nothing(page, bench):
    say_question(page, "Single choice", "Which one?")
    page.locator(".option-text").nth(0).fill("one")
    page.locator(".option-text").nth(1).fill("two")
    page.click("#question-type label:has-text('Open-ended')")
    assert not page.is_visible("#part-options")
    page.click("#question-type label:has-text('Single choice')")
    assert page.locator("#options .option-text").evaluate_all("all => all.map((field) => field.value)") == [
        "one",
        "two",
    ]
