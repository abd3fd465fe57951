"""What goes in and out of the JSON API of evaluation."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from annotator.evaluate.compare import Row
from annotator.evaluate.config import Protocol, RunConfig
from annotator.evaluate.model import ItemResult
from annotator.evaluate.numbers import RunState


class EndpointIn(BaseModel):
    """A server of models.

    Args:
        base_url: up to and with `/v1`; http only to this machine and to hosts that the operator allowed.
        secret_env: name of the environment variable with its key, `MAPQATOR_MODEL_KEY` or `MAPQATOR_MODEL_KEY_NAME`.
        params: sent with every request.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=63)
    base_url: str = Field(max_length=2000)
    model: str = Field("", max_length=200)
    secret_env: str | None = Field(None, max_length=100)
    protocol: Protocol = "tools"
    params: dict[str, Any] = {}


class EndpointOut(BaseModel):
    """A server of models; `local` is the one that `make up` starts."""

    name: str
    base_url: str
    model: str
    secret_env: str | None
    protocol: Protocol
    params: dict[str, Any]


class EndpointsOut(BaseModel):
    """All endpoints."""

    endpoints: list[EndpointOut]


class ModelsOut(BaseModel):
    """What a server serves; variants are listed as `model:variant`."""

    version: str
    models: list[dict[str, Any]]


class RunIn(BaseModel):
    """What to evaluate.

    Args:
        dataset: slug; `version` is by default the latest.
        endpoint: name of the server, `local` for the one beside this program.
        config: mode, model, decoding, filters and limits.
    """

    model_config = ConfigDict(extra="forbid")

    dataset: str = Field(max_length=63)
    version: str | None = Field(None, max_length=64)
    endpoint: str = Field("local", max_length=63)
    name: str = Field("", max_length=200)
    config: RunConfig = RunConfig()


class ResumeIn(BaseModel):
    """How to go on; `again` also asks those questions once more that failed."""

    model_config = ConfigDict(extra="forbid")

    again: bool = False


class RunsOut(BaseModel):
    """Runs, the latest first."""

    runs: list[RunState]
    next: str | None
    total: int


class RunItem(BaseModel):
    """A question of a run.

    Args:
        prompt_sha: sha256 of its messages and tools.
    """

    ordinal: int
    prompt_sha: str
    finished_at: str
    result: ItemResult


class RunItems(BaseModel):
    """Questions of a run that are over."""

    items: list[RunItem]
    next: str | None


class EventOut(BaseModel):
    """Something that happened; `result_sha` names what a tool gave, whose bytes are at `/x/{result_sha}`."""

    kind: str
    at_ms: float
    payload: dict[str, Any]
    tool_call_id: str | None
    result_sha: str | None


class TraceOut(BaseModel):
    """A question of a run from beginning to end.

    Args:
        item: the frozen question.
        shown: its options as the model saw them.
        prompt: `messages` and `tools`, exactly as they were sent first.
        messages: the whole conversation in the shape of chat completions.
    """

    item: dict[str, Any]
    shown: dict[str, Any]
    prompt_sha: str
    prompt: dict[str, Any]
    messages: list[dict[str, Any]]
    events: list[EventOut]
    reply: str | None
    result: ItemResult


class LeaderboardOut(BaseModel):
    """Finished runs over a frozen dataset, the best first."""

    rows: list[Row]
