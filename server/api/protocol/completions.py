"""POST /v1/completions."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema

from server.api.protocol.common import FinishReasonName, PromptLogprobs, ReducedDepth, Sampling, TimingsBlock, Usage

Prompt = str | list[str] | list[int] | list[list[int]]


def _is_ids(value: Any) -> bool:
    # `type(...) is int`, because True is an int to isinstance.
    return isinstance(value, list) and len(value) > 0 and all(type(item) is int for item in value)


def _check_prompt(value: Any) -> Prompt:
    """One of four shapes, told apart by hand: a union would report an error per item and branch."""
    if isinstance(value, str) or _is_ids(value):
        return value
    if isinstance(value, list) and value:
        if all(isinstance(item, str) for item in value) or all(_is_ids(item) for item in value):
            return value
        if any(item == [] for item in value):
            raise ValueError("a prompt in the list is empty")
        raise ValueError("a list must hold only strings, only token ids, or only lists of token ids")
    if value == []:
        raise ValueError("the list is empty")
    raise ValueError("should be a string, a list of strings, a list of token ids, or a list of such lists")


_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_PROMPT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        _TOKENS,
        {"type": "array", "items": _TOKENS, "minItems": 1},
    ],
}


class CompletionRequest(Sampling):
    """A completion of one or many prompts."""

    prompt: Annotated[Prompt, PlainValidator(_check_prompt), WithJsonSchema(_PROMPT_SCHEMA)]
    best_of: Annotated[int, Field(ge=0, le=20)] | None = Field(None, description="Only n itself, or null.")
    echo: bool | None = False
    logprobs: Annotated[int, Field(ge=0, lt=2**31)] | None = Field(None, description="0 is the sampled token only.")
    add_special_tokens: bool = Field(True, description="Begin the prompt as the tokenizer does, for instance with BOS.")


class CompletionLogprobs(BaseModel):
    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]


class CompletionChoice(BaseModel):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReasonName | None
    stop_reason: int | str | None = Field(None, description="The stop string or token id that ended it.")
    prompt_logprobs: PromptLogprobs | None = None
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None


class Completion(BaseModel):
    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    exit_schedule: ReducedDepth = None
    choices: list[CompletionChoice]
    usage: Usage | None = None
    timings: TimingsBlock | None = None
