"""Members of a project and their roles."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from annotator.people import members
from annotator.people.members import Member
from annotator.people.roles import Role
from annotator.store.times import to_text, utc_now
from annotator.web.access import Managing, Reading
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import State

router = APIRouter(prefix="/api/projects/{project}/members", tags=["projects"], responses=ERROR_RESPONSES)


class MemberOut(BaseModel):
    """Somebody in a project."""

    username: str
    display_name: str
    role: Role
    is_active: bool
    created_at: str


class MemberList(BaseModel):
    """Everybody in a project, by username."""

    members: list[MemberOut]


class RoleChange(BaseModel):
    """A role to be given."""

    model_config = ConfigDict(extra="forbid")

    role: Role


class Removed(BaseModel):
    """A membership that ended, and what is needed to bring it back."""

    username: str
    role: Role


@router.get("")
def list_members(state: State, access: Reading) -> MemberList:
    """Everybody in the project."""
    with state.database.reading() as connection:
        return MemberList(members=[_out(member) for member in members.listing(connection, access.project.id)])


@router.put("/{username}")
def set_role(state: State, access: Managing, username: str, body: RoleChange) -> MemberOut:
    """Makes somebody a member, or changes their role; roles from admin on are the owners' to give."""
    with state.database.writing() as connection:
        return _out(
            members.set_role(connection, access.actor, access.role, access.project, username, body.role, now=utc_now())
        )


@router.delete("/{username}")
def remove_member(state: State, access: Managing, username: str) -> Removed:
    """Ends a membership; what they wrote stays."""
    with state.database.writing() as connection:
        role = members.remove(connection, access.actor, access.role, access.project, username, now=utc_now())
    return Removed(username=username, role=role)


def _out(member: Member) -> MemberOut:
    return MemberOut(
        username=member.username,
        display_name=member.display_name,
        role=member.role,
        is_active=member.is_active,
        created_at=to_text(member.created_at),
    )
