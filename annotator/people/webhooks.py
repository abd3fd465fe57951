"""Webhooks of a project: where its audit log is told to, in the form of Standard Webhooks (standardwebhooks.com).

A webhook's secret is derived from the installation's key and the webhook's id, so that the database holds none.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import Connection, RowMapping, func, select

from annotator.cache.json_text import canonical
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project
from annotator.people.secret_key import derive
from annotator.people.webhook_address import check_url
from annotator.store.ids import new_id
from annotator.store.tables import audit_log, webhook, webhook_delivery

MAX_WEBHOOKS = 20
"""Webhooks that one project can have."""
MAX_ACTIONS = 50
EVERYTHING = "*"
State = Literal["waiting", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told what happens in a project.

    Args:
        actions: what it is told: actions (`question.save`), subjects (`question`), or `*`.
        delivered_seq: the audit log's last row that was looked at for it.
    """

    id: str
    project_id: str
    url: str
    actions: tuple[str, ...]
    is_active: bool
    delivered_seq: int
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the audit log on its way.

    Args:
        status: HTTP status of the last attempt; None when there was no answer.
        error: why the last attempt failed.
        next_at: when it is tried next, while it waits.
    """

    id: str
    seq: int
    action: str
    state: State
    num_attempts: int
    status: int | None
    error: str | None
    created_at: datetime
    next_at: datetime


def secret_of(key: bytes, webhook_id: str) -> str:
    """The secret with which a webhook's messages are signed, in the notation of Standard Webhooks."""
    return f"whsec_{base64.b64encode(derive(key, f'webhook:{webhook_id}')).decode()}"


def create(
    connection: Connection,
    actor: Actor,
    project: Project,
    *,
    url: str,
    actions: Sequence[str] = (EVERYTHING,),
    private_hosts: Sequence[str] = (),
    now: datetime,
) -> Webhook:
    """Makes a webhook, which is told what happens from now on.

    Raises:
        InputError: the address or an action cannot be.
        ConflictError: the project has enough.
    """
    host = check_url(url, private_hosts).hostname
    if len(listing(connection, project.id)) >= MAX_WEBHOOKS:
        raise ConflictError(f"a project can have {MAX_WEBHOOKS} webhooks; remove one first")
    webhook_id = new_id(now)
    # Not the whole address: its query may be a secret, and more people read the log.
    seq = record(connection, actor, "webhook.create", webhook_id, project_id=project.id, detail={"host": host}, now=now)
    connection.execute(
        webhook.insert(),
        {
            "id": webhook_id,
            "project_id": project.id,
            "url": url,
            "actions_json": _actions_json(actions),
            "is_active": True,
            "delivered_seq": seq,
            "created_by": actor.account_id,
            "created_at": now,
        },
    )
    return get(connection, project.id, webhook_id)


def change(
    connection: Connection,
    actor: Actor,
    project: Project,
    webhook_id: str,
    *,
    url: str | None = None,
    actions: Sequence[str] | None = None,
    is_active: bool | None = None,
    private_hosts: Sequence[str] = (),
    now: datetime,
) -> Webhook:
    """Changes what is given. One that is taken up again is told what happens from then on, and what still waited.

    Raises:
        NotFoundError: the project has no such webhook.
        InputError: the address or an action cannot be.
    """
    before = get(connection, project.id, webhook_id)
    values: dict[str, object] = {}
    if url is not None:
        check_url(url, private_hosts)
        values["url"] = url
    if actions is not None:
        values["actions_json"] = _actions_json(actions)
    if is_active is not None:
        values["is_active"] = is_active
    if not values:
        return before
    seq = record(
        connection,
        actor,
        "webhook.save",
        webhook_id,
        project_id=project.id,
        detail={"changed": sorted(values)},
        now=now,
    )
    if is_active and not before.is_active:
        values["delivered_seq"] = seq
    connection.execute(webhook.update().where(webhook.c.id == webhook_id).values(values))
    return get(connection, project.id, webhook_id)


def remove(connection: Connection, actor: Actor, project: Project, webhook_id: str, *, now: datetime) -> None:
    """Removes a webhook with its deliveries.

    Raises:
        NotFoundError: the project has no such webhook.
    """
    found = get(connection, project.id, webhook_id)
    connection.execute(webhook_delivery.delete().where(webhook_delivery.c.webhook_id == webhook_id))
    connection.execute(webhook.delete().where(webhook.c.id == webhook_id))
    record(
        connection,
        actor,
        "webhook.remove",
        webhook_id,
        project_id=project.id,
        detail={"host": urlsplit(found.url).hostname},
        now=now,
    )


def send_test(connection: Connection, actor: Actor, project: Project, webhook_id: str, *, now: datetime) -> Delivery:
    """Sends a message that says only that it is a test.

    Raises:
        NotFoundError: the project has no such webhook.
        ConflictError: it is paused.
    """
    found = get(connection, project.id, webhook_id)
    if not found.is_active:
        raise ConflictError("this webhook is paused; take it up again to test it")
    seq = record(connection, actor, "webhook.test", webhook_id, project_id=project.id, now=now)
    delivery_id = new_id(now)
    connection.execute(
        webhook_delivery.insert(),
        {
            "id": delivery_id,
            "webhook_id": webhook_id,
            "seq": seq,
            "num_attempts": 0,
            "state": "waiting",
            "created_at": now,
            "next_at": now,
        },
    )
    return next(item for item in deliveries(connection, project.id, webhook_id) if item.id == delivery_id)


def get(connection: Connection, project_id: str, webhook_id: str) -> Webhook:
    """A webhook of a project.

    Raises:
        NotFoundError: the project has no such webhook.
    """
    found = select(webhook).where(webhook.c.id == webhook_id, webhook.c.project_id == project_id)
    row = connection.execute(found).mappings().first()
    if row is None:
        raise NotFoundError("this project has no such webhook")
    return read_webhook(row)


def listing(connection: Connection, project_id: str) -> list[Webhook]:
    """The webhooks of a project, the first made first."""
    query = select(webhook).where(webhook.c.project_id == project_id).order_by(webhook.c.id)
    return [read_webhook(row) for row in connection.execute(query).mappings()]


def deliveries(
    connection: Connection, project_id: str, webhook_id: str, *, before_seq: int | None = None, limit: int = 50
) -> list[Delivery]:
    """What was sent, or still is to be, the latest first.

    Raises:
        NotFoundError: the project has no such webhook.
    """
    get(connection, project_id, webhook_id)
    columns = [webhook_delivery.c[name] for name in Delivery.__slots__ if name != "action"]
    query = (
        select(*columns, audit_log.c.action)
        .join(audit_log, audit_log.c.seq == webhook_delivery.c.seq)
        .where(webhook_delivery.c.webhook_id == webhook_id)
        .order_by(webhook_delivery.c.seq.desc())
        .limit(limit)
    )
    if before_seq is not None:
        query = query.where(webhook_delivery.c.seq < before_seq)
    return [Delivery(**row) for row in connection.execute(query).mappings()]


def num_by_state(connection: Connection, webhook_ids: Sequence[str]) -> dict[str, dict[State, int]]:
    """How many deliveries of each webhook are in each state."""
    query = (
        select(webhook_delivery.c.webhook_id, webhook_delivery.c.state, func.count())
        .where(webhook_delivery.c.webhook_id.in_(webhook_ids))
        .group_by(webhook_delivery.c.webhook_id, webhook_delivery.c.state)
    )
    counts: dict[str, dict[State, int]] = {webhook_id: {} for webhook_id in webhook_ids}
    for webhook_id, state, number in connection.execute(query):
        counts[webhook_id][state] = number
    return counts


def wants(actions: Sequence[str], action: str) -> bool:
    """Whether a webhook with these actions is told of one."""
    return EVERYTHING in actions or action in actions or action.partition(".")[0] in actions


def read_webhook(row: RowMapping) -> Webhook:
    """A row's webhook."""
    values = {name: row[name] for name in Webhook.__slots__ if name != "actions"}
    return Webhook(**values, actions=tuple(json.loads(row["actions_json"])))


def _actions_json(actions: Sequence[str]) -> str:
    cleaned = sorted({action.strip() for action in actions if action.strip()}) or [EVERYTHING]
    if len(cleaned) > MAX_ACTIONS or any(len(action) > 64 for action in cleaned):
        raise InputError(f"a webhook can name {MAX_ACTIONS} actions of at most 64 characters", param="actions")
    return canonical(cleaned).decode()
