"""Counting questions, and how well people agree, by hand and by a library's own examples."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.contexts import store as contexts
from annotator.errors import MapqatorError
from annotator.questions import store as questions
from annotator.questions.answers import NumberAnswer
from annotator.questions.model import QuestionContent
from annotator.review import agreement, progress, reviews
from annotator.review.given import Keys

relaxed = settings(deadline=None)
NAMES = ("ada", "bela", "cleo", "rosa", "ruth")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ask", "draft", "change", "answer", "approve", "request", "reject", "withdraw", "archive", "delete"]
        ),
        st.sampled_from(NAMES),
        st.integers(0, 5),
    ),
    max_size=14,
)


def do(team, asked, action, name, index):
    """One step of somebody's; what is not allowed changes nothing."""
    if action in ("ask", "draft"):
        asked.append(team.ask(by=name, submit=action == "ask"))
        return
    if not asked:
        return
    question = asked[index % len(asked)]
    try:
        if action == "change":
            team.change(question, by=name, explanation=f"{name} {index}")
        elif action == "answer":
            team.mark(name, question, "ABCD"[index % 4])
        elif action in ("approve", "request", "reject"):
            team.review(name, question, {"request": "request_changes"}.get(action, action))
        else:
            with team.writing() as connection:
                if action == "withdraw":
                    reviews.withdraw(connection, team[name], team.project, question.id, now=team.now())
                elif action == "archive":
                    questions.set_status(connection, team[name], team.project, question.id, "archived", now=team.now())
                else:
                    questions.set_deleted(
                        connection, team[name], team.project, question.id, deleted=index % 2 == 0, now=team.now()
                    )
    except MapqatorError:
        return


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(0, 2), st.integers(0, 2))
def test_every_question_is_in_exactly_one_bucket_whatever_happens(
    team_in, tmp_path_factory, steps, min_reviews, blind_answers
):
    with team_in(tmp_path_factory.mktemp("team"), min_reviews=min_reviews, blind_answers=blind_answers) as team:
        asked = []
        for action, name, index in steps:
            do(team, asked, action, name, index)
        with team.reading() as connection:
            counted = progress.of_project(connection, team.project)
            people = progress.of_people(connection, team.project)
            there = questions.get_many(connection, team.project.id, [one.id for one in asked])
        live = [one for one in there.values() if one.deleted_at is None]
        assert sum(counted.buckets.values()) == counted.total == len(live)
        for bucket, number in counted.buckets.items():
            assert number == sum(progress.BUCKET_OF[one.status] == bucket for one in live)
            assert number == sum(one.buckets[bucket] for one in people)
        assert counted.buckets["finished"] == sum(one.status == "approved" for one in live)


def test_buckets_do_not_depend_on_whether_review_is_switched_on(team):
    for _ in range(3):
        team.ask()
    with team.reading() as connection:
        before = progress.of_project(connection, team.project)
    team.set(min_reviews=3, blind_answers=5, checklist=())
    with team.reading() as connection:
        assert progress.of_project(connection, team.project) == before


def test_questions_of_a_deleted_context_are_not_counted_and_come_back_with_it(team):
    team.ask()
    with team.writing() as connection:
        options = {"now": team.now()}
        contexts.set_deleted(connection, team["ada"], team.project, team.context_id, deleted=True, **options)
        gone = progress.of_project(connection, team.project)
        contexts.set_deleted(connection, team["ada"], team.project, team.context_id, deleted=False, **options)
        back = progress.of_project(connection, team.project)
    assert (gone.total, gone.num_contexts, gone.share_done) == (0, 0, None)
    assert (back.total, back.num_contexts, back.share_done) == (1, 1, 0.0)


def test_people_are_counted_by_what_they_did(make_team):
    team = make_team(blind_answers=2)
    first, second = team.ask(), team.ask(by="bela")
    team.mark("cleo", first, "B")
    team.mark("bela", first, "B")
    team.answer("cleo", second, None)
    team.review("rosa", first, "approve")
    with team.reading() as connection:
        found = {one.account_id: one for one in progress.of_people(connection, team.project)}
    cleo, rosa, ada = (found[team[name].account_id] for name in ("cleo", "rosa", "ada"))
    assert (cleo.num_answers, cleo.num_skipped, cleo.num_questions) == (1, 1, 0)
    assert (rosa.num_reviews, rosa.role) == (1, "reviewer")
    assert (ada.num_questions, ada.buckets["finished"]) == (1, 1)


def test_kappa_is_cohens_by_hand():
    # Twenty yes/yes, five yes/no, ten no/yes, fifteen no/no: the example with 0.7 observed and 0.5 expected.
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    found = agreement.kappa(pairs)
    assert found.n == 50
    assert math.isclose(found.value, 0.4)


def test_alpha_is_krippendorffs_by_hand():
    # Two people, four questions; one disagreement. Do = 2/8, De = 1 - (4*3 + 3*2 + ...)/(8*7) by coincidences.
    units = {
        "q1": {"ada": "A", "bela": "A"},
        "q2": {"ada": "A", "bela": "A"},
        "q3": {"ada": "B", "bela": "B"},
        "q4": {"ada": "A", "bela": "B"},
        "q5": {"ada": "C"},
    }
    found = agreement.alpha(units)
    num_a, num_b, n = 5, 3, 8
    expected = (n * n - num_a**2 - num_b**2) / (n * (n - 1))
    assert found.n == 4
    assert math.isclose(found.value, 1 - (2 / n) / expected)


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        ({}, "needs two questions"),
        ({"q1": {"ada": "A", "bela": "A"}}, "needs two questions"),
        ({"q1": {"ada": "A"}, "q2": {"bela": "A"}}, "needs two questions"),
        ({"q1": {"ada": "A", "bela": "A"}, "q2": {"ada": "A", "bela": "A"}}, "always gave the same answer"),
    ],
)
def test_what_cannot_be_said_says_why(units, reason):
    found = agreement.alpha(units)
    assert found.value is None
    assert reason in found.reason
    pairs = [(given["ada"], given["bela"]) for given in units.values() if len(given) == 2]
    assert agreement.kappa(pairs).value is None


@relaxed
@given(
    st.dictionaries(
        st.integers(0, 20).map(str),
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from("ABC"), min_size=1),
        max_size=8,
    )
)
def test_coefficients_are_one_exactly_when_nobody_differs(units):
    share, alpha = agreement.percent(units), agreement.alpha(units)
    assert share.value is None or 0 <= share.value <= 1
    if alpha.value is not None:
        assert alpha.value <= 1 + 1e-12
        assert math.isclose(alpha.value, 1) == (share.value == 1)


def test_a_projects_agreement_counts_answers_to_what_is_asked_now(make_team):
    team = make_team(blind_answers=2)
    content = QuestionContent(
        type="open_ended", body="How far?", gold=NumberAnswer(value=100, abs_tol=5), category="routing"
    )
    far, choice, changed = team.ask(content), team.ask(), team.ask()
    team.answer("bela", far, NumberAnswer(value=98))
    team.answer("cleo", far, NumberAnswer(value=103))
    team.mark("bela", choice, "B")
    team.mark("cleo", choice, "C")
    team.mark("bela", changed, "A")
    team.change(changed, body="Something else?")
    with team.reading() as connection:
        found = agreement.of_project(connection, team.project)
    assert (found.num_questions, found.num_answers) == (2, 4)
    # Both numbers are within gold's tolerance, so both say what gold says.
    assert (found.percent.value, found.percent.n) == (0.5, 2)
    assert (found.gold.value, found.gold.n) == (0.75, 4)
    bela, cleo = team["bela"].account_id, team["cleo"].account_id
    assert found.people[bela].value == 1.0
    assert found.people[cleo].value == 0.5
    assert [set(pair.accounts) for pair in found.pairs] == [{bela, cleo}]
    assert agreement.of_answers({}, {}).percent.reason == "no question has two answers yet"


def test_open_answers_share_a_category_only_within_a_question():
    given_answers = {"bela": NumberAnswer(value=1), "cleo": NumberAnswer(value=1), "rosa": Keys(keys=("B", "A"))}
    one = agreement.categories("q1", given_answers, NumberAnswer(value=2))
    two = agreement.categories("q2", given_answers, NumberAnswer(value=2))
    assert one["bela"] == one["cleo"]
    assert one["bela"] != two["bela"]
    assert one["rosa"] == two["rosa"] == "keys A B"
