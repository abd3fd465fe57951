"""Who may ask what. Every route says it with one of the aliases at the end, and a test holds all of them to a table.

A project's routes begin with `/api/projects/{project}` or `/p/{project}`; stores look only inside that project, so an
id of another one is a 404.
"""

import contextlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Request
from sqlalchemy import Connection

from annotator.errors import ConflictError, ForbiddenError, NotFoundError, SignedOutError, StorageError
from annotator.people import sessions, tokens
from annotator.people.actor import Actor, Scope
from annotator.people.local import local_actor
from annotator.people.projects import Project, by_slug, role_in
from annotator.people.roles import LEAST_ROLE, Permission, Role, may
from annotator.store.times import utc_now
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

SESSION_COOKIE = "mapqator_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Requests that change nothing, so that no other site gains by making a browser send them."""

_FROZEN_BY_ARCHIVE = (Permission.COMMENT, Permission.WRITE, Permission.ANSWER, Permission.REVIEW)
"""What an archived project does not allow, unless it only looks."""


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
    """Who sends this request: a program by its token, a browser by its session; None for nobody.

    Raises:
        SignedOutError: there is a token, and it is no good; a cookie beside it does not count then.
        ForbiddenError: a browser wants to change something, and its page did not say whose it is.
    """
    if state.is_single_user:
        return local_actor()
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _token_actor(state, authorization)
    secret = request.cookies.get(SESSION_COOKIE)
    return _session_actor(request, state, secret) if secret else None


def _token_actor(state: AppState, authorization: str) -> Actor:
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise SignedOutError("send a token as: Authorization: Bearer mq_...")
    now = utc_now()
    with state.database.reading() as connection:
        found = tokens.find(connection, secret.strip(), now=now)
    if found is None:
        raise SignedOutError("this token is unknown, revoked or has run out; make another on your page /me")
    if found.is_stale:
        _note(state, lambda connection: tokens.touch(connection, found, now=now))
    return found.actor


def _session_actor(request: Request, state: AppState, secret: str) -> Actor | None:
    now = utc_now()
    with state.database.reading() as connection:
        found = sessions.find(connection, secret, now=now)
    if found is None:
        return None
    if request.method not in SAFE_METHODS:
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), (found.actor.csrf or "").encode()):
            raise ForbiddenError("this page is from an earlier login; load it again and repeat what you did")
    if found.is_stale:
        _note(state, lambda connection: sessions.touch(connection, found, now=now))
    return found.actor


def _note(state: AppState, write: Callable[[Connection], None]) -> None:
    """Writes when somebody was last here; with a full disk they can still read."""
    with contextlib.suppress(StorageError), state.database.writing(is_durable=False) as connection:
        write(connection)


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

    def __call__(
        self, request: Request, project: Slug, state: State, actor: Annotated[Actor, Depends(current_actor)]
    ) -> ProjectAccess:
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
        if found.archived_at and self.permission in _FROZEN_BY_ARCHIVE and request.method not in SAFE_METHODS:
            raise ConflictError(f"'{project}' is archived; an owner can take it out of the archive in its settings")
        return ProjectAccess(actor, found, role)


class SignedIn:
    """A dependency that lets a route run for any account, or for the installation's admins only.

    Args:
        level: `person` lets no token in, whatever its scope: what could make a token stronger.
        scope: what a token must have; none that is for one project manages anything outside it.
    """

    def __init__(self, level: Literal["account", "person", "admin"], scope: Scope = "read") -> None:
        self.level = level
        self.scope = scope

    def __call__(self, actor: Annotated[Actor, Depends(current_actor)]) -> Actor:
        if self.level == "admin" and not actor.is_admin:
            raise ForbiddenError("only an administrator of this installation may do this")
        if self.level == "person" and actor.via == "token":
            raise ForbiddenError("no token may do this; sign in with a browser")
        require_scope(actor, self.scope)
        if self.scope == "admin" and actor.project_id is not None:
            raise ForbiddenError("this token is for one project only")
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
Person = Annotated[Actor, Depends(SignedIn("person", "admin"))]
"""Somebody at a browser."""
Administrator = Annotated[Actor, Depends(SignedIn("admin", "admin"))]
