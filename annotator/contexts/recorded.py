"""Tool answers put together again from their recordings, in the shape in which they were given."""

from collections.abc import Callable, Iterable, Mapping

from pydantic import TypeAdapter, ValidationError

from annotator.cache.records import Exchange
from annotator.cache.stored_results import StoredResult
from annotator.errors import NotFoundError
from annotator.maps.answer import ExchangeRef, Provenance, ToolAnswer
from annotator.maps.provider import Policy, ProviderInfo
from annotator.maps.results import Result
from annotator.maps.validate import tool_name
from annotator.store.times import to_text

RESULT: TypeAdapter[Result] = TypeAdapter(Result)
"""Reads a recorded result's JSON values."""

InfoOf = Callable[[str], ProviderInfo | None]
"""Finds what a provider says of itself; None for one that this installation no longer has."""

_UNKNOWN_TERMS = Policy(display="own_map_only", export="forbidden", evaluation="needs_consent")
"""What is assumed of a provider that is gone: nothing that its terms may forbid."""


def recorded_answer(stored: StoredResult, info: ProviderInfo | None) -> ToolAnswer:
    """The answer that a recorded call gave, with the outcome `replay`.

    Args:
        info: of its provider; None where the installation no longer has it, and then nothing is allowed.

    Raises:
        NotFoundError: its content has expired, or is of a shape that this version does not read.
    """
    if stored.result is None:
        raise NotFoundError(gone_message(stored))
    try:
        result = RESULT.validate_python(stored.result)
    except ValidationError:
        raise NotFoundError(
            f"the result of call {stored.tool_call_id} was recorded in a shape that this version does not read; "
            "ask again to record it anew"
        ) from None
    return ToolAnswer(
        id=stored.tool_call_id,
        tool=tool_name(stored.tool),
        provider=stored.provider,
        params=stored.params,
        outcome="replay",
        result=result,
        provenance=_provenance(stored, info),
        latency_ms=stored.latency_ms,
    )


def recorded_answers(
    results: Mapping[str, StoredResult], info_of: InfoOf
) -> tuple[dict[str, ToolAnswer], dict[str, str]]:
    """The answers of many calls by id, and of those that are gone the reason in words."""
    answers: dict[str, ToolAnswer] = {}
    gone: dict[str, str] = {}
    infos = _infos((stored.provider for stored in results.values()), info_of)
    for call_id, stored in results.items():
        try:
            answers[call_id] = recorded_answer(stored, infos[stored.provider])
        except NotFoundError as error:
            gone[call_id] = error.message
    return answers, gone


def gone_message(stored: StoredResult) -> str:
    """Why a recorded call has no result any more, and what to do."""
    day = "" if stored.expires_at is None else f" on {to_text(stored.expires_at)[:10]}"
    return (
        f"the content of call {stored.tool_call_id} expired{day} by the terms of {stored.provider}; "
        "ask again to record it anew"
    )


def _infos(keys: Iterable[str], info_of: InfoOf) -> dict[str, ProviderInfo | None]:
    return {key: info_of(key) for key in set(keys)}


def _provenance(stored: StoredResult, info: ProviderInfo | None) -> Provenance:
    policy = _UNKNOWN_TERMS if info is None else info.policy
    return Provenance(
        provider=stored.provider,
        adapter_version=stored.adapter_version,
        attribution="" if info is None else info.attribution,
        licence="" if info is None else info.licence,
        terms_url="" if info is None else info.terms_url,
        display=policy.display,
        export=policy.export,
        evaluation=policy.evaluation,
        result_sha=stored.result_sha,
        exchanges=tuple(_exchange_ref(item) for item in stored.exchanges),
    )


def _exchange_ref(recorded: Exchange) -> ExchangeRef:
    return ExchangeRef(
        id=recorded.id,
        request_hash=recorded.request_hash,
        url=recorded.url,
        status=recorded.status,
        body_sha=recorded.body_sha,
        fetched_at=to_text(recorded.fetched_at),
        expires_at=None if recorded.expires_at is None else to_text(recorded.expires_at),
        data_vintage=recorded.data_vintage,
        adapter_version=recorded.adapter_version,
        outcome="replay",
    )
