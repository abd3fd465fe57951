"""A snapshot's rows in the database against its manifest."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from annotator.cache.json_text import canonical, sha256_hex
from annotator.cache.records import read_exchange
from annotator.datasets.manifest import CallEntry, ExchangeEntry, Manifest, exchange_entry
from annotator.datasets.report import Finding
from annotator.datasets.snapshots import Snapshot
from annotator.store.tables import (
    cache_head,
    exchange,
    revision,
    snapshot,
    snapshot_blob,
    snapshot_item,
    tool_call,
    tool_call_exchange,
)
from annotator.store.times import to_text

_BATCH = 500


def row_findings(connection: Connection, found: Snapshot, manifest: Manifest) -> Iterator[Finding]:
    """Every row that is not what the manifest says."""
    yield from _of_snapshot(connection, found, manifest)
    yield from _of_items(connection, found, manifest)
    yield from _of_blobs(connection, found, manifest)
    yield from _of_heads(connection, found, manifest)
    yield from _of_exchanges(connection, manifest)
    yield from _of_calls(connection, manifest)


def _of_snapshot(connection: Connection, found: Snapshot, manifest: Manifest) -> Iterator[Finding]:
    row = connection.execute(select(snapshot).where(snapshot.c.id == found.id)).mappings().one()
    parent = None
    if row["parent_id"] is not None:
        parent = connection.execute(select(snapshot.c.manifest_sha).where(snapshot.c.id == row["parent_id"])).scalar()
    wanted = {
        "id": (manifest.id, row["id"]),
        "version": (manifest.version, row["version"]),
        "parent_id": (None if manifest.parent is None else manifest.parent.manifest_sha, parent),
        "filter_json": (canonical(manifest.filter).decode(), row["filter_json"]),
        "counts_json": (canonical(manifest.counts.model_dump(mode="json")).decode(), row["counts_json"]),
        "created_at": (manifest.created_at, to_text(row["created_at"])),
    }
    for name, (said, stored) in wanted.items():
        if said != stored:
            yield _changed(f"the row of the snapshot has another {name}", pointer=f"/{name}")


def _of_items(connection: Connection, found: Snapshot, manifest: Manifest) -> Iterator[Finding]:
    contexts = {context.id: context for context in manifest.contexts}
    rows = {
        row["ordinal"]: row
        for row in connection.execute(
            select(snapshot_item).where(snapshot_item.c.snapshot_id == found.id).order_by(snapshot_item.c.ordinal)
        ).mappings()
    }
    revisions = _revisions(connection, rows.values())
    for ordinal, item in enumerate(manifest.items):
        row = rows.pop(ordinal, None)
        if row is None:
            yield _changed("the item's row is missing", question=item.number, pointer=f"/items/{ordinal}")
            continue
        context = contexts.get(item.context)
        own, around = revisions.get(row["revision_id"]), revisions.get(row["context_revision_id"])
        wanted = {
            "question_id": (item.id, row["question_id"]),
            "revision_id": ((item.id, item.n), None if own is None else (own["subject_id"], own["n"])),
            "split": (item.split, row["split"]),
        }
        if context is not None:
            wanted |= {
                "context_revision_id": (
                    (context.id, context.n),
                    None if around is None else (around["subject_id"], around["n"]),
                ),
                "text_sha": (context.text_sha, row["text_sha"]),
                "json_sha": (context.json_sha, row["json_sha"]),
                "markdown_sha": (context.markdown_sha, row["markdown_sha"]),
            }
        for name, (said, stored) in wanted.items():
            if said != stored:
                yield _changed(
                    f"the item's row has another {name}", question=item.number, pointer=f"/items/{ordinal}/{name}"
                )
        if own is not None:
            yield from _of_revision(own, item.content_sha, "question", item.number)
        if around is not None and context is not None:
            yield from _of_revision(around, context.content_sha, "context", item.number)
    if rows:
        yield _changed(f"there are {len(rows)} rows of items that the manifest does not have", pointer="/items")


def _of_revision(row: RowMapping, content_sha: str, what: str, number: int) -> Iterator[Finding]:
    try:
        is_intact = sha256_hex(canonical(json.loads(row["content_json"]))) == content_sha == row["content_sha"]
    except ValueError:
        is_intact = False
    if not is_intact:
        yield Finding(
            code="revision_changed",
            message=f"revision {row['n']} of the {what} is not what was frozen",
            question=number,
            pointer="",
            sha=content_sha,
        )


def _of_blobs(connection: Connection, found: Snapshot, manifest: Manifest) -> Iterator[Finding]:
    held = set(connection.execute(select(snapshot_blob.c.sha).where(snapshot_blob.c.snapshot_id == found.id)).scalars())
    wanted = {*manifest.blob_shas, found.manifest_sha}
    for sha in sorted(held ^ wanted):
        what = "is not held by the snapshot's rows" if sha in wanted else "is held and not in the manifest"
        yield _changed(f"the content {sha} {what}", sha=sha)


def _of_heads(connection: Connection, found: Snapshot, manifest: Manifest) -> Iterator[Finding]:
    rows = connection.execute(
        select(cache_head.c.request_hash, cache_head.c.exchange_id).where(cache_head.c.namespace == found.namespace)
    )
    heads = {row[0]: row[1] for row in rows}
    for index, entry in enumerate(manifest.exchanges):
        if heads.pop(entry.request_hash, None) != entry.id:
            yield _changed(
                f"the request {entry.request_hash} is not answered by exchange {entry.id} in replay",
                pointer=f"/exchanges/{index}",
            )
    for request_hash in heads:
        yield _changed(f"replay answers the request {request_hash}, which the manifest does not have")


def _of_exchanges(connection: Connection, manifest: Manifest) -> Iterator[Finding]:
    rows = _by_id(connection, select(exchange), exchange.c.id, [entry.id for entry in manifest.exchanges])
    withheld = set(manifest.withheld)
    for index, entry in enumerate(manifest.exchanges):
        row = rows.get(entry.id)
        if row is None:
            yield _changed(f"exchange {entry.id} is missing", pointer=f"/exchanges/{index}")
            continue
        if sha256_hex(row["request_json"].encode()) != entry.request_hash:
            yield _changed(f"the request of exchange {entry.id} was changed", pointer=f"/exchanges/{index}/request")
            continue
        yield from _fields(entry, exchange_entry(read_exchange(row), entry.export), f"/exchanges/{index}", entry.id)
        if row["state"] != "live" and entry.body_sha not in withheld:
            yield _changed(f"exchange {entry.id} is {row['state']}", pointer=f"/exchanges/{index}/state")


def _of_calls(connection: Connection, manifest: Manifest) -> Iterator[Finding]:
    ids = [call.id for call in manifest.calls]
    rows = _by_id(connection, select(tool_call), tool_call.c.id, ids)
    behind: dict[str, list[str]] = {}
    for start in range(0, len(ids), _BATCH):
        links = connection.execute(
            select(tool_call_exchange.c.tool_call_id, exchange.c.request_hash)
            .join(exchange, exchange.c.id == tool_call_exchange.c.exchange_id)
            .where(tool_call_exchange.c.tool_call_id.in_(ids[start : start + _BATCH]))
            .order_by(tool_call_exchange.c.tool_call_id, tool_call_exchange.c.ordinal)
        )
        for call_id, request_hash in links:
            behind.setdefault(call_id, []).append(request_hash)
    requests = {entry.id: entry.request_hash for entry in manifest.exchanges}
    for index, call in enumerate(manifest.calls):
        row = rows.get(call.id)
        if row is None:
            yield _changed(f"tool call {call.id} is missing", pointer=f"/calls/{index}")
            continue
        yield from _fields(call, _call_entry(row, call), f"/calls/{index}", call.id)
        if behind.get(call.id, []) != [requests.get(exchange_id) for exchange_id in call.exchanges]:
            yield _changed(f"tool call {call.id} has other exchanges", pointer=f"/calls/{index}/exchanges")


def _call_entry(row: RowMapping, call: CallEntry) -> CallEntry:
    try:
        params = json.loads(row["params_json"])
    except ValueError:
        params = {}
    return call.model_copy(
        update={
            "tool": row["tool"],
            "provider": row["provider"],
            "adapter_version": row["adapter_version"],
            "params": params,
            "result_sha": row["result_sha"],
            "created_at": to_text(row["created_at"]),
        }
    )


def _fields(
    said: ExchangeEntry | CallEntry, stored: ExchangeEntry | CallEntry, pointer: str, name: str
) -> Iterator[Finding]:
    for field in type(said).model_fields:
        if getattr(said, field) != getattr(stored, field):
            yield _changed(f"the row of {name} has another {field}", pointer=f"{pointer}/{field}")


def _by_id(connection: Connection, query: Select[Any], column: Any, ids: Sequence[str]) -> dict[str, RowMapping]:
    found: dict[str, RowMapping] = {}
    for start in range(0, len(ids), _BATCH):
        rows = connection.execute(query.where(column.in_(ids[start : start + _BATCH]))).mappings()
        found.update((row["id"], row) for row in rows)
    return found


def _revisions(connection: Connection, rows: Iterable[RowMapping]) -> dict[str, RowMapping]:
    ids = sorted({row[name] for row in rows for name in ("revision_id", "context_revision_id")})
    return _by_id(connection, select(revision), revision.c.id, ids)


def _changed(
    message: str, *, question: int | None = None, pointer: str | None = None, sha: str | None = None
) -> Finding:
    return Finding(code="row_changed", message=message, question=question, pointer=pointer, sha=sha)
