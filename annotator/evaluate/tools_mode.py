"""Map tools for a model that is evaluated: answered from a frozen dataset's recordings, as the providers were then.

The embedded map and what is computed here are asked where no recording answers, since the same parameters give the same
bytes; for all other providers that is an offline miss, which the model is told and which is counted. Nothing leaves
this machine unless the run is live.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotator.cache.fetch import LIVE_NAMESPACE, Fetcher
from annotator.cache.flights import Flights
from annotator.cache.pace import Pace
from annotator.datasets.manifest import CallEntry, Manifest, Providers
from annotator.datasets.snapshots import Snapshot
from annotator.errors import InputError, MapqatorError, NotFoundError, OfflineMissError, StorageError
from annotator.evaluate.plain import plain_bytes
from annotator.maps.answer import ToolAnswer
from annotator.maps.calls import Transport
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.engine import EmbeddedTransport
from annotator.maps.modes import Mode
from annotator.maps.params import PARAMS, ToolName, ToolParams
from annotator.maps.provider import Provider, RateLimit
from annotator.maps.providers.embedded import Embedded
from annotator.maps.providers.local import Local, LocalTransport
from annotator.maps.service import MapService
from annotator.maps.validate import parse_params, tool_name

SUBMIT = "submit_answer"

_SUBMIT_TOOL = {
    "type": "function",
    "function": {
        "name": SUBMIT,
        "description": "Hand in the answer, once; nothing can be asked afterwards.",
        "parameters": {
            "type": "object",
            "properties": {
                "answer": {"type": "string", "description": "The answer, in the form that the question asks for."},
                "evidence": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "The `ref` of every result that shows it.",
                },
            },
            "required": ["answer"],
        },
    },
}
_ROWS = ("places", "routes", "steps", "legs", "cells")
_MAX_ARGUMENTS = 20_000


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call and what the model is told of it.

    Args:
        name: of the tool, as the model wrote it.
        params: canonical parameters; what the model wrote where they are none.
        content: JSON text for the model.
        shown: the rows of the result that it is shown; None for an error.
        error: code of what went wrong; empty where nothing did.
        hashes: of the result, and of the bytes of every exchange behind it.
        tool_call_id: of the recorded call; None where none was.
        is_kept: whether the provider's terms let the result be kept with the run.
    """

    name: str
    params: Any
    content: str
    shown: Any = None
    error: str = ""
    hashes: frozenset[str] = frozenset()
    result_sha: str | None = None
    tool_call_id: str | None = None
    outcome: str = ""
    latency_ms: float = 0.0
    is_kept: bool = True

    @property
    def is_offline_miss(self) -> bool:
        """Whether only asking the provider would have answered it."""
        return self.error == OfflineMissError.code

    def event(self, ref: str) -> dict[str, Any]:
        """What is recorded of it."""
        kept = {"content": self.content} if self.is_kept else {"withheld": "its provider's terms end its storage"}
        return {
            "ref": ref,
            "tool": self.name,
            "params": self.params,
            "outcome": self.outcome,
            "error": self.error or None,
            "latency_ms": round(self.latency_ms, 3),
            "hashes": sorted(self.hashes),
            **kept,
        }


class _Known(Catalogue):
    """Knows one provider, set up as a manifest says, and nothing of this installation."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def get(self, key: str) -> Provider:
        return self._provider

    def rate_limit(self, provider: Provider) -> RateLimit:
        return RateLimit()

    def require_enabled(self, provider: Provider) -> None:
        if not isinstance(provider, Embedded | Local):
            raise OfflineMissError(f"{provider.info.title} is not asked in an evaluation")


@dataclass
class SnapshotTools:
    """The tools of a frozen dataset.

    Args:
        service: whose recordings hold it; it is never asked itself.
        max_rows: of a list that the model is shown.
        live: asks the dataset's provider for what is not recorded; None where nobody may.
    """

    service: MapService
    snapshot: Snapshot
    manifest: Manifest
    max_rows: int = 10
    live: MapService | None = None
    _services: dict[str, MapService] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._local: Provider = Local()
        self._provider = _main_provider(self.manifest)
        database = self.service.store.database
        # Without http: whatever would leave this machine cannot be had by these.
        transports: dict[str, Transport] = {"osm": EmbeddedTransport(self.service.library), "local": LocalTransport()}
        self._fetcher = Fetcher(
            self.service.store, Pace(database), Flights(database), transports, max_wait_s=0, flight_ttl_s=60
        )

    @property
    def names(self) -> tuple[ToolName, ...]:
        """The tools that the dataset's provider, or this program, answers."""
        return tuple(tool for tool in PARAMS if self._who(tool) is not None)

    def offered(self) -> list[dict[str, Any]]:
        """The tools in OpenAI's form, and the one that hands in the answer."""
        described = [
            {
                "type": "function",
                "function": {
                    "name": tool,
                    "description": (PARAMS[tool].__doc__ or "").strip(),
                    "parameters": PARAMS[tool].model_json_schema(),
                },
            }
            for tool in self.names
        ]
        return [*described, _SUBMIT_TOOL]

    @property
    def area(self) -> str:
        """One sentence on what the map shows; empty where only providers of the whole world were asked."""
        if not isinstance(self._provider, Embedded):
            return ""
        found = self._provider.manifest
        lat, lon = found.bbox.center
        return f"The map is of {found.title}, around latitude {lat:.4f}, longitude {lon:.4f}."

    async def call(self, name: str, arguments: str) -> Called:
        """One call as the model wrote it. Whatever is wrong with it is told to the model, never raised.

        Raises:
            StorageError: the database cannot be written.
        """
        params: Any = arguments[:_MAX_ARGUMENTS]
        try:
            provider = self._who(name)
            if provider is None:
                raise NotFoundError(f"there is no tool '{name[:64]}'; the tools are {', '.join((*self.names, SUBMIT))}")
            tool = tool_name(name)
            params = _object(arguments)
            typed = parse_params(tool, params)
            params = typed.canonical()
            answer = await self._answer(tool, typed, provider)
        except StorageError:
            raise
        except MapqatorError as error:
            said: dict[str, Any] = {"code": error.code, "message": error.message}
            if isinstance(error, InputError) and error.param:
                said["param"] = error.param
            return Called(name, params, plain_bytes({"error": said}).decode(), error=error.code, outcome="error")
        result = answer.result.model_dump(mode="json", exclude_none=True)
        shown, cut = _cut(result, self.max_rows)
        return Called(
            name=name,
            params=params,
            content=plain_bytes({**shown, "cut": cut} if cut else shown).decode(),
            shown=shown,
            hashes=frozenset(
                {answer.provenance.result_sha, *(exchange.body_sha for exchange in answer.provenance.exchanges)}
            ),
            result_sha=answer.provenance.result_sha,
            tool_call_id=answer.id,
            outcome=answer.outcome,
            latency_ms=answer.latency_ms,
            is_kept=provider.info.policy.storage == "keep",
        )

    async def _answer(self, tool: ToolName, params: ToolParams, provider: Provider) -> ToolAnswer:
        key = provider.info.key
        known = self._service(provider)
        try:
            return await known.call(tool, params, provider=key, mode=Mode.REPLAY, namespace=self.snapshot.namespace)
        except OfflineMissError:
            if isinstance(provider, Embedded | Local):
                try:
                    return await known.call(tool, params, provider=key, mode=Mode.RECORD, namespace=LIVE_NAMESPACE)
                except NotFoundError:
                    raise OfflineMissError(
                        "the map that this dataset was made of is not on this machine, and nothing is recorded for this"
                    ) from None
            if self.live is not None:
                return await self.live.call(tool, params, provider=key, mode=Mode.RECORD)
            raise OfflineMissError(
                f"nothing is recorded for this {tool}; other parameters may be, and nobody can be asked"
            ) from None

    def _who(self, tool: str) -> Provider | None:
        if tool in self._local.operations:
            return self._local
        return self._provider if self._provider is not None and tool in self._provider.operations else None

    def _service(self, provider: Provider) -> MapService:
        key = provider.info.key
        if key not in self._services:
            self._services[key] = MapService(_Known(provider), self.service.library, self.service.store, self._fetcher)
        return self._services[key]


def _main_provider(manifest: Manifest) -> Provider | None:
    """The provider that answered most of the dataset's calls, as it was set up then."""
    counted: Counter[tuple[str, str | None]] = Counter()
    of_key: dict[tuple[str, str | None], CallEntry] = {}
    for call in manifest.calls:
        if call.provider != Local.info.key:
            counted[call.provider, call.build] += 1
            of_key[call.provider, call.build] = call
    if not counted:
        return None
    most, _ = max(counted.items(), key=lambda pair: (pair[1], pair[0][0]))
    return Providers(manifest).of(of_key[most])


def _object(arguments: str) -> Mapping[str, Any]:
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        raise InputError("the arguments are no JSON; write one JSON object with the tool's parameters") from None
    if not isinstance(value, dict):
        raise InputError("the arguments must be one JSON object with the tool's parameters")
    return value


def _cut(value: Any, max_rows: int) -> tuple[Any, dict[str, str]]:
    """A result with at most so many rows in each list, and what was left out; shapes of ways are left out always."""
    cut: dict[str, str] = {}

    def walk(part: Any, where: str) -> Any:
        if isinstance(part, dict):
            return {
                name: walk(inner, f"{where}.{name}" if where else name)
                for name, inner in part.items()
                if name != "geometry"
            }
        if isinstance(part, list):
            name = where.rpartition(".")[2]
            if name in _ROWS and len(part) > max_rows:
                cut[where] = f"{max_rows} of {len(part)} shown"
                part = part[:max_rows]
            return [walk(inner, where) for inner in part]
        return part

    return walk(value, ""), cut
