"""How far a project is, and how well its people agree."""

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Connection

from annotator.people import accounts
from annotator.people.projects import Project
from annotator.review import agreement, progress
from annotator.review.progress import TITLES, Bucket
from annotator.web.access import Reading, Reviewing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.review_shapes import CoefficientOut, PersonOut, coefficient_out, person
from annotator.web.state import State

router = APIRouter(prefix="/api/projects/{project}", tags=["review"], responses=ERROR_RESPONSES)


class BucketOut(BaseModel):
    """Questions that are at one point of their way."""

    key: Bucket
    title: str
    count: int


class PersonProgressOut(BaseModel):
    """What one member did and has before them; `buckets` are the questions that they began."""

    by: PersonOut | None
    role: str
    num_questions: int
    buckets: dict[Bucket, int]
    num_answers: int
    num_skipped: int
    num_reviews: int
    num_open: int


class ProgressOut(BaseModel):
    """Every question in exactly one bucket; `share_done` leaves out what was rejected or set aside."""

    total: int
    num_contexts: int
    share_done: float | None
    buckets: list[BucketOut]
    people: list[PersonProgressOut]


class PairOut(BaseModel):
    """Two people over the questions that both answered."""

    people: list[PersonOut | None]
    kappa: CoefficientOut
    percent: CoefficientOut


class PersonAgreement(BaseModel):
    """How often somebody's answers equal gold."""

    by: PersonOut | None
    gold: CoefficientOut


class AgreementOut(BaseModel):
    """Of the blind answers that count."""

    num_questions: int
    num_answers: int
    percent: CoefficientOut
    krippendorff_alpha: CoefficientOut
    gold: CoefficientOut
    cohen_kappa: list[PairOut]
    people: list[PersonAgreement]


@router.get("/progress")
def show_progress(access: Reading, state: State) -> ProgressOut:
    """How far the project is, in all and by person."""
    with state.database.reading() as connection:
        return progress_out(connection, access.project)


@router.get("/agreement")
def show_agreement(access: Reviewing, state: State) -> AgreementOut:
    """Percent, Cohen's kappa for each pair and Krippendorff's alpha, each with its n or with why it cannot be said."""
    with state.database.reading() as connection:
        return agreement_out(connection, access.project)


def progress_out(connection: Connection, project: Project) -> ProgressOut:
    """A project's progress in JSON."""
    found = progress.of_project(connection, project)
    members = progress.of_people(connection, project)
    people = accounts.names(connection, {one.account_id for one in members})
    return ProgressOut(
        total=found.total,
        num_contexts=found.num_contexts,
        share_done=found.share_done,
        buckets=[BucketOut(key=key, title=TITLES[key], count=count) for key, count in found.buckets.items()],
        people=[
            PersonProgressOut(
                by=person(people, one.account_id),
                role=one.role,
                num_questions=one.num_questions,
                buckets=one.buckets,
                num_answers=one.num_answers,
                num_skipped=one.num_skipped,
                num_reviews=one.num_reviews,
                num_open=one.num_open,
            )
            for one in members
        ],
    )


def agreement_out(connection: Connection, project: Project) -> AgreementOut:
    """A project's agreement in JSON."""
    found = agreement.of_project(connection, project)
    ids = {account_id for pair in found.pairs for account_id in pair.accounts} | set(found.people)
    people = accounts.names(connection, ids)
    return AgreementOut(
        num_questions=found.num_questions,
        num_answers=found.num_answers,
        percent=coefficient_out(found.percent),
        krippendorff_alpha=coefficient_out(found.alpha),
        gold=coefficient_out(found.gold),
        cohen_kappa=[
            PairOut(
                people=[person(people, account_id) for account_id in pair.accounts],
                kappa=coefficient_out(pair.kappa),
                percent=coefficient_out(pair.percent),
            )
            for pair in found.pairs
        ],
        people=[
            PersonAgreement(by=person(people, account_id), gold=coefficient_out(share))
            for account_id, share in found.people.items()
        ],
    )
