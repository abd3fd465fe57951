"""Native items of a snapshot, exactly as they were frozen, or of questions as they are now. Both stream."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from annotator.datasets.gather import Gathered, TermsBook, gathered
from annotator.datasets.native import (
    ItemContext,
    ItemEvidence,
    ItemOption,
    NativeItem,
    ids_only,
    read_line,
)
from annotator.datasets.renders import TEMPLATE_VERSION, Renders, renders_of
from annotator.datasets.selection import ItemFilter, question_ids
from annotator.datasets.snapshots import Snapshot, manifest_bytes
from annotator.datasets.sources import intact
from annotator.maps.catalogue import Catalogue
from annotator.people.projects import Project
from annotator.questions.answers import OpenAnswer, PlaceAnswer, PointAnswer
from annotator.questions.model import Evidence, QuestionContent
from annotator.store.times import to_text

__all__ = ["ItemFilter", "NativeItem", "ids_only", "item_of", "items", "lines", "unfrozen"]


def items(connection: Connection, snapshot: Snapshot) -> Iterator[NativeItem]:
    """The items of a snapshot in order, each read when it is asked for.

    Raises:
        TamperedError: something is missing or is not what was frozen.
    """
    return (read_line(line) for line in lines(connection, snapshot))


def lines(connection: Connection, snapshot: Snapshot) -> Iterator[bytes]:
    """The lines of a snapshot's `items.jsonl`, without line ends.

    Raises:
        TamperedError: something is missing or is not what was frozen.
    """
    shas = [entry["item_sha"] for entry in json.loads(manifest_bytes(connection, snapshot))["items"]]
    for _, body in intact(connection, shas):
        yield body


def unfrozen(
    connection: Connection, catalogue: Catalogue, project: Project, wanted: ItemFilter, now: datetime
) -> Iterator[NativeItem]:
    """Items of questions as they are now, by number.

    `export` of each says what may leave: `ids_only` reduces one to place ids, and one that says `forbidden` must not
    leave at all.
    """
    book = TermsBook(catalogue)
    rendered: dict[str, Renders | None] = {}
    for found in gathered(connection, project, question_ids(connection, project.id, wanted), now):
        context = found.context
        if context.revision.id not in rendered:
            # Neighbours in number mostly share their context.
            rendered.clear()
            is_whole = all(found.calls[call_id].result is not None for call_id in context.content.tool_call_ids)
            rendered[context.revision.id] = renders_of(context.content, found.calls) if is_whole else None
        yield item_of(found, rendered[context.revision.id], book, project_slug=project.slug)


def item_of(
    found: Gathered,
    renders: Renders | None,
    book: TermsBook,
    *,
    project_slug: str,
    dataset: str | None = None,
    version: str | None = None,
    split: str | None = None,
    licence: str | None = None,
) -> NativeItem:
    """The item of one question.

    Args:
        renders: of its context; None where content that it needs has expired.
        licence: of the dataset; by default those of the providers' content.
    """
    question, content = found.question, found.question.content
    calls = list(found.calls.values())
    terms = [book.of(call) for call in calls]
    return NativeItem(
        id=question.id,
        number=question.number,
        rev=question.revision.n,
        content_sha=question.revision.content_sha,
        project=project_slug,
        dataset=dataset,
        version=version,
        split=split,
        status=question.status,
        category=content.category,
        tags=content.tags,
        difficulty=content.difficulty,
        question=content.body,
        type=content.type,
        options=tuple(ItemOption(key=option.key, text=option.text, pid=option.pid) for option in content.options),
        gold=bare_gold(content),
        answer_spec=content.gold if content.type == "open_ended" else None,
        explanation=content.explanation,
        context=_context(found, renders),
        evidence=tuple(_evidence(item, found) for item in content.evidence),
        places=found.places,
        authors=found.authors,
        reviews=found.reviews,
        responses=found.responses,
        created_at=to_text(question.created_at),
        export=book.strictest(calls),
        licence=" AND ".join(_distinct(term.licence for term in terms)) if licence is None else licence,
        attribution=_distinct(term.attribution for term in terms),
    )


def _context(found: Gathered, renders: Renders | None) -> ItemContext:
    context = found.context
    shas = (None, None, None) if renders is None else renders.shas
    return ItemContext(
        id=context.id,
        number=context.number,
        n=context.revision.n,
        title=context.content.title,
        content_sha=context.revision.content_sha,
        text=None if renders is None else renders.text.decode(),
        json_content=None if renders is None else renders.json_value,
        text_sha=shas[0],
        json_sha=shas[1],
        markdown_sha=shas[2],
        template=str(TEMPLATE_VERSION),
    )


def _evidence(item: Evidence, found: Gathered) -> ItemEvidence:
    call = found.calls[item.tool_call_id]
    behind = None if item.response is None else item.response.exchange_id
    exchange = next((one for one in call.exchanges if one.id == behind), None)
    return ItemEvidence(
        key=item.key,
        role=item.role,
        option_key=item.option_key,
        tool=call.tool,
        provider=call.provider,
        params=call.params,
        tool_call_id=call.tool_call_id,
        result_sha=item.result_sha,
        pointer=item.pointer,
        value=item.value,
        exchange_id=behind,
        request_hash=None if exchange is None else exchange.request_hash,
        body_sha=None if item.response is None else item.response.body_sha,
        body_pointer=None if item.response is None else item.response.pointer,
    )


def bare_gold(content: QuestionContent) -> Any:
    """A gold answer as items have it: keys, a bare value, or None."""
    if content.type != "open_ended":
        return list(content.gold_keys) if content.gold_keys else None
    return None if content.gold is None else bare_value(content.gold)


def bare_value(answer: OpenAnswer) -> Any:
    """An open-ended answer without its tolerances: text, a number in its unit, `HH:MM`, a place, a point or a list."""
    match answer:
        case PlaceAnswer():
            return {"pid": answer.pid or None, "name": answer.name}
        case PointAnswer():
            return {"lat": answer.lat, "lon": answer.lon}
        case _:
            values = answer.model_dump(mode="json")
            return next(values[name] for name in ("value", "value_s", "value_m", "items") if name in values)


def _distinct(words: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))
