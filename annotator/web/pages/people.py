"""Signing in, people, projects and their settings, administration."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from annotator.people.overview import overview
from annotator.web.access import AnyAccount
from annotator.web.render import page
from annotator.web.state import State

router = APIRouter(include_in_schema=False)


@router.get("/")
def projects(request: Request, state: State, actor: AnyAccount) -> HTMLResponse:
    """The projects of whoever looks, and a form for a new one."""
    with state.database.reading() as connection:
        kept = {kind: overview(connection, actor, kind) for kind in ("active", "archived", "deleted")}
    return page(request, state, "people/projects.html", actor, kept=kept)
