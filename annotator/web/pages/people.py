"""Signing in, projects and their settings, members and activity."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from annotator.people import accounts, members, sessions, tokens, webhooks
from annotator.people.overview import overview
from annotator.people.passwords import MIN_LENGTH
from annotator.people.roles import ROLES, Permission
from annotator.store.times import to_text, utc_now
from annotator.web.access import AnyAccount, Managing, Person, Reading, Reviewing, find_actor
from annotator.web.admin import audit_page
from annotator.web.auth import needs_setup_code
from annotator.web.cookies import safe_next
from annotator.web.me import token_out
from annotator.web.pages.setting_fields import GROUPS, fields
from annotator.web.render import page
from annotator.web.state import State
from annotator.web.webhooks import delivery_out, webhook_out

router = APIRouter(include_in_schema=False)

Target = Annotated[str, Query(alias="next", max_length=2000)]


@router.get("/")
def projects(request: Request, state: State, actor: AnyAccount) -> HTMLResponse:
    """The projects of whoever looks, and a form for a new one."""
    with state.database.reading() as connection:
        kept = {
            "active": overview(connection, actor),
            "archived": overview(connection, actor, "archived"),
            "deleted": overview(connection, actor, "deleted"),
        }
    return page(request, state, "people/projects.html", actor, kept=kept)


@router.get("/login")
def login(request: Request, state: State, target: Target = "/") -> Response:
    """The form to sign in with; whoever is signed in goes on."""
    target = safe_next(target)
    if find_actor(request, state) is not None:
        return RedirectResponse(target, 303)
    with state.database.reading() as connection:
        if not accounts.has_administrator(connection):
            return RedirectResponse("/setup", 303)
    return page(request, state, "people/login.html", target=target, has_oidc=state.oidc is not None)


@router.get("/setup")
def setup(request: Request, state: State) -> Response:
    """The form that makes the first administrator, while there is none."""
    with state.database.reading() as connection:
        is_done = state.is_single_user or accounts.has_administrator(connection)
    if is_done:
        return RedirectResponse("/", 303)
    needs_code = needs_setup_code(request, state)
    return page(request, state, "people/setup.html", needs_code=needs_code, min_length=MIN_LENGTH)


@router.get("/me")
def me(request: Request, state: State, actor: Person) -> HTMLResponse:
    """Name, password, tokens and preferences of whoever looks."""
    with state.database.reading() as connection:
        found = accounts.by_id(connection, actor.account_id)
        own = [token_out(token) for token in tokens.listing(connection, actor, now=utc_now())]
        num_sessions = sessions.num_open(connection, actor.account_id, now=utc_now())
        slugs = overview(connection, actor)
    return page(
        request,
        state,
        "people/me.html",
        actor,
        account=found,
        tokens=own,
        num_sessions=num_sessions,
        projects=slugs,
        min_length=MIN_LENGTH,
    )


@router.get("/p/{project}/people")
def people(request: Request, state: State, access: Reading) -> HTMLResponse:
    """Members of a project and their roles."""
    with state.database.reading() as connection:
        found = members.listing(connection, access.project.id)
    given = ROLES if access.may(Permission.OWN) else tuple(role for role in ROLES if role not in ("admin", "owner"))
    return page(request, state, "people/members.html", access, members=found, given=given, to_text=to_text)


@router.get("/p/{project}/settings")
def settings(request: Request, state: State, access: Managing) -> HTMLResponse:
    """How a project works, each setting explained."""
    return page(request, state, "people/settings.html", access, groups=GROUPS, fields=fields(access.project.settings))


@router.get("/p/{project}/activity")
def activity(
    request: Request,
    state: State,
    access: Reviewing,
    action: Annotated[str, Query(max_length=64)] = "",
    by: Annotated[str, Query(max_length=64)] = "",
    cursor: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """What was done in a project, the latest first."""
    with state.database.reading() as connection:
        found = audit_page(
            connection, project_id=access.project.id, action=action.strip(), by=by.strip(), cursor=cursor
        )
    return page(
        request, state, "people/activity.html", access, log=found, action=action, by=by, is_first=cursor is None
    )


@router.get("/p/{project}/webhooks")
def webhook_list(request: Request, state: State, access: Managing) -> HTMLResponse:
    """Who is told what happens in a project, and whether it arrived."""
    with state.database.reading() as connection:
        found = webhooks.listing(connection, access.project.id)
        counts = webhooks.num_by_state(connection, [item.id for item in found])
        shown = [
            (
                webhook_out(item, counts[item.id]),
                [delivery_out(one) for one in webhooks.deliveries(connection, access.project.id, item.id, limit=10)],
            )
            for item in found
        ]
    return page(request, state, "people/webhooks.html", access, webhooks=shown)
