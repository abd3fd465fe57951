"""Replay: every context of a snapshot asked again, tool by tool, of its recordings alone, byte for byte.

Neither a provider nor a map is needed, nor the settings of the day: providers are set up as the manifest says.
"""

import asyncio
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from annotator.cache.blobs import get_blob
from annotator.cache.fetch import Fetcher
from annotator.cache.flights import Flights
from annotator.cache.json_text import canonical, sha256_hex
from annotator.cache.pace import Pace
from annotator.contexts.model import ContextContent
from annotator.datasets.manifest import CallEntry, ContextEntry, Manifest, Providers, read_manifest
from annotator.datasets.rebuild import stored
from annotator.datasets.renders import renders_of
from annotator.datasets.report import Finding
from annotator.datasets.snapshots import Snapshot, manifest_bytes
from annotator.datasets.where import where
from annotator.errors import MapqatorError, OfflineMissError, TamperedError
from annotator.maps.catalogue import Catalogue
from annotator.maps.modes import Mode
from annotator.maps.provider import Provider, RateLimit
from annotator.maps.service import MapService
from annotator.maps.validate import parse_params, tool_name

type Progress = Callable[[int, int], None]


class Replay(BaseModel):
    """The outcome of a replay.

    Args:
        num_calls: that gave the very result again.
        num_contexts: that were rendered to the very bytes again.
        num_withheld: calls that terms keep from being replayed.
        findings: what came out otherwise.
    """

    model_config = ConfigDict(frozen=True)

    is_ok: bool
    num_calls: int
    num_contexts: int
    num_withheld: int
    findings: tuple[Finding, ...] = ()


class _Frozen(Catalogue):
    """Knows one provider, the one of a manifest that is to be asked, and nothing of this installation."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def get(self, key: str) -> Provider:
        return self._provider

    def rate_limit(self, provider: Provider) -> RateLimit:
        return RateLimit()

    def require_enabled(self, provider: Provider) -> None:
        raise OfflineMissError(f"{provider.info.title} is not asked in a replay")


async def rebuild(service: MapService, snapshot: Snapshot, progress: Progress | None = None) -> Replay:
    """Asks everything again in replay mode and compares the bytes.

    Args:
        service: whose recordings hold the snapshot; none of its transports is used.
        progress: told how many contexts of how many are done.

    Raises:
        TamperedError: the manifest is not what was frozen.
        InputError: the manifest is of another version of MapQaTor.
    """
    manifest = await asyncio.to_thread(_manifest, service, snapshot)
    return await _Replayer(service, snapshot, manifest).run(progress)


class _Replayer:
    def __init__(self, service: MapService, snapshot: Snapshot, manifest: Manifest) -> None:
        database = service.store.database
        # No transports: whatever is not recorded cannot be had.
        self._fetcher = Fetcher(service.store, Pace(database), Flights(database), {}, max_wait_s=0, flight_ttl_s=1)
        self._service = service
        self._namespace = snapshot.namespace
        self._manifest = manifest
        self._providers = Providers(manifest)
        self._calls = {call.id: call for call in manifest.calls}
        self._exchanges = {exchange.id: exchange for exchange in manifest.exchanges}
        self._services: dict[int, MapService] = {}
        self._findings: list[Finding] = []
        self._asked: set[str] = set()
        self._num_same = 0
        self._num_contexts = 0

    async def run(self, progress: Progress | None) -> Replay:
        for done, context in enumerate(self._manifest.contexts, 1):
            await self._context(context)
            if progress is not None:
                progress(done, len(self._manifest.contexts))
        cited = {entry.call for item in self._manifest.items for entry in item.evidence} - self._asked
        for call_id in sorted(cited):
            await self._ask(self._calls[call_id], None)
        return Replay(
            is_ok=not self._findings,
            num_calls=self._num_same,
            num_contexts=self._num_contexts,
            num_withheld=sum(call.is_ids_only for call in self._manifest.calls),
            findings=tuple(self._findings),
        )

    async def _context(self, context: ContextEntry) -> None:
        answers = {call_id: await self._ask(self._calls[call_id], context.number) for call_id in context.calls}
        if context.is_ids_only:
            return
        results = {
            call_id: stored(self._calls[call_id], self._exchanges, answer)
            for call_id, answer in answers.items()
            if answer is not None
        }
        content = await asyncio.to_thread(self._blob, context.content_sha)
        if content is None or len(results) < len(answers):
            self._find(f"context {context.number} cannot be rendered again", context.number, context.content_sha)
            return
        made = renders_of(ContextContent.model_validate_json(content), results)
        wanted = (context.text_sha, context.json_sha, context.markdown_sha)
        for sha, found, body in zip(wanted, made.shas, (made.text, made.json, made.markdown), strict=True):
            if sha != found:
                frozen = await asyncio.to_thread(self._blob, sha)
                pointer = "" if frozen is None else where(frozen, body)
                self._find("the context is rendered otherwise", context.number, sha, pointer)
        if made.shas == wanted:
            self._num_contexts += 1

    async def _ask(self, call: CallEntry, context_number: int | None) -> dict[str, object] | None:
        """The result of a call asked again, as JSON values; None where it came out otherwise or is withheld."""
        if call.is_ids_only:
            return None
        is_new = call.id not in self._asked
        self._asked.add(call.id)
        try:
            tool = tool_name(call.tool)
            params = parse_params(tool, call.params)
            answer = await self._service_of(self._providers.of(call)).call(
                tool, params, provider=call.provider, mode=Mode.REPLAY, namespace=self._namespace
            )
        except MapqatorError as error:
            self._find(f"{call.tool} cannot be replayed: {error.message}", context_number, call.result_sha)
            return None
        value: dict[str, object] = answer.result.model_dump(mode="json", exclude_none=True)
        body = canonical(value)
        if sha256_hex(body) != call.result_sha:
            frozen = await asyncio.to_thread(self._blob, call.result_sha)
            pointer = "" if frozen is None else where(frozen, body)
            self._find(f"{call.tool} gives another result", context_number, call.result_sha, pointer)
            return None
        self._num_same += is_new
        return value

    def _service_of(self, provider: Provider) -> MapService:
        if id(provider) not in self._services:
            self._services[id(provider)] = MapService(
                _Frozen(provider), self._service.library, self._service.store, self._fetcher
            )
        return self._services[id(provider)]

    def _blob(self, sha: str) -> bytes | None:
        with self._service.store.database.reading() as connection:
            try:
                content = get_blob(connection, sha)
            except TamperedError:
                return None
        return None if content is None else content.body

    def _find(self, message: str, context: int | None, sha: str, pointer: str = "") -> None:
        self._findings.append(
            Finding(code="replay_differs", message=message, context=context, pointer=pointer, sha=sha)
        )


def _manifest(service: MapService, snapshot: Snapshot) -> Manifest:
    with service.store.database.reading() as connection:
        return read_manifest(manifest_bytes(connection, snapshot))
