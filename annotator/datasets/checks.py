"""Why a question cannot be frozen: every reason, in words, and none that is only a guess.

Nothing stored is believed: each call's recorded bytes are read by its adapter again and have to give the very result
that contexts and evidence were made of.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from annotator.cache.blobs import get_blob
from annotator.cache.json_text import sha256_hex
from annotator.cache.records import Exchange
from annotator.cache.stored_results import StoredResult
from annotator.datasets.gather import Gathered, Terms, TermsBook, build_of
from annotator.datasets.reparse import NotReplayableError, Recording, reparse
from annotator.datasets.standing import in_body, in_result
from annotator.errors import TamperedError
from annotator.maps.calls import HttpResponse
from annotator.people.projects import ProjectSettings
from annotator.questions import locate
from annotator.questions.evidence import Mismatch
from annotator.questions.lint import lint
from annotator.questions.model import Evidence
from annotator.questions.surroundings import Surroundings, surroundings
from annotator.review.given import gold_of
from annotator.store.times import to_text

_HELD_CALLS = 200
"""Calls whose bodies stay in memory, because neighbouring questions ask for them again."""


_TOLD = frozenset({"gold_missing", "evidence_mismatch"})
"""Findings of lint that are told here in other words."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason.

    Args:
        code: which rule; it never changes.
        message: one line for people.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """A call whose recorded bytes were read again.

    Args:
        result: what they give; None where they give nothing.
        bodies: by exchange.
    """

    call: StoredResult
    terms: Terms
    problems: tuple[Problem, ...]
    result: Any
    bodies: dict[str, bytes]
    _documents: dict[str, Any] = field(default_factory=dict)

    def document(self, exchange_id: str) -> Any:
        """What one of the bodies says, parsed once."""
        if exchange_id not in self._documents:
            self._documents[exchange_id] = locate.parse(self.bodies[exchange_id])
        return self._documents[exchange_id]

    @property
    def is_ids_only(self) -> bool:
        """Whether its provider lets datasets hold place ids alone."""
        return self.terms.export == "ids_only"


class CallChecker:
    """Checks calls, each once while it is remembered.

    Args:
        connection: a transaction that lives as long.
        may_reduce: whether content that only place ids of may leave is frozen to those.
        now: when content counts as expired.
    """

    def __init__(self, connection: Connection, book: TermsBook, *, may_reduce: bool, now: datetime) -> None:
        self._connection = connection
        self._book = book
        self._may_reduce = may_reduce
        self._now = now
        self._held: OrderedDict[str, CheckedCall] = OrderedDict()
        self._around: tuple[str, Surroundings] | None = None

    def check(self, call: StoredResult) -> CheckedCall:
        """The call with every reason against freezing it."""
        if call.tool_call_id in self._held:
            self._held.move_to_end(call.tool_call_id)
            return self._held[call.tool_call_id]
        found = self._held[call.tool_call_id] = self._check(call)
        if len(self._held) > _HELD_CALLS:
            self._held.popitem(last=False)
        return found

    def around(self, found: Gathered) -> Surroundings:
        """What lint compares a question with; the last context's is remembered for its next question."""
        revision_id = found.context.revision.id
        if self._around is None or self._around[0] != revision_id:
            self._around = revision_id, surroundings(found.context.content, found.calls)
        return replace(self._around[1], results=found.calls)

    def _check(self, call: StoredResult) -> CheckedCall:
        terms = self._book.of(call)
        problems = list(self._against_terms(call, terms))
        bodies: dict[str, bytes] = {}
        result = None
        try:
            bodies = self._bodies(call)
            if not problems:
                result = self._reparsed(call, terms, bodies)
        except TamperedError as error:
            problems.append(Problem("tampered", error.message))
        except NotReplayableError as error:
            problems.append(Problem("not_replayable", f"its recordings do not give it again: {error}"))
        return CheckedCall(call, terms, tuple(problems), result, bodies)

    def _against_terms(self, call: StoredResult, terms: Terms) -> Iterator[Problem]:
        ends = [end for end in (call.expires_at, *(exchange.expires_at for exchange in call.exchanges)) if end]
        if call.result is None or any(exchange.is_expired(self._now) for exchange in call.exchanges):
            yield Problem("expired", "its content has expired, or was never stored, by its provider's terms")
        elif ends and not (self._may_reduce and terms.export == "ids_only"):
            yield Problem(
                "expires", f"its content has to be erased on {to_text(min(ends))[:10]} by its provider's terms"
            )
        if terms.provider is None:
            build = build_of(call)
            gone = f"the map build {build[:12]} is not on this machine any more" if build else "its provider is gone"
            yield Problem("provider_gone", f"{gone}, so that nobody could say where it comes from")
        elif terms.export == "forbidden":
            yield Problem("export_forbidden", "its provider's terms forbid passing its content on")
        elif terms.export == "ids_only" and not self._may_reduce:
            yield Problem(
                "export_ids_only", "its provider's terms let only place ids out; freeze ids only, or replace it"
            )

    def _bodies(self, call: StoredResult) -> dict[str, bytes]:
        found = {}
        for exchange in call.exchanges:
            content = None if exchange.is_expired(self._now) else get_blob(self._connection, exchange.body_sha)
            if content is not None:
                found[exchange.id] = content.body
            elif not exchange.is_expired(self._now):
                raise TamperedError(f"the content {exchange.body_sha} of exchange {exchange.id} is missing")
        return found

    def _reparsed(self, call: StoredResult, terms: Terms, bodies: dict[str, bytes]) -> Any:
        if terms.provider is None:
            raise NotReplayableError("its provider is gone")
        if not call.exchanges:
            raise NotReplayableError("nothing was recorded behind it")
        again = reparse(
            terms.provider,
            call.tool,
            call.params,
            [recording(exchange, bodies[exchange.id]) for exchange in call.exchanges],
        )
        if sha256_hex(again) != call.result_sha:
            raise NotReplayableError("the adapter reads another result from the same bytes today")
        return call.result


def recording(exchange: Exchange, body: bytes) -> Recording:
    """An exchange as its adapter reads it."""
    response = HttpResponse(exchange.status, body, exchange.headers, exchange.data_vintage)
    return Recording(exchange.request_hash, response)


def problems_of(found: Gathered, checker: CallChecker, settings: ProjectSettings) -> list[Problem]:
    """Every reason against freezing a question."""
    question, content = found.question, found.question.content
    problems: list[Problem] = []
    if question.status != "approved":
        problems.append(Problem("unapproved", f"it is {question.status.replace('_', ' ')}, not approved"))
    if gold_of(content) is None:
        problems.append(Problem("gold_missing", "it has no gold answer"))
    mismatches = []
    for item in content.evidence:
        problem = _of_evidence(item, checker.check(found.calls[item.tool_call_id]))
        if problem is not None:
            problems.append(problem)
            mismatches.append(Mismatch(key=item.key, reason=problem.message))
    for finding in lint(content, settings, context=checker.around(found), mismatches=mismatches):
        if finding.severity == "error" and finding.code not in _TOLD:
            problems.append(Problem("lint", finding.message))
    for part in found.context.content.items:
        if part.tool_call_id is not None:
            problems += [
                Problem(problem.code, f"item {part.key} of context {found.context.number}: {problem.message}")
                for problem in checker.check(found.calls[part.tool_call_id]).problems
            ]
    return problems


def _of_evidence(item: Evidence, checked: CheckedCall) -> Problem | None:
    where = f"evidence at {item.pointer or 'the whole result'} of {checked.call.tool}"
    if item.result_sha != checked.call.result_sha:
        return Problem("evidence_differs", f"{where}: the call's result is not the one that was attached")
    if checked.problems:
        return Problem(checked.problems[0].code, f"{where}: {checked.problems[0].message}")
    reason = in_result(item, checked.result)
    if reason is None and item.response is not None:
        exchange = next((one for one in checked.call.exchanges if one.id == item.response.exchange_id), None)
        if item.response.exchange_id not in checked.bodies or exchange is None:
            reason = "the exchange that it names is not behind its call"
        elif exchange.body_sha != item.response.body_sha:
            reason = "the provider's answer is not the one that was attached"
        else:
            reason = in_body(item, checked.document(item.response.exchange_id))
    return None if reason is None else Problem("evidence_differs", f"{where}: {reason}")
