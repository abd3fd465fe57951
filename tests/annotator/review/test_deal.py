"""Dealing questions out: balanced, complete, and always the same."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.errors import ConflictError, ForbiddenError, InputError
from annotator.questions import store as questions
from annotator.review import assignments, queue
from annotator.review.deal import deal

relaxed = settings(deadline=None)

QUESTIONS = st.lists(st.integers(0, 99).map("q{:02d}".format), max_size=40, unique=True)
PEOPLE = st.lists(st.sampled_from(["ada", "bela", "cleo", "dora", "emil"]), min_size=1, unique=True)
HANDS = st.dictionaries(st.integers(0, 99).map("q{:02d}".format), st.sets(st.sampled_from(["ada", "bela", "cleo"])))


@relaxed
@given(QUESTIONS, PEOPLE, st.integers(1, 4))
def test_without_exceptions_nobody_has_more_than_one_more_than_another(question_ids, people, overlap):
    plan = deal(question_ids, people, overlap=overlap)
    load = Counter(dict.fromkeys(people, 0))
    load.update(account_id for _, account_id in plan.given)
    assert max(load.values()) - min(load.values()) <= 1
    assert len(plan.given) == len(question_ids) * min(overlap, len(people))
    assert plan.num_short == len(question_ids) * max(0, overlap - len(people))


@relaxed
@given(QUESTIONS, PEOPLE, st.integers(1, 4), st.none() | st.integers(0, 5), HANDS, HANDS, st.randoms())
def test_a_deal_keeps_its_limits_and_does_not_depend_on_the_order_of_people(
    question_ids, people, overlap, num_per_person, taken, barred, random
):
    options = {"overlap": overlap, "num_per_person": num_per_person, "taken": taken, "barred": barred}
    plan = deal(question_ids, people, **options)
    shuffled = list(people)
    random.shuffle(shuffled)
    assert deal(question_ids, shuffled, **options) == plan
    assert len(set(plan.given)) == len(plan.given)
    for question_id, account_id in plan.given:
        assert account_id in people
        assert account_id not in taken.get(question_id, set()) | barred.get(question_id, set())
    per_question = Counter(question_id for question_id, _ in plan.given)
    for question_id in question_ids:
        assert per_question[question_id] + len(taken.get(question_id, ())) <= max(
            overlap, len(taken.get(question_id, ()))
        )
    if num_per_person is not None:
        assert max(Counter(account_id for _, account_id in plan.given).values(), default=0) <= num_per_person
    wanted = sum(max(0, overlap - len(taken.get(question_id, ()))) for question_id in question_ids)
    assert plan.num_short == wanted - len(plan.given)


def deal_out(team, kind, asked, names, **options):
    with team.writing() as connection:
        return assignments.deal_out(
            connection,
            team["owner"],
            team.project,
            kind,
            [one.id for one in asked],
            [team[name].account_id for name in names],
            now=team.now(),
            **options,
        )


def test_questions_are_dealt_to_whom_they_can_be_and_lead_their_queues(team):
    asked = [team.ask(by=name) for name in ("ada", "bela", "cleo", "ada")]
    plan = deal_out(team, "answer", asked, ["ada", "bela", "cleo"], overlap=2)
    assert (len(plan.given), plan.num_short) == (8, 0)
    by_question = {
        one.id: {account_id for question_id, account_id in plan.given if question_id == one.id} for one in asked
    }
    assert all(one.created_by not in by_question[one.id] for one in asked)
    again = deal_out(team, "answer", asked, ["ada", "bela", "cleo"], overlap=2)
    assert again.given == ()
    with team.reading() as connection:
        waiting = queue.answer_queue(connection, team["bela"], team.project, now=team.now())
    assert set(waiting.question_ids) == {one.id for one in asked if team["bela"].account_id in by_question[one.id]}
    first = next(one for one in asked if one.id == waiting.question_ids[0])
    team.mark("bela", first, "B")
    with team.reading() as connection:
        later = queue.answer_queue(connection, team["bela"], team.project, now=team.now())
        mine = assignments.listed(connection, team.project.id, account_id=team["bela"].account_id, state="done")
    assert later.question_ids == waiting.question_ids[1:]
    assert [one.subject_id for one in mine] == [first.id]


def test_a_dry_run_only_says_what_it_would_do(team):
    plan = deal_out(team, "answer", [team.ask()], ["bela"], dry_run=True)
    assert len(plan.given) == 1
    with team.reading() as connection:
        assert assignments.count(connection, team.project.id) == 0


def test_only_members_whose_role_allows_it_get_tasks(team):
    question = team.ask()
    with pytest.raises(InputError, match="their role is annotator, which does not allow to review"):
        deal_out(team, "review", [question], ["bela"])
    with pytest.raises(InputError, match="their role is viewer, which does not allow to answer"):
        deal_out(team, "answer", [question], ["vic"])


def test_one_task_is_given_once_and_not_to_the_author(team):
    question = team.ask()
    give = {"kind": "answer", "subject": "question", "subject_id": question.id}
    with team.writing() as connection:
        with pytest.raises(InputError, match="nobody is given their own question"):
            assignments.create(
                connection, team["owner"], team.project, account_id=team["ada"].account_id, now=team.now(), **give
            )
        made = assignments.create(
            connection, team["owner"], team.project, account_id=team["bela"].account_id, now=team.now(), **give
        )
        with pytest.raises(ConflictError, match="have this task already"):
            assignments.create(
                connection, team["owner"], team.project, account_id=team["bela"].account_id, now=team.now(), **give
            )
        with pytest.raises(InputError, match="only questions are answered"):
            assignments.create(
                connection,
                team["owner"],
                team.project,
                "answer",
                "context",
                team.context_id,
                team["bela"].account_id,
                now=team.now(),
            )
        options = {"may_manage": False, "now": team.now()}
        with pytest.raises(ForbiddenError, match="only an admin"):
            assignments.set_state(connection, team["cleo"], team.project, made.id, "done", **options)
        with pytest.raises(ForbiddenError, match="only an admin"):
            assignments.set_state(connection, team["bela"], team.project, made.id, "cancelled", **options)
        done = assignments.set_state(connection, team["bela"], team.project, made.id, "done", **options)
    assert (done.state, done.done_at is not None) == ("done", True)


def test_what_somebody_has_to_write_on_comes_with_their_drafts(team):
    sent_back = team.ask(by="bela")
    team.review("rosa", sent_back, "request_changes")
    draft = team.ask(by="bela", submit=False)
    team.ask(by="bela")
    with team.writing() as connection:
        assignments.create(
            connection,
            team["owner"],
            team.project,
            "author",
            "context",
            team.context_id,
            team["bela"].account_id,
            now=team.now(),
        )
        waiting = queue.author_queue(connection, team["bela"], team.project, now=team.now())
        assert waiting.question_ids == (sent_back.id, draft.id)
        assert (waiting.context_ids, waiting.left, waiting.done) == ((team.context_id,), 3, 1)
        questions.set_deleted(connection, team["bela"], team.project, draft.id, deleted=True, now=team.now())
        assert queue.author_queue(connection, team["bela"], team.project, now=team.now()).question_ids == (
            sent_back.id,
        )
