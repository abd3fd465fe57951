"""Who may ask what. Every route says it with one of the aliases at the end, and a test holds all of them to a table.

A project's routes begin with `/api/projects/{project}` or `/p/{project}`; stores look only inside that project, so an
id of another one is a 404.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Request

from annotator.errors import ForbiddenError, NotFoundError, SignedOutError
from annotator.people.actor import Actor, Scope
from annotator.people.local import local_actor
from annotator.people.projects import Project, by_slug, role_in
from annotator.people.roles import LEAST_ROLE, Permission, Role, may
from annotator.web.state import AppState, State

Slug = Annotated[str, Path(max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$", description="The project's slug.")]

_SCOPE_OF: dict[Permission, Scope] = {
    Permission.READ: "read",
    Permission.EXPORT: "read",
    Permission.MANAGE: "admin",
    Permission.OWN: "admin",
}
"""What a token's scope must be at least; `write` where nothing is said."""

_SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


@dataclass(frozen=True, slots=True)
class ProjectAccess:
    """Somebody in a project, with a role that allows what the route does.

    Args:
        actor: who asks.
        project: where.
        role: theirs there; an installation's admin is an owner everywhere.
    """

    actor: Actor
    project: Project
    role: Role

    def may(self, permission: Permission) -> bool:
        """Whether they may also do something else; pages leave out what they may not."""
        return may(self.role, permission)


def find_actor(request: Request, state: AppState) -> Actor | None:
    """Who sends this request; None for nobody."""
    if state.is_single_user:
        return local_actor()
    return None


def current_actor(request: Request, state: State) -> Actor:
    """Who sends this request.

    Raises:
        SignedOutError: nobody is signed in.
    """
    actor = find_actor(request, state)
    if actor is None:
        raise SignedOutError("sign in first, or send a token: Authorization: Bearer mq_...")
    return actor


class Allow:
    """A dependency that lets a route run for those who have `permission` in the project of its path.

    Args:
        is_deleted: whether it finds deleted projects too.
    """

    def __init__(self, permission: Permission, *, is_deleted: bool = False) -> None:
        self.permission = permission
        self.is_deleted = is_deleted

    def __call__(self, project: Slug, state: State, actor: Annotated[Actor, Depends(current_actor)]) -> ProjectAccess:
        with state.database.reading() as connection:
            found = by_slug(connection, project, is_deleted=self.is_deleted)
            role = "owner" if actor.is_admin else role_in(connection, found.id, actor.account_id)
        if role is None or (actor.project_id is not None and actor.project_id != found.id):
            # Whether a project exists is nobody's business who is not in it.
            raise NotFoundError(f"there is no project '{project}'")
        if not may(role, self.permission):
            raise ForbiddenError(
                f"your role in '{project}' is {role}; this needs {LEAST_ROLE[self.permission]} or more"
            )
        require_scope(actor, _SCOPE_OF.get(self.permission, "write"))
        return ProjectAccess(actor, found, role)


class SignedIn:
    """A dependency that lets a route run for any account, or for the installation's admins only."""

    def __init__(self, level: Literal["account", "admin"], scope: Scope = "read") -> None:
        self.level = level
        self.scope = scope

    def __call__(self, actor: Annotated[Actor, Depends(current_actor)]) -> Actor:
        if self.level == "admin" and not actor.is_admin:
            raise ForbiddenError("only an administrator of this installation may do this")
        require_scope(actor, self.scope)
        return actor


def require_scope(actor: Actor, scope: Scope) -> None:
    """Raises `ForbiddenError` unless the actor's token reaches that far."""
    if _SCOPES.index(actor.scope) < _SCOPES.index(scope):
        raise ForbiddenError(f"this token has the scope '{actor.scope}', and this needs '{scope}'")


def guards(dependant: Any) -> list[Allow | SignedIn]:
    """The guards of a route, found in FastAPI's record of its dependencies; the authorisation test reads them."""
    own = [dependant.call] if isinstance(dependant.call, Allow | SignedIn) else []
    return own + [guard for part in dependant.dependencies for guard in guards(part)]


Reading = Annotated[ProjectAccess, Depends(Allow(Permission.READ))]
Commenting = Annotated[ProjectAccess, Depends(Allow(Permission.COMMENT))]
Writing = Annotated[ProjectAccess, Depends(Allow(Permission.WRITE))]
Answering = Annotated[ProjectAccess, Depends(Allow(Permission.ANSWER))]
Reviewing = Annotated[ProjectAccess, Depends(Allow(Permission.REVIEW))]
Exporting = Annotated[ProjectAccess, Depends(Allow(Permission.EXPORT))]
Managing = Annotated[ProjectAccess, Depends(Allow(Permission.MANAGE))]
Owning = Annotated[ProjectAccess, Depends(Allow(Permission.OWN))]
OwningDeleted = Annotated[ProjectAccess, Depends(Allow(Permission.OWN, is_deleted=True))]
"""Finds a project although it is deleted."""

AnyAccount = Annotated[Actor, Depends(SignedIn("account"))]
"""Somebody, whoever it is, who only looks."""
AnyWriter = Annotated[Actor, Depends(SignedIn("account", "write"))]
AnyManager = Annotated[Actor, Depends(SignedIn("account", "admin"))]
Administrator = Annotated[Actor, Depends(SignedIn("admin", "admin"))]
