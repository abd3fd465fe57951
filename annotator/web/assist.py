"""Suggestions by a served model."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from annotator.assist.prompts import Kind
from annotator.assist.suggest import ask, decide, keep, refuse_without_consent
from annotator.cache.stored_results import load_results
from annotator.contexts import store as contexts
from annotator.contexts.model import Ulid
from annotator.contexts.render import render
from annotator.errors import UpstreamError
from annotator.questions import store as questions
from annotator.store.times import utc_now
from annotator.web.access import Reading, Writing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import State

router = APIRouter(prefix="/api/projects/{project}/assist", tags=["assist"], responses=ERROR_RESPONSES)


class AssistState(BaseModel):
    """Whether help can be had, from which model, and why not."""

    available: bool
    model: str | None = None
    reason: str | None = None


class AssistRequest(BaseModel):
    """What help is wanted.

    Args:
        question_id: the question that it is about; needed for distractors and explanations.
        n: how many questions or options.
    """

    kind: Kind
    context_id: Ulid
    question_id: Ulid | None = None
    n: int = Field(1, ge=1, le=5)


class SuggestionOut(BaseModel):
    """A suggestion. `content` has `questions`, `options` or `text`, by kind."""

    id: str
    kind: Kind
    model: str
    content: dict[str, Any]
    prompt_sha: str
    was_cut: bool


@router.get("")
def show_assist(access: Reading, state: State) -> AssistState:
    """Whether a model answers."""
    if not state.settings.assist_url:
        return AssistState(available=False, reason="AI help is turned off (--assist-url is empty)")
    try:
        return AssistState(available=True, model=state.assist.model(access.project.settings.assist_model).name)
    except UpstreamError as error:
        return AssistState(available=False, reason=error.message)


@router.post("", status_code=201)
def make_suggestion(body: AssistRequest, access: Writing, state: State) -> SuggestionOut:
    """Asks the model. Nothing is changed by it: a person takes a suggestion up, or does not."""
    with state.database.reading() as connection:
        context = contexts.get(connection, access.project.id, body.context_id)
        results = load_results(connection, context.content.tool_call_ids, utc_now())
        question = None
        if body.question_id is not None:
            question = questions.get(connection, access.project.id, body.question_id).content
    refuse_without_consent(state.service.catalogue, {found.provider for found in results.values()}, access.project)
    text = render(context.content, results, format="text").text
    content, model, prompt, was_cut = ask(
        state.assist, body.kind, text, question, n=body.n, wanted_model=access.project.settings.assist_model
    )
    with state.database.writing() as connection:
        made = keep(
            connection,
            access.actor,
            access.project,
            body.kind,
            context_id=body.context_id,
            question_id=body.question_id,
            content=content,
            model=model,
            base_url=state.assist.base_url,
            prompt=prompt,
            was_cut=was_cut,
            now=utc_now(),
        )
    return SuggestionOut(**{name: getattr(made, name) for name in SuggestionOut.model_fields})


@router.post("/{suggestion_id}/{decision}")
def decide_suggestion(
    suggestion_id: Ulid, decision: Literal["accept", "dismiss"], access: Writing, state: State
) -> dict[str, str]:
    """Notes that a suggestion was taken up or not."""
    decided: Literal["accepted", "dismissed"] = "accepted" if decision == "accept" else "dismissed"
    with state.database.writing() as connection:
        decide(connection, access.actor, access.project, suggestion_id, decided, now=utc_now())
    return {"id": suggestion_id, "state": decided}
