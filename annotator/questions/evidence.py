"""Evidence: a value of a recorded result, and the provider's bytes in which it stands; made here and checked here."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from annotator import pointers
from annotator.cache.blobs import get_blob
from annotator.cache.json_text import canonical
from annotator.cache.records import Exchange
from annotator.cache.stored_results import StoredResult, load_results
from annotator.errors import InputError, NotFoundError, TamperedError
from annotator.questions.locate import Found, is_same, locate, name_at, parse, place_around
from annotator.questions.model import Evidence, EvidenceRole, ResponseEvidence
from annotator.store.ids import new_id
from annotator.store.times import to_text

COMPUTED_TOOLS = ("distance_bearing", "open_at")
"""Tools whose whole result is one piece of evidence: what was computed here, from which parameters."""

MAX_VALUE_CHARACTERS = 20_000
"""Of a value's JSON. Every revision of a question holds its evidence's values."""


class Mismatch(BaseModel):
    """Evidence that no longer is what it was when it was attached.

    Args:
        key: of the evidence.
        reason: one line on what differs.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    reason: str


class Recordings:
    """Results and bodies as evidence needs them, each read and checked once while this object lives.

    Args:
        connection: a transaction that lives as long.
        now: when content counts as expired.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._results: dict[str, StoredResult | str] = {}
        self._documents: dict[str, Any] = {}

    def load(self, tool_call_ids: Iterable[str]) -> None:
        """Reads the results of many calls at once."""
        missing = [call_id for call_id in dict.fromkeys(tool_call_ids) if call_id not in self._results]
        try:
            self._results |= load_results(self._connection, missing, self._now)
        except (NotFoundError, TamperedError):
            # One of them is spoiled, which says nothing against the others.
            for call_id in missing:
                self._results[call_id] = self._load_one(call_id)

    def result(self, tool_call_id: str) -> StoredResult | str:
        """A call with its result, or one line on why there is none."""
        if tool_call_id not in self._results:
            self.load([tool_call_id])
        return self._results[tool_call_id]

    def found(self, tool_call_ids: Iterable[str]) -> list[StoredResult]:
        """Those of the calls that still have a result."""
        calls = list(dict.fromkeys(tool_call_ids))
        self.load(calls)
        results = [self._results[call_id] for call_id in calls]
        return [one for one in results if not isinstance(one, str) and one.result is not None]

    def document(self, recorded: Exchange) -> Any:
        """The JSON values of a body, or `pointers.MISSING` where it is no JSON or gone.

        Raises:
            TamperedError: the body is not what came.
        """
        if recorded.is_expired(self._now):
            return pointers.MISSING
        if recorded.body_sha not in self._documents:
            content = get_blob(self._connection, recorded.body_sha)
            if content is None:
                raise TamperedError(f"the content {recorded.body_sha} of exchange {recorded.id} is missing")
            self._documents[recorded.body_sha] = parse(content.body)
        return self._documents[recorded.body_sha]

    def _load_one(self, call_id: str) -> StoredResult | str:
        try:
            return load_results(self._connection, [call_id], self._now)[call_id]
        except NotFoundError:
            return "its tool call is no longer recorded here"
        except TamperedError:
            return "the recorded result was changed after it was recorded"


def attach(
    connection: Connection,
    tool_call_id: str,
    pointer: str,
    *,
    role: EvidenceRole = "supports",
    option_key: str | None = None,
    now: datetime,
) -> Evidence:
    """The value at a pointer of a recorded result as evidence, with its place in the provider's body.

    Args:
        pointer: into the result; empty is the whole of it, where it was computed here.

    Raises:
        NotFoundError: the call is not recorded, its content has expired, or there is no value at the pointer.
        InputError: the pointer is malformed, or what it points at is too much to be one piece of evidence.
        TamperedError: what is stored is not what was recorded.
    """
    call = load_results(connection, [tool_call_id], now)[tool_call_id]
    if call.result is None:
        ended = "" if call.expires_at is None else f" on {to_text(call.expires_at)[:10]}"
        raise NotFoundError(
            f"this answer expired{ended} by the terms of {call.provider}; ask again and use the new one"
        )
    value = pointers.look_up(call.result, pointer)
    if value is pointers.MISSING:
        raise NotFoundError(f"the result of this call has nothing at '{pointer[:200]}'")
    if not pointer and call.tool not in COMPUTED_TOOLS:
        raise InputError(
            f"only results of {' and '.join(COMPUTED_TOOLS)} are evidence as a whole; point at a value of this one",
            param="pointer",
        )
    if len(canonical(value)) > MAX_VALUE_CHARACTERS:
        raise InputError("this is too much for one piece of evidence; point at a single value in it", param="pointer")
    return Evidence(
        key=new_id(now),
        tool_call_id=tool_call_id,
        result_sha=call.result_sha,
        pointer=pointer,
        value=value,
        response=_response(call, Recordings(connection, now), pointer, value),
        role=role,
        option_key=option_key,
    )


def attach_computed(
    connection: Connection,
    tool_call_id: str,
    *,
    role: EvidenceRole = "supports",
    option_key: str | None = None,
    now: datetime,
) -> Evidence:
    """A distance, bearing or opening state that was computed here, as evidence in one piece.

    Raises:
        InputError: the call is none of a computed tool.
        NotFoundError: the call is not recorded.
    """
    return attach(connection, tool_call_id, "", role=role, option_key=option_key, now=now)


def check(
    connection: Connection, evidence: Sequence[Evidence], now: datetime, recordings: Recordings | None = None
) -> list[Mismatch]:
    """Recomputes everything that evidence says, and gives those that no longer hold, in order.

    Args:
        recordings: what other checks in this transaction have read already.
    """
    read = recordings or Recordings(connection, now)
    read.load(item.tool_call_id for item in evidence)
    reasons = [(item.key, _what_differs(item, read)) for item in evidence]
    return [Mismatch(key=key, reason=reason) for key, reason in reasons if reason is not None]


def _response(call: StoredResult, read: Recordings, pointer: str, value: Any) -> ResponseEvidence | None:
    """The exchange whose body has the value at its best place; the last one where the adapter computed it."""
    if not call.exchanges:
        return None
    place = place_around(call.result, pointer)
    best: tuple[Found, Exchange] | None = None
    for recorded in call.exchanges:
        document = read.document(recorded)
        if document is pointers.MISSING:
            continue
        found = locate(document, value, pointer, None if place is None else place["pid"])
        if found is not None and (best is None or found.fit > best[0].fit):
            best = found, recorded
    chosen = call.exchanges[-1] if best is None else best[1]
    return ResponseEvidence(
        exchange_id=chosen.id, body_sha=chosen.body_sha, pointer=None if best is None else best[0].pointer
    )


def _what_differs(item: Evidence, read: Recordings) -> str | None:
    call = read.result(item.tool_call_id)
    if isinstance(call, str):
        return call
    if call.result_sha != item.result_sha:
        return "the call's result is not the one that was attached"
    if call.result is None:
        ended = "" if call.expires_at is None else f" on {to_text(call.expires_at)[:10]}"
        return f"the answer expired{ended} by the terms of {call.provider}"
    value = pointers.look_up(call.result, item.pointer)
    if value is pointers.MISSING:
        return f"the result has nothing at {item.pointer or 'its root'}"
    if canonical(value) != canonical(item.value):
        return f"the result has another value at {item.pointer or 'its root'} than the evidence says"
    return None if item.response is None else _what_differs_in_body(item, item.response, call, read)


def _what_differs_in_body(
    item: Evidence, response: ResponseEvidence, call: StoredResult, read: Recordings
) -> str | None:
    recorded = next((one for one in call.exchanges if one.id == response.exchange_id), None)
    if recorded is None:
        return "the exchange that it names is not behind its tool call"
    if recorded.body_sha != response.body_sha:
        return "the provider's answer is not the one that was attached"
    try:
        document = read.document(recorded)
    except TamperedError:
        return "the provider's recorded answer was changed after it was recorded"
    if response.pointer is None:
        return None
    if document is pointers.MISSING:
        return "the provider's recorded answer is gone or is no JSON"
    raw = pointers.look_up(document, response.pointer)
    if raw is pointers.MISSING or not is_same(item.value, raw, name_at(item.pointer)):
        return f"the provider's answer does not have this value at {response.pointer}"
    return None
