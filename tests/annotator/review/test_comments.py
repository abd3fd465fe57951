"""Comments, their Markdown, and what differs between revisions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.errors import ForbiddenError, InputError, NotFoundError
from annotator.people.projects import create
from annotator.questions.model import Option
from annotator.review import comments, compare
from annotator.review.markup import to_html

relaxed = settings(deadline=None)
texts = st.text(st.sampled_from("ab é\n.,"), max_size=30)


def say(team, who, question, body="Hm.", **more):
    with team.writing() as connection:
        return comments.add(connection, team[who], team.project, "question", question.id, body, now=team.now(), **more)


def test_a_thread_has_two_levels_is_settled_and_opened_again_by_an_answer(team):
    question = team.ask()
    first = say(team, "rosa", question, about="options.B")
    answer = say(team, "ada", question, parent_id=first.id)
    deeper = say(team, "rosa", question, parent_id=answer.id)
    assert (answer.parent_id, deeper.parent_id) == (first.id, first.id)
    assert deeper.about == "options.B"
    with team.writing() as connection:
        settled = comments.set_resolved(connection, team["ada"], team.project, deeper.id, resolved=True, now=team.now())
        assert (settled.id, settled.resolved_by) == (first.id, team["ada"].account_id)
        assert comments.num_open(connection, team.project.id, [question.id]) == {}
    say(team, "rosa", question, parent_id=first.id)
    with team.reading() as connection:
        assert comments.num_open(connection, team.project.id, [question.id]) == {question.id: 1}


def test_what_is_deleted_keeps_its_place_without_its_words_and_can_be_restored(team):
    question = team.ask()
    first = say(team, "rosa", question, "SECRET")
    alone = say(team, "rosa", question, "alone")
    say(team, "ada", question, "answer", parent_id=first.id)
    with team.writing() as connection:
        for one in (first, alone):
            comments.set_deleted(connection, team["rosa"], team.project, one.id, deleted=True, now=team.now())
        shown = comments.of_subject(connection, team.project.id, "question", question.id)
        assert [one.body for one in shown] == ["", "answer"]
        comments.set_deleted(connection, team["rosa"], team.project, first.id, deleted=False, now=team.now())
        shown = comments.of_subject(connection, team.project.id, "question", question.id)
        assert [one.body for one in shown] == ["SECRET", "answer"]


def test_only_ones_own_words_are_changed_and_only_an_admin_deletes_others(team):
    question = team.ask()
    made = say(team, "rosa", question)
    with team.writing() as connection:
        with pytest.raises(ForbiddenError, match="only who wrote a comment"):
            comments.edit(connection, team["ada"], team.project, made.id, "Mine now.", now=team.now())
        with pytest.raises(ForbiddenError, match="only who wrote a comment"):
            comments.set_deleted(connection, team["ada"], team.project, made.id, deleted=True, now=team.now())
        with pytest.raises(InputError, match="write something first"):
            comments.edit(connection, team["rosa"], team.project, made.id, "  ", now=team.now())
        edited = comments.edit(connection, team["rosa"], team.project, made.id, "Oh.", now=team.now())
        gone = comments.set_deleted(
            connection, team["owner"], team.project, made.id, deleted=True, may_manage=True, now=team.now()
        )
    assert (edited.body, edited.edited_at is not None, gone.deleted_at is not None) == ("Oh.", True, True)


def test_comments_of_another_project_or_subject_are_not_found(team):
    question, other = team.ask(), team.ask()
    made = say(team, "rosa", question)
    with team.writing() as connection:
        elsewhere = create(connection, team["owner"], name="Elsewhere", now=team.now())
        with pytest.raises(NotFoundError):
            comments.get(connection, elsewhere.id, made.id)
        with pytest.raises(NotFoundError, match="there is no question"):
            comments.add(connection, team["owner"], elsewhere, "question", question.id, "Hm.", now=team.now())
    with pytest.raises(NotFoundError, match="about this question"):
        say(team, "rosa", other, parent_id=made.id)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](https://elsewhere.example/pixel.png)",
        '[x](https://a.example "onmouseover=alert(1)")<b onclick=alert(1)>',
        "<https://a.example>\n\n<svg/onload=alert(1)>",
    ],
)
def test_markdown_can_do_no_harm(text):
    html = to_html(text).lower()
    assert not any(tag in html for tag in ("<script", "<img", "<svg", "<b ", 'href="javascript'))


@relaxed
@given(texts, texts)
def test_woven_texts_hold_both_the_old_and_the_new_one(old, new):
    parts = compare.words(old, new)
    assert "".join(part.text for part in parts if part.kind != "added") == old
    assert "".join(part.text for part in parts if part.kind != "removed") == new
    assert all(part.kind == "same" for part in parts) == (old == new)


def test_long_texts_are_compared_line_by_line():
    old = "one line of words\n" * 3000
    parts = compare.words(old, old + "another")
    assert [(part.kind, len(part.text)) for part in parts] == [("same", len(old)), ("added", 7)]


def test_changes_name_each_field_that_differs(ask_content):
    before = ask_content("B")
    options = (*before.options[:3], Option(key="D", text="Kaffa & Fils", pid="town:n9"))
    after = before.model_copy(update={"options": options, "gold_keys": ("D",), "tags": ("cafés",)})
    found = {
        change.title: change
        for change in compare.changes(before.model_dump(mode="json"), after.model_dump(mode="json"))
    }
    assert list(found) == ["Option D", "Gold answer", "Tags"]
    assert found["Option D"].about == "options.D"
    gold = [(part.kind, part.text) for part in found["Gold answer"].parts if part.kind != "same"]
    assert gold[0] == ("removed", "B")
    assert compare.changes(before.model_dump(mode="json"), before.model_dump(mode="json")) == []
