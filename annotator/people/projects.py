"""Projects: what a team's contexts, questions and datasets belong to, and how it works."""

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, RowMapping, Table, select

from annotator.cache.json_text import canonical
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.roles import Role
from annotator.questions.model import QuestionType
from annotator.store.ids import new_id
from annotator.store.tables import membership, project

SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"
Word = Annotated[str, Field(min_length=1, max_length=64)]

CHECKLIST = (
    "The question has one reading.",
    "The gold answer follows from the evidence.",
    "No option gives the answer away.",
    "Somebody without the context cannot guess it.",
)


class ProjectSettings(BaseModel):
    """How a project works.

    Args:
        allowed_providers: keys; empty allows every enabled one.
        categories: what questions may be about.
        require_evidence: whether a gold answer needs evidence before it can be submitted.
        min_reviews: approvals that a question needs.
        blind_answers: second answers wanted of each question before it is reviewed.
        overlap: share of questions that get blind answers, 0 to 1.
        agreement_threshold: least share of blind answers equal to gold; below it the question goes to adjudication.
        abstain_option: whether evaluation offers "unanswerable" always or never; never by question.
        review_own: whether somebody may review what they wrote; a single-user installation may.
        checklist: what a reviewer ticks before approving.
        isolate: whether annotators see only their own questions.
        model_consent: keys of providers whose terms ask for consent before a model reads their content, which is given.
        assist_model: model of the AI help; empty takes the installation's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_providers: tuple[Word, ...] = Field(default=(), max_length=50)
    categories: tuple[Word, ...] = Field(default=("poi", "nearby", "routing", "trip"), max_length=50)
    question_types: tuple[QuestionType, ...] = (
        "yes_no",
        "single_choice",
        "multiple_choice",
        "open_ended",
        "unanswerable",
    )
    require_evidence: bool = True
    require_explanation: bool = False
    min_reviews: int = Field(default=1, ge=0, le=10)
    blind_answers: int = Field(default=0, ge=0, le=20)
    overlap: float = Field(default=1.0, ge=0, le=1)
    agreement_threshold: float = Field(default=0.66, ge=0, le=1)
    abstain_option: Literal["always", "never"] = "always"
    review_own: bool = False
    checklist: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(default=CHECKLIST, max_length=20)
    isolate: bool = False
    model_consent: tuple[Word, ...] = Field(default=(), max_length=50)
    assist_model: str = Field(default="", max_length=200)


@dataclass(frozen=True, slots=True)
class Project:
    """A project as its row says."""

    id: str
    slug: str
    name: str
    guidelines: str
    settings: ProjectSettings
    created_by: str
    created_at: datetime
    archived_at: datetime | None
    deleted_at: datetime | None


def create(
    connection: Connection,
    actor: Actor,
    *,
    name: str,
    slug: str = "",
    guidelines: str = "",
    settings: ProjectSettings | None = None,
    now: datetime,
) -> Project:
    """Makes a project, whose owner is who made it.

    Raises:
        InputError: the name or slug cannot be.
        ConflictError: the slug is taken.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 200:
        raise InputError("a project's name needs 1 to 200 characters", param="name")
    slug = slug or free_slug(connection, project, name)
    if not re.fullmatch(SLUG, slug):
        raise InputError(f"'{slug[:80]}' is no slug; use a-z, 0-9 and hyphens, at most 63", param="slug")
    if connection.execute(select(project.c.id).where(project.c.slug == slug)).first():
        raise ConflictError(f"there is already a project '{slug}'; choose another slug")
    made = {
        "id": new_id(now),
        "slug": slug,
        "name": name,
        "guidelines": guidelines,
        "settings_json": settings_json(settings or ProjectSettings()),
        "num_contexts": 0,
        "num_questions": 0,
        "created_by": actor.account_id,
        "created_at": now,
    }
    connection.execute(project.insert(), made)
    connection.execute(
        membership.insert(),
        {"project_id": made["id"], "account_id": actor.account_id, "role": "owner", "created_at": now},
    )
    record(connection, actor, "project.create", str(made["id"]), project_id=str(made["id"]), now=now)
    return by_slug(connection, slug)


def by_slug(connection: Connection, slug: str, *, is_deleted: bool = False) -> Project:
    """A project.

    Args:
        is_deleted: whether it may be a deleted one.

    Raises:
        NotFoundError: there is none.
    """
    row = connection.execute(select(project).where(project.c.slug == slug)).mappings().first()
    if row is None or (row["deleted_at"] is not None and not is_deleted):
        raise NotFoundError(f"there is no project '{slug}'")
    return read_project(row)


def role_in(connection: Connection, project_id: str, account_id: str) -> Role | None:
    """The role of an account in a project; None for who is no member."""
    found = select(membership.c.role).where(
        membership.c.project_id == project_id, membership.c.account_id == account_id
    )
    role: Role | None = connection.execute(found).scalar()
    return role


def next_number(connection: Connection, project_id: str, counter: Literal["num_contexts", "num_questions"]) -> int:
    """Counts a project's contexts or questions up, and gives the new number; numbers are never used twice."""
    column = project.c[counter]
    connection.execute(project.update().where(project.c.id == project_id).values({counter: column + 1}))
    return int(connection.execute(select(column).where(project.c.id == project_id)).scalar_one())


def free_slug(connection: Connection, table: Table, name: str) -> str:
    """A slug made of a name that no row of `table` has yet."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].rstrip("-") or "untitled"
    taken = set(connection.execute(select(table.c.slug).where(table.c.slug.like(f"{words}%"))).scalars())
    return next(slug for slug in (words, *(f"{words}-{n}" for n in range(2, len(taken) + 3))) if slug not in taken)


def settings_json(settings: ProjectSettings) -> str:
    """Settings as they are stored."""
    return canonical(settings.model_dump(mode="json")).decode()


def read_project(row: RowMapping) -> Project:
    """A row's project."""
    values: dict[str, Any] = {name: row[name] for name in Project.__slots__ if name != "settings"}
    return Project(**values, settings=ProjectSettings.model_validate(json.loads(row["settings_json"])))
