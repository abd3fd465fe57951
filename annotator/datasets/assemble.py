"""A snapshot made ready to be written: its manifest, and every blob that is not in the database yet."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from annotator import __version__
from annotator.cache.blobs import Packed, pack_blob
from annotator.cache.json_text import canonical, sha256_hex
from annotator.cache.records import Exchange
from annotator.cache.stored_results import StoredResult
from annotator.datasets.gather import Gathered, TermsBook, build_of, gathered
from annotator.datasets.items import item_of
from annotator.datasets.manifest import (
    CallEntry,
    ContextEntry,
    EvidenceEntry,
    ExchangeEntry,
    ItemEntry,
    Manifest,
    Parent,
    ProviderEntry,
    Tool,
    exchange_entry,
    provider_entry,
)
from annotator.datasets.native import ITEM_SCHEMA, NativeItem, ids_only
from annotator.datasets.places import PlaceFinder
from annotator.datasets.plan import Plan, Progress
from annotator.datasets.renders import TEMPLATE_VERSION, Renders, ids_only_renders, renders_of
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.manifest import Manifest as MapManifest
from annotator.maps.providers.embedded import Embedded
from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.questions.model import QuestionContent
from annotator.store.times import to_text

_JSON = "application/json"
_MAX_HELD_BYTES = 2**24
"""New blobs in memory, compressed. Smaller snapshots are written in one transaction."""


@dataclass(frozen=True, slots=True)
class Row:
    """Ids of a row of `snapshot_item`."""

    question_id: str
    revision_id: str
    context_revision_id: str
    split: str
    shas: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is to be written.

    Args:
        manifest: as a value, `packed_manifest` as bytes.
        rows: in the order of the items.
        blobs: new ones that were not stored yet; recorded bodies and results are in the database already.
    """

    manifest: Manifest
    packed_manifest: Packed
    rows: tuple[Row, ...]
    blobs: tuple[Packed, ...]


class Assembler:
    """Puts a snapshot together, question by question.

    Args:
        made: a plan without reasons against it.
        snapshot_id: of the snapshot to be.
        store: takes new blobs, many at once, when there are too many to hold in memory.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        project: Project,
        actor: Actor,
        made: Plan,
        snapshot_id: str,
        store: Callable[[Sequence[Packed]], None],
    ) -> None:
        self._book = TermsBook(catalogue)
        self._project = project
        self._actor = actor
        self._made = made
        self._snapshot_id = snapshot_id
        self._providers: dict[tuple[str, str | None], ProviderEntry] = {}
        self._maps: dict[str, MapManifest] = {}
        self._calls: dict[str, CallEntry] = {}
        self._contexts: dict[str, ContextEntry] = {}
        self._items: list[ItemEntry] = []
        self._rows: list[Row] = []
        self._store = store
        self._blobs: list[Packed] = []
        self._held_bytes = 0
        self._put_shas: set[str] = set()
        self._withheld: set[str] = set()

    def prepare(self, connection: Connection, now: datetime, progress: Progress | None = None) -> Prepared:
        """Reads everything once more, in the same transaction in which it was planned.

        Args:
            progress: told how many questions of how many are ready.
        """
        ids = [state.question_id for state in self._made.states]
        last: tuple[str, Renders] | None = None
        for found, split in zip(gathered(connection, self._project, ids, now), self._made.splits, strict=True):
            for call in found.calls.values():
                self._add_call(call)
            if last is None or last[0] != found.context.revision.id:
                last = found.context.revision.id, self._renders(found)
            self._add_context(found, last[1])
            self._add_item(found, last[1], split)
            if progress is not None:
                progress(len(self._items), len(ids))
        manifest = self._manifest(now)
        return Prepared(manifest, pack_blob(manifest.dump(), _JSON), tuple(self._rows), tuple(self._blobs))

    def _add_call(self, call: StoredResult) -> None:
        if call.tool_call_id in self._calls:
            return
        provider = self._book.of(call).provider
        if provider is None:
            raise AssertionError("a plan with an unknown provider has reasons against it")
        build = build_of(call)
        self._providers.setdefault((call.provider, build), provider_entry(provider))
        if isinstance(provider, Embedded):
            self._maps[provider.manifest.build_sha] = provider.manifest
        is_reduced = call.tool_call_id in self._made.reduced
        if is_reduced:
            self._withheld |= {call.result_sha, *(exchange.body_sha for exchange in call.exchanges)}
        self._calls[call.tool_call_id] = CallEntry(
            id=call.tool_call_id,
            tool=call.tool,
            provider=call.provider,
            build=build,
            adapter_version=call.adapter_version,
            params=call.params,
            result_sha=call.result_sha,
            exchanges=tuple(self._answering(exchange).id for exchange in call.exchanges),
            created_at=to_text(call.created_at),
            is_ids_only=is_reduced,
        )

    def _renders(self, found: Gathered) -> Renders:
        content = found.context.content
        if self._is_reduced(content.tool_call_ids):
            shown = PlaceFinder().find(content, QuestionContent(), found.calls)
            return ids_only_renders([place.pid for place in shown])
        return renders_of(content, found.calls)

    def _add_context(self, found: Gathered, renders: Renders) -> None:
        context = found.context
        if context.id in self._contexts:
            return
        for body, mime in renders.by_sha().values():
            self._put(body, mime)
        text_sha, json_sha, markdown_sha = renders.shas
        self._contexts[context.id] = ContextEntry(
            id=context.id,
            number=context.number,
            n=context.revision.n,
            content_sha=self._put(canonical(context.revision.content)),
            text_sha=text_sha,
            json_sha=json_sha,
            markdown_sha=markdown_sha,
            calls=context.content.tool_call_ids,
            is_ids_only=self._is_reduced(context.content.tool_call_ids),
        )

    def _add_item(self, found: Gathered, renders: Renders, split: str) -> None:
        question, dataset = found.question, self._made.dataset
        item = item_of(
            found,
            renders,
            self._book,
            project_slug=self._project.slug,
            dataset=dataset.slug,
            version=self._made.request.version,
            split=split,
            licence=dataset.licence,
        )
        is_reduced = self._is_reduced(found.calls)
        if is_reduced:
            item = _reduced(item)
            self._withheld.add(question.revision.content_sha)
        else:
            self._put(canonical(question.revision.content))
        self._items.append(
            ItemEntry(
                id=question.id,
                number=question.number,
                n=question.revision.n,
                content_sha=question.revision.content_sha,
                item_sha=self._put(item.line(renders.json)),
                split=split,
                context=found.context.id,
                evidence=tuple(self._evidence(found)),
                is_ids_only=is_reduced,
            )
        )
        self._rows.append(
            Row(question.id, question.revision.id, found.context.revision.id, split, renders.shas),
        )

    def _evidence(self, found: Gathered) -> Iterable[EvidenceEntry]:
        for item in found.question.content.evidence:
            behind = item.response
            recorded = {exchange.id: exchange for exchange in found.calls[item.tool_call_id].exchanges}
            yield EvidenceEntry(
                key=item.key,
                call=item.tool_call_id,
                result_sha=item.result_sha,
                pointer=item.pointer,
                exchange=None if behind is None else self._answering(recorded[behind.exchange_id]).id,
                body_sha=None if behind is None else behind.body_sha,
                body_pointer=None if behind is None else behind.pointer,
            )

    def _answering(self, exchange: Exchange) -> Exchange:
        """Of exchanges with one request and one answer, the one that the snapshot keeps."""
        return self._made.exchanges[exchange.request_hash]

    def _is_reduced(self, call_ids: Iterable[str]) -> bool:
        return any(call_id in self._made.reduced for call_id in call_ids)

    def _put(self, body: bytes, mime: str = _JSON) -> str:
        sha = sha256_hex(body)
        if sha not in self._put_shas:
            self._put_shas.add(sha)
            self._blobs.append(pack_blob(body, mime))
            self._held_bytes += len(self._blobs[-1].stored)
            if self._held_bytes > _MAX_HELD_BYTES:
                self._store(self._blobs)
                self._blobs, self._held_bytes = [], 0
        return sha

    def _manifest(self, now: datetime) -> Manifest:
        made, dataset = self._made, self._made.dataset
        providers = tuple(
            self._providers[key] for key in sorted(self._providers, key=lambda key: (key[0], key[1] or ""))
        )
        return Manifest(
            id=self._snapshot_id,
            tool=Tool(name="mapqator", version=__version__),
            project=self._project.slug,
            dataset=dataset.slug,
            title=dataset.title,
            version=made.request.version,
            parent=None
            if made.parent is None
            else Parent(version=made.parent.version, manifest_sha=made.parent.manifest_sha),
            created_at=to_text(now),
            created_by=self._actor.username,
            template=str(TEMPLATE_VERSION),
            item_schema=ITEM_SCHEMA,
            licence=dataset.licence,
            card=dataset.card,
            licences=_distinct(dataset.licence, *(entry.licence for entry in providers)),
            attributions=_distinct(*(entry.attribution for entry in providers)),
            filter=made.request.filter.model_dump(mode="json"),
            splits=made.request.splits,
            counts=made.counts,
            providers=providers,
            maps=tuple(self._maps[build] for build in sorted(self._maps)),
            exchanges=tuple(self._exchange(exchange) for exchange in made.exchanges.values()),
            calls=tuple(self._calls.values()),
            contexts=tuple(self._contexts.values()),
            items=tuple(self._items),
            withheld=tuple(sorted(self._withheld)),
        )

    def _exchange(self, exchange: Exchange) -> ExchangeEntry:
        export = next(entry.export for (key, _), entry in self._providers.items() if key == exchange.provider)
        return exchange_entry(exchange, export)


def _reduced(item: NativeItem) -> NativeItem:
    """An item with place ids alone; its context's renderings are such lists already, or need not be reduced."""
    return ids_only(item).model_copy(update={"context": item.context})


def _distinct(*words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))
