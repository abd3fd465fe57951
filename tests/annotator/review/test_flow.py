"""How questions move on by second answers and verdicts."""

import pytest

from annotator.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from annotator.people import audit
from annotator.questions import store as questions
from annotator.questions.answers import NumberAnswer, TextAnswer
from annotator.questions.model import QuestionContent
from annotator.review import adjudicate, flow, queue, responses, reviews, standing
from annotator.review.blind import blind
from annotator.review.given import Keys, Unanswerable


def test_one_approval_approves(team):
    question = team.ask()
    assert question.status == "submitted"
    team.review("rosa", question, "approve")
    assert team.status(question) == "approved"


def test_two_wanted_approvals_pass_through_in_review(make_team):
    team = make_team(min_reviews=2)
    question = team.ask()
    team.review("rosa", question, "approve")
    assert team.status(question) == "in_review"
    team.review("ruth", question, "approve")
    assert team.status(question) == "approved"


def test_a_project_without_reviews_approves_what_is_submitted(make_team):
    team = make_team(min_reviews=0)
    assert team.ask().status == "approved"


def test_a_project_without_reviews_approves_by_blind_answers_alone(make_team):
    team = make_team(min_reviews=0, blind_answers=2)
    question = team.ask()
    assert question.status == "in_review"
    team.mark("bela", question, "B")
    assert team.status(question) == "in_review"
    team.mark("cleo", question, "B")
    assert team.status(question) == "approved"


@pytest.mark.parametrize(("verdict", "status"), [("request_changes", "changes_requested"), ("reject", "rejected")])
def test_a_question_that_is_turned_down_says_why_and_can_be_taken_back(team, verdict, status):
    question = team.ask()
    with pytest.raises(InputError, match="say what has to change"):
        team.review("rosa", question, verdict, comment=" ")
    team.review("rosa", question, verdict, checklist=())
    assert team.status(question) == status
    with team.writing() as connection:
        reviews.withdraw(connection, team["rosa"], team.project, question.id, now=team.now())
    assert team.status(question) == "submitted"


def test_withdrawing_an_approval_unapproves_the_question(team):
    question = team.ask()
    team.review("rosa", question, "approve")
    with team.writing() as connection:
        reviews.withdraw(connection, team["rosa"], team.project, question.id, now=team.now())
        with pytest.raises(NotFoundError, match="you have not reviewed question 1"):
            reviews.withdraw(connection, team["rosa"], team.project, question.id, now=team.now())
    assert team.status(question) == "submitted"


def test_a_verdict_on_a_question_that_was_changed_since_cannot_be_withdrawn(team):
    question = team.ask()
    team.review("rosa", question, "request_changes")
    team.change(question, body="Which café is nearest to the station?")
    with team.writing() as connection, pytest.raises(ConflictError, match="was changed since you reviewed it"):
        reviews.withdraw(connection, team["rosa"], team.project, question.id, now=team.now())


def test_an_outdated_revision_cannot_be_reviewed(team):
    question = team.ask()
    team.change(question, body="Which café is nearest to the station?")
    team.submit(question)
    with pytest.raises(ConflictError, match="you saw revision 1, and 2 is the current one") as caught:
        team.review("rosa", question, "approve", n=1)
    assert caught.value.detail == {"current_n": 2}


def test_nobody_reviews_answers_or_adjudicates_what_they_had_a_hand_in(team):
    question = team.ask(by="rosa")
    with pytest.raises(ForbiddenError, match="you wrote question 1"):
        team.review("rosa", question, "approve")
    with pytest.raises(ForbiddenError, match="you wrote question 1"):
        team.mark("rosa", question, "A")
    edited = team.ask()
    team.change(edited, by="ruth", explanation="As the map shows.")
    team.submit(edited)
    with pytest.raises(ForbiddenError, match="you wrote question 2"):
        team.review("ruth", edited, "approve")
    team.review("rosa", edited, "approve")
    with team.reading() as connection:
        assert queue.review_queue(connection, team["rosa"], team.project, now=team.now()).question_ids == ()


def test_somebody_alone_may_review_their_own(team):
    question = team.ask(by="rosa")
    team.review("rosa", question, "approve", allow_own=True)
    assert team.status(question) == "approved"


def test_approving_needs_the_whole_checklist(make_team):
    team = make_team(checklist=("One reading.", "No giveaway."))
    question = team.ask()
    with pytest.raises(InputError, match=r"not ticked: “No giveaway\.”"):
        team.review("rosa", question, "approve", checklist=("One reading.",))
    made = team.review("rosa", question, "approve", checklist=("No giveaway.", "One reading.", "Something else"))
    assert made.checklist == ("One reading.", "No giveaway.")


def test_a_draft_is_neither_answered_nor_reviewed(team):
    question = team.ask(submit=False)
    with pytest.raises(ConflictError, match="is draft; only submitted questions can be answered"):
        team.mark("bela", question, "A")
    with pytest.raises(ConflictError, match="is draft; only submitted questions can be reviewed"):
        team.review("rosa", question, "approve")


def test_second_answers_come_before_approval(make_team):
    team = make_team(blind_answers=2)
    question = team.ask()
    assert question.status == "in_review"
    with team.reading() as connection:
        assert queue.review_queue(connection, team["rosa"], team.project, now=team.now()).left == 0
        assert queue.answer_queue(connection, team["bela"], team.project, now=team.now()).left == 1
        assert queue.answer_queue(connection, team["ada"], team.project, now=team.now()).left == 0
    with pytest.raises(ConflictError, match="2 of 2 second answers to question 1 are still to come"):
        team.review("rosa", question, "approve")
    team.mark("bela", question, "B")
    team.mark("cleo", question, "B")
    with team.reading() as connection:
        waiting = queue.answer_queue(connection, team["bela"], team.project, now=team.now())
        assert (waiting.left, waiting.done) == (0, 1)
        assert queue.review_queue(connection, team["rosa"], team.project, now=team.now()).left == 1
    team.review("rosa", question, "approve")
    assert team.status(question) == "approved"


def test_a_skipped_question_is_not_offered_again_until_the_skip_is_undone(make_team):
    team = make_team(blind_answers=1)
    question = team.ask()
    team.answer("bela", question, None)
    with team.reading() as connection:
        assert queue.answer_queue(connection, team["bela"], team.project, now=team.now()).left == 0
        assert queue.answer_queue(connection, team["cleo"], team.project, now=team.now()).left == 1
    with team.writing() as connection:
        responses.withdraw(connection, team["bela"], team.project, question.id, now=team.now())
    with team.reading() as connection:
        assert queue.answer_queue(connection, team["bela"], team.project, now=team.now()).left == 1
    team.mark("bela", question, "A")
    with team.reading() as connection:
        assert standing.of_one(connection, team.project, question.id).num_answers == 1


def test_an_answer_is_given_once_and_can_be_undone(make_team):
    team = make_team(blind_answers=2)
    question = team.ask()
    team.mark("bela", question, "A")
    with pytest.raises(ConflictError, match="you have answered question 1 already"):
        team.mark("bela", question, "B")
    with team.writing() as connection:
        responses.withdraw(connection, team["bela"], team.project, question.id, now=team.now())
        with pytest.raises(NotFoundError, match="you have not answered question 1"):
            responses.withdraw(connection, team["bela"], team.project, question.id, now=team.now())
    team.mark("bela", question, "B")
    with team.reading() as connection:
        (only,) = responses.of_question(connection, question.id)
    assert only.answer == Keys(keys=("B",))


def test_whoever_reviewed_knows_the_answer_and_cannot_give_it_blind(team):
    question = team.ask()
    team.review("rosa", question, "approve")
    with pytest.raises(ConflictError, match="you reviewed question 1 and know its answer"):
        team.mark("rosa", question, "B")


def test_an_answer_must_be_one_that_the_question_can_have(team):
    question = team.ask()
    with pytest.raises(InputError, match="no option E; it has A, B, C, D"):
        team.mark("bela", question, "E")
    with pytest.raises(InputError, match="takes one option"):
        team.mark("bela", question, "A", "B")
    with pytest.raises(InputError, match="answered by its options"):
        team.answer("bela", question, TextAnswer(value="Café B"))
    number = team.ask(QuestionContent(type="open_ended", body="How many?", gold=NumberAnswer(value=3)))
    with pytest.raises(InputError, match="answer is a number, not a text"):
        team.answer("bela", number, TextAnswer(value="three"))
    with pytest.raises(InputError, match="the answer is empty"):
        team.answer("bela", number, NumberAnswer())
    with pytest.raises(InputError, match="confidence goes from 1"):
        team.answer("bela", number, NumberAnswer(value=3), confidence=6)
    team.answer("bela", number, Unanswerable())


def test_answers_that_disagree_with_gold_go_to_adjudication(make_team):
    team = make_team(blind_answers=3, agreement_threshold=0.66)
    question = team.ask()
    for name, key in (("bela", "B"), ("cleo", "C"), ("ruth", "C")):
        team.mark(name, question, key)
    with team.reading() as connection:
        waiting = queue.adjudication_queue(connection, team["rosa"], team.project, now=team.now())
        assert waiting.reasons == {question.id: ("1 of 3 blind answers equal gold",)}
        assert queue.review_queue(connection, team["rosa"], team.project, now=team.now()).left == 0
    with team.writing() as connection:
        decision = adjudicate.adjudicate(
            connection, team["rosa"], team.project, question.id, Keys(keys=("C",)), "gold_wrong", n=1, now=team.now()
        )
    after = team.get(question)
    assert (after.status, after.revision.n, after.content.gold_keys) == ("approved", 2, ("C",))
    assert after.revision.id == decision.revision_id
    assert after.revision.origin == {"adjudication": "gold_wrong"}
    with team.reading() as connection:
        state = standing.of_one(connection, team.project, question.id)
        logged = [entry.action for entry in audit.entries(connection, subject_id=question.id, limit=3)]
    # The answers were to what the question still asks, so they count against the new gold answer.
    assert (state.num_answers, state.num_right, state.is_disputed) == (3, 2, False)
    assert logged == ["question.approved", "adjudication.decide", "question.save"]


def test_gold_that_was_right_is_kept_in_its_revision_and_not_disputed_again(make_team):
    team = make_team(blind_answers=1)
    question = team.ask()
    team.mark("bela", question, "A")
    with team.writing() as connection:
        adjudicate.adjudicate(
            connection, team["rosa"], team.project, question.id, None, "gold_right", n=1, now=team.now()
        )
    after = team.get(question)
    assert (after.status, after.revision.n) == ("approved", 1)
    with team.reading() as connection:
        assert not standing.of_one(connection, team.project, question.id).is_disputed


def test_reviewers_who_differ_are_adjudicated(make_team):
    team = make_team(min_reviews=2)
    question = team.ask()
    team.review("rosa", question, "approve")
    team.review("ruth", question, "request_changes")
    assert team.status(question) == "in_review"
    with team.writing() as connection:
        assert standing.of_one(connection, team.project, question.id).reasons == ("the reviewers differ",)
        with pytest.raises(InputError, match="say what has to change"):
            adjudicate.adjudicate(
                connection,
                team["owner"],
                team.project,
                question.id,
                None,
                "ambiguous",
                n=1,
                outcome="request_changes",
                now=team.now(),
            )
        adjudicate.adjudicate(
            connection,
            team["owner"],
            team.project,
            question.id,
            None,
            "ambiguous",
            n=1,
            outcome="request_changes",
            comment="Say from where.",
            now=team.now(),
        )
    assert team.status(question) == "changes_requested"


def test_a_question_that_nobody_disagrees_about_is_not_adjudicated(team):
    question = team.ask()
    with team.writing() as connection, pytest.raises(ConflictError, match="nobody disagrees about question 1"):
        adjudicate.adjudicate(
            connection, team["rosa"], team.project, question.id, None, "gold_right", n=1, now=team.now()
        )


def test_adjudication_can_find_that_the_context_does_not_say(make_team):
    team = make_team(blind_answers=1)
    question = team.ask()
    team.answer("bela", question, Unanswerable())
    with team.writing() as connection:
        adjudicate.adjudicate(
            connection, team["rosa"], team.project, question.id, Unanswerable(), "unanswerable", n=1, now=team.now()
        )
    after = team.get(question)
    assert (after.content.type, after.content.gold_keys, after.status) == ("unanswerable", (), "approved")


def test_answers_to_what_a_question_no_longer_asks_do_not_count(make_team):
    team = make_team(blind_answers=1)
    question = team.ask()
    team.mark("bela", question, "B")
    team.change(question, explanation="As the map shows.")
    team.submit(question)
    with team.reading() as connection:
        assert standing.of_one(connection, team.project, question.id).num_answers == 1
    team.change(question, body="Which café is farthest from the harbour?")
    team.submit(question)
    with team.reading() as connection:
        assert standing.of_one(connection, team.project, question.id).num_answers == 0


def test_settling_leaves_alone_what_its_author_has_in_hand(team):
    question = team.ask(submit=False)
    with team.writing() as connection:
        assert flow.settle(connection, None, team.project, question.id, now=team.now()).status == "draft"
        questions.set_status(connection, team["ada"], team.project, question.id, "archived", now=team.now())
        settled = flow.settle(connection, None, team.project, question.id, taken_back=True, now=team.now())
    assert settled.status == "archived"


def test_blind_shows_nothing_of_gold(team, ask_content):
    content = ask_content("C").model_copy(update={"explanation": "SECRET", "tags": ("SECRET",)})
    seen = blind(team.ask(content))
    assert seen.model_dump().keys() == {"id", "number", "context_id", "n", "body", "options", "input", "unit"}
    assert "SECRET" not in seen.model_dump_json()
    hidden = blind(team.ask(content.model_copy(update={"type": "unanswerable", "gold_keys": ()})))
    # An unanswerable question must not be told from one that has an answer.
    assert hidden.input == seen.input == "one"
    assert hidden.options == seen.options
