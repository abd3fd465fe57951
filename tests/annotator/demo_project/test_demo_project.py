"""The first start has something to show on every page, made of nothing but the tools' answers."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from annotator.assembly import TOWN_NAME, open_service
from annotator.demo.project.build import DATASET, SLUG, VERSION, build_demo
from annotator.people import projects
from annotator.questions.linter import findings_of
from annotator.questions.store import get_many
from annotator.settings import Settings
from annotator.store.sessions import open_database
from annotator.store.tables import account, comment, context, project, question, response, review
from annotator.store.times import utc_now
from tests.annotator.program import run_mapqator

KINDS = {"text", "number", "duration", "distance", "time", "place", "point", "ordered_list", "set"}


@pytest.fixture(scope="module")
def made(town_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo project, which was asked for twice."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "maps").symlink_to(town_data / "maps")

    async def make() -> None:
        async with open_service(Settings(data_dir=folder)) as service:
            await build_demo(service, TOWN_NAME)
            await build_demo(service, TOWN_NAME)

    asyncio.run(make())
    return folder


def test_ten_questions_of_every_type_and_every_kind_of_answer_none_with_an_error(made: Path) -> None:
    database = open_database(str(made / "mapqator.sqlite"))
    with database.reading() as connection:
        found = projects.by_slug(connection, SLUG)
        ids = connection.execute(select(question.c.id)).scalars().all()
        questions = list(get_many(connection, found.id, ids).values())
        findings = findings_of(connection, found, questions, utc_now()).values()
    types = Counter(item.content.type for item in questions)
    assert len(types) == 5
    assert min(types.values()) >= 10
    assert {item.content.answer_kind for item in questions} >= KINDS
    assert [finding for listed in findings for finding in listed if finding.severity != "hint"] == []
    assert all(item.content.evidence for item in questions if item.content.type != "unanswerable")
    database.close()


def test_every_queue_and_list_has_something_in_it_once(made: Path) -> None:
    database = open_database(str(made / "mapqator.sqlite"))
    with database.reading() as connection:

        def count(table) -> int:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

        statuses = set(connection.execute(select(question.c.status).distinct()).scalars())
        assert statuses >= {"draft", "submitted", "in_review", "changes_requested", "rejected", "approved"}
        assert count(project) == 1
        assert count(context) == 7
        assert count(response) > 10
        assert count(review) > 40
        assert count(comment) > 0
        made_up = connection.execute(select(account).where(account.c.username != "local")).mappings().all()
        assert {row["is_active"] for row in made_up} == {False}
    database.close()


def test_the_frozen_dataset_of_the_demo_verifies(made: Path) -> None:
    done = run_mapqator(made, "verify", f"{SLUG}/{DATASET}@{VERSION}")
    assert done.returncode == 0, done.stderr
