"""What a snapshot says of itself: canonical JSON (RFC 8785) whose sha256 names it and, through it, every byte.

Everything that verifying and replaying need stands here: who was asked what, what came, which adapter read it, and the
places in those bytes where evidence stands. Nothing in it is secret.
"""

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annotator.cache.json_text import canonical
from annotator.cache.records import Exchange
from annotator.datasets.compare import ItemState
from annotator.datasets.native import ExportPolicy
from annotator.datasets.splits import SplitSpec
from annotator.errors import InputError, NotFoundError
from annotator.maps.embedded.manifest import Manifest as MapManifest
from annotator.maps.provider import Provider
from annotator.maps.providers import local
from annotator.maps.providers.embedded import Embedded
from annotator.maps.providers.registry import provider_type
from annotator.questions.model import Pointer, Sha
from annotator.store.times import to_text

SCHEMA: Literal["mapqator.manifest/1"] = "mapqator.manifest/1"
"""Name and version; the number goes up when a field changes its meaning or goes."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class Tool(_Part):
    """The program that froze it."""

    name: str
    version: str


class Parent(_Part):
    """The snapshot before this one."""

    version: str
    manifest_sha: Sha


class ProviderEntry(_Part):
    """Who answered, as it was set up then.

    Args:
        base_url: address, without user and password.
        build: of a map on this machine; its own manifest stands in `maps`.
        export: what its terms let datasets hold.
    """

    key: str
    title: str
    base_url: str
    adapter_version: int
    build: Sha | None = None
    licence: str
    attribution: str
    terms_url: str
    export: ExportPolicy


class ExchangeEntry(_Part):
    """One recorded request and answer.

    Args:
        request: what `request_hash` is the sha256 of, as JSON values.
        request_body_sha: sha256 of the request's body; None without one.
        is_answer: whether the adapter reads it; False for a refusal.
        body_sha: sha256 of the answer's bytes.
        headers: those of the answer that were kept.
    """

    id: str
    provider: str
    adapter_version: int
    request_hash: Sha
    request: dict[str, Any]
    method: str
    url: str
    request_body_sha: Sha | None
    status: int
    is_answer: bool
    headers: dict[str, str]
    body_sha: Sha
    body_bytes: int
    data_vintage: str | None
    fetched_at: str
    export: ExportPolicy


class CallEntry(_Part):
    """One tool call.

    Args:
        exchanges: ids of those behind it, in the order of asking.
        build: of the map that answered, where one did.
        is_ids_only: whether its content is withheld by its provider's terms.
    """

    id: str
    tool: str
    provider: str
    build: Sha | None = None
    adapter_version: int
    params: dict[str, Any]
    result_sha: Sha
    exchanges: tuple[str, ...]
    created_at: str
    is_ids_only: bool = False


class ContextEntry(_Part):
    """A context as it was frozen.

    Args:
        content_sha: of the revision `n`, whose canonical content is among the blobs.
        calls: ids, in the order of the context.
        is_ids_only: whether the renderings are a list of place ids because more must not leave.
    """

    id: str
    number: int
    n: int
    content_sha: Sha
    text_sha: Sha
    json_sha: Sha
    markdown_sha: Sha
    calls: tuple[str, ...]
    is_ids_only: bool = False


class EvidenceEntry(_Part):
    """Where a piece of evidence stands: in the canonical result, and in the provider's own bytes where it does."""

    key: str
    call: str
    result_sha: Sha
    pointer: Pointer
    exchange: str | None = None
    body_sha: Sha | None = None
    body_pointer: Pointer | None = None


class ItemEntry(_Part):
    """A question as it was frozen.

    Args:
        content_sha: of the revision `n`, whose canonical content is among the blobs.
        item_sha: of its line in `items.jsonl`.
    """

    id: str
    number: int
    n: int
    content_sha: Sha
    item_sha: Sha
    split: str
    context: str
    evidence: tuple[EvidenceEntry, ...]
    is_ids_only: bool = False


class Counts(_Part):
    """How much of what; `splits`, `types` and `categories` count items."""

    items: int
    contexts: int
    calls: int
    exchanges: int
    places: int
    splits: dict[str, int]
    types: dict[str, int]
    categories: dict[str, int]


class Manifest(_Part):
    """A snapshot.

    Args:
        schema_name: `schema` in the file.
        id: of the snapshot; its recordings are those of the namespace `snapshot:ID`.
        template: version of the contexts' rendering.
        licence: of what annotators wrote.
        licences: of the dataset and its providers' content, each once.
        attributions: lines that must be shown with it.
        withheld: hashes of content that terms let nobody pass on.
    """

    schema_name: Annotated[Literal["mapqator.manifest/1"], Field(alias="schema")] = SCHEMA
    id: str
    tool: Tool
    project: str
    dataset: str
    title: str
    version: str
    parent: Parent | None
    created_at: str
    created_by: str
    template: str
    item_schema: str
    licence: str
    card: str
    licences: tuple[str, ...]
    attributions: tuple[str, ...]
    filter: dict[str, Any]
    splits: SplitSpec
    counts: Counts
    providers: tuple[ProviderEntry, ...]
    maps: tuple[MapManifest, ...]
    exchanges: tuple[ExchangeEntry, ...]
    calls: tuple[CallEntry, ...]
    contexts: tuple[ContextEntry, ...]
    items: tuple[ItemEntry, ...]
    withheld: tuple[Sha, ...] = ()

    def dump(self) -> bytes:
        """Its bytes."""
        return canonical(self.model_dump(mode="json"))

    @property
    def file_shas(self) -> tuple[str, ...]:
        """The blobs that lie in files of their own beside the items."""
        lines = {item.item_sha for item in self.items}
        return tuple(sha for sha in self.blob_shas if sha not in lines)

    @property
    def blob_shas(self) -> tuple[str, ...]:
        """Every blob that it names and that may be passed on, in order of hash."""
        named = {
            *(exchange.body_sha for exchange in self.exchanges),
            *(call.result_sha for call in self.calls),
            *(item.content_sha for item in self.items),
            *(item.item_sha for item in self.items),
            *(
                sha
                for context in self.contexts
                for sha in (context.content_sha, context.text_sha, context.json_sha, context.markdown_sha)
            ),
        }
        return tuple(sorted(named - set(self.withheld)))


def read_manifest(body: bytes) -> Manifest:
    """The manifest of these bytes.

    Raises:
        InputError: they are none of this version.
    """
    try:
        return Manifest.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(str(step) for step in first["loc"])
        raise InputError(f"this is no manifest of {SCHEMA}: {where}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise InputError("the manifest is not JSON") from None


def item_states(body: bytes) -> dict[str, ItemState]:
    """What each question and its context were, by id of the question; a large manifest is not checked for it."""
    manifest = json.loads(body)
    contexts = {context["id"]: context["content_sha"] for context in manifest["contexts"]}
    return {
        item["id"]: (item["number"], item["content_sha"], contexts.get(item["context"], ""))
        for item in manifest["items"]
    }


class Providers:
    """The providers of a manifest, set up as they were then: on no setting, map or address of this machine.

    Args:
        manifest: of a snapshot.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._entries = {(entry.key, entry.build): entry for entry in manifest.providers}
        self._maps = {entry.build_sha: entry for entry in manifest.maps}
        self._made: dict[tuple[str, str | None], Provider] = {}

    def of(self, call: CallEntry) -> Provider:
        """The provider that reads a call's answers.

        Raises:
            NotFoundError: the manifest does not name it, or this program has no adapter for it.
        """
        known = self._made.get((call.provider, call.build))
        if known is None:
            known = self._made[call.provider, call.build] = self._make(call.provider, call.build)
        return known

    def _make(self, key: str, build: str | None) -> Provider:
        entry = self._entries.get((key, build))
        if entry is None:
            raise NotFoundError(f"the manifest does not name the provider '{key[:64]}'")
        if build is not None:
            if build not in self._maps:
                raise NotFoundError(f"the manifest does not have the map build {build[:12]}")
            return Embedded(self._maps[build])
        if key == local.KEY:
            return local.Local(entry.base_url)
        return provider_type(key)(entry.base_url)


def provider_entry(provider: Provider) -> ProviderEntry:
    """What the manifest says of a provider."""
    info = provider.info
    address = urlsplit(provider.base_url)
    return ProviderEntry(
        key=info.key,
        title=info.title,
        base_url=urlunsplit(address._replace(netloc=address.netloc.rpartition("@")[2])),
        adapter_version=info.version,
        build=provider.manifest.build_sha if isinstance(provider, Embedded) else None,
        licence=info.licence,
        attribution=info.attribution,
        terms_url=info.terms_url,
        export=info.policy.export,
    )


def exchange_entry(exchange: Exchange, export: ExportPolicy) -> ExchangeEntry:
    """What the manifest says of a recording.

    Args:
        export: what its provider's terms let datasets hold.
    """
    return ExchangeEntry(
        id=exchange.id,
        provider=exchange.provider,
        adapter_version=exchange.adapter_version,
        request_hash=exchange.request_hash,
        request=json.loads(exchange.request_json),
        method=exchange.method,
        url=exchange.url,
        request_body_sha=exchange.request_body_sha,
        status=exchange.status,
        is_answer=exchange.is_answer,
        headers=dict(exchange.headers),
        body_sha=exchange.body_sha,
        body_bytes=exchange.body_bytes,
        data_vintage=exchange.data_vintage,
        fetched_at=to_text(exchange.fetched_at),
        export=export,
    )
