"""What a tool call gives: the result, and where every byte of it came from."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from annotator.maps.params import ToolName
from annotator.maps.results import Result

Outcome = Literal["hit", "miss", "refresh", "replay", "live"]
"""`hit` was recorded before, `miss` was asked and recorded, `refresh` was asked again and recorded beside the old
answer, `replay` came from recordings alone, `live` was asked and not recorded."""


class Change(BaseModel):
    """One difference between a recorded answer and its refresh.

    Args:
        pointer: JSON Pointer (RFC 6901) into the response body.
        old: value before; None when it was added.
        new: value now; None when it was removed.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["added", "removed", "changed"]
    pointer: str
    old: Any = None
    new: Any = None


class ExchangeRef(BaseModel):
    """One request behind a result; `GET /x/{body_sha}` gives its exact bytes.

    Args:
        id: of the recorded exchange; None when nothing was recorded.
        request_hash: the request's key, without secrets.
        url: without secrets.
        body_sha: sha256 of the response body.
        expires_at: when the provider's terms end its storage.
        data_vintage: age and version of the data behind the answer, where known.
        adapter_version: of the adapter that sent it.
        changes: what a refresh found changed; None otherwise.
    """

    model_config = ConfigDict(frozen=True)

    id: str | None
    request_hash: str
    url: str
    status: int
    body_sha: str
    fetched_at: str
    expires_at: str | None = None
    data_vintage: str | None = None
    adapter_version: int
    outcome: Outcome
    changes: tuple[Change, ...] | None = None


class Provenance(BaseModel):
    """Where a result comes from and what may be done with it."""

    model_config = ConfigDict(frozen=True)

    provider: str
    adapter_version: int
    attribution: str
    licence: str
    terms_url: str = ""
    display: str
    export: str
    evaluation: str
    result_sha: str = Field(description="sha256 of the canonical JSON of the result; GET /x/{result_sha} gives it.")
    exchanges: tuple[ExchangeRef, ...]


class ToolAnswer(BaseModel):
    """A tool call's result with its provenance.

    Args:
        id: of the recorded call; None when nothing was recorded.
        params: canonical parameters.
        outcome: the weakest of its exchanges': one miss makes it a miss.
    """

    model_config = ConfigDict(frozen=True)

    id: str | None
    tool: ToolName
    provider: str
    params: dict[str, Any]
    outcome: Outcome
    result: Result
    provenance: Provenance
    latency_ms: float
