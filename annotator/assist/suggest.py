"""Suggestions: asked of a served model, checked, recorded with model and prompt, and taken up only by a person."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import Connection, select

from annotator.assist.endpoint import Endpoint
from annotator.assist.prompts import ANSWERS, TEMPLATE_VERSION, Kind, answer_schema, messages
from annotator.cache.json_text import canonical, sha256_hex
from annotator.errors import ConflictError, ForbiddenError, InputError, NotFoundError, UpstreamFormatError
from annotator.maps.catalogue import Catalogue
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project
from annotator.questions.model import QuestionContent
from annotator.store.ids import new_id
from annotator.store.tables import suggestion

ANSWER_TOKENS = 2048
"""Room for the model's answer; half of a context that is shorter than twice that."""

CHARACTERS_PER_TOKEN = 3
"""Few, so that a context that is cut to fit really fits."""

_NEEDS_QUESTION = ("distractors", "explanation")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a model proposed.

    Args:
        content: JSON values in the shape of its kind.
        prompt_sha: sha256 of the canonical JSON of the prompt, which is recorded too.
        was_cut: whether the context was too long for the model, so that only its beginning was read.
    """

    id: str
    kind: Kind
    model: str
    content: dict[str, Any]
    prompt_sha: str
    was_cut: bool


def refuse_without_consent(catalogue: Catalogue, providers: set[str], project: Project) -> None:
    """Raises `ForbiddenError` if some provider's terms keep its content from language models and nobody agreed."""
    kept = [
        found.info.title
        for found in catalogue.providers()
        if found.info.key in providers
        and found.info.policy.evaluation == "needs_consent"
        and found.info.key not in project.settings.model_consent
    ]
    if kept:
        raise ForbiddenError(
            f"the terms of {', '.join(kept)} keep its content from language models; a project's admin can consent in "
            "its settings"
        )


def ask(
    endpoint: Endpoint, kind: Kind, context: str, question: QuestionContent | None, *, n: int, wanted_model: str = ""
) -> tuple[dict[str, Any], str, dict[str, Any], bool]:
    """Asks the model; no transaction is open meanwhile.

    Returns:
        The checked content, the model's name, the prompt as it is recorded, and whether the context was cut.

    Raises:
        InputError: this kind of help needs a question with a body.
        UpstreamError: the model failed, or what it said cannot be used.
    """
    if kind in _NEEDS_QUESTION and (question is None or not question.body.strip()):
        raise InputError("write the question first, then ask for help with it", param="question_id")
    model = endpoint.model(wanted_model)
    answer_tokens = min(ANSWER_TOKENS, model.context_tokens // 2)
    spent = sum(len(message["content"]) for message in messages(kind, "", question, n))
    room = max(200, (model.context_tokens - answer_tokens) * CHARACTERS_PER_TOKEN - spent)
    prompt = messages(kind, context[:room], question, n)
    said = endpoint.complete(model.name, prompt, answer_schema(kind, answer_tokens), max_tokens=answer_tokens)
    content = _read(kind, said, question)
    recorded = {"template_version": TEMPLATE_VERSION, "kind": kind, "n": n, "messages": prompt}
    return content, model.name, recorded, len(context) > room


def keep(
    connection: Connection,
    actor: Actor,
    project: Project,
    kind: Kind,
    *,
    context_id: str,
    question_id: str | None,
    content: dict[str, Any],
    model: str,
    base_url: str,
    prompt: dict[str, Any],
    was_cut: bool,
    now: datetime,
) -> Suggestion:
    """Records what a model proposed."""
    prompt_json = canonical(prompt)
    made = Suggestion(new_id(now), kind, model, content, sha256_hex(prompt_json), was_cut)
    connection.execute(
        suggestion.insert(),
        {
            "id": made.id,
            "project_id": project.id,
            "context_id": context_id,
            "question_id": question_id,
            "kind": kind,
            "model": model,
            "base_url": base_url,
            "prompt_sha": made.prompt_sha,
            "prompt_json": prompt_json.decode(),
            "content_json": canonical(content).decode(),
            "state": "proposed",
            "account_id": actor.account_id,
            "created_at": now,
        },
    )
    return made


def decide(
    connection: Connection,
    actor: Actor,
    project: Project,
    suggestion_id: str,
    state: Literal["accepted", "dismissed"],
    *,
    now: datetime,
) -> None:
    """Notes what a person did with a suggestion.

    Raises:
        NotFoundError: there is none.
        ConflictError: it was accepted before and is dismissed now.
    """
    known = (suggestion.c.id == suggestion_id) & (suggestion.c.project_id == project.id)
    before = connection.execute(select(suggestion.c.state).where(known)).scalar()
    if before is None:
        raise NotFoundError(f"there is no suggestion {suggestion_id} in this project")
    if before == "accepted" and state == "dismissed":
        raise ConflictError("this suggestion was accepted already; undo the change that it made instead")
    connection.execute(suggestion.update().where(known).values(state=state, decided_at=now))
    record(connection, actor, f"suggestion.{state}", suggestion_id, project_id=project.id, now=now)


def origin_of(connection: Connection, project_id: str, suggestion_id: str) -> dict[str, Any]:
    """What a revision that a suggestion led to says about its origin.

    Raises:
        NotFoundError: there is no such suggestion.
    """
    row = (
        connection.execute(
            select(suggestion).where(suggestion.c.id == suggestion_id, suggestion.c.project_id == project_id)
        )
        .mappings()
        .first()
    )
    if row is None:
        raise NotFoundError(f"there is no suggestion {suggestion_id} in this project")
    return {"model": row["model"], "prompt_sha": row["prompt_sha"], "suggestion_id": suggestion_id}


def _read(kind: Kind, said: str, question: QuestionContent | None) -> dict[str, Any]:
    """The content in what a model said: its JSON, wherever it stands in the text."""
    found = re.search(r"\{.*\}", said, re.DOTALL)
    try:
        content = ANSWERS[kind].model_validate(json.loads(found[0] if found else said))
    except (ValidationError, json.JSONDecodeError, RecursionError):
        raise UpstreamFormatError("the model's answer could not be used; ask again, or use a larger model") from None
    values = content.model_dump(mode="json")
    if kind == "distractors" and question is not None:
        there = {item.text.strip().casefold() for item in question.options}
        fresh = {text.strip().casefold(): text.strip() for text in values["options"] if text.strip()}
        values["options"] = [text for folded, text in fresh.items() if folded not in there]
        if not values["options"]:
            raise UpstreamFormatError("the model only repeated the options that are there; ask again")
    return values
