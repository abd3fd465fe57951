"""Projects and their settings."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from annotator.people import project_changes
from annotator.people.overview import ADMIN_ROLE, Kept, overview
from annotator.people.projects import Project, ProjectSettings, create
from annotator.people.roles import Role
from annotator.store.times import to_text, utc_now
from annotator.web.access import AnyAccount, AnyManager, Managing, Owning, OwningDeleted, Reading
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import State

router = APIRouter(prefix="/api/projects", tags=["projects"], responses=ERROR_RESPONSES)


class ProjectOut(BaseModel):
    """A project, and the role of whoever asks."""

    slug: str
    name: str
    guidelines: str
    settings: ProjectSettings
    role: Role
    created_at: str
    archived_at: str | None


class ProjectLine(BaseModel):
    """A project in a list; every question counts in one status."""

    slug: str
    name: str
    role: Role
    num_contexts: int
    num_questions: int
    num_by_status: dict[str, int]
    created_at: str
    archived_at: str | None


class ProjectList(BaseModel):
    """The projects that an account may see, by name."""

    projects: list[ProjectLine]


class NewProject(BaseModel):
    """A project to be made; without a slug one is made of its name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=400)
    slug: str = Field(default="", max_length=80)
    guidelines: str = Field(default="", max_length=project_changes.MAX_GUIDELINES)
    settings: ProjectSettings = ProjectSettings()


class ProjectChange(BaseModel):
    """What to change; settings that are not named stay."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, max_length=400)
    guidelines: str | None = None
    settings: dict[str, Any] | None = None


@router.get("")
def list_projects(
    state: State, actor: AnyAccount, kept: Annotated[Kept, Query(description="Which of them.")] = "active"
) -> ProjectList:
    """The projects that this account may see."""
    with state.database.reading() as connection:
        found = overview(connection, actor, kept)
    return ProjectList(
        projects=[
            ProjectLine(
                slug=item.slug,
                name=item.name,
                role=item.role,
                num_contexts=item.num_contexts,
                num_questions=item.num_questions,
                num_by_status=item.num_by_status,
                created_at=to_text(item.created_at),
                archived_at=_text(item.archived_at),
            )
            for item in found
        ]
    )


@router.post("", status_code=201)
def create_project(state: State, actor: AnyManager, body: NewProject) -> ProjectOut:
    """Makes a project, whose owner is who made it."""
    with state.database.writing() as connection:
        made = create(
            connection,
            actor,
            name=body.name,
            slug=body.slug,
            guidelines=body.guidelines,
            settings=body.settings,
            now=utc_now(),
        )
    return project_out(made, ADMIN_ROLE)


@router.get("/{project}")
def read_project(access: Reading) -> ProjectOut:
    """A project."""
    return project_out(access.project, access.role)


@router.patch("/{project}")
def change_project(state: State, access: Managing, body: ProjectChange) -> ProjectOut:
    """Changes its name, guidelines or settings."""
    with state.database.writing() as connection:
        changed = project_changes.update(
            connection,
            access.actor,
            access.project,
            name=body.name,
            guidelines=body.guidelines,
            settings=body.settings,
            now=utc_now(),
        )
    return project_out(changed, access.role)


@router.delete("/{project}")
def delete_project(state: State, access: Owning) -> ProjectOut:
    """Deletes a project; it can be restored."""
    with state.database.writing() as connection:
        project_changes.delete(connection, access.actor, access.project, now=utc_now())
    return project_out(access.project, access.role)


@router.post("/{project}/restore")
def restore_project(state: State, access: OwningDeleted) -> ProjectOut:
    """Brings a deleted project back."""
    with state.database.writing() as connection:
        restored = project_changes.restore(connection, access.actor, access.project, now=utc_now())
    return project_out(restored, access.role)


@router.post("/{project}/archive")
def archive_project(state: State, access: Owning) -> ProjectOut:
    """Puts a project away: it can be read, and not written to."""
    return _set_archived(state, access, True)


@router.post("/{project}/unarchive")
def unarchive_project(state: State, access: Owning) -> ProjectOut:
    """Takes a project out of the archive."""
    return _set_archived(state, access, False)


def project_out(item: Project, role: Role) -> ProjectOut:
    """A project as JSON."""
    return ProjectOut(
        slug=item.slug,
        name=item.name,
        guidelines=item.guidelines,
        settings=item.settings,
        role=role,
        created_at=to_text(item.created_at),
        archived_at=_text(item.archived_at),
    )


def _set_archived(state: State, access: Owning, is_archived: bool) -> ProjectOut:
    with state.database.writing() as connection:
        changed = project_changes.set_archived(connection, access.actor, access.project, is_archived, now=utc_now())
    return project_out(changed, access.role)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)
