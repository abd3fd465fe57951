"""How long people really work, and how that compares with the figures that were published for MapQaTor.

What is measured is active time in our pages: the page in view and somebody at it. The published figures are means of
four tasks of two participants, from opening the tool to holding the data, and the same by hand with a consumer map
(MapQaTor, 2024). They are shown beside ours and are not the same quantity.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Literal

from sqlalchemy import Connection, func, select

from annotator.maps.params import PARAMS
from annotator.store.ids import new_id
from annotator.store.tables import context, lead_time, project_call, question, response, review, tool_call

Subject = Literal["tool_call", "question", "context", "response", "review"]

MAX_REPORT_MS = 30 * 60_000
"""Longer than this at a stretch, nobody reports: the page says it every few seconds or when it is left."""

MAX_TOTAL_MS: dict[Subject, int] = {
    "tool_call": 30 * 60_000,
    "question": 8 * 3_600_000,
    "context": 8 * 3_600_000,
    "response": 2 * 3_600_000,
    "review": 2 * 3_600_000,
}
"""What one person's work on one thing counts at most; beyond, a page was forgotten."""

MEASURED = (
    "Active time in these pages: the page in view and in focus, and a key or pointer used in the last half minute. A "
    "tool call takes from the first focus in a tool's form until its answer is put to use; calls whose answer nobody "
    "used are not among them. One figure for each thing and person. Median and 90th percentile, because a few long "
    "pauses would spoil a mean."
)
PUBLISHED_NOTE = (
    "Published means of four tasks by two participants (MapQaTor, 2024): collecting the data of one tool call, with "
    "the tool and by copying from a consumer map. No spread was published, and how time was taken differs from here."
)

_TABLES = {"question": question, "context": context, "response": response, "review": review}


@dataclass(frozen=True, slots=True)
class Worked:
    """Time spent on something since it was last reported.

    Args:
        active_ms: milliseconds in which the page was in view and somebody was at it.
    """

    subject: Subject
    subject_id: str
    active_ms: int


@dataclass(frozen=True, slots=True)
class Published:
    """Mean seconds of one task, as published: with MapQaTor, and by hand with a consumer map."""

    mapqator_s: float
    by_hand_s: float


PUBLISHED: dict[str, Published] = {
    "place_details": Published(10.17, 487.0),
    "nearby_search": Published(12.50, 456.0),
    "compute_routes": Published(14.00, 516.5),
    "search_along_route": Published(15.66, 476.0),
}


@dataclass(frozen=True, slots=True)
class Spread:
    """How long things took: how many, their median and 90th percentile in seconds; None where there are none."""

    n: int
    median_s: float | None
    p90_s: float | None


def record(connection: Connection, account_id: str, project_id: str, items: Sequence[Worked], *, now: datetime) -> int:
    """Notes working times, and gives how many counted.

    Ignored are times that cannot be, things that this project does not have, and whatever goes beyond the most that
    one person's work on one thing counts.
    """
    possible = [item for item in items if 0 < item.active_ms <= MAX_REPORT_MS]
    known = {
        subject: _known(connection, project_id, subject, {one.subject_id for one in possible if one.subject == subject})
        for subject in {item.subject for item in possible}
    }
    counted = 0
    for item in possible:
        if item.subject_id not in known[item.subject]:
            continue
        so_far = connection.execute(
            select(func.coalesce(func.sum(lead_time.c.active_ms), 0)).where(
                lead_time.c.subject_id == item.subject_id,
                lead_time.c.subject == item.subject,
                lead_time.c.account_id == account_id,
            )
        ).scalar_one()
        active_ms = min(item.active_ms, MAX_TOTAL_MS[item.subject] - int(so_far))
        if active_ms <= 0:
            continue
        connection.execute(
            lead_time.insert(),
            {
                "id": new_id(now),
                "project_id": project_id,
                "account_id": account_id,
                "subject": item.subject,
                "subject_id": item.subject_id,
                "active_ms": active_ms,
                "created_at": now,
            },
        )
        counted += 1
    return counted


def by_tool(connection: Connection, project_id: str) -> dict[str, Spread]:
    """Times of tool calls, tool by tool, each call and person once."""
    found: dict[str, list[int]] = {tool: [] for tool in PARAMS}
    rows = connection.execute(
        select(tool_call.c.tool, func.sum(lead_time.c.active_ms))
        .join(tool_call, tool_call.c.id == lead_time.c.subject_id)
        .where(lead_time.c.project_id == project_id, lead_time.c.subject == "tool_call")
        .group_by(lead_time.c.subject_id, lead_time.c.account_id, tool_call.c.tool)
    )
    for tool, active_ms in rows:
        found.setdefault(tool, []).append(int(active_ms))
    return {tool: spread(times) for tool, times in found.items()}


def of_subject(connection: Connection, project_id: str, subject: Subject) -> Spread:
    """Times of questions, contexts, answers or reviews, each thing and person once."""
    rows = connection.execute(
        select(func.sum(lead_time.c.active_ms))
        .where(lead_time.c.project_id == project_id, lead_time.c.subject == subject)
        .group_by(lead_time.c.subject_id, lead_time.c.account_id)
    )
    return spread([int(active_ms) for active_ms in rows.scalars()])


def spread(times_ms: Iterable[int]) -> Spread:
    """Median and 90th percentile, interpolated between the nearest ranks."""
    ordered = sorted(times_ms)
    if not ordered:
        return Spread(0, None, None)
    return Spread(len(ordered), _quantile_s(ordered, 0.5), _quantile_s(ordered, 0.9))


def _quantile_s(ordered: list[int], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return round((ordered[below] + (ordered[above] - ordered[below]) * (place - below)) / 1000, 2)


def _known(connection: Connection, project_id: str, subject: Subject, ids: set[str]) -> set[str]:
    found: set[str] = set()
    for part in batched(sorted(ids), 500):
        if subject == "tool_call":
            query = select(project_call.c.tool_call_id).where(
                project_call.c.project_id == project_id, project_call.c.tool_call_id.in_(part)
            )
        else:
            table = _TABLES[subject]
            query = select(table.c.id).where(table.c.project_id == project_id, table.c.id.in_(part))
        found.update(connection.execute(query).scalars())
    return found
