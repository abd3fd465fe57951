"""Webhooks of a project and their deliveries."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from annotator.people import webhooks
from annotator.people.webhooks import EVERYTHING, MAX_ACTIONS, Delivery, State, Webhook
from annotator.store.times import to_text, utc_now
from annotator.web.access import Managing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import State as AppState

router = APIRouter(prefix="/api/projects/{project}/webhooks", tags=["webhooks"], responses=ERROR_RESPONSES)

Actions = Annotated[list[str], Field(max_length=MAX_ACTIONS)]


class WebhookOut(BaseModel):
    """A webhook; `actions` are actions, subjects or `*`."""

    id: str
    url: str
    actions: list[str]
    is_active: bool
    created_at: str
    num_waiting: int
    num_delivered: int
    num_failed: int


class WebhookWithSecret(WebhookOut):
    """A webhook and the secret with which its messages are signed (Standard Webhooks)."""

    secret: str


class WebhookList(BaseModel):
    """A project's webhooks."""

    webhooks: list[WebhookOut]


class NewWebhook(BaseModel):
    """A webhook to be made."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000)
    actions: Actions = [EVERYTHING]


class WebhookChange(BaseModel):
    """What to change; the rest stays."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(default=None, max_length=2000)
    actions: Actions | None = None
    is_active: bool | None = None


class DeliveryOut(BaseModel):
    """One message."""

    id: str
    seq: int
    action: str
    state: State
    num_attempts: int
    status: int | None
    error: str | None
    created_at: str
    next_at: str | None


class DeliveryList(BaseModel):
    """A page of messages, the latest first."""

    deliveries: list[DeliveryOut]
    next: str | None


@router.get("")
def list_webhooks(state: AppState, access: Managing) -> WebhookList:
    """The project's webhooks."""
    with state.database.reading() as connection:
        found = webhooks.listing(connection, access.project.id)
        counts = webhooks.num_by_state(connection, [item.id for item in found])
    return WebhookList(webhooks=[webhook_out(item, counts[item.id]) for item in found])


@router.post("", status_code=201)
def make_webhook(state: AppState, access: Managing, body: NewWebhook) -> WebhookWithSecret:
    """Makes a webhook, which is told what happens from now on."""
    with state.database.writing() as connection:
        made = webhooks.create(
            connection,
            access.actor,
            access.project,
            url=body.url,
            actions=body.actions,
            private_hosts=state.settings.webhook_private_hosts,
            now=utc_now(),
        )
    return _with_secret(state, made, {})


@router.get("/{webhook_id}")
def read_webhook(state: AppState, access: Managing, webhook_id: str) -> WebhookWithSecret:
    """A webhook with its secret."""
    with state.database.reading() as connection:
        found = webhooks.get(connection, access.project.id, webhook_id)
        counts = webhooks.num_by_state(connection, [found.id])
    return _with_secret(state, found, counts[found.id])


@router.patch("/{webhook_id}")
def change_webhook(state: AppState, access: Managing, webhook_id: str, body: WebhookChange) -> WebhookOut:
    """Changes where it is, what it is told, or whether it is told anything."""
    with state.database.writing() as connection:
        changed = webhooks.change(
            connection,
            access.actor,
            access.project,
            webhook_id,
            url=body.url,
            actions=body.actions,
            is_active=body.is_active,
            private_hosts=state.settings.webhook_private_hosts,
            now=utc_now(),
        )
        counts = webhooks.num_by_state(connection, [changed.id])
    return webhook_out(changed, counts[changed.id])


@router.delete("/{webhook_id}", status_code=204)
def remove_webhook(state: AppState, access: Managing, webhook_id: str) -> None:
    """Removes it with its deliveries."""
    with state.database.writing() as connection:
        webhooks.remove(connection, access.actor, access.project, webhook_id, now=utc_now())


@router.post("/{webhook_id}/test", status_code=202)
def test_webhook(state: AppState, access: Managing, webhook_id: str) -> DeliveryOut:
    """Sends it a message that says only that it is a test."""
    with state.database.writing() as connection:
        return delivery_out(webhooks.send_test(connection, access.actor, access.project, webhook_id, now=utc_now()))


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    state: AppState,
    access: Managing,
    webhook_id: str,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[int | None, Query(ge=1)] = None,
) -> DeliveryList:
    """What was sent to it, or still is to be."""
    with state.database.reading() as connection:
        found = webhooks.deliveries(connection, access.project.id, webhook_id, before_seq=cursor, limit=limit + 1)
    page = found[:limit]
    return DeliveryList(
        deliveries=[delivery_out(item) for item in page],
        next=str(page[-1].seq) if len(found) > limit else None,
    )


def webhook_out(item: Webhook, counts: dict[State, int]) -> WebhookOut:
    """A webhook as JSON, without its secret."""
    return WebhookOut(
        id=item.id,
        url=item.url,
        actions=list(item.actions),
        is_active=item.is_active,
        created_at=to_text(item.created_at),
        num_waiting=counts.get("waiting", 0),
        num_delivered=counts.get("delivered", 0),
        num_failed=counts.get("failed", 0),
    )


def delivery_out(item: Delivery) -> DeliveryOut:
    """A message as JSON."""
    return DeliveryOut(
        id=item.id,
        seq=item.seq,
        action=item.action,
        state=item.state,
        num_attempts=item.num_attempts,
        status=item.status,
        error=item.error,
        created_at=to_text(item.created_at),
        next_at=to_text(item.next_at) if item.state == "waiting" else None,
    )


def _with_secret(state: AppState, item: Webhook, counts: dict[State, int]) -> WebhookWithSecret:
    secret = webhooks.secret_of(state.secret_key, item.id)
    return WebhookWithSecret(**webhook_out(item, counts).model_dump(), secret=secret)
