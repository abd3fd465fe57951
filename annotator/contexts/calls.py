"""Tool calls of a project: who made them, which ones are kept in reach, and in a few words what was asked."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from annotator.contexts.paging import before_cursor, cursor_of
from annotator.contexts.summary import summarise
from annotator.errors import ForbiddenError, InputError, NotFoundError
from annotator.maps.catalogue import Catalogue
from annotator.maps.params import ToolName
from annotator.maps.providers.local import KEY as LOCAL
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project
from annotator.store.tables import account, context, context_call, evidence, project_call, question, tool_call


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call of a project, without its result.

    Args:
        params: canonical parameters.
        summary: what was asked, in a few words.
        label: a name of somebody's own; None without one.
        is_saved: whether it is to stay in reach.
        username: of who made it.
    """

    id: str
    tool: str
    provider: str
    params: dict[str, Any]
    summary: str
    label: str | None
    is_saved: bool
    created_at: datetime
    username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class MadeCalls:
    """A page of calls, the latest first; `next` is the following page's cursor."""

    calls: tuple[MadeCall, ...]
    next: str | None
    total: int


def choose_provider(catalogue: Catalogue, project: Project, tool: ToolName, wanted: str | None) -> str:
    """Who is asked in this project: whom the caller names, or the first that the project allows.

    Raises:
        NotFoundError: there is no such provider, or no map.
        ForbiddenError: the project does not allow it.
    """
    allowed = project.settings.allowed_providers
    key = wanted or catalogue.default_key(tool)
    # What is computed here is nobody's content, so no project has to allow it.
    if not allowed or key in (*allowed, LOCAL):
        return catalogue.get(key).info.key
    if wanted is None:
        for status in catalogue.statuses():
            if status.key in allowed and status.is_enabled and tool in status.tools:
                return status.key
    raise ForbiddenError(
        f"this project asks only {', '.join(allowed)}, not {key}; choose one of them, or have an admin allow it"
    )


def add_call(connection: Connection, actor: Actor, project: Project, tool_call_id: str, *, now: datetime) -> None:
    """Writes down that a recorded call was made in a project."""
    values = {
        "tool_call_id": tool_call_id,
        "project_id": project.id,
        "account_id": actor.account_id,
        "is_saved": False,
        "created_at": now,
    }
    connection.execute(project_call.insert(), values)
    record(connection, actor, "tool_call.make", tool_call_id, project_id=project.id, now=now)


def list_calls(
    connection: Connection,
    project_id: str,
    *,
    tool: str | None = None,
    is_saved: bool | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> MadeCalls:
    """Calls of a project, the latest first.

    Raises:
        InputError: the cursor is none of ours.
    """
    conditions = [project_call.c.project_id == project_id]
    if tool is not None:
        conditions.append(tool_call.c.tool == tool)
    if is_saved is not None:
        conditions.append(project_call.c.is_saved == is_saved)
    joined = project_call.join(tool_call, tool_call.c.id == project_call.c.tool_call_id)
    total = connection.execute(select(func.count()).select_from(joined).where(*conditions)).scalar_one()
    made, call_id = project_call.c.created_at, project_call.c.tool_call_id
    page = _select().where(*conditions, *before_cursor(cursor, made, call_id)).order_by(made.desc(), call_id.desc())
    rows = connection.execute(page.limit(limit + 1)).all()
    following = cursor_of(rows[limit - 1].made_at, rows[limit - 1].id) if len(rows) > limit else None
    return MadeCalls(tuple(_read(row) for row in rows[:limit]), following, total)


def change_call(
    connection: Connection,
    actor: Actor,
    project: Project,
    tool_call_id: str,
    *,
    label: str | None = None,
    is_saved: bool | None = None,
    now: datetime,
) -> MadeCall:
    """Names a call, or keeps it in reach; an empty label takes the name away.

    Raises:
        NotFoundError: the project made no such call.
        InputError: nothing is to be changed.
    """
    values: dict[str, Any] = {}
    if label is not None:
        values["label"] = " ".join(label.split()) or None
    if is_saved is not None:
        values["is_saved"] = is_saved
    if not values:
        raise InputError("give a label, or is_saved")
    own = (project_call.c.tool_call_id == tool_call_id, project_call.c.project_id == project.id)
    if connection.execute(project_call.update().where(*own).values(values)).rowcount == 0:
        raise NotFoundError(f"this project made no call {tool_call_id}")
    record(connection, actor, "tool_call.change", tool_call_id, project_id=project.id, detail=values, now=now)
    return _read(connection.execute(_select().where(*own)).one())


def require_call(connection: Connection, project_id: str, tool_call_id: str) -> None:
    """Raises `NotFoundError` unless the project made the call, or a context or question of it holds it."""
    known = or_(
        select(project_call.c.tool_call_id)
        .where(project_call.c.tool_call_id == tool_call_id, project_call.c.project_id == project_id)
        .exists(),
        select(context_call.c.tool_call_id)
        .join(context, context.c.id == context_call.c.context_id)
        .where(context_call.c.tool_call_id == tool_call_id, context.c.project_id == project_id)
        .exists(),
        select(evidence.c.tool_call_id)
        .join(question, question.c.id == evidence.c.question_id)
        .where(evidence.c.tool_call_id == tool_call_id, question.c.project_id == project_id)
        .exists(),
    )
    if not connection.execute(select(known)).scalar():
        raise NotFoundError(f"there is no call {tool_call_id} in this project")


def _select() -> Select[Any]:
    return (
        select(
            tool_call.c.id,
            tool_call.c.tool,
            tool_call.c.provider,
            tool_call.c.params_json,
            project_call.c.label,
            project_call.c.is_saved,
            project_call.c.created_at.label("made_at"),
            account.c.username,
            account.c.display_name,
        )
        .select_from(project_call)
        .join(tool_call, tool_call.c.id == project_call.c.tool_call_id)
        .join(account, account.c.id == project_call.c.account_id)
    )


def _read(row: Row[Any]) -> MadeCall:
    params = json.loads(row.params_json)
    return MadeCall(
        id=row.id,
        tool=row.tool,
        provider=row.provider,
        params=params,
        summary=summarise(row.tool, params),
        label=row.label,
        is_saved=row.is_saved,
        created_at=row.made_at,
        username=row.username,
        display_name=row.display_name,
    )
