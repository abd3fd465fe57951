"""The workbench: tools, map, context and questions."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from annotator.contexts import store
from annotator.web.access import Reading
from annotator.web.render import page
from annotator.web.state import State

router = APIRouter(include_in_schema=False)


@router.get("/p/{project}/contexts/{context_id}")
def workbench(
    context_id: Annotated[str, Path(max_length=26)], request: Request, state: State, access: Reading
) -> HTMLResponse:
    """One context with the tools that fill it; its scripts ask the JSON API for everything else.

    Raises:
        NotFoundError: the project has no such context.
    """
    with state.database.reading() as connection:
        context = store.get(connection, access.project.id, context_id)
    return page(request, state, "workbench.html", access, context=context)
