"""Members of a project and their roles. Those who manage give roles below admin; owners give every role."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from annotator.errors import ConflictError, ForbiddenError, NotFoundError
from annotator.people.accounts import by_username
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project, role_in
from annotator.people.roles import LEAST_ROLE, Permission, Role, may
from annotator.store.sessions import insert_into
from annotator.store.tables import account, membership

_HIGH: tuple[Role, ...] = ("admin", "owner")
"""Roles that only owners give and take."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a project."""

    account_id: str
    username: str
    display_name: str
    role: Role
    is_active: bool
    created_at: datetime


def listing(connection: Connection, project_id: str) -> list[Member]:
    """The members of a project, by username."""
    query = (
        select(
            account.c.id,
            account.c.username,
            account.c.display_name,
            membership.c.role,
            account.c.is_active,
            membership.c.created_at,
        )
        .join(account, account.c.id == membership.c.account_id)
        .where(membership.c.project_id == project_id)
        .order_by(account.c.username)
    )
    return [Member(*row) for row in connection.execute(query)]


def set_role(
    connection: Connection,
    actor: Actor,
    actor_role: Role,
    project: Project,
    username: str,
    role: Role,
    *,
    now: datetime,
) -> Member:
    """Makes somebody a member, or changes their role.

    Args:
        actor_role: of the actor in the project.

    Raises:
        NotFoundError: there is no such account.
        ForbiddenError: only an owner may.
        ConflictError: they are the last owner.
    """
    found = by_username(connection, username)
    before = role_in(connection, project.id, found.id)
    _require_owner(actor_role, before, role)
    if before == "owner" and role != "owner":
        _keep_an_owner(connection, project)
    if before != role:
        connection.execute(
            insert_into(connection, membership)
            .values(project_id=project.id, account_id=found.id, role=role, created_at=now)
            .on_conflict_do_update(index_elements=["project_id", "account_id"], set_={"role": role})
        )
        record(
            connection,
            actor,
            "member.save",
            found.id,
            project_id=project.id,
            detail={"username": found.username, "role": role, "before": before},
            now=now,
        )
    return next(member for member in listing(connection, project.id) if member.username == found.username)


def remove(
    connection: Connection, actor: Actor, actor_role: Role, project: Project, username: str, *, now: datetime
) -> Role:
    """Ends a membership, and says what the role was; what they wrote stays.

    Raises:
        NotFoundError: they are no member.
        ForbiddenError: only an owner may.
        ConflictError: they are the last owner.
    """
    found = by_username(connection, username)
    before = role_in(connection, project.id, found.id)
    if before is None:
        raise NotFoundError(f"'{username}' is no member of '{project.slug}'")
    _require_owner(actor_role, before)
    if before == "owner":
        _keep_an_owner(connection, project)
    connection.execute(
        membership.delete().where(membership.c.project_id == project.id, membership.c.account_id == found.id)
    )
    record(
        connection,
        actor,
        "member.remove",
        found.id,
        project_id=project.id,
        detail={"username": found.username, "before": before},
        now=now,
    )
    return before


def _require_owner(actor_role: Role, *roles: Role | None) -> None:
    if any(role in _HIGH for role in roles) and not may(actor_role, Permission.OWN):
        raise ForbiddenError(f"only an {LEAST_ROLE[Permission.OWN]} makes and unmakes admins and owners")


def _keep_an_owner(connection: Connection, project: Project) -> None:
    query = (
        select(func.count())
        .select_from(membership)
        .where(membership.c.project_id == project.id, membership.c.role == "owner")
    )
    if connection.execute(query).scalar_one() <= 1:
        raise ConflictError(f"'{project.slug}' needs an owner; make somebody else one first")
