"""What is typed and not sent yet, who has what open, and how long people work."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from annotator.contexts.model import Ulid
from annotator.questions import drafts, lead_times, presence
from annotator.store.times import to_text, utc_now
from annotator.web.access import Reading, Writing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import State

router = APIRouter(prefix="/api/projects/{project}", tags=["questions"], responses=ERROR_RESPONSES)

FormKey = Annotated[
    str, Path(max_length=128, pattern=r"^[A-Za-z0-9:._-]+$", description="Names the form, such as question:ID.")
]
Tab = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PresenceIn(_Shape):
    """Somebody looks at a question or context.

    Args:
        tab: names the browser's tab.
        is_editing: whether they are typing.
        is_leaving: whether the tab is being closed.
    """

    subject_id: Ulid
    tab: Tab
    is_editing: bool = False
    is_leaving: bool = False


class HereOut(_Shape):
    """Somebody who has it open."""

    username: str
    display_name: str
    is_editing: bool
    seen_at: str


class PresenceOut(_Shape):
    """Who else has it open, and its current revision."""

    others: tuple[HereOut, ...]
    n: int


class DraftIn(_Shape):
    """A form's values, and the revision that it was filled from."""

    payload: Any
    base_n: Annotated[int, Field(ge=1, le=2**53)] | None = None


class DraftOut(DraftIn):
    """A draft as it was kept."""

    updated_at: str


class WorkedIn(_Shape):
    """Time spent on something since it was last reported, in milliseconds; pauses and hidden pages do not count."""

    subject: lead_times.Subject
    subject_id: Ulid
    active_ms: Annotated[int, Field(ge=-(2**53), le=2**53)]


class LeadTimesIn(_Shape):
    """Several times at once."""

    items: tuple[WorkedIn, ...] = Field(max_length=200)


class Counted(_Shape):
    """How many of the times counted, and how many could not be."""

    num_counted: int
    num_ignored: int


class SpreadOut(_Shape):
    """How many, and in seconds the median and the time within which nine of ten were done."""

    n: int
    median_s: float | None
    p90_s: float | None


class PublishedOut(_Shape):
    """Mean seconds of one task as published, with MapQaTor and by hand."""

    mapqator_s: float
    by_hand_s: float


class ToolTimes(SpreadOut):
    """Times of one tool's calls, beside what was published for it."""

    tool: str
    published: PublishedOut | None


class LeadTimesOut(_Shape):
    """Working times of a project.

    Args:
        measured: what our figures are.
        published_note: what the published ones are.
    """

    measured: str
    published_note: str
    tools: tuple[ToolTimes, ...]
    questions: SpreadOut
    contexts: SpreadOut
    responses: SpreadOut
    reviews: SpreadOut


@router.post("/presence")
def say_here(access: Reading, state: State, body: PresenceIn) -> PresenceOut:
    """Says that this tab has a question or context open, and gives who else has; to be said every five seconds."""
    # Lost with the power at worst, and said again five seconds later.
    with state.database.writing(is_durable=False) as connection:
        n = presence.current_n(connection, access.project.id, body.subject_id)
        if body.is_leaving:
            presence.leave(connection, access.actor.account_id, body.subject_id, body.tab)
            return PresenceOut(others=(), n=n)
        others = presence.say(
            connection,
            access.actor.account_id,
            body.subject_id,
            body.tab,
            is_editing=body.is_editing,
            now=utc_now(),
        )
    return PresenceOut(
        others=tuple(
            HereOut(
                username=one.username,
                display_name=one.display_name,
                is_editing=one.is_editing,
                seen_at=to_text(one.seen_at),
            )
            for one in others
        ),
        n=n,
    )


@router.get("/drafts/{form_key}")
def show_draft(access: Writing, state: State, form_key: FormKey) -> DraftOut:
    """One's own draft of a form."""
    with state.database.reading() as connection:
        return _draft_out(drafts.get(connection, access.actor.account_id, access.project.id, form_key))


@router.put("/drafts/{form_key}")
def put_draft(access: Writing, state: State, form_key: FormKey, body: DraftIn) -> DraftOut:
    """Keeps what is typed into a form, in place of what was kept before."""
    with state.database.writing() as connection:
        kept = drafts.put(
            connection,
            access.actor.account_id,
            access.project.id,
            form_key,
            body.payload,
            base_n=body.base_n,
            now=utc_now(),
        )
    return _draft_out(kept)


@router.delete("/drafts/{form_key}", status_code=204)
def drop_draft(access: Writing, state: State, form_key: FormKey) -> None:
    """Forgets a draft, sent or thrown away."""
    with state.database.writing() as connection:
        drafts.drop(connection, access.actor.account_id, access.project.id, form_key)


@router.post("/lead-times")
def record_lead_times(access: Writing, state: State, body: LeadTimesIn) -> Counted:
    """Notes how long somebody worked; impossible times are ignored."""
    items = [lead_times.Worked(item.subject, item.subject_id, item.active_ms) for item in body.items]
    with state.database.writing(is_durable=False) as connection:
        counted = lead_times.record(connection, access.actor.account_id, access.project.id, items, now=utc_now())
    return Counted(num_counted=counted, num_ignored=len(items) - counted)


@router.get("/lead-times")
def show_lead_times(access: Reading, state: State) -> LeadTimesOut:
    """How long tool calls, questions, answers and reviews took, beside the published figures."""
    project_id = access.project.id
    with state.database.reading() as connection:
        tools = lead_times.by_tool(connection, project_id)
        return LeadTimesOut(
            measured=lead_times.MEASURED,
            published_note=lead_times.PUBLISHED_NOTE,
            tools=tuple(_tool_times(tool, found) for tool, found in tools.items()),
            questions=_spread_out(lead_times.of_subject(connection, project_id, "question")),
            contexts=_spread_out(lead_times.of_subject(connection, project_id, "context")),
            responses=_spread_out(lead_times.of_subject(connection, project_id, "response")),
            reviews=_spread_out(lead_times.of_subject(connection, project_id, "review")),
        )


def _draft_out(kept: drafts.Draft) -> DraftOut:
    return DraftOut(payload=kept.payload, base_n=kept.base_n, updated_at=to_text(kept.updated_at))


def _spread_out(found: lead_times.Spread) -> SpreadOut:
    return SpreadOut(n=found.n, median_s=found.median_s, p90_s=found.p90_s)


def _tool_times(tool: str, found: lead_times.Spread) -> ToolTimes:
    published = lead_times.PUBLISHED.get(tool)
    return ToolTimes(
        tool=tool,
        n=found.n,
        median_s=found.median_s,
        p90_s=found.p90_s,
        published=None
        if published is None
        else PublishedOut(mapqator_s=published.mapqator_s, by_hand_s=published.by_hand_s),
    )
