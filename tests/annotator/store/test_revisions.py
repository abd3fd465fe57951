"""Revisions: nothing that was written is ever lost, undo and redo walk the tree, and two hands' changes are merged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from annotator.contexts import store as contexts
from annotator.errors import ConflictError
from annotator.people import projects
from annotator.people.actor import LOCAL_ACCOUNT_ID
from annotator.people.local import ensure_local_account, local_actor
from annotator.questions import store as questions
from annotator.questions.model import QuestionContent
from annotator.store import revisions
from annotator.store.migrate import migrate
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now

fields = st.sampled_from("abc")
contents = st.dictionaries(fields, st.integers(0, 3))


@given(contents, contents, contents)
def test_a_merge_keeps_my_changes_and_those_of_theirs_that_i_did_not_touch(base: dict, theirs: dict, mine: dict):
    merged = revisions.merge(base, theirs, mine)
    for field in "abc":
        old, other, own = base.get(field), theirs.get(field), mine.get(field)
        assert merged.content.get(field) == (other if own == old else own)
        assert (field in merged.conflicts) == (own != old and other not in (old, own))


@given(contents, contents)
def test_a_merge_with_nobody_else_is_mine(base: dict, mine: dict) -> None:
    assert revisions.merge(base, base, mine) == revisions.Merge(mine, ())
    assert revisions.merge(base, mine, base).content == mine


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = _open(tmp_path_factory.mktemp("revisions"))
    yield opened
    opened.close()


def _open(folder: Path) -> Database:
    database = open_database(str(folder / "mapqator.sqlite"))
    migrate(database)
    with database.writing() as connection:
        ensure_local_account(connection, utc_now())
        projects.create(connection, local_actor(), name="Revisions", now=utc_now())
    return database


def test_undo_and_redo_are_those_of_an_editor_and_lose_nothing(database: Database) -> None:
    """A model of an editor beside the real thing: a tree of states with a cursor."""
    actor = local_actor()

    class Editor(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            with database.writing(is_durable=False) as connection:
                self.project = projects.by_slug(connection, "revisions")
                context = contexts.create(connection, actor, self.project, now=utc_now())
                self.id = questions.create(connection, actor, self.project, context.id, now=utc_now()).id
            self.states = [("", "")]
            self.parents: list[int | None] = [None]
            self.at = 0

        def save(self, body: str, category: str, base: int) -> None:
            content = QuestionContent(body=body, category=category)
            with database.writing(is_durable=False) as connection:
                questions.save(connection, actor, self.project, self.id, content, base_n=base + 1, now=utc_now())

        def moved_to(self, state: tuple[str, str]) -> None:
            if state != self.states[self.at]:
                self.states.append(state)
                self.parents.append(self.at)
                self.at = len(self.states) - 1

        @rule(body=st.sampled_from(["a", "b", "é"]))
        def write(self, body: str) -> None:
            state = (body, self.states[self.at][1])
            self.save(*state, base=self.at)
            self.moved_to(state)

        @rule(data=st.data(), category=st.sampled_from(["poi", "trip"]))
        def write_another_field_on_an_old_state(self, data: st.DataObject, category: str) -> None:
            base = data.draw(st.integers(0, len(self.states) - 1))
            body, old = self.states[base]
            now = self.states[self.at]
            if now[1] not in (old, category):
                return
            self.save(body, category, base)
            self.moved_to((now[0], now[1] if category == old else category))

        @rule()
        def undo(self) -> None:
            parent = self.parents[self.at]
            if self.step(back=True, can=parent is not None):
                self.at = parent

        @rule()
        def redo(self) -> None:
            children = [n for n, parent in enumerate(self.parents) if parent == self.at]
            if self.step(back=False, can=bool(children)):
                self.at = children[-1]

        def step(self, *, back: bool, can: bool) -> bool:
            with database.writing(is_durable=False) as connection:
                if can:
                    questions.step(connection, actor, self.project, self.id, back=back, now=utc_now())
                    return True
                with pytest.raises(ConflictError, match="nothing"):
                    questions.step(connection, actor, self.project, self.id, back=back, now=utc_now())
            return False

        @invariant()
        def the_question_is_where_the_cursor_is_and_all_states_are_there(self) -> None:
            with database.reading() as connection:
                now = questions.get(connection, self.project.id, self.id)
                history = revisions.history(connection, self.id)
            assert (now.content.body, now.content.category) == self.states[self.at]
            written = [(item.content["body"], item.content["category"]) for item in reversed(history)]
            assert written == self.states
            assert {item.author_id for item in history} == {LOCAL_ACCOUNT_ID}

    Editor.TestCase.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
    Editor.TestCase().runTest()


def test_two_hands_on_one_field_are_told_and_both_are_kept(database: Database) -> None:
    actor = local_actor()
    with database.writing() as connection:
        project = projects.by_slug(connection, "revisions")
        context = contexts.create(connection, actor, project, now=utc_now())
        made = questions.create(connection, actor, project, context.id, now=utc_now())
        questions.save(connection, actor, project, made.id, QuestionContent(body="Theirs"), base_n=1, now=utc_now())
        with pytest.raises(ConflictError) as refused:
            questions.save(connection, actor, project, made.id, QuestionContent(body="Mine"), base_n=1, now=utc_now())
        assert refused.value.detail["conflicts"] == ["body"]
        assert refused.value.detail["current"]["body"] == "Theirs"
        settled = questions.save(
            connection, actor, project, made.id, QuestionContent(body="Mine"), base_n=2, now=utc_now()
        )
        bodies = [item.content["body"] for item in revisions.history(connection, made.id)]
    assert settled.now.content.body == "Mine"
    assert bodies == ["Mine", "Theirs", ""]


def test_an_approved_question_is_not_changed_until_it_is_reopened(database: Database) -> None:
    actor = local_actor()
    with database.writing() as connection:
        project = projects.by_slug(connection, "revisions")
        context = contexts.create(connection, actor, project, now=utc_now())
        made = questions.create(connection, actor, project, context.id, now=utc_now())
        questions.set_status(connection, actor, project, made.id, "approved", now=utc_now())
        with pytest.raises(ConflictError, match="reopen"):
            questions.save(connection, actor, project, made.id, QuestionContent(body="x"), base_n=1, now=utc_now())
        with pytest.raises(ConflictError, match="approved"):
            questions.set_deleted(connection, actor, project, made.id, deleted=True, now=utc_now())
        with pytest.raises(ConflictError, match="approved"):
            contexts.set_deleted(connection, actor, project, context.id, deleted=True, now=utc_now())
