"""The page of some exact bytes: a provider's answer, a tool's result, a frozen dataset's content."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import HTMLResponse

from annotator.cache.records import Exchange
from annotator.contexts.uses import is_frozen_for, uses_of
from annotator.errors import NotFoundError
from annotator.people.actor import Actor
from annotator.store.times import to_text
from annotator.web.errors import wants_page
from annotator.web.render import page
from annotator.web.state import AppState


@dataclass(frozen=True, slots=True)
class Shown:
    """The bytes that the page shows.

    Args:
        size_bytes: of the content.
        mime: by the sender's word.
    """

    size_bytes: int
    mime: str


def wants_viewer(request: Request) -> bool:
    """Whether a browser asks for a page; programs, and links with `?raw`, get the bytes."""
    return "raw" not in request.query_params and wants_page(request)


def viewer_page(request: Request, state: AppState, actor: Actor, sha: str) -> HTMLResponse:
    """The page; its script gets the bytes and shows them.

    Raises:
        NotFoundError: nothing of that hash was ever recorded, or only in datasets that the actor may not see.
        TamperedError: what is stored is not what came.
    """
    store = state.service.store
    with state.database.reading() as connection:
        with_frozen = is_frozen_for(connection, actor, sha)
    shown, trouble = None, ""
    try:
        found = store.blob(sha, with_frozen=with_frozen)
        shown = Shown(len(found.body), found.mime)
    except NotFoundError as error:
        trouble = error.message
    exchanges = store.by_body_sha(sha)
    with state.database.reading() as connection:
        uses = uses_of(connection, actor, sha)
    if shown is None and not exchanges and not uses.calls:
        raise NotFoundError(trouble)
    answer = page(
        request,
        state,
        "evidence/viewer.html",
        actor,
        status=200 if shown else 404,
        sha=sha,
        shown=shown,
        trouble=trouble,
        exchanges=[exchange_values(item) for item in exchanges],
        uses=uses,
        to_text=to_text,
    )
    answer.headers["vary"] = "accept"
    return answer


def exchange_values(recorded: Exchange) -> dict[str, str | int | None]:
    """What pages tell of an exchange."""
    return {
        "id": recorded.id,
        "provider": recorded.provider,
        "method": recorded.method,
        "url": recorded.url,
        "status": recorded.status,
        "state": recorded.state,
        "body_sha": recorded.body_sha,
        "body_bytes": recorded.body_bytes,
        "elapsed_ms": round(recorded.elapsed_ms),
        "data_vintage": recorded.data_vintage,
        "fetched_at": to_text(recorded.fetched_at),
        "expires_at": None if recorded.expires_at is None else to_text(recorded.expires_at),
    }
