"""Roles of a project and what each may do: one table, which the web routes and the pages both read."""

from enum import StrEnum
from typing import Literal, get_args

Role = Literal["viewer", "annotator", "reviewer", "admin", "owner"]
"""From least to most; each may do what those before it may."""

ROLES: tuple[Role, ...] = get_args(Role)


class Permission(StrEnum):
    """Something that a role may do in a project."""

    READ = "read"
    """See contexts, questions, datasets, people and progress."""
    COMMENT = "comment"
    WRITE = "write"
    """Ask map tools, write contexts and questions, submit them."""
    ANSWER = "answer"
    """Answer questions blind."""
    REVIEW = "review"
    """Approve, request changes, reject, adjudicate; see who wrote and answered what."""
    EXPORT = "export"
    """Take datasets, and everything that is not frozen yet, away as files."""
    MANAGE = "manage"
    """Settings, members below admin, assignments, imports, freezing, webhooks."""
    OWN = "own"
    """Delete the project, make and unmake admins and owners."""


LEAST_ROLE: dict[Permission, Role] = {
    Permission.READ: "viewer",
    Permission.COMMENT: "annotator",
    Permission.WRITE: "annotator",
    Permission.ANSWER: "annotator",
    Permission.REVIEW: "reviewer",
    Permission.EXPORT: "reviewer",
    Permission.MANAGE: "admin",
    Permission.OWN: "owner",
}


def may(role: Role | None, permission: Permission) -> bool:
    """Whether a role has a permission; somebody without a role has none."""
    return role is not None and ROLES.index(role) >= ROLES.index(LEAST_ROLE[permission])
