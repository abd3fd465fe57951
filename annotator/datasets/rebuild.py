"""A snapshot's derived bytes made again from its recorded ones: results from bodies, renderings from results."""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from annotator.cache.json_text import canonical, sha256_hex
from annotator.cache.records import Exchange
from annotator.cache.stored_results import StoredResult
from annotator.contexts.model import ContextContent
from annotator.datasets.manifest import CallEntry, ExchangeEntry, Manifest, Providers
from annotator.datasets.renders import Renders, renders_of
from annotator.datasets.reparse import NotReplayableError, Recording, reparse
from annotator.errors import MapqatorError
from annotator.maps.calls import HttpResponse
from annotator.store.times import from_text

_HELD_CALLS = 200
"""Results that stay in memory, because neighbouring questions ask for them again."""


@dataclass(frozen=True, slots=True)
class Again:
    """A call's result, made again.

    Args:
        body: canonical JSON; None where the recordings do not give one.
        value: the same as JSON values.
        problem: why they don't, in words.
    """

    body: bytes | None
    value: Any
    problem: str | None = None


class Rebuilder:
    """Reads recorded bodies with the adapters of today.

    Args:
        manifest: of the snapshot.
        blob: what lies under a hash, changed or not.
    """

    def __init__(self, manifest: Manifest, blob: Callable[[str], bytes | None]) -> None:
        self.calls = {call.id: call for call in manifest.calls}
        self.exchanges = {exchange.id: exchange for exchange in manifest.exchanges}
        self._providers = Providers(manifest)
        self._blob = blob
        self._held: OrderedDict[str, Again] = OrderedDict()

    def result(self, call_id: str) -> Again:
        """The result of a call from its recorded bodies."""
        if call_id in self._held:
            self._held.move_to_end(call_id)
            return self._held[call_id]
        again = self._held[call_id] = self._result(self.calls[call_id])
        if len(self._held) > _HELD_CALLS:
            self._held.popitem(last=False)
        return again

    def renders(self, content: ContextContent) -> Renders | str:
        """A context's renderings from the results of its calls, or why there are none."""
        results = {}
        for call_id in content.tool_call_ids:
            again = self.result(call_id) if call_id in self.calls else Again(None, None, "the manifest lacks the call")
            if again.body is None:
                return f"its {self.calls[call_id].tool if call_id in self.calls else 'call'}: {again.problem}"
            try:
                results[call_id] = stored(self.calls[call_id], self.exchanges, again.value)
            except ValueError as error:
                # A changed manifest may name an hour that no day has.
                return f"its {self.calls[call_id].tool}: a time of the recording cannot be read ({error})"
        return renders_of(content, results)

    def _result(self, call: CallEntry) -> Again:
        recordings = []
        for exchange_id in call.exchanges:
            entry = self.exchanges.get(exchange_id)
            body = None if entry is None else self._blob(entry.body_sha)
            if entry is None or body is None:
                return Again(None, None, f"the answer of exchange {exchange_id} is missing")
            response = HttpResponse(entry.status, body, entry.headers, entry.data_vintage)
            recordings.append(Recording(entry.request_hash, response))
        try:
            provider = self._providers.of(call)
            body = reparse(provider, call.tool, call.params, recordings)
        except NotReplayableError as error:
            return Again(None, None, str(error))
        except MapqatorError as error:
            return Again(None, None, error.message)
        except Exception as error:
            # Adapters may trip over changed bytes in any way; that is a finding and no failure of verifying.
            return Again(None, None, f"the adapter cannot read it ({type(error).__name__})")
        return Again(body, json.loads(body))


def stored(call: CallEntry, exchanges: dict[str, ExchangeEntry], result: Any) -> StoredResult:
    """A call as contexts are rendered from it."""
    return StoredResult(
        tool_call_id=call.id,
        tool=call.tool,
        provider=call.provider,
        adapter_version=call.adapter_version,
        params=call.params,
        result=result,
        result_sha=call.result_sha,
        exchanges=tuple(_exchange(exchanges[exchange_id]) for exchange_id in call.exchanges),
        created_at=from_text(call.created_at),
        expires_at=None,
    )


def _exchange(entry: ExchangeEntry) -> Exchange:
    request = canonical(entry.request)
    return Exchange(
        id=entry.id,
        request_hash=sha256_hex(request),
        provider=entry.provider,
        adapter_version=entry.adapter_version,
        method=entry.method,
        url=entry.url,
        request_json=request.decode(),
        request_body_sha=entry.request_body_sha,
        status=entry.status,
        headers=entry.headers,
        body_sha=entry.body_sha,
        body_bytes=entry.body_bytes,
        is_answer=entry.is_answer,
        fetched_at=from_text(entry.fetched_at),
        elapsed_ms=0.0,
        data_vintage=entry.data_vintage,
        expires_at=None,
        state="live",
        supersedes=None,
    )
