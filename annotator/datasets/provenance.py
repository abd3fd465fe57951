"""Where a frozen question's answer comes from: question → evidence → tool call → exchange → provider and map."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, select

from annotator.cache.records import Exchange, read_exchange
from annotator.datasets.snapshots import Snapshot
from annotator.errors import NotFoundError
from annotator.store.tables import evidence, exchange, question, revision, snapshot_item, tool_call, tool_call_exchange
from annotator.store.times import to_text


class Source(BaseModel):
    """One recorded request and answer.

    Args:
        build: of the map on this machine that answered; None where a provider did.
        data_vintage: age and version of the data behind it, where known.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    provider: str
    url: str
    build: str | None
    request_hash: str
    body_sha: str
    fetched_at: str
    data_vintage: str | None


class Cited(BaseModel):
    """One tool call with its exchanges."""

    model_config = ConfigDict(frozen=True)

    id: str
    tool: str
    provider: str
    params: dict[str, Any]
    result_sha: str
    exchanges: tuple[Source, ...]


class Support(BaseModel):
    """One piece of evidence, with where its value stands in the result and in the provider's bytes."""

    model_config = ConfigDict(frozen=True)

    key: str
    role: str
    option_key: str | None
    pointer: str
    value: Any
    body_sha: str | None
    body_pointer: str | None
    call: Cited


class Provenance(BaseModel):
    """A frozen question with all that stands behind it; `is_hidden` keeps its evidence from who may be asked for it."""

    model_config = ConfigDict(frozen=True)

    ordinal: int
    id: str
    number: int
    n: int
    split: str
    type: str
    category: str
    body: str
    content_sha: str
    context_id: str
    is_hidden: bool
    evidence: tuple[Support, ...]


def provenance_of(
    connection: Connection,
    snapshot: Snapshot,
    *,
    start: int = 0,
    limit: int = 20,
    split: str | None = None,
    number: int | None = None,
    author_id: str | None = None,
    hidden: Collection[str] = (),
) -> list[Provenance]:
    """Frozen questions in order.

    Args:
        start: ordinal of the first.
        split: only its questions.
        number: only this question.
        author_id: only questions of this account.
        hidden: statuses of questions, opened again since, whose evidence is not told.

    Raises:
        NotFoundError: the snapshot does not have question `number`.
    """
    query = (
        select(snapshot_item, question.c.number, revision.c.n, revision.c.content_json, revision.c.content_sha)
        .add_columns(question.c.context_id, question.c.status)
        .join(question, question.c.id == snapshot_item.c.question_id)
        .join(revision, revision.c.id == snapshot_item.c.revision_id)
        .where(snapshot_item.c.snapshot_id == snapshot.id, snapshot_item.c.ordinal >= start)
        .order_by(snapshot_item.c.ordinal)
        .limit(limit)
    )
    if split is not None:
        query = query.where(snapshot_item.c.split == split)
    if number is not None:
        query = query.where(question.c.number == number)
    if author_id is not None:
        query = query.where(question.c.created_by == author_id)
    rows = connection.execute(query).mappings().all()
    if number is not None and not rows:
        raise NotFoundError(f"this snapshot does not hold question {number}")
    supports = _evidence(connection, [row["revision_id"] for row in rows])
    found = []
    for row in rows:
        content = json.loads(row["content_json"])
        found.append(
            Provenance(
                ordinal=row["ordinal"],
                id=row["question_id"],
                number=row["number"],
                n=row["n"],
                split=row["split"],
                type=content["type"],
                category=content["category"],
                body=content["body"],
                content_sha=row["content_sha"],
                context_id=row["context_id"],
                is_hidden=row["status"] in hidden,
                evidence=() if row["status"] in hidden else tuple(supports.get(row["revision_id"], ())),
            )
        )
    return found


def _evidence(connection: Connection, revision_ids: Sequence[str]) -> dict[str, list[Support]]:
    rows = connection.execute(
        select(evidence)
        .where(evidence.c.revision_id.in_(revision_ids))
        .order_by(evidence.c.revision_id, evidence.c.key)
    ).mappings()
    kept = rows.all()
    calls = _calls(connection, sorted({row["tool_call_id"] for row in kept}))
    found: dict[str, list[Support]] = {}
    for row in kept:
        found.setdefault(row["revision_id"], []).append(
            Support(
                key=row["key"],
                role=row["role"],
                option_key=row["option_key"],
                pointer=row["pointer"],
                value=json.loads(row["value_json"]),
                body_sha=row["body_sha"],
                body_pointer=row["body_pointer"],
                call=calls[row["tool_call_id"]],
            )
        )
    return found


def _calls(connection: Connection, call_ids: Sequence[str]) -> dict[str, Cited]:
    behind: dict[str, list[Source]] = {}
    links = connection.execute(
        select(tool_call_exchange.c.tool_call_id, exchange)
        .join(exchange, exchange.c.id == tool_call_exchange.c.exchange_id)
        .where(tool_call_exchange.c.tool_call_id.in_(call_ids))
        .order_by(tool_call_exchange.c.tool_call_id, tool_call_exchange.c.ordinal)
    ).mappings()
    for row in links:
        behind.setdefault(row["tool_call_id"], []).append(_source(read_exchange(row)))
    return {
        row["id"]: Cited(
            id=row["id"],
            tool=row["tool"],
            provider=row["provider"],
            params=json.loads(row["params_json"]),
            result_sha=row["result_sha"],
            exchanges=tuple(behind.get(row["id"], ())),
        )
        for row in connection.execute(select(tool_call).where(tool_call.c.id.in_(call_ids))).mappings()
    }


def _source(recorded: Exchange) -> Source:
    build = None
    if recorded.url.startswith("osm://"):
        build = recorded.url.removeprefix("osm://").partition("/")[0]
    return Source(
        id=recorded.id,
        provider=recorded.provider,
        url=recorded.url,
        build=build,
        request_hash=recorded.request_hash,
        body_sha=recorded.body_sha,
        fetched_at=to_text(recorded.fetched_at),
        data_vintage=recorded.data_vintage,
    )
