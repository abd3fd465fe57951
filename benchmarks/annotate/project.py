"""A large project to measure pages on: real recorded calls of the embedded town, in as many contexts as wanted."""

import asyncio
import random
from pathlib import Path

from annotator.assembly import TOWN_NAME, open_service, prepare_town
from annotator.contexts import store as contexts
from annotator.demo.project.build import attach_proofs
from annotator.demo.project.contexts import CONTEXTS
from annotator.demo.project.sheet import Sheet
from annotator.people import projects
from annotator.people.local import local_actor
from annotator.questions import store as questions
from annotator.questions.model import Status
from annotator.settings import Settings
from annotator.store.times import utc_now

SLUG = "large"
PER_TRANSACTION = 20
STATUSES: tuple[Status, ...] = (
    "draft",
    "submitted",
    "in_review",
    "changes_requested",
    "rejected",
    "approved",
    "approved",
    "approved",
)


def make_project(data_dir: Path, num_contexts: int, num_questions: int) -> None:
    """Builds the town's map and fills a project, so that every page has much to show."""
    settings = Settings(data_dir=data_dir)
    prepare_town(settings)
    asyncio.run(_fill(settings, num_contexts, num_questions))


async def _fill(settings: Settings, num_contexts: int, num_questions: int) -> None:
    pick = random.Random(11)
    actor = local_actor()
    async with open_service(settings) as service:
        sheets = []
        for title, make in CONTEXTS:
            sheet = Sheet(service, TOWN_NAME, title)
            await make(sheet)
            sheets.append(sheet)
        database = service.store.database
        with database.reading() as connection:
            written = {sheet.title: attach_proofs(connection, sheet.written) for sheet in sheets}
        with database.writing() as connection:
            project = projects.create(connection, actor, name="Large", slug=SLUG, now=utc_now())
        for start in range(0, num_contexts, PER_TRANSACTION):
            with database.writing() as connection:
                for index in range(start, min(start + PER_TRANSACTION, num_contexts)):
                    sheet = sheets[index % len(sheets)]
                    content = sheet.content.model_copy(update={"title": f"{sheet.title} {index + 1}"})
                    made = contexts.create(connection, actor, project, content=content, now=utc_now())
                    for number in range(num_questions // num_contexts):
                        base = written[sheet.title][number % len(written[sheet.title])]
                        body = f"{base.body.removesuffix('?')}, as of day {index * 10 + number}?"
                        varied = base.model_copy(update={"body": body})
                        question = questions.create(connection, actor, project, made.id, content=varied, now=utc_now())
                        status = pick.choice(STATUSES)
                        if status != "draft":
                            questions.set_status(connection, actor, project, question.id, status, now=utc_now())
