"""Administration of the installation: accounts, the audit log, and whether the log is whole."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from annotator.people import accounts
from annotator.people.passwords import MIN_LENGTH
from annotator.web.access import Administrator
from annotator.web.admin import account_out, audit_page
from annotator.web.render import page
from annotator.web.state import State

router = APIRouter(include_in_schema=False)

NUM_SHOWN = 50


@router.get("/admin")
def admin(
    request: Request,
    state: State,
    actor: Administrator,
    q: Annotated[str, Query(max_length=200)] = "",
    cursor: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Accounts, by username."""
    with state.database.reading() as connection:
        found = accounts.listing(connection, text=q.strip(), after=cursor, limit=NUM_SHOWN + 1)
        total = accounts.count(connection, q.strip())
    shown = [account_out(item) for item in found[:NUM_SHOWN]]
    return page(
        request,
        state,
        "people/admin.html",
        actor,
        accounts=shown,
        next=shown[-1].username if len(found) > NUM_SHOWN else None,
        total=total,
        q=q,
        min_length=MIN_LENGTH,
    )


@router.get("/admin/audit")
def audit(
    request: Request,
    state: State,
    actor: Administrator,
    action: Annotated[str, Query(max_length=64)] = "",
    by: Annotated[str, Query(max_length=64)] = "",
    cursor: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """Everything that was done, the latest first."""
    with state.database.reading() as connection:
        found = audit_page(connection, action=action.strip(), by=by.strip(), cursor=cursor)
    return page(request, state, "people/audit.html", actor, log=found, action=action, by=by, is_first=cursor is None)
