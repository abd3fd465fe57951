"""Makes the demo project: contexts, questions with evidence, second answers, reviews, comments and a frozen dataset."""

import asyncio
from collections.abc import Sequence
from itertools import cycle

from sqlalchemy import Connection, select

from annotator.contexts import store as contexts
from annotator.contexts.calls import add_call, change_call
from annotator.datasets.freeze import freeze
from annotator.datasets.plan import FreezeRequest
from annotator.datasets.snapshots import create_dataset
from annotator.datasets.splits import SplitSpec
from annotator.demo.project.contexts import CONTEXTS
from annotator.demo.project.looks import ENDS, End, look_at, make_colleagues
from annotator.demo.project.sheet import Sheet, Written
from annotator.maps.service import MapService
from annotator.people import projects
from annotator.people.actor import Actor
from annotator.people.local import local_actor
from annotator.people.projects import Project, ProjectSettings
from annotator.questions import store as questions
from annotator.questions.evidence import attach
from annotator.questions.model import QuestionContent
from annotator.review.standing import is_chosen
from annotator.store.tables import project
from annotator.store.times import utc_now

SLUG = "saltmere"
DATASET = "saltmere-questions"
VERSION = "1.0.0"

GUIDELINES = """Questions about **Saltmere**, the town that ships with MapQaTor. It does not exist, so nobody knows
the answers by heart: they have to come from the context.

1. Ask what the context answers, and what nobody could guess without it.
2. Attach the values that show the answer as evidence.
3. Ask some questions that the context does not answer, and say so.
"""


async def build_demo(service: MapService, provider: str) -> None:
    """Makes the demo project on a map, unless some project was ever made here.

    Args:
        provider: the embedded town's map.

    Raises:
        MapqatorError: the map cannot answer, or the database cannot be written.
    """
    database = service.store.database
    with database.reading() as connection:
        if connection.execute(select(project.c.id).limit(1)).first() is not None:
            return
    sheets = []
    for title, make in CONTEXTS:
        sheet = Sheet(service, provider, title)
        await make(sheet)
        sheets.append(sheet)
    await asyncio.to_thread(_write, service, sheets)


def attach_proofs(connection: Connection, written: Sequence[Written]) -> list[QuestionContent]:
    """The questions with their proofs as evidence."""
    now = utc_now()
    return [
        question.content.model_copy(
            update={
                "evidence": tuple(
                    attach(
                        connection, proof.call_id, proof.pointer, role=proof.role, option_key=proof.option_key, now=now
                    )
                    for proof in question.proofs
                )
            }
        )
        for question in written
    ]


def _write(service: MapService, sheets: Sequence[Sheet]) -> None:
    actor = local_actor()
    database = service.store.database
    with database.writing() as connection:
        now = utc_now()
        settings = ProjectSettings(blind_answers=1, overlap=0.3)
        made = projects.create(
            connection, actor, name="Saltmere", slug=SLUG, guidelines=GUIDELINES, settings=settings, now=now
        )
        colleagues = make_colleagues(connection, made, now)
        # The last question of each context is still on its way, so that every queue has something in it.
        for sheet, end in zip(sheets, cycle(ENDS), strict=False):
            _write_context(connection, actor, colleagues, made, sheet, end)
        create_dataset(
            connection,
            actor,
            made,
            title="Questions about Saltmere",
            slug=DATASET,
            licence="ODbL-1.0",
            card="Questions of every type about a town that does not exist, each with the map answers that show its "
            "gold answer.",
            now=utc_now(),
        )
    request = FreezeRequest(version=VERSION, splits=SplitSpec())
    freeze(database, service.catalogue, actor, made, DATASET, request, now=utc_now())


def _write_context(
    connection: Connection, actor: Actor, colleagues: Sequence[Actor], made: Project, sheet: Sheet, end: End
) -> None:
    context = contexts.create(connection, actor, made, content=sheet.content, now=utc_now())
    for call_id in sheet.content.tool_call_ids:
        add_call(connection, actor, made, call_id, now=utc_now())
    first = sheet.content.tool_call_ids[0]
    change_call(connection, actor, made, first, label=sheet.items[0].title, is_saved=True, now=utc_now())
    written = attach_proofs(connection, sheet.written)
    asked = [
        questions.create(connection, actor, made, context.id, content=content, now=utc_now()) for content in written
    ]
    # One that gets second answers does not stay submitted: it is in review at once.
    waiting = [one for one in asked if end != "submitted" or not is_chosen(one.id, made.settings.overlap)]
    last = waiting[-1] if waiting else asked[-1]
    for question in asked:
        look_at(connection, actor, colleagues, made, question, end if question is last else "approved")
