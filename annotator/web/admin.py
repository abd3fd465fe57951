"""Administration: accounts, and the audit log of everything or of one project."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from annotator.errors import NotFoundError
from annotator.people import accounts, admin, audit
from annotator.people.accounts import Account
from annotator.people.audit_check import verify_chain
from annotator.people.passwords import MAX_LENGTH, check_password, hash_password
from annotator.store.tables import project as project_table
from annotator.store.times import to_text, utc_now
from annotator.web.access import Administrator, Reviewing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import State

router = APIRouter(prefix="/api", tags=["administration"], responses=ERROR_RESPONSES)

Limit = Annotated[int, Query(ge=1, le=500)]


class AccountOut(BaseModel):
    """An account."""

    username: str
    display_name: str
    is_admin: bool
    is_active: bool
    has_password: bool
    has_sso: bool
    created_at: str
    last_seen_at: str | None


class MadeAccount(AccountOut):
    """A new account; `password` is the one that was made for it, shown this once, where none was given."""

    password: str | None = None


class AccountList(BaseModel):
    """A page of accounts."""

    accounts: list[AccountOut]
    next: str | None
    total: int


class NewAccount(BaseModel):
    """An account to be made; without a password one is made for it."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(max_length=64)
    display_name: str = Field(default="", max_length=400)
    password: str = Field(default="", max_length=MAX_LENGTH)
    is_admin: bool = False


class AccountChange(BaseModel):
    """What to change; the rest stays."""

    model_config = ConfigDict(extra="forbid")

    display_name: str | None = Field(default=None, max_length=400)
    is_admin: bool | None = None
    is_active: bool | None = None
    password: str | None = Field(default=None, max_length=MAX_LENGTH)


class By(BaseModel):
    """Who did something."""

    username: str
    display_name: str


class EntryOut(BaseModel):
    """A row of the audit log; `by` is null for the program itself."""

    seq: int
    at: str
    by: By | None
    project: str | None
    action: str
    subject: str
    subject_id: str
    before_sha: str | None
    after_sha: str | None
    detail: dict[str, Any]
    row_hash: str


class EntryList(BaseModel):
    """A page of the audit log, the latest first."""

    entries: list[EntryOut]
    next: str | None


class FaultOut(BaseModel):
    """A row at which the chain is broken."""

    seq: int
    reason: str


class ChainOut(BaseModel):
    """What a check of the audit log found; `head` is the hash of its last row."""

    is_whole: bool
    num_rows: int
    head: str
    faults: list[FaultOut]


@router.get("/admin/accounts")
def list_accounts(
    state: State,
    actor: Administrator,
    q: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 50,
    cursor: Annotated[str, Query(max_length=64)] = "",
) -> AccountList:
    """Accounts by username."""
    with state.database.reading() as connection:
        found = accounts.listing(connection, text=q, after=cursor, limit=limit + 1)
        total = accounts.count(connection, q)
    page = found[:limit]
    return AccountList(
        accounts=[account_out(item) for item in page],
        next=page[-1].username if len(found) > limit else None,
        total=total,
    )


@router.post("/admin/accounts", status_code=201)
def make_account(state: State, actor: Administrator, body: NewAccount) -> MadeAccount:
    """Makes an account."""
    password = body.password or secrets.token_urlsafe(12)
    if body.password:
        check_password(password, body.username, body.display_name)
    password_hash = hash_password(password)
    with state.database.writing() as connection:
        made = accounts.create(
            connection,
            actor,
            username=body.username,
            display_name=body.display_name,
            password_hash=password_hash,
            is_admin=body.is_admin,
            now=utc_now(),
        )
    return MadeAccount(**account_out(made).model_dump(), password=None if body.password else password)


@router.patch("/admin/accounts/{username}")
def change_account(state: State, actor: Administrator, username: str, body: AccountChange) -> AccountOut:
    """Changes an account; a disabled one is signed out everywhere."""
    password_hash = None
    if body.password is not None:
        check_password(body.password, username)
        password_hash = hash_password(body.password)
    with state.database.writing() as connection:
        changed = admin.change_account(
            connection,
            actor,
            username,
            display_name=body.display_name,
            is_admin=body.is_admin,
            is_active=body.is_active,
            password_hash=password_hash,
            now=utc_now(),
        )
    return account_out(changed)


@router.delete("/admin/accounts/{username}/sessions")
def sign_out_account(state: State, actor: Administrator, username: str) -> dict[str, int]:
    """Signs an account out everywhere."""
    with state.database.writing() as connection:
        found = accounts.by_username(connection, username)
        return {"num_sessions": admin.sign_out_everywhere(connection, actor, found.id, now=utc_now())}


@router.get("/admin/audit")
def read_audit(
    state: State,
    actor: Administrator,
    action: Annotated[str, Query(max_length=64, description="One action, or a subject.")] = "",
    by: Annotated[str, Query(max_length=64, description="A username.")] = "",
    limit: Limit = 50,
    cursor: Annotated[int | None, Query(ge=1)] = None,
) -> EntryList:
    """The audit log of this installation, the latest first."""
    with state.database.reading() as connection:
        return audit_page(connection, action=action, by=by, limit=limit, cursor=cursor)


@router.get("/admin/audit/verify")
def verify_audit(state: State, actor: Administrator) -> ChainOut:
    """Recomputes the audit log's chain of hashes, and names the rows that do not fit."""
    with state.database.reading() as connection:
        report = verify_chain(connection)
    return ChainOut(
        is_whole=not report.faults,
        num_rows=report.num_rows,
        head=report.head,
        faults=[FaultOut(seq=fault.seq, reason=fault.reason) for fault in report.faults],
    )


@router.get("/projects/{project}/audit")
def read_project_audit(
    state: State,
    access: Reviewing,
    action: Annotated[str, Query(max_length=64, description="One action, or a subject.")] = "",
    by: Annotated[str, Query(max_length=64, description="A username.")] = "",
    limit: Limit = 50,
    cursor: Annotated[int | None, Query(ge=1)] = None,
) -> EntryList:
    """The audit log of one project, the latest first."""
    with state.database.reading() as connection:
        return audit_page(connection, project_id=access.project.id, action=action, by=by, limit=limit, cursor=cursor)


def audit_page(
    connection: Connection,
    *,
    project_id: str | None = None,
    action: str = "",
    by: str = "",
    limit: int = 50,
    cursor: int | None = None,
) -> EntryList:
    """A page of the log; somebody who is not there did nothing."""
    try:
        account_id = accounts.by_username(connection, by).id if by else None
    except NotFoundError:
        return EntryList(entries=[], next=None)
    found = audit.entries(
        connection,
        project_id=project_id,
        account_id=account_id,
        action=action,
        before_seq=cursor,
        limit=limit + 1,
    )
    page = found[:limit]
    people = accounts.names(connection, (entry.account_id for entry in page))
    slugs = _slugs(connection, {entry.project_id for entry in page if entry.project_id})
    return EntryList(
        entries=[
            EntryOut(
                seq=entry.seq,
                at=to_text(entry.at),
                by=_by(people.get(entry.account_id or "")),
                project=slugs.get(entry.project_id or ""),
                action=entry.action,
                subject=entry.subject,
                subject_id=entry.subject_id,
                before_sha=entry.before_sha,
                after_sha=entry.after_sha,
                detail=entry.detail,
                row_hash=entry.row_hash,
            )
            for entry in page
        ],
        next=str(page[-1].seq) if len(found) > limit else None,
    )


def account_out(item: Account) -> AccountOut:
    """An account as JSON."""
    return AccountOut(
        username=item.username,
        display_name=item.display_name,
        is_admin=item.is_admin,
        is_active=item.is_active,
        has_password=item.has_password,
        has_sso=item.oidc_subject is not None,
        created_at=to_text(item.created_at),
        last_seen_at=None if item.last_seen_at is None else to_text(item.last_seen_at),
    )


def _by(person: accounts.Person | None) -> By | None:
    return None if person is None else By(username=person.username, display_name=person.display_name)


def _slugs(connection: Connection, ids: set[str]) -> dict[str, str]:
    query = select(project_table.c.id, project_table.c.slug).where(project_table.c.id.in_(ids))
    return {row.id: row.slug for row in connection.execute(query)}
