"""All that an item is made of, read for many questions at once and given one by one."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from annotator.cache.stored_results import StoredResult, load_results
from annotator.contexts import store as contexts
from annotator.contexts.store import Context
from annotator.datasets.native import STRICTEST, ExportPolicy, ItemPlace, ItemResponses, ItemReview
from annotator.datasets.places import PlaceFinder
from annotator.errors import NotFoundError
from annotator.maps.catalogue import Catalogue
from annotator.maps.provider import Provider
from annotator.people.projects import Project
from annotator.questions import store as questions
from annotator.questions.store import Question
from annotator.review.given import gold_of, read_given
from annotator.review.match import is_right
from annotator.store.tables import account, response, review, revision
from annotator.store.times import to_text

_BATCH = 50
"""Questions in memory at once, with their contexts' results."""
_HELD_CALLS = 200
"""Results that stay in memory beyond that."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A question with what stands around it.

    Args:
        calls: of the context and the evidence, by id.
        authors: usernames of who wrote revisions, the first one first.
        reviews: of the current revision, the first one first, without those withdrawn.
        responses: to the current revision.
        places: of the context and the question.
    """

    question: Question
    context: Context
    calls: dict[str, StoredResult]
    authors: tuple[str, ...]
    reviews: tuple[ItemReview, ...]
    responses: ItemResponses
    places: tuple[ItemPlace, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call's provider lets datasets hold; `provider` is None where it is not known here any more."""

    provider: Provider | None
    export: ExportPolicy
    licence: str
    attribution: str


class TermsBook:
    """Terms of the providers of calls, each looked up once.

    Args:
        catalogue: all providers of this installation.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[tuple[str, str], Terms] = {}

    def of(self, call: StoredResult) -> Terms:
        """The terms of one call: of the very map build that answered it, where a map did."""
        build = build_of(call) or ""
        known = self._known.get((call.provider, build))
        if known is None:
            known = self._known[call.provider, build] = self._look_up(call.provider, build)
        return known

    def strictest(self, calls: Sequence[StoredResult]) -> ExportPolicy:
        """The least that any of them lets out."""
        return max((self.of(call).export for call in calls), key=STRICTEST.index, default="full")

    def _look_up(self, key: str, build: str) -> Terms:
        try:
            provider = self._catalogue.get(key)
        except NotFoundError:
            provider = None
        if build and (provider is None or provider.base_url != f"osm://{build}"):
            # A map that was removed or built anew; what maps on this machine say may always leave.
            return Terms(None, "full", "", "")
        if provider is None:
            return Terms(None, "forbidden", "", "")
        info = provider.info
        return Terms(provider, info.policy.export, info.licence, info.attribution)


def build_of(call: StoredResult) -> str | None:
    """The build of the map on this machine that answered a call; None if none did."""
    for exchange in call.exchanges:
        if exchange.url.startswith("osm://"):
            return exchange.url.removeprefix("osm://").partition("/")[0]
    return None


def gathered(
    connection: Connection, project: Project, question_ids: Sequence[str], now: datetime
) -> Iterator[Gathered]:
    """Questions with all around them, in the order given; those that are not there are left out."""
    finder = PlaceFinder()
    held: dict[str, StoredResult] = {}
    for start in range(0, len(question_ids), _BATCH):
        part = question_ids[start : start + _BATCH]
        found = questions.get_many(connection, project.id, part)
        around = contexts.get_many(connection, project.id, list({item.context_id for item in found.values()}))
        call_ids = {
            call_id
            for item in found.values()
            for call_id in (
                *around[item.context_id].content.tool_call_ids,
                *(evidence.tool_call_id for evidence in item.content.evidence),
            )
        }
        # Neighbouring questions share contexts, and contexts share calls.
        held |= load_results(connection, sorted(call_ids - held.keys()), now)
        calls = {call_id: held[call_id] for call_id in call_ids}
        held = calls | dict(list(held.items())[-_HELD_CALLS:])
        authors, reviews, responses = _second_looks(connection, list(found.values()))
        for question_id in part:
            if question_id not in found:
                continue
            item = found[question_id]
            context = around[item.context_id]
            own = (*context.content.tool_call_ids, *(evidence.tool_call_id for evidence in item.content.evidence))
            behind = {call_id: calls[call_id] for call_id in own}
            yield Gathered(
                question=item,
                context=context,
                calls=behind,
                authors=tuple(dict.fromkeys(authors[item.id])),
                reviews=tuple(reviews[item.revision.id]),
                responses=_responses(item, responses[item.revision.id]),
                places=finder.find(context.content, item.content, behind),
            )


type _Lists[T] = defaultdict[str, list[T]]


def _second_looks(
    connection: Connection, items: Sequence[Question]
) -> tuple[_Lists[str], _Lists[ItemReview], _Lists[str]]:
    """Authors by question; reviews and answers by revision."""
    authors: _Lists[str] = defaultdict(list)
    reviews: _Lists[ItemReview] = defaultdict(list)
    answers: _Lists[str] = defaultdict(list)
    ids = [item.id for item in items]
    current = [item.revision.id for item in items]
    written = (
        select(revision.c.subject_id, account.c.username)
        .join(account, account.c.id == revision.c.author_id)
        .where(revision.c.subject_id.in_(ids))
        .order_by(revision.c.subject_id, revision.c.n)
    )
    for question_id, username in connection.execute(written):
        authors[question_id].append(username)
    said = (
        select(review.c.revision_id, account.c.username, review.c.verdict, review.c.created_at)
        .join(account, account.c.id == review.c.account_id)
        .where(review.c.revision_id.in_(current), review.c.withdrawn_at.is_(None))
        .order_by(review.c.created_at, review.c.id)
    )
    for revision_id, username, verdict, created_at in connection.execute(said):
        reviews[revision_id].append(ItemReview(reviewer=username, verdict=verdict, created_at=to_text(created_at)))
    answered = (
        select(response.c.revision_id, response.c.answer_json)
        .where(
            response.c.revision_id.in_(current),
            response.c.status == "submitted",
            response.c.answer_json.is_not(None),
        )
        .order_by(response.c.created_at, response.c.id)
    )
    for revision_id, answer in connection.execute(answered):
        answers[revision_id].append(answer)
    return authors, reviews, answers


def _responses(item: Question, answers: Sequence[str]) -> ItemResponses:
    gold = gold_of(item.content)
    if gold is None or not answers:
        return ItemResponses(n=len(answers))
    num_right = sum(is_right(gold, read_given(json.loads(answer))) for answer in answers)
    return ItemResponses(n=len(answers), agreement=round(num_right / len(answers), 4))
