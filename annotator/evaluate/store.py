"""Rows of runs: what was asked for, every question when it is over, and everything that happened on the way."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, delete, func, select

from annotator.cache.blobs import Packed, get_blob, pack_blob, put_blob
from annotator.cache.json_text import canonical
from annotator.datasets import jobs
from annotator.errors import ConflictError, NotFoundError
from annotator.evaluate.config import RunConfig
from annotator.evaluate.conversation import Event, Outcome
from annotator.evaluate.model import ItemFacts, ItemResult, Judgement, Mode, RunFacts
from annotator.evaluate.plain import plain_bytes
from annotator.evaluate.prompts import Prompt
from annotator.store.sessions import insert_into
from annotator.store.tables import dataset, eval_event, eval_item, eval_run, project, snapshot
from annotator.store.times import to_text

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Run:
    """A frozen dataset asked of a model.

    Args:
        job_id: of the job that does it, or did last.
        endpoint: name of the server's endpoint.
        model: as the server lists it.
        template: name and version of the prompt template.
        server: what is known of the server: `base_url`, `version`, `model` as it was listed, seconds of work.
        num_items: questions times epochs.
    """

    id: str
    project_id: str
    snapshot_id: str
    job_id: str
    name: str
    mode: Mode
    endpoint: str
    model: str
    config: RunConfig
    template: str
    template_sha: str
    server: dict[str, Any]
    num_items: int
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


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


def insert_run(connection: Connection, run: Run, template_body: bytes) -> None:
    """Writes a run that nobody has begun."""
    put_blob(connection, pack_blob(template_body, JSON))
    values = {name: getattr(run, name) for name in Run.__slots__ if name not in ("config", "server")}
    values |= {"config_json": run.config.model_dump_json(), "server_json": canonical(run.server).decode()}
    connection.execute(eval_run.insert(), values)


def get_run(connection: Connection, project_id: str, run_id: str) -> Run:
    """A run of a project, by its id or the beginning of it.

    Raises:
        NotFoundError: there is none, or several begin so.
    """
    wanted = run_id.upper()[:26]
    if not wanted.isalnum():
        raise NotFoundError(f"there is no run {run_id[:64]} in this project")
    begin = eval_run.c.id.startswith(wanted)
    rows = connection.execute(select(eval_run).where(eval_run.c.project_id == project_id, begin).limit(2)).mappings()
    found = [_read_run(row) for row in rows]
    if len(found) != 1:
        raise NotFoundError(
            f"several runs begin with {wanted}; write more of it"
            if found
            else f"there is no run {run_id[:64]} in this project"
        )
    return found[0]


def find_run(connection: Connection, run_id: str) -> Run:
    """A run of any project, by its id, the beginning of it, or `latest`.

    Raises:
        NotFoundError: there is none, or several begin so.
    """
    query = select(eval_run.c.project_id, eval_run.c.id).order_by(eval_run.c.id.desc()).limit(1)
    if run_id.lower() != "latest":
        query = query.where(eval_run.c.id.startswith(run_id.upper()[:26] if run_id.isalnum() else "-"))
    row = connection.execute(query).first()
    if row is None:
        raise NotFoundError(f"there is no run {run_id[:64]}; `mapqator evaluate list` shows those that there are")
    return get_run(connection, row.project_id, row.id if run_id.lower() == "latest" else run_id)


def recent_runs(connection: Connection, limit: int) -> list[Run]:
    """Runs of all projects, the latest first."""
    query = select(eval_run).order_by(eval_run.c.id.desc()).limit(limit)
    return [_read_run(row) for row in connection.execute(query).mappings()]


def list_runs(
    connection: Connection,
    project_id: str,
    *,
    snapshot_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Run]:
    """Runs of a project, the latest first.

    Args:
        snapshot_id: only those of one frozen dataset.
        before: id of the run after which the list goes on.
    """
    found = _listed(select(eval_run), project_id, snapshot_id).order_by(eval_run.c.id.desc()).limit(limit)
    if before is not None:
        found = found.where(eval_run.c.id < before)
    return [_read_run(row) for row in connection.execute(found).mappings()]


def count_runs(connection: Connection, project_id: str, snapshot_id: str | None = None) -> int:
    """How many runs a project has, or one of its frozen datasets."""
    return int(connection.execute(_listed(select(func.count(eval_run.c.id)), project_id, snapshot_id)).scalar_one())


def snapshot_name(connection: Connection, snapshot_id: str) -> tuple[str, str]:
    """`project/dataset@version` of a snapshot, and the sha256 of its manifest."""
    query = (
        select(project.c.slug, dataset.c.slug.label("dataset"), snapshot.c.version, snapshot.c.manifest_sha)
        .join(dataset, dataset.c.project_id == project.c.id)
        .join(snapshot, snapshot.c.dataset_id == dataset.c.id)
        .where(snapshot.c.id == snapshot_id)
    )
    row = connection.execute(query).one()
    return f"{row.slug}/{row.dataset}@{row.version}", str(row.manifest_sha)


def facts_of_run(connection: Connection, run: Run) -> RunFacts:
    """What comparing and exporting need to know of it."""
    name, manifest_sha = snapshot_name(connection, run.snapshot_id)
    _, _, variant = run.model.partition(":")
    return RunFacts(
        run_id=run.id,
        name=run.name,
        snapshot=name,
        manifest_sha=manifest_sha,
        endpoint=run.endpoint,
        model=run.model,
        variant=variant,
        mode=run.mode,
        template=run.template,
        template_sha=run.template_sha,
        offers_abstaining=run.config.offers_abstaining,
        shuffle_seed=run.config.shuffle_seed,
        decoding=run.config.decoding(),
        epochs=run.config.epochs,
        server_version=str(run.server.get("version", "")),
        started_at=None if run.started_at is None else to_text(run.started_at),
        finished_at=None if run.finished_at is None else to_text(run.finished_at),
    )


def change_run(connection: Connection, run_id: str, **values: Any) -> None:
    """Writes columns of a run."""
    if "server" in values:
        values["server_json"] = canonical(values.pop("server")).decode()
    connection.execute(eval_run.update().where(eval_run.c.id == run_id).values(values))


def take_over(connection: Connection, run: Run, job_id: str, now: datetime) -> None:
    """Gives a run to another job.

    Raises:
        ConflictError: its job is still at it.
    """
    if not jobs.get(connection, run.project_id, run.job_id, now).is_over:
        raise ConflictError(
            "this run is going on; cancel it first, or wait for it; one that was killed can be resumed "
            f"{jobs.DEAD_S:g} s after its last sign of life"
        )
    mine = and_(eval_run.c.id == run.id, eval_run.c.job_id == run.job_id)
    changed = connection.execute(eval_run.update().where(mine).values(job_id=job_id, finished_at=None))
    if changed.rowcount == 0:
        raise ConflictError("somebody else resumed this run at the same moment")


def done_keys(connection: Connection, run_id: str) -> set[tuple[str, int]]:
    """Questions and epochs of a run that are over."""
    query = select(eval_item.c.question_id, eval_item.c.epoch).where(eval_item.c.run_id == run_id)
    return {(row.question_id, row.epoch) for row in connection.execute(query)}


def verdicts(connection: Connection, run_id: str) -> dict[str, int]:
    """How many questions ended in which way."""
    query = select(eval_item.c.verdict, func.count()).where(eval_item.c.run_id == run_id)
    return {str(verdict): int(n) for verdict, n in connection.execute(query.group_by(eval_item.c.verdict))}


def score(connection: Connection, run_id: str) -> tuple[int, float]:
    """How many questions are over, and the sum of their scores."""
    query = select(func.count(), func.coalesce(func.sum(eval_item.c.score), 0.0)).where(eval_item.c.run_id == run_id)
    num, total = connection.execute(query).one()
    return int(num), float(total)


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


def find_item(connection: Connection, run: Run, number: int, epoch: int) -> ItemRow:
    """A question of a run by its number.

    Raises:
        NotFoundError: it is not among those that are over.
    """
    for row in item_rows(connection, run.id):
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


def _listed(query: Select[Any], project_id: str, snapshot_id: str | None) -> Select[Any]:
    query = query.where(eval_run.c.project_id == project_id)
    return query if snapshot_id is None else query.where(eval_run.c.snapshot_id == snapshot_id)


def _read_run(row: RowMapping) -> Run:
    values: dict[str, Any] = {name: row[name] for name in Run.__slots__ if name not in ("config", "server")}
    return Run(
        **values,
        config=RunConfig.model_validate_json(row["config_json"]),
        server=json.loads(row["server_json"]),
    )


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
