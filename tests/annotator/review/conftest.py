"""A project with people of every role, in a database of the test's own, and short ways to write in it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from annotator.contexts import store as contexts
from annotator.contexts.model import ContextContent, Item
from annotator.people import projects
from annotator.people.actor import Actor
from annotator.people.projects import Project, ProjectSettings
from annotator.people.roles import ROLES
from annotator.questions import store as questions
from annotator.questions.model import Option, QuestionContent
from annotator.questions.store import Question
from annotator.review import flow, responses, reviews
from annotator.review.given import Given, Keys
from annotator.store.ids import new_id
from annotator.store.migrate import migrate
from annotator.store.sessions import Database, open_database
from annotator.store.tables import account, membership, project

CHECKLIST = ("It has one reading.",)
PEOPLE = {"owner": "owner", "ada": "annotator", "bela": "annotator", "cleo": "annotator", "rosa": "reviewer"}
PEOPLE |= {"ruth": "reviewer", "vic": "viewer"}
assert set(PEOPLE.values()) < set(ROLES)


@dataclass
class Team:
    """A project and its people; every call of `now` is a second later than the one before."""

    database: Database
    project: Project
    people: dict[str, Actor]
    context_id: str
    moment: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 9, 30, tzinfo=UTC))

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def writing(self) -> AbstractContextManager[Connection]:
        return self.database.writing()

    def reading(self) -> AbstractContextManager[Connection]:
        return self.database.reading()

    def __getitem__(self, name: str) -> Actor:
        return self.people[name]

    def set(self, **settings: Any) -> None:
        """Changes the project's settings."""
        changed = ProjectSettings.model_validate(self.project.settings.model_dump() | settings)
        with self.writing() as connection:
            connection.execute(
                project.update()
                .where(project.c.id == self.project.id)
                .values(settings_json=projects.settings_json(changed))
            )
            self.project = projects.by_slug(connection, self.project.slug)

    def ask(self, content: QuestionContent | None = None, *, by: str = "ada", submit: bool = True) -> Question:
        """A question by somebody, submitted."""
        with self.writing() as connection:
            made = questions.create(
                connection, self[by], self.project, self.context_id, content=content or choice(), now=self.now()
            )
        return self.submit(made, by=by) if submit else made

    def submit(self, question: Question, *, by: str = "ada") -> Question:
        with self.writing() as connection:
            questions.set_status(connection, self[by], self.project, question.id, "submitted", now=self.now())
            return flow.settle(connection, self[by], self.project, question.id, now=self.now())

    def change(self, question: Question, *, by: str = "ada", **fields: Any) -> Question:
        with self.writing() as connection:
            now = questions.get(connection, self.project.id, question.id)
            content = now.content.model_copy(update=fields)
            saved = questions.save(
                connection, self[by], self.project, question.id, content, base_n=now.revision.n, now=self.now()
            )
            return saved.now

    def answer(self, who: str, question: Question, given: Given | None, **more: Any) -> responses.Response:
        with self.writing() as connection:
            return responses.respond(connection, self[who], self.project, question.id, given, now=self.now(), **more)

    def mark(self, who: str, question: Question, *keys: str) -> responses.Response:
        return self.answer(who, question, Keys(keys=keys))

    def review(self, who: str, question: Question, verdict: str, **more: Any) -> reviews.Review:
        n = more.pop("n", None) or self.get(question).revision.n
        settings = {"checklist": CHECKLIST, "comment": "Because.", **more}
        with self.writing() as connection:
            return reviews.give(
                connection, self[who], self.project, question.id, verdict, n=n, now=self.now(), **settings
            )

    def get(self, question: Question) -> Question:
        with self.reading() as connection:
            return questions.get(connection, self.project.id, question.id)

    def status(self, question: Question) -> str:
        return self.get(question).status


def choice(*gold: str, body: str = "Which café is nearest to the harbour?") -> QuestionContent:
    """A single choice of four; gold is B unless said."""
    options = tuple(Option(key=key, text=f"Café {key}") for key in "ABCD")
    return QuestionContent(type="single_choice", body=body, options=options, gold_keys=gold or ("B",), category="poi")


@contextmanager
def fresh_team(folder: Path, **settings: Any) -> Iterator[Team]:
    """A team in a database of its own in `folder`."""
    database = open_database(f"sqlite:///{folder / 'team.sqlite'}")
    try:
        migrate(database)
        start = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
        people = {name: Actor(account_id=new_id(start), username=name, display_name=name.title()) for name in PEOPLE}
        with database.writing() as connection:
            connection.execute(
                account.insert(),
                [
                    {
                        "id": actor.account_id,
                        "username": name,
                        "display_name": actor.display_name,
                        "is_admin": False,
                        "is_active": True,
                        "prefs_json": "{}",
                        "created_at": start,
                    }
                    for name, actor in people.items()
                ],
            )
            chosen = ProjectSettings.model_validate({"checklist": CHECKLIST, **settings})
            made = projects.create(connection, people["owner"], name="Harbour", settings=chosen, now=start)
            connection.execute(
                membership.insert(),
                [
                    {
                        "project_id": made.id,
                        "account_id": people[name].account_id,
                        "role": role,
                        "created_at": start,
                    }
                    for name, role in PEOPLE.items()
                    if name != "owner"
                ],
            )
            note = Item(key="n1", kind="note", text="There are four cafés at the harbour.")
            context = contexts.create(connection, people["ada"], made, content=ContextContent(items=(note,)), now=start)
        yield Team(database, made, people, context.id)
    finally:
        database.close()


@pytest.fixture
def make_team(tmp_path: Path) -> Iterator[Callable[..., Team]]:
    """`make_team(**settings)` makes a team in a database of its own."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Team:
            folder = tmp_path / f"team-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(fresh_team(folder, **settings))

        yield make


@pytest.fixture
def team_in() -> Callable[..., AbstractContextManager[Team]]:
    """`team_in(folder, **settings)` is a team for as long as its block lasts, for tests that need many."""
    return fresh_team


@pytest.fixture
def team(make_team: Callable[..., Team]) -> Team:
    """A project that wants one review and no second answers."""
    return make_team()


@pytest.fixture
def ask_content() -> Callable[..., QuestionContent]:
    """`ask_content(*gold, body=...)` is a single choice of A to D."""
    return choice
