"""Changes of a project as a whole: its name, guidelines and settings; archiving, deleting and restoring it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from annotator.cache.json_text import canonical, sha256_hex
from annotator.errors import ConflictError, InputError
from annotator.maps.validate import as_input_error
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project, ProjectSettings, by_slug, settings_json
from annotator.store.tables import project

MAX_GUIDELINES = 50_000
"""Characters of a project's guidelines."""


def update(
    connection: Connection,
    actor: Actor,
    before: Project,
    *,
    name: str | None = None,
    guidelines: str | None = None,
    settings: Mapping[str, Any] | None = None,
    now: datetime,
) -> Project:
    """Changes what is given and leaves the rest.

    Args:
        settings: fields of `ProjectSettings` to change.

    Raises:
        InputError: a value that cannot be.
    """
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = " ".join(name.split())
        if not 1 <= len(values["name"]) <= 200:
            raise InputError("a project's name needs 1 to 200 characters", param="name")
    if guidelines is not None:
        values["guidelines"] = guidelines
        if len(guidelines) > MAX_GUIDELINES:
            raise InputError(f"guidelines can have at most {MAX_GUIDELINES} characters", param="guidelines")
    if settings is not None:
        values["settings_json"] = settings_json(_merged(before.settings, settings))
    if not values:
        return before
    connection.execute(project.update().where(project.c.id == before.id).values(values))
    after = by_slug(connection, before.slug)
    record(
        connection,
        actor,
        "project.save",
        before.id,
        project_id=before.id,
        before_sha=_sha(before),
        after_sha=_sha(after),
        detail={"changed": _changed(before, after)},
        now=now,
    )
    return after


def set_archived(connection: Connection, actor: Actor, before: Project, is_archived: bool, *, now: datetime) -> Project:
    """Puts a project away, where it can be read and not written to, or takes it out again.

    Raises:
        ConflictError: it is so already.
    """
    if (before.archived_at is not None) == is_archived:
        raise ConflictError(f"'{before.slug}' is {'already' if is_archived else 'not'} archived")
    connection.execute(
        project.update().where(project.c.id == before.id).values(archived_at=now if is_archived else None)
    )
    action = "project.archive" if is_archived else "project.unarchive"
    record(connection, actor, action, before.id, project_id=before.id, now=now)
    return by_slug(connection, before.slug)


def delete(connection: Connection, actor: Actor, before: Project, *, now: datetime) -> None:
    """Takes a project out of everybody's sight; `restore` brings it back as it was."""
    connection.execute(project.update().where(project.c.id == before.id).values(deleted_at=now))
    record(connection, actor, "project.delete", before.id, project_id=before.id, now=now)


def restore(connection: Connection, actor: Actor, before: Project, *, now: datetime) -> Project:
    """Brings a deleted project back.

    Raises:
        ConflictError: it is not deleted.
    """
    if before.deleted_at is None:
        raise ConflictError(f"'{before.slug}' is not deleted")
    connection.execute(project.update().where(project.c.id == before.id).values(deleted_at=None))
    record(connection, actor, "project.restore", before.id, project_id=before.id, now=now)
    return by_slug(connection, before.slug)


def _merged(before: ProjectSettings, changes: Mapping[str, Any]) -> ProjectSettings:
    try:
        return ProjectSettings.model_validate(before.model_dump() | dict(changes))
    except ValidationError as error:
        found = as_input_error(error.errors(include_url=False, include_context=False))
        message = found.message.replace("is not a parameter of this tool", "is no setting of a project")
        raise InputError(message, param=f"settings.{found.param}" if found.param else "settings") from None


def _sha(item: Project) -> str:
    content = {"name": item.name, "guidelines": item.guidelines, "settings": item.settings.model_dump(mode="json")}
    return sha256_hex(canonical(content))


def _changed(before: Project, after: Project) -> list[str]:
    fields = [name for name in ("name", "guidelines") if getattr(before, name) != getattr(after, name)]
    old, new = before.settings.model_dump(), after.settings.model_dump()
    return fields + [f"settings.{name}" for name in new if old[name] != new[name]]
