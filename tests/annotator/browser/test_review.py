"""Answering blind, reviewing, adjudicating and commenting in a real browser, mostly by keys alone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from annotator.people import accounts, projects
from annotator.people.actor import Actor
from annotator.review import responses
from annotator.review.given import Keys
from annotator.store.sessions import open_database
from annotator.store.tables import account, membership
from annotator.store.times import utc_now
from tests.annotator.program import Annotator

SECRET = "Lumen, as the harbour chart says"
OPTIONS = [
    {"key": key, "text": text} for key, text in zip("ABCD", ("Lumen", "Panello", "مقهى البحر", "Kaffa"), strict=True)
]
CHOICE = {
    "type": "single_choice",
    "body": "Which café is nearest to the harbour?",
    "options": OPTIONS,
    "gold_keys": ["A"],
    "explanation": SECRET,
    "category": "poi",
}
NUMBER = {
    "type": "open_ended",
    "body": "How many cafés are at the harbour?",
    "gold": {"kind": "number", "value": 4, "unit": "cafés"},
    "category": "nearby",
}
MANY = {
    **CHOICE,
    "type": "multiple_choice",
    "body": "Which of these cafés face the water?",
    "gold_keys": ["A", "C"],
}
_numbers = count(1)


@dataclass
class Work:
    """A project of one test, made and filled over HTTP."""

    server: Annotator
    slug: str
    context_id: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.server.url}/api/projects/{self.slug}{path}"
        answer = httpx.request(method, url, json=body, timeout=30)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def ask(self, content: dict) -> dict:
        """A submitted question."""
        made = self.call("POST", f"/contexts/{self.context_id}/questions", {"content": content})
        return self.submit(made)

    def submit(self, question: dict) -> dict:
        return self.call("POST", f"/questions/{question['id']}/submit", {})

    def get(self, question: dict) -> dict:
        return self.call("GET", f"/questions/{question['id']}")

    def answered_by(self, names: dict[str, str], question: dict) -> None:
        """Blind answers of other people, written beside the server as another process of the installation would."""
        database = open_database(f"sqlite:///{self.server.data_dir / 'mapqator.sqlite'}")
        try:
            with database.writing() as connection:
                project = projects.by_slug(connection, self.slug)
                for name, key in names.items():
                    known = connection.execute(select(account.c.id).where(account.c.username == name)).scalar()
                    account_id = known or accounts.create(connection, None, username=name, now=utc_now()).id
                    connection.execute(membership.delete().where(membership.c.account_id == account_id))
                    connection.execute(
                        membership.insert(),
                        {
                            "project_id": project.id,
                            "account_id": account_id,
                            "role": "annotator",
                            "created_at": utc_now(),
                        },
                    )
                    actor = Actor(account_id=account_id, username=name, display_name=name)
                    responses.respond(connection, actor, project, question["id"], Keys(keys=(key,)), now=utc_now())
        finally:
            database.close()


@pytest.fixture
def make_work(annotator_server: Annotator) -> Iterator[Callable[..., Work]]:
    """`make_work(**settings)` is a project with a context and no questions."""

    def make(**settings: Any) -> Work:
        number = next(_numbers)
        chosen = {"require_evidence": False, "checklist": ["It has one reading.", "Nothing gives it away."], **settings}
        body = {"name": f"Harbour {number}", "slug": f"review-{number}", "settings": chosen}
        made = httpx.post(f"{annotator_server.url}/api/projects", json=body, timeout=30)
        assert made.is_success, made.text
        work = Work(annotator_server, made.json()["slug"], "")
        note = {"key": "n1", "kind": "note", "text": "Lumen, Panello, the sea café and Kaffa are at the harbour."}
        context = work.call("POST", "/contexts", {"content": {"title": "The harbour", "items": [note]}})
        work.context_id = context["id"]
        return work

    return make


def line(page) -> str:
    return page.locator(".bar-line b").inner_text()


def wait_for_number(page, number: int) -> None:
    page.wait_for_selector(f'#item[data-number="{number}"]')


def test_questions_are_answered_blind_by_keys_alone_and_undone(open_page, make_work):
    work = make_work(blind_answers=1)
    questions = [work.ask(content) for content in (CHOICE, NUMBER, MANY)]
    page = open_page(path=f"/p/{work.slug}/answer")
    assert line(page) == "3 left in this batch"
    assert SECRET not in page.content()
    assert "Lumen, Panello" in page.locator(".context-text").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]:text('Give an answer first')")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    wait_for_number(page, 2)
    assert line(page) == "2 left in this batch"
    page.focus("input[name=value]")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    wait_for_number(page, 3)
    page.keyboard.press("s")
    page.wait_for_selector("#end:has-text('You answered or skipped 3 today')")
    # Approval comes next, and the page says so.
    assert page.locator("#end a").first.inner_text() == "1 to adjudicate"
    page.keyboard.press("Backspace")
    wait_for_number(page, 3)
    page.keyboard.press("1")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    page.wait_for_selector("#end")
    given = [work.call("GET", f"/questions/{one['id']}/responses")["responses"] for one in questions]
    assert [[one["answer"] for one in answers] for answers in given] == [
        [{"keys": ["B"]}],
        [{"kind": "number", "value": 4, "unit": "cafés", "abs_tol": 0, "rel_tol": 0}],
        [{"keys": ["A", "C"]}],
    ]
    assert [answers[0]["is_right"] for answers in given] == [False, True, True]


def test_what_is_marked_survives_a_reload_and_a_lost_connection(open_page, make_work):
    work = make_work(blind_answers=1)
    work.ask(CHOICE)
    page = open_page(path=f"/p/{work.slug}/answer", expected=("err_internet_disconnected",))
    page.keyboard.press("3")
    page.wait_for_selector("#kept:text('Draft saved.')")
    page.reload()
    page.wait_for_selector("#kept:text('Your draft is back.')")
    assert page.locator("input[value=C]").is_checked()
    page.context.set_offline(True)
    page.keyboard.press("4")
    page.wait_for_selector("#kept:text('kept in this browser')")
    page.context.set_offline(False)
    page.reload()
    page.wait_for_selector("#kept:text('Your draft is back.')")
    assert page.locator("input[value=D]").is_checked()
    page.keyboard.press("0")
    assert page.locator("[data-unanswerable]").is_checked()
    assert not page.locator("input[value=D]").is_checked()


def test_a_reviewer_asks_for_changes_sees_them_marked_and_approves(open_page, make_work):
    work = make_work()
    first, second = work.ask(CHOICE), work.ask(MANY)
    page = open_page(path=f"/p/{work.slug}/review")
    assert line(page) == "2 left in this batch"
    page.keyboard.press("r")
    page.wait_for_selector("#verdict [role=alert]:text('Say what has to change')")
    page.keyboard.type("Say **from where** it is nearest.")
    page.keyboard.press("Control+Enter")
    wait_for_number(page, 2)
    assert work.get(first)["status"] == "changes_requested"
    changed = {**CHOICE, "body": "Which café is nearest to the lighthouse?"}
    work.call("PUT", f"/questions/{first['id']}", {"base_n": 1, "content": {**first["content"], **changed}})
    work.submit(first)
    page.goto(f"{work.server.url}/p/{work.slug}/review")
    wait_for_number(page, 1)
    assert page.locator("#changed-title").inner_text() == "Changed since revision 1, which was reviewed"
    diff = page.locator(".diff dd").first
    assert re.sub(r"\[(added|removed): |\]", "", diff.locator("del").text_content()) == "harbour"
    assert re.sub(r"\[(added|removed): |\]", "", diff.locator("ins").text_content()) == "lighthouse"
    assert page.locator(".verdict, #earlier-title").count() == 2
    assert page.locator("strong:text-is('from where')").count() == 1
    page.keyboard.press("a")
    page.wait_for_selector("#verdict [role=alert]:text('Tick the checklist before approving')")
    page.keyboard.press("0")
    page.keyboard.press("a")
    wait_for_number(page, 2)
    page.wait_for_selector(".toast:has-text('Question 1 is approved.')")
    assert work.get(first)["status"] == "approved"
    page.click(".toast button:text-is('Undo')")
    wait_for_number(page, 1)
    assert work.get(first)["status"] == "submitted"
    page.keyboard.press("j")
    wait_for_number(page, 2)
    page.keyboard.press("k")
    wait_for_number(page, 1)
    assert work.get(second)["status"] == "submitted"


def test_reviewing_what_was_changed_meanwhile_says_so(open_page, make_work):
    work = make_work(checklist=[])
    question = work.ask(CHOICE)
    page = open_page(path=f"/p/{work.slug}/review", expected=("409",))
    changed = {**question["content"], "body": "Which café is nearest to the lighthouse?"}
    work.call("PUT", f"/questions/{question['id']}", {"base_n": 1, "content": changed})
    work.submit(question)
    page.keyboard.press("a")
    page.wait_for_selector("#verdict [role=alert]:text('was changed meanwhile')")
    page.click(".toast button:text-is('Show it as it is now')")
    page.wait_for_selector(".asked:text('lighthouse')")
    page.keyboard.press("a")
    page.wait_for_selector("#end:has-text('You reviewed 1 today')")
    assert work.get(question)["status"] == "approved"


def test_where_people_disagree_somebody_decides(open_page, make_work):
    work = make_work(blind_answers=2)
    question = work.ask(CHOICE)
    work.answered_by({"ada": "B", "bela": "B"}, question)
    page = open_page(path=f"/p/{work.slug}/adjudicate")
    assert page.locator(".above .chip").inner_text() == "⚖ 0 of 2 blind answers equal gold"
    assert page.locator("#answers-title + ul > li > b").inner_text() == "B: Panello"
    page.keyboard.press("2")
    assert page.locator("[name=reason_code]").input_value() == "gold_wrong"
    page.keyboard.press("a")
    page.wait_for_selector("#end:has-text('You decided 1 today')")
    after = work.get(question)
    assert (after["status"], after["n"], after["content"]["gold_keys"]) == ("approved", 2, ["B"])
    page.goto(f"{work.server.url}/p/{work.slug}/questions/1")
    page.wait_for_selector("#changes .diff")
    assert page.locator("#changes dt").all_inner_texts() == ["Gold answer"]
    assert page.locator("#responses-title + .scroll .ok").count() == 2


def test_people_comment_answer_settle_edit_delete_and_undo(open_page, make_work):
    work = make_work()
    work.ask(CHOICE)
    page = open_page(path=f"/p/{work.slug}/questions/1")
    page.keyboard.press("c")
    page.keyboard.type("Is *this* right? <img src=x>")
    page.select_option("[name=about]", "options.B")
    page.click("#say")
    page.wait_for_selector(".thread .said em:text-is('this')")
    assert page.locator(".thread .said img").count() == 0
    assert "<img src=x>" in page.locator(".thread .said").inner_text()
    assert page.locator(".thread .chip").inner_text() == "about options B"
    page.click(".thread summary")
    page.fill(".thread .say textarea", "Yes, it is.")
    page.click(".thread .say button")
    page.wait_for_selector(".thread .answer .said:has-text('Yes, it is.')")
    page.click(".thread .answer [data-edit]")
    page.fill(".thread .answer textarea", "No, it is not.")
    page.click(".thread .answer .say button[type=submit]")
    page.wait_for_selector(".thread .answer .said:has-text('No, it is not.')")
    page.click(".thread button:text-is('Settle')")
    page.wait_for_selector(".thread.resolved :text('Settled by')")
    page.click(".thread .answer button:text-is('Delete')")
    page.wait_for_selector(".thread .answer", state="detached")
    page.click(".toast:has-text('The comment was deleted.') button:text-is('Undo')")
    page.wait_for_selector(".thread .answer .said:has-text('No, it is not.')")


def test_the_list_filters_without_loading_the_page_and_undoes_what_it_did_to_many(open_page, make_work):
    work = make_work()
    for content in (CHOICE, NUMBER, MANY):
        work.ask(content)
    page = open_page(path=f"/p/{work.slug}/questions")
    page.evaluate("window.isSamePage = true")
    page.fill("#q", "water")
    page.wait_for_selector("#list [role=status]:text('1 question of 3 fit')")
    assert page.locator(".row").count() == 1
    assert "q=water" in page.url
    page.fill("#q", "")
    page.select_option("[name=type]", "open_ended")
    page.wait_for_selector(".row .what:has-text('How many cafés')")
    page.select_option("[name=type]", "")
    page.wait_for_selector(".row >> nth=2")
    page.check("#mark-all")
    page.click("[data-bulk=archive]")
    page.wait_for_selector(".toast:has-text('3 questions set aside.')")
    assert page.locator(".row .chip:text('Set aside')").count() == 3
    page.click(".toast button:text-is('Undo')")
    page.wait_for_selector(".row .chip:text('Draft') >> nth=2")
    assert page.evaluate("window.isSamePage")


def test_work_is_dealt_out_after_a_look_at_the_plan(open_page, make_work):
    work = make_work()
    for content in (CHOICE, NUMBER, MANY):
        work.ask(content)
    page = open_page(path=f"/p/{work.slug}/assignments")
    page.click("#try")
    page.wait_for_selector("#deal [role=alert]:text('Tick at least one person.')")
    page.check("[name=usernames]")
    page.click("#try")
    page.wait_for_selector("#plan:text('Would give 3 tasks for 3 questions: local 3.')")
    page.click("#deal .main")
    page.wait_for_selector("#tasks tbody tr >> nth=2")
    page.click("#tasks tbody tr:first-child button")
    page.wait_for_selector("#tasks td:text-is('cancelled')")
    page.click(".toast button:text-is('Undo')")
    page.wait_for_selector("#tasks td:text-is('cancelled')", state="detached")
    page.goto(f"{work.server.url}/p/{work.slug}")
    assert page.locator(".queue-card:has(h3:text-is('Answer')) .large").inner_text().startswith("3")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_every_page_fits_and_has_no_serious_finding(open_page, make_work, serious_findings, width, scheme):
    work = make_work(blind_answers=2, min_reviews=1)
    long = {**CHOICE, "body": "ما هي المقاهي القريبة من الميناء؟ " + "x" * 200}
    disputed, reviewed = work.ask(CHOICE), work.ask(long)
    work.ask(NUMBER)
    work.answered_by({"ada": "B", "bela": "C"}, disputed)
    work.answered_by({"ada": "A", "bela": "A"}, reviewed)
    comment = {"subject": "question", "subject_id": disputed["id"], "body": "Hm. " + "x" * 200}
    work.call("POST", "/comments", comment)
    page = open_page(width, 800, path=f"/p/{work.slug}", color_scheme=scheme)
    for path in ("", "/questions", "/questions/1", "/answer", "/review", "/adjudicate", "/assignments", "/agreement"):
        page.goto(f"{work.server.url}/p/{work.slug}{path}")
        page.wait_for_selector("#main h1")
        assert serious_findings(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("h1").count() == 1, path
