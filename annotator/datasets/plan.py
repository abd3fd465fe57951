"""What a snapshot would be: its questions, how they are divided, and every reason against freezing them.

Planning only reads. Freezing writes what was planned, if nothing has changed in between.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from annotator.cache.records import Exchange
from annotator.cache.stored_results import StoredResult
from annotator.datasets.checks import CallChecker, problems_of
from annotator.datasets.compare import Difference, compare_items, states_of
from annotator.datasets.gather import Gathered, TermsBook, gathered
from annotator.datasets.manifest import Counts, item_states
from annotator.datasets.selection import ItemFilter, question_ids
from annotator.datasets.snapshots import Dataset, Snapshot, latest, manifest_bytes
from annotator.datasets.splits import Member, SplitSpec, divide
from annotator.datasets.versions import MAX_CHARACTERS, Version, least_version, parse_version, reason_against
from annotator.maps.catalogue import Catalogue
from annotator.people.projects import Project

MAX_ITEMS = 100_000
type Progress = Callable[[int, int], None]


class FreezeRequest(BaseModel):
    """What to freeze.

    Args:
        version: semantic version; higher than every one of the dataset before.
        filter: which questions; all approved ones by default.
        splits: how to divide them.
        ids_only: freeze content that providers let out as place ids only to those, instead of refusing it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
    filter: ItemFilter = ItemFilter()
    splits: SplitSpec = SplitSpec()
    ids_only: bool = False


class Reason(BaseModel):
    """Why a dataset cannot be frozen.

    Args:
        question: id of the question that it is about; None where it is about the whole.
        number: of that question.
        code: which rule; it never changes.
        message: one line for people.
    """

    model_config = ConfigDict(frozen=True)

    question: str | None = None
    number: int | None = None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class State:
    """What a question was when it was planned; freezing insists that it still is."""

    question_id: str
    status: str
    n: int
    context_id: str
    context_n: int


@dataclass
class Plan:
    """What freezing would do.

    Args:
        reasons: against it; empty when it can be frozen.
        warnings: what is worth a look all the same.
        splits: of each question, in the order of `states`.
        exchanges: by request; those that answer in the snapshot.
        parent: the snapshot before.
        difference: from that one.
        least_version: the least version that may come next; None where any may.
        pids: of all places.
        calls: ids of all calls; `reduced` has those of which only place ids may leave.
    """

    request: FreezeRequest
    dataset: Dataset
    reasons: list[Reason] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    reduced: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    parent: Snapshot | None = None
    difference: Difference = field(default_factory=Difference)
    least_version: Version | None = None
    pids: set[str] = field(default_factory=set)
    types: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> Counts:
        """How much of what."""
        names = [] if self.request.splits.by == "none" else list(self.request.splits.shares)
        split_sizes = Counter(dict.fromkeys(names, 0))
        split_sizes.update(self.splits)
        return Counts(
            items=len(self.states),
            contexts=len({state.context_id for state in self.states}),
            calls=len(self.calls),
            exchanges=len(self.exchanges),
            places=len(self.pids),
            splits=dict(split_sizes),
            types=dict(self.types),
            categories=dict(self.categories),
        )


def plan(
    connection: Connection,
    catalogue: Catalogue,
    project: Project,
    dataset: Dataset,
    request: FreezeRequest,
    now: datetime,
    progress: Progress | None = None,
) -> Plan:
    """Checks everything that freezing insists on.

    Args:
        connection: a reading transaction.
        progress: told how many questions of how many were checked.

    Raises:
        InputError: the version is none.
    """
    version = parse_version(request.version)
    made = Plan(request, dataset, parent=latest(connection, dataset.id))
    ids = question_ids(connection, project.id, request.filter)
    if not ids:
        made.reasons.append(
            Reason(code="empty", message="no question fits this filter; approve some, or choose others")
        )
    if len(ids) > MAX_ITEMS:
        made.reasons.append(Reason(code="too_many", message=f"a snapshot holds at most {MAX_ITEMS} questions"))
        return made
    checker = CallChecker(connection, TermsBook(catalogue), may_reduce=request.ids_only, now=now)
    members = []
    for found in gathered(connection, project, ids, now):
        _add(made, found, checker, project)
        pids = frozenset(place.pid for place in found.places)
        made.pids |= pids
        members.append(Member(found.question.revision.content_sha, found.context.id, pids))
        if progress is not None:
            progress(len(members), len(ids))
    made.splits = divide(members, request.splits)
    made.warnings += [
        f"split '{name}' gets no question: its groups are too few or too large"
        for name, size in made.counts.splits.items()
        if size == 0 and made.states
    ]
    _check_version(connection, made, version, ids)
    return made


def _add(made: Plan, found: Gathered, checker: CallChecker, project: Project) -> None:
    question, context = found.question, found.context
    made.states.append(
        State(question.id, question.status, question.revision.n, context.id, context.revision.n),
    )
    made.types[question.content.type] += 1
    made.categories[question.content.category] += 1
    problems = [(problem.code, problem.message) for problem in problems_of(found, checker, project.settings)]
    problems += [("two_answers", message) for message in _conflicts(made, found.calls.values())]
    made.reasons += [
        Reason(question=question.id, number=question.number, code=code, message=message)
        for code, message in dict.fromkeys(problems)
    ]
    for call in found.calls.values():
        made.calls.add(call.tool_call_id)
        if checker.check(call).is_ids_only:
            made.reduced.add(call.tool_call_id)


def _conflicts(made: Plan, calls: Iterable[StoredResult]) -> list[str]:
    """Requests to which the snapshot would hold two different answers, of which replay could give only one."""
    found = []
    for call in calls:
        for exchange in call.exchanges:
            known = made.exchanges.setdefault(exchange.request_hash, exchange)
            if known.body_sha != exchange.body_sha or known.status != exchange.status:
                found.append(
                    f"its {call.tool} and another call hold two different answers of {call.provider} to one request; "
                    "replace one of them with the other in its context"
                )
    return found


def _check_version(connection: Connection, made: Plan, version: Version, ids: list[str]) -> None:
    if made.parent is None:
        made.difference = compare_items({}, states_of(connection, ids))
        return
    before = item_states(manifest_bytes(connection, made.parent))
    made.difference = compare_items(before, states_of(connection, ids))
    parent = parse_version(made.parent.version)
    made.least_version = least_version(
        parent,
        num_added=len(made.difference.added),
        num_removed=len(made.difference.removed),
        num_changed=len(made.difference.changed),
    )
    reason = reason_against(version, parent, made.least_version)
    if reason is not None:
        made.reasons.insert(0, Reason(code="version", message=reason))
