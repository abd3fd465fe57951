"""Pages from templates: what every page knows about who looks at it and where."""

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from annotator import __version__
from annotator.paths import templates_dir
from annotator.people.actor import Actor
from annotator.people.roles import Permission
from annotator.web.access import ProjectAccess
from annotator.web.assets import assets
from annotator.web.state import AppState

_templates = Environment(
    loader=FileSystemLoader(templates_dir() / "annotator"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals |= {
    "version": __version__,
    "Permission": Permission,
    "static": lambda path: assets().url(path),
    "modules": lambda *entries: assets().modules(*entries),
}


def page(
    request: Request,
    state: AppState,
    template: str,
    who: ProjectAccess | Actor | None = None,
    *,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """A page.

    Templates extend `base.html` and see `actor`, `access` (None outside a project), `project`, `is_single_user`,
    `path` and `values`.

    Args:
        template: a file of `templates/annotator`.
        who: who looks at it, and in which project; None for somebody who is not signed in.
    """
    access = who if isinstance(who, ProjectAccess) else None
    actor = who.actor if isinstance(who, ProjectAccess) else who
    text = _templates.get_template(template).render(
        actor=actor,
        access=access,
        project=None if access is None else access.project,
        is_single_user=state.is_single_user,
        path=request.url.path,
        **values,
    )
    # A page shows what is so now, and to nobody but whom it was made for.
    return HTMLResponse(text, status, headers={"cache-control": "no-store"})
