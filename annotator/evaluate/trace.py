"""A question of a run from beginning to end: what was sent, what came back, every call with the hashes of its bytes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from annotator.datasets.items import items
from annotator.datasets.native import NativeItem
from annotator.datasets.snapshots import by_id
from annotator.evaluate import records
from annotator.evaluate.conversation import Event, told
from annotator.evaluate.interchange.model import Sample
from annotator.evaluate.model import Shown
from annotator.evaluate.react import STOP
from annotator.evaluate.records import ItemRow
from annotator.evaluate.store import Run

WITHHELD = "(not kept: the provider's terms end its storage)"


@dataclass(frozen=True, slots=True)
class Trace:
    """A question of a run.

    Args:
        item: as it was frozen.
        prompt: `messages` and `tools`, as they were sent first.
        events: what happened from there.
        reply: the last that the model said.
    """

    item: NativeItem
    row: ItemRow
    prompt: Mapping[str, Any]
    events: Sequence[Event]
    reply: str | None


def trace_of(connection: Connection, run: Run, number: int, epoch: int = 0) -> Trace:
    """A question of a run by its number.

    Raises:
        NotFoundError: it is not among those that are over.
        TamperedError: what was frozen or recorded is not what it was.
    """
    row = records.find_item(connection, run.id, number, epoch)
    snapshot = by_id(connection, run.snapshot_id)
    item = next(one for one in items(connection, snapshot) if one.id == row.result.facts.item_id)
    return _trace(connection, run, item, row)


def messages_of(trace: Trace, *, in_text: bool) -> list[dict[str, Any]]:
    """The whole conversation in the shape of chat completions.

    Args:
        in_text: tools were asked in text.
    """
    messages = [dict(message) for message in trace.prompt.get("messages", ())]
    for event in trace.events:
        payload = event.payload
        if event.kind == "reply":
            said: dict[str, Any] = {"role": "assistant", "content": payload.get("content", "")}
            if payload.get("tool_calls"):
                said["tool_calls"] = [
                    {
                        "id": call["id"],
                        "type": "function",
                        "function": {"name": call["name"], "arguments": call["arguments"]},
                    }
                    for call in payload["tool_calls"]
                ]
            messages.append(said)
        elif event.kind == "call":
            content = told(payload["ref"], payload["content"]) if "content" in payload else WITHHELD
            if in_text:
                messages.append({"role": "user", "content": f"{STOP} {content}"})
            else:
                messages.append({"role": "tool", "tool_call_id": payload["id"], "content": content})
    return messages


def samples(connection: Connection, run: Run) -> Iterator[Sample]:
    """Every question of a run that is over, as exports take them, one by one."""
    snapshot = by_id(connection, run.snapshot_id)
    rows: dict[str, list[ItemRow]] = {}
    for row in records.item_rows(connection, run.id):
        rows.setdefault(row.result.facts.item_id, []).append(row)
    in_text = run.template.startswith("react ")
    for item in items(connection, snapshot):
        for row in rows.get(item.id, ()):
            trace = _trace(connection, run, item, row)
            yield Sample(
                item=item,
                result=row.result,
                shown=Shown.model_validate(row.shown),
                messages=tuple(messages_of(trace, in_text=in_text)),
                reply=trace.reply or "",
            )


def _trace(connection: Connection, run: Run, item: NativeItem, row: ItemRow) -> Trace:
    return Trace(
        item=item,
        row=row,
        prompt=records.prompt_messages(connection, row.prompt_sha),
        events=records.events_of(connection, run.id, item.id, row.result.epoch),
        reply=records.reply_text(connection, row.reply_sha),
    )
