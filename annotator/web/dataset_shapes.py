"""What datasets, snapshots and plans look like in JSON."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from annotator.datasets.compare import Difference
from annotator.datasets.manifest import Counts
from annotator.datasets.plan import FreezeRequest, Plan, Reason
from annotator.datasets.provenance import Provenance
from annotator.datasets.tasks import MAX_REASONS


class PersonOut(BaseModel):
    """An account, for people."""

    username: str
    display_name: str


class SnapshotOut(BaseModel):
    """A snapshot.

    Args:
        parent: version of the one before; None for the first.
        filter: what chose its questions.
    """

    id: str
    version: str
    manifest_sha: str
    parent: str | None
    filter: dict[str, Any]
    counts: Counts
    created_at: str
    by: PersonOut | None


class DatasetOut(BaseModel):
    """A dataset; `latest` is its snapshot of the highest version."""

    slug: str
    title: str
    licence: str
    card: str
    created_at: str
    deleted_at: str | None
    by: PersonOut | None
    latest: SnapshotOut | None
    num_snapshots: int


class DatasetsOut(BaseModel):
    """The datasets of a project by slug; a project has few, so that they are one page."""

    datasets: list[DatasetOut]
    next: None = None
    total: int


class SnapshotsOut(BaseModel):
    """The snapshots of a dataset, the latest first."""

    snapshots: list[SnapshotOut]
    next: None = None
    total: int


class ProvenanceOut(BaseModel):
    """Frozen questions with what stands behind them; `next` is the cursor of the next page."""

    items: list[Provenance]
    next: str | None
    total: int


class DatasetIn(BaseModel):
    """A new dataset; the slug is made of the title where none is given."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=1000)
    slug: str = Field(default="", max_length=63)
    licence: str = Field(default="CC-BY-4.0", max_length=1000)
    card: str = Field(default="", max_length=200_000)


class DatasetChange(BaseModel):
    """What is to be another; snapshots that exist keep what they say."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(default=None, max_length=1000)
    licence: str | None = Field(default=None, max_length=1000)
    card: str | None = Field(default=None, max_length=200_000)


class FreezeIn(FreezeRequest):
    """What to freeze; `dry_run` only says what would come of it."""

    dry_run: bool = False


class PlanOut(BaseModel):
    """What freezing would give.

    Args:
        reasons: against it; empty when it can be frozen.
        warnings: what is worth a look all the same.
        difference: from the snapshot before.
        least_version: the least version that may come next; None before the first snapshot.
    """

    can_freeze: bool
    reasons: list[Reason]
    warnings: list[str]
    counts: Counts
    parent: str | None
    difference: Difference
    least_version: str | None


def plan_out(made: Plan) -> PlanOut:
    """A plan as JSON."""
    return PlanOut(
        can_freeze=not made.reasons,
        reasons=made.reasons,
        warnings=made.warnings,
        counts=made.counts,
        parent=None if made.parent is None else made.parent.version,
        difference=made.difference,
        least_version=None if made.least_version is None else str(made.least_version),
    )


def plan_summary(made: Plan) -> dict[str, Any]:
    """A plan as a job's result has it: the first reasons, and of the difference numbers alone."""
    shown = plan_out(made).model_dump(mode="json", exclude={"difference"})
    return shown | {
        "reasons": shown["reasons"][:MAX_REASONS],
        "num_reasons": len(made.reasons),
        "difference": {name: len(getattr(made.difference, name)) for name in ("added", "removed", "changed")},
    }
