"""Freezing, verifying and replaying as jobs: what takes seconds for a large dataset, with its progress."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from annotator.datasets.freeze import freeze
from annotator.datasets.plan import FreezeRequest, Plan, plan
from annotator.datasets.replay import rebuild
from annotator.datasets.runner import Progress, Task
from annotator.datasets.snapshots import Snapshot, get_dataset
from annotator.datasets.verify import verify_snapshot
from annotator.errors import FreezeError
from annotator.maps.catalogue import Catalogue
from annotator.maps.service import MapService
from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.store.sessions import Database
from annotator.store.times import utc_now

MAX_REASONS = 500
"""Reasons that a job's result lists."""


def freeze_task(
    database: Database, catalogue: Catalogue, actor: Actor, project: Project, slug: str, request: FreezeRequest
) -> Task:
    """Freezes; the result names the version, or has the reasons against it. Once cancelled, nothing is frozen."""

    def run(progress: Progress) -> Mapping[str, Any]:
        def told(done: int, total: int) -> None:
            half = total // 2
            word = "Checked" if done <= half else "Prepared"
            progress(done, total, f"{word} {done if done <= half else done - half} of {half} questions")

        try:
            frozen = freeze(
                database,
                catalogue,
                actor,
                project,
                slug,
                request,
                now=utc_now(),
                progress=told,
                last=lambda connection: progress.within(connection, progress.num_done, progress.num_total, "Writing"),
            )
        except FreezeError as error:
            reasons = cast(list[Any], error.detail["reasons"])
            progress.result = {"reasons": reasons[:MAX_REASONS], "num_reasons": len(reasons)}
            raise
        return {
            "message": f"Frozen as {frozen.version}",
            "version": frozen.version,
            "manifest_sha": frozen.manifest_sha,
        }

    return run


def plan_task(
    database: Database,
    catalogue: Catalogue,
    project: Project,
    slug: str,
    request: FreezeRequest,
    show: Callable[[Plan], Mapping[str, Any]],
) -> Task:
    """Says what freezing would give; `show` makes the result's `plan` of it."""

    def run(progress: Progress) -> Mapping[str, Any]:
        with database.reading() as connection:
            made = plan(
                connection,
                catalogue,
                project,
                get_dataset(connection, project.id, slug),
                request,
                utc_now(),
                lambda done, total: progress(done, total, f"Checked {done} of {total} questions"),
            )
        return {"message": "It cannot be frozen" if made.reasons else "It can be frozen", "plan": show(made)}

    return run


def verify_task(database: Database, found: Snapshot) -> Task:
    """Verifies a snapshot; the result has the `report`."""

    def run(progress: Progress) -> Mapping[str, Any]:
        with database.reading() as connection:
            report = verify_snapshot(
                connection, found, lambda done, total: progress(done, total, f"Recomputed {done} of {total} questions")
            )
        message = "Every byte is what was frozen" if report.is_ok else "Something is not what was frozen"
        return {"message": message, "report": report.model_dump(mode="json")}

    return run


def replay_task(service: MapService, found: Snapshot) -> Task:
    """Replays a snapshot in a loop of its own; the result has the `replay`."""

    def run(progress: Progress) -> Mapping[str, Any]:
        outcome = asyncio.run(
            rebuild(service, found, lambda done, total: progress(done, total, f"Asked {done} of {total} contexts"))
        )
        message = "The same bytes again" if outcome.is_ok else "Something came out otherwise"
        return {"message": message, "replay": outcome.model_dump(mode="json")}

    return run
