"""Questions of runs, each written once and whole when it is over, with everything that happened on the way."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, and_, delete, func, select

from annotator.cache.blobs import Packed, get_blob, pack_blob, put_blob
from annotator.errors import NotFoundError
from annotator.evaluate.conversation import Event, Outcome
from annotator.evaluate.model import ItemFacts, ItemResult, Judgement
from annotator.evaluate.plain import plain_bytes
from annotator.evaluate.prompts import Prompt
from annotator.store.sessions import insert_into
from annotator.store.tables import eval_event, eval_item

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a run that is over, ready to be written.

    Args:
        ordinal: in the dataset.
        evidence: found and wanted.
    """

    question_id: str
    epoch: int
    ordinal: int
    facts: ItemFacts
    prompt: Prompt
    outcome: Outcome
    judgement: Judgement
    evidence: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A question of a run.

    Args:
        prompt_sha: of its messages and tools, `reply_sha` of the last that the model said.
    """

    ordinal: int
    shown: dict[str, Any]
    prompt_sha: str
    reply_sha: str | None
    finished_at: datetime
    result: ItemResult


def done_keys(connection: Connection, run_id: str) -> set[tuple[str, int]]:
    """Questions and epochs of a run that are over."""
    query = select(eval_item.c.question_id, eval_item.c.epoch).where(eval_item.c.run_id == run_id)
    return {(row.question_id, row.epoch) for row in connection.execute(query)}


def verdicts(connection: Connection, run_id: str) -> dict[str, int]:
    """How many questions ended in which way."""
    query = select(eval_item.c.verdict, func.count()).where(eval_item.c.run_id == run_id)
    return {str(verdict): int(n) for verdict, n in connection.execute(query.group_by(eval_item.c.verdict))}


class Totals(NamedTuple):
    """Of the questions that are over.

    Args:
        score: the sum.
        kv_bytes, depth_layers: means of what the server said; None where it did not.
    """

    num: int
    score: float
    kv_bytes: float | None
    depth_layers: float | None


def totals(connection: Connection, run_id: str) -> Totals:
    """How many questions of a run are over, and what they come to."""
    counted = (
        func.count(),
        func.coalesce(func.sum(eval_item.c.score), 0.0),
        func.avg(eval_item.c.kv_bytes),
        func.avg(eval_item.c.depth_layers),
    )
    num, score, kv_bytes, depth = connection.execute(select(*counted).where(eval_item.c.run_id == run_id)).one()
    return Totals(
        int(num), float(score), None if kv_bytes is None else float(kv_bytes), None if depth is None else float(depth)
    )


def forget_errors(connection: Connection, run_id: str) -> int:
    """Takes out questions that failed, so that they are asked again; returns how many."""
    failed = select(eval_item.c.question_id, eval_item.c.epoch).where(
        eval_item.c.run_id == run_id, eval_item.c.verdict == "error"
    )
    rows = list(connection.execute(failed))
    for row in rows:
        for table in (eval_event, eval_item):
            one = and_(table.c.run_id == run_id, table.c.question_id == row.question_id, table.c.epoch == row.epoch)
            connection.execute(delete(table).where(one))
    return len(rows)


@dataclass(frozen=True, slots=True)
class Packing:
    """A question with all its content compressed, which is done before a transaction begins."""

    values: dict[str, Any]
    blobs: tuple[Packed, ...]
    events: tuple[dict[str, Any], ...]


def pack(run_id: str, asked: Asked, now: datetime) -> Packing:
    """Everything of a question as it will be written."""
    outcome, judgement = asked.outcome, asked.judgement
    prompt = pack_blob(asked.prompt.body, JSON)
    reply = None if outcome.reply is None else pack_blob(outcome.reply.encode(), "text/plain; charset=utf-8")
    payloads = [pack_blob(plain_bytes(dict(event.payload)), JSON) for event in outcome.events]
    key = {"run_id": run_id, "question_id": asked.question_id, "epoch": asked.epoch}
    values = key | {
        "ordinal": asked.ordinal,
        "facts_json": asked.facts.model_dump_json(),
        "shown_json": asked.prompt.shown.model_dump_json(),
        "prompt_sha": prompt.sha256,
        "reply_sha": None if reply is None else reply.sha256,
        "judgement_json": judgement.model_dump_json(),
        "verdict": judgement.verdict,
        "score": float(judgement.score),
        "latency_ms": round(outcome.latency_ms, 3),
        "first_token_ms": None if outcome.first_token_ms is None else round(outcome.first_token_ms, 3),
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        "kv_bytes": outcome.kv_bytes,
        "depth_layers": outcome.depth_layers,
        "num_turns": outcome.num_turns,
        "num_tool_calls": len(outcome.calls),
        "num_tool_errors": outcome.num_tool_errors,
        "num_offline_misses": outcome.num_offline_misses,
        "evidence_found": asked.evidence[0],
        "evidence_wanted": asked.evidence[1],
        "tools_json": plain_bytes(outcome.tools).decode(),
        "finished_at": now,
    }
    events = tuple(
        key
        | {
            "seq": seq,
            "kind": event.kind,
            "at_ms": round(event.at_ms, 3),
            "payload_sha": payload.sha256,
            "tool_call_id": event.tool_call_id,
            "result_sha": event.result_sha,
        }
        for seq, (event, payload) in enumerate(zip(outcome.events, payloads, strict=True))
    )
    return Packing(values, (prompt, *([] if reply is None else [reply]), *payloads), events)


def write(connection: Connection, packing: Packing) -> bool:
    """Writes a question and its events, all or nothing; False where it was there already."""
    for blob in packing.blobs:
        put_blob(connection, blob)
    made = connection.execute(insert_into(connection, eval_item).values(packing.values).on_conflict_do_nothing())
    if made.rowcount != 1:
        return False
    if packing.events:
        connection.execute(eval_event.insert(), list(packing.events))
    return True


def results(connection: Connection, run_id: str) -> list[ItemResult]:
    """Everything of a run that is counted, in the dataset's order."""
    return [row.result for row in item_rows(connection, run_id)]


def item_rows(
    connection: Connection, run_id: str, *, verdict: str | None = None, start: int = 0, limit: int | None = None
) -> Iterator[ItemRow]:
    """Questions of a run that are over, in the dataset's order.

    Args:
        start: how many are left out.
    """
    query = select(eval_item).where(eval_item.c.run_id == run_id).order_by(eval_item.c.ordinal, eval_item.c.epoch)
    if verdict is not None:
        query = query.where(eval_item.c.verdict == verdict)
    if limit is not None:
        query = query.limit(limit)
    if start:
        query = query.offset(start)
    for row in connection.execute(query).mappings():
        yield _read_item(row)


def find_item(connection: Connection, run_id: str, number: int, epoch: int) -> ItemRow:
    """A question of a run by its number.

    Raises:
        NotFoundError: it is not among those that are over.
    """
    for row in item_rows(connection, run_id):
        if row.result.facts.number == number and row.result.epoch == epoch:
            return row
    raise NotFoundError(f"question {number} (epoch {epoch}) is not among what this run has asked")


def events_of(connection: Connection, run_id: str, question_id: str, epoch: int) -> list[Event]:
    """What happened while a question was asked, in order."""
    key = and_(eval_event.c.run_id == run_id, eval_event.c.question_id == question_id, eval_event.c.epoch == epoch)
    rows: Sequence[RowMapping] = (
        connection.execute(select(eval_event).where(key).order_by(eval_event.c.seq)).mappings().all()
    )
    return [
        Event(row["kind"], row["at_ms"], _json(connection, row["payload_sha"]), row["tool_call_id"], row["result_sha"])
        for row in rows
    ]


def prompt_messages(connection: Connection, sha: str) -> Mapping[str, Any]:
    """`messages` and `tools` of a prompt."""
    return _json(connection, sha)


def reply_text(connection: Connection, sha: str | None) -> str | None:
    """The last that a model said; None where it said nothing."""
    content = None if sha is None else get_blob(connection, sha)
    return None if content is None else content.body.decode("utf-8", "replace")


def _json(connection: Connection, sha: str) -> dict[str, Any]:
    content = get_blob(connection, sha)
    value: dict[str, Any] = {} if content is None else json.loads(content.body)
    return value


def _read_item(row: RowMapping) -> ItemRow:
    counted = (
        "latency_ms",
        "first_token_ms",
        "prompt_tokens",
        "completion_tokens",
        "num_turns",
        "num_tool_calls",
        "num_tool_errors",
        "num_offline_misses",
        "evidence_found",
        "evidence_wanted",
        "kv_bytes",
        "depth_layers",
    )
    return ItemRow(
        ordinal=row["ordinal"],
        shown=json.loads(row["shown_json"]),
        prompt_sha=row["prompt_sha"],
        reply_sha=row["reply_sha"],
        finished_at=row["finished_at"],
        result=ItemResult(
            facts=ItemFacts.model_validate_json(row["facts_json"]),
            epoch=row["epoch"],
            judgement=Judgement.model_validate_json(row["judgement_json"]),
            tools=json.loads(row["tools_json"]),
            **{name: row[name] for name in counted},
        ),
    )
