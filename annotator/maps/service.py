"""Tool calls: parameters in, a result with its provenance out, whoever answers and however it is recorded."""

import asyncio
import hashlib
import time
from functools import partial

import rfc8785
from pydantic import ValidationError

from annotator.cache.exchanges import ExchangeStore
from annotator.cache.expiry import Sweep, sweep
from annotator.cache.fetch import LIVE_NAMESPACE, Fetched, Fetcher, Request, refusal
from annotator.errors import UpstreamFormatError
from annotator.maps.answer import ExchangeRef, Outcome, Provenance, ToolAnswer
from annotator.maps.calls import HttpResponse
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.library import MapLibrary
from annotator.maps.modes import Mode
from annotator.maps.params import ToolName, ToolParams
from annotator.maps.provider import Provider
from annotator.maps.results import Result
from annotator.store.times import to_text, utc_now

MAX_ROUNDS = 4
"""Rounds of calls that one tool call may take; an adapter that wants more is wrong."""

WEAKEST: tuple[Outcome, ...] = ("live", "refresh", "miss", "replay", "hit")
"""A tool call is as its weakest exchange: one that had to be asked for makes it a miss."""


class MapService:
    """Answers canonical tools.

    Args:
        catalogue: who may be asked.
        library: the maps on this machine.
        store: recordings.
        fetcher: gets one response.
    """

    def __init__(self, catalogue: Catalogue, library: MapLibrary, store: ExchangeStore, fetcher: Fetcher) -> None:
        self.catalogue = catalogue
        self.library = library
        self.store = store
        self._fetcher = fetcher

    async def call(
        self,
        tool: ToolName,
        params: ToolParams,
        *,
        provider: str | None = None,
        mode: Mode = Mode.RECORD,
        namespace: str = LIVE_NAMESPACE,
    ) -> ToolAnswer:
        """One tool call.

        Args:
            provider: who answers; by default the map built last, or this program for what is computed here.
            namespace: which recordings count: `live`, or those of one frozen dataset.

        Raises:
            InputError: the parameters, or what this provider cannot do with them.
            NotFoundError: no such provider.
            ProviderDisabledError: it has to be asked and may not.
            OfflineMissError: replay mode, and there is no recording.
            UpstreamError: it failed.
            StorageError: the answer could not be recorded, so it is not given.
        """
        started = time.perf_counter()
        asked = self.catalogue.get(provider or self.catalogue.default_key(tool))
        if asked.info.policy.storage == "none" and mode is not Mode.REPLAY:
            mode = Mode.LIVE
        fetched = await self._fetch_all(asked, tool, params, mode, namespace)
        result = _parse(asked, tool, params, [item.response for item in fetched])
        body = rfc8785.dumps(result.model_dump(mode="json", exclude_none=True))
        outcome = min((item.outcome for item in fetched), key=WEAKEST.index)
        latency_ms = (time.perf_counter() - started) * 1000
        call_id = None
        if mode is not Mode.LIVE:
            exchanges = [item.exchange for item in fetched if item.exchange is not None]
            call_id = await asyncio.to_thread(
                self.store.record_tool_call, asked.info, params, body, exchanges, outcome, latency_ms
            )
        return ToolAnswer(
            id=call_id,
            tool=tool,
            provider=asked.info.key,
            params=params.canonical(),
            outcome=outcome,
            result=result,
            provenance=_provenance(asked, hashlib.sha256(body).hexdigest(), fetched),
            latency_ms=round(latency_ms, 3),
        )

    def sweep(self) -> Sweep:
        """Lets go of all content whose storage has expired.

        Raises:
            StorageError: the database cannot be written.
        """
        providers = {provider.info.key: provider for provider in self.catalogue.providers()}
        return sweep(self.store.database, providers, utc_now())

    async def _fetch_all(
        self, asked: Provider, tool: ToolName, params: ToolParams, mode: Mode, namespace: str
    ) -> list[Fetched]:
        """Every response that the tool needs, round by round; a 4xx that is no answer ends it."""
        fetched: list[Fetched] = []
        for _ in range(MAX_ROUNDS):
            earlier = [item.response for item in fetched]
            calls = asked.build(tool, params, earlier)
            if not calls:
                return fetched
            # One answer of several says too little by itself to be judged.
            judge = partial(_judge, asked, tool, params, earlier) if len(calls) == 1 else None
            requests = [
                Request(
                    asked,
                    tool,
                    call,
                    mode,
                    namespace,
                    self.catalogue.rate_limit(asked),
                    lambda: self.catalogue.require_enabled(asked),
                    judge,
                )
                for call in calls
            ]
            answered = await asyncio.gather(*(self._fetcher.fetch(request) for request in requests))
            for request, item in zip(requests, answered, strict=True):
                if not asked.is_answer(tool, item.response):
                    raise refusal(request, item.response)
            fetched.extend(answered)
        raise UpstreamFormatError(f"{asked.info.title} needs more than {MAX_ROUNDS} rounds for one {tool}")


def _judge(
    asked: Provider, tool: ToolName, params: ToolParams, earlier: list[HttpResponse], response: HttpResponse
) -> None:
    """Raises `UpstreamError` if nothing can be made of an answer: an error in disguise, or of another shape."""
    responses = [*earlier, response]
    if not asked.build(tool, params, responses):
        _parse(asked, tool, params, responses)


def _parse(asked: Provider, tool: ToolName, params: ToolParams, responses: list[HttpResponse]) -> Result:
    try:
        return asked.parse(tool, params, responses)
    except ValidationError as error:
        # An adapter that read a value no result can hold: 400 degrees of latitude, say.
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UpstreamFormatError(f"{asked.info.title} answered with an impossible {where}: {first['msg']}") from None


def _exchange_ref(item: Fetched, version: int) -> ExchangeRef:
    recorded = item.exchange
    return ExchangeRef(
        id=None if recorded is None else recorded.id,
        request_hash=item.key.sha256,
        url=item.key.redacted_url,
        status=item.response.status,
        body_sha=hashlib.sha256(item.response.body).hexdigest() if recorded is None else recorded.body_sha,
        fetched_at=to_text(utc_now() if recorded is None else recorded.fetched_at),
        expires_at=None if recorded is None or recorded.expires_at is None else to_text(recorded.expires_at),
        data_vintage=item.response.data_vintage,
        adapter_version=version if recorded is None else recorded.adapter_version,
        outcome=item.outcome,
        changes=None if item.changes is None else item.changes.changes,
    )


def _provenance(asked: Provider, result_sha: str, fetched: list[Fetched]) -> Provenance:
    info = asked.info
    return Provenance(
        provider=info.key,
        adapter_version=info.version,
        attribution=info.attribution,
        licence=info.licence,
        terms_url=info.terms_url,
        display=info.policy.display,
        export=info.policy.export,
        evaluation=info.policy.evaluation,
        result_sha=result_sha,
        exchanges=tuple(_exchange_ref(item, info.version) for item in fetched),
    )
