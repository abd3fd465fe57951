"""Tool calls and exchanges of our own export, recorded here under new ids.

Their hashes are checked, but who packed the file could have made up the provider's bytes: so, like everything that is
imported, these recordings never answer a tool, and say in their headers that they were imported.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from annotator.cache.blobs import Packed, pack_blob, put_blob
from annotator.cache.json_text import canonical, sha256_hex
from annotator.cache.records import Exchange, ToolCall, exchange_row
from annotator.cache.tool_calls import insert_call
from annotator.datasets.manifest import CallEntry, ExchangeEntry
from annotator.errors import InputError
from annotator.maps.provider import Policy
from annotator.maps.providers.registry import provider_keys, provider_type
from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.store.ids import new_id
from annotator.store.tables import exchange, project_call
from annotator.store.times import from_text

IMPORTED_HEADER = "x-mapqator-imported"

type Load = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A tool call as an export has it.

    Args:
        load: bytes by their hash, checked; None for what the export withholds.
    """

    call: CallEntry
    exchanges: tuple[ExchangeEntry, ...]
    load: Load


@dataclass(frozen=True, slots=True)
class Renaming:
    """Ids of a call and its exchanges here.

    Args:
        exchanges: by their ids in the export.
    """

    id: str
    exchanges: Mapping[str, str]


def record_calls(
    connection: Connection,
    actor: Actor,
    project: Project,
    recorded: Sequence[Recorded],
    known: Mapping[str, Renaming],
    now: datetime,
) -> dict[str, Renaming]:
    """Records calls that are not `known` yet; gives the new ids of all of them.

    Raises:
        InputError: an export that contradicts itself.
    """
    renamed: dict[str, Renaming] = {}
    for item in recorded:
        renamed[item.call.id] = known.get(item.call.id) or _record(connection, actor, project, item, now)
    return renamed


def _record(connection: Connection, actor: Actor, project: Project, item: Recorded, now: datetime) -> Renaming:
    exchanges = {entry.id: _record_exchange(connection, entry, item.load, now) for entry in item.exchanges}
    call = item.call
    ends = [made.expires_at for made in exchanges.values() if made.expires_at is not None]
    expires_at = min(ends, default=None)
    is_kept = all(made.state == "live" for made in exchanges.values())
    body = item.load(call.result_sha) if is_kept else None
    params = canonical(call.params)
    made = ToolCall(
        id=new_id(now),
        tool=call.tool,
        provider=call.provider,
        adapter_version=call.adapter_version,
        params_json=params.decode(),
        params_hash=sha256_hex(params),
        result_sha=call.result_sha,
        outcome="replay",
        error_code=None,
        latency_ms=0.0,
        created_at=from_text(call.created_at),
        expires_at=expires_at,
        exchange_ids=tuple(found.id for found in exchanges.values()),
    )
    insert_call(connection, made, None if body is None else pack_blob(body, "application/json"))
    connection.execute(
        project_call.insert(),
        {
            "tool_call_id": made.id,
            "project_id": project.id,
            "account_id": actor.account_id,
            "label": None,
            "is_saved": False,
            "created_at": now,
        },
    )
    return Renaming(made.id, {old: found.id for old, found in exchanges.items()})


def _record_exchange(connection: Connection, entry: ExchangeEntry, load: Load, now: datetime) -> Exchange:
    request = canonical(entry.request)
    if sha256_hex(request) != entry.request_hash:
        raise InputError(f"the request of exchange {entry.id} does not have the hash that the manifest says")
    policy = _policy(entry.provider)
    fetched_at = from_text(entry.fetched_at)
    expires_at = None
    if policy.storage == "expire" and policy.ttl_s is not None:
        expires_at = fetched_at + timedelta(seconds=policy.ttl_s)
    may_stay = policy.storage != "none" and (expires_at is None or expires_at > now)
    body = load(entry.body_sha) if may_stay else None
    mime = entry.headers.get("content-type", "application/octet-stream")
    packed: Packed | None = None if body is None else pack_blob(body, mime)
    made = Exchange(
        id=new_id(now),
        request_hash=entry.request_hash,
        provider=entry.provider,
        adapter_version=entry.adapter_version,
        method=entry.method,
        url=entry.url,
        request_json=request.decode(),
        request_body_sha=None,
        status=entry.status,
        headers={**entry.headers, IMPORTED_HEADER: "unverified"},
        body_sha=entry.body_sha,
        body_bytes=entry.body_bytes,
        is_answer=True,
        fetched_at=fetched_at,
        elapsed_ms=0.0,
        data_vintage=entry.data_vintage,
        expires_at=expires_at if packed is not None else min(now, expires_at or now),
        state="expired" if packed is None else "live",
        supersedes=None,
    )
    row = exchange_row(made)
    row["blob_sha"] = None if packed is None else put_blob(connection, packed)
    connection.execute(exchange.insert(), row)
    return made


def _policy(provider: str) -> Policy:
    """The terms as they are known here; a map on some machine has none that end."""
    return provider_type(provider).info.policy if provider in provider_keys() else Policy()
