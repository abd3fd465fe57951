"""Freezing: what was planned is there whole, or not at all.

All rows are written in one transaction at the end, which is short. Blobs of a large snapshot go before it, some at a
time: a freeze that is killed or refused then leaves blobs that nothing refers to, and the next one takes them up.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from annotator.cache.blobs import Packed
from annotator.cache.json_text import canonical
from annotator.datasets.assemble import Assembler, Prepared
from annotator.datasets.plan import FreezeRequest, Plan, Progress, State, plan
from annotator.datasets.snapshots import Snapshot, by_id, get_dataset, latest
from annotator.errors import ConflictError, FreezeError
from annotator.maps.catalogue import Catalogue
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project
from annotator.store.ids import new_id
from annotator.store.sessions import Database, insert_into
from annotator.store.tables import (
    blob,
    cache_head,
    context,
    exchange,
    question,
    snapshot,
    snapshot_blob,
    snapshot_item,
)

_BATCH = 200
_BATCH_BYTES = 2**23


def freeze(
    database: Database,
    catalogue: Catalogue,
    actor: Actor,
    project: Project,
    slug: str,
    request: FreezeRequest,
    *,
    now: datetime,
    progress: Progress | None = None,
    last: Callable[[Connection], None] | None = None,
) -> Snapshot:
    """Freezes questions of a project as a version of a dataset.

    Reading and checking hold nobody up. The writing at the end does, and insists that nothing has changed meanwhile.

    Args:
        slug: of the dataset.
        progress: told how many steps of how many are done, two for each question; it may raise to stop the freeze.
        last: called in the transaction that writes; nothing is frozen if it raises.

    Raises:
        NotFoundError: there is no such dataset.
        InputError: the version is none.
        FreezeError: `detail` has every reason: `{"reasons": [{"question", "number", "code", "message"}, ...]}`.
        ConflictError: something changed while it was being checked; nothing was written.
    """

    def store(blobs: Sequence[Packed]) -> None:
        with database.writing(is_durable=False) as connection:
            _put_blobs(connection, blobs)

    with database.reading() as connection:
        dataset = get_dataset(connection, project.id, slug)
        made = plan(connection, catalogue, project, dataset, request, now, _half(progress, 0))
        refuse(made)
        assembler = Assembler(catalogue, project, actor, made, new_id(now), store)
        prepared = assembler.prepare(connection, now, _half(progress, 1))
    with database.writing() as connection:
        _insist(connection, project, made)
        if last is not None:
            last(connection)
        _write(connection, actor, project, made, prepared, now)
        return by_id(connection, prepared.manifest.id)


def _half(progress: Progress | None, number: int) -> Progress | None:
    """Progress of the first or second look at every question."""
    return None if progress is None else lambda done, total: progress(number * total + done, 2 * total)


def refuse(made: Plan) -> None:
    """Raises `FreezeError` with every reason if there is any."""
    if not made.reasons:
        return
    first = made.reasons[0]
    about = f"question {first.number}: " if first.number is not None else ""
    more = f" (and {len(made.reasons) - 1} more reasons)" if len(made.reasons) > 1 else ""
    raise FreezeError(
        f"{made.dataset.slug} {made.request.version} cannot be frozen: {about}{first.message}{more}",
        detail={"reasons": [reason.model_dump(mode="json") for reason in made.reasons]},
    )


def _insist(connection: Connection, project: Project, made: Plan) -> None:
    """Raises `ConflictError` if what was checked is not what is there now."""
    get_dataset(connection, project.id, made.dataset.slug)
    parent = latest(connection, made.dataset.id)
    is_same = (parent and parent.id) == (made.parent and made.parent.id)
    for start in range(0, len(made.states), _BATCH):
        part = made.states[start : start + _BATCH]
        rows = connection.execute(
            select(question.c.id, question.c.status, question.c.current_n, context.c.id, context.c.current_n)
            .join(context, context.c.id == question.c.context_id)
            .where(
                question.c.id.in_([state.question_id for state in part]),
                question.c.deleted_at.is_(None),
                context.c.deleted_at.is_(None),
            )
        )
        is_same = is_same and {State(*row) for row in rows} == set(part)
    ids = [recorded.id for call_id, recorded in made.exchanges.items()]
    for start in range(0, len(ids), _BATCH):
        chunk = ids[start : start + _BATCH]
        num_live = connection.execute(
            select(func.count()).where(exchange.c.id.in_(chunk), exchange.c.state == "live")
        ).scalar_one()
        is_same = is_same and num_live == len(chunk)
    if not is_same:
        raise ConflictError("questions changed while they were being checked, and nothing was frozen; freeze again")


def _write(
    connection: Connection, actor: Actor, project: Project, made: Plan, prepared: Prepared, now: datetime
) -> None:
    manifest = prepared.manifest
    manifest_sha = prepared.packed_manifest.sha256
    _put_blobs(connection, [*prepared.blobs, prepared.packed_manifest])
    connection.execute(
        snapshot.insert(),
        {
            "id": manifest.id,
            "dataset_id": made.dataset.id,
            "version": manifest.version,
            "manifest_sha": manifest_sha,
            "parent_id": None if made.parent is None else made.parent.id,
            "filter_json": canonical(manifest.filter).decode(),
            "counts_json": canonical(manifest.counts.model_dump(mode="json")).decode(),
            "created_by": actor.account_id,
            "created_at": now,
        },
    )
    connection.execute(
        snapshot_item.insert(),
        [
            {
                "snapshot_id": manifest.id,
                "ordinal": ordinal,
                "question_id": row.question_id,
                "revision_id": row.revision_id,
                "context_revision_id": row.context_revision_id,
                "split": row.split,
                "text_sha": row.shas[0],
                "json_sha": row.shas[1],
                "markdown_sha": row.shas[2],
            }
            for ordinal, row in enumerate(prepared.rows)
        ],
    )
    connection.execute(
        snapshot_blob.insert(),
        [{"snapshot_id": manifest.id, "sha": sha} for sha in sorted({*manifest.blob_shas, manifest_sha})],
    )
    heads = [
        {"namespace": f"snapshot:{manifest.id}", "request_hash": recorded.request_hash, "exchange_id": recorded.id}
        for recorded in manifest.exchanges
    ]
    if heads:
        connection.execute(cache_head.insert(), heads)
    record(
        connection,
        actor,
        "dataset.freeze",
        made.dataset.id,
        project_id=project.id,
        before_sha=None if made.parent is None else made.parent.manifest_sha,
        after_sha=manifest_sha,
        detail={"slug": made.dataset.slug, "version": manifest.version, "num_items": len(manifest.items)},
        now=now,
    )


def _put_blobs(connection: Connection, packed: Sequence[Packed]) -> None:
    """Stores content in statements of bounded size."""
    batch: list[dict[str, object]] = []
    num_bytes = 0
    for number, one in enumerate(packed, 1):
        batch.append(
            {
                "sha256": one.sha256,
                "bytes": one.stored,
                "codec": one.codec,
                "size_bytes": one.size_bytes,
                "mime": one.mime,
            }
        )
        num_bytes += len(one.stored)
        if len(batch) == _BATCH or num_bytes > _BATCH_BYTES or number == len(packed):
            connection.execute(insert_into(connection, blob).on_conflict_do_nothing(), batch)
            batch, num_bytes = [], 0
