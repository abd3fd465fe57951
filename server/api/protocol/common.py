"""What completions and chat share: sampling fields, output constraints, usage, timings, errors."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from server.api.errors import ApiError

UNSUPPORTED = {
    "audio": "audio output is not supported",
    "bad_words": "bad_words is not supported; use logit_bias",
    "chat_template": "a request cannot bring its own chat template; start the server with --chat-template",
    "custom_logit_processor": "logit processors cannot be sent over the API",
    "documents": "documents is not supported; put their text into a message",
    "function_call": "function_call is deprecated and not supported; use tool_choice",
    "functions": "functions is deprecated and not supported; use tools",
    "guided_choice": 'use structured_outputs: {"choice": [...]}',
    "guided_grammar": 'use structured_outputs: {"grammar": "..."}',
    "guided_json": 'use structured_outputs: {"json": {...}} or response_format',
    "guided_regex": 'use structured_outputs: {"regex": "..."}',
    "kv_transfer_params": "KV transfer is not supported",
    "length_penalty": "beam search is not supported",
    "logit_processors": "logit processors cannot be sent over the API",
    "logits_processors": "logit processors cannot be sent over the API",
    "lora_path": "adapters are not supported",
    "mm_processor_kwargs": "images and audio are not supported",
    "prediction": "predicted outputs are not supported",
    "prompt_embeds": "prompts must be text or token ids",
    "reasoning_effort": "reasoning_effort is not supported",
    "suffix": "suffix (fill in the middle) is not supported",
    "use_beam_search": "beam search is not supported",
    "web_search_options": "web search is not supported",
}
"""Fields that other servers know and this one does not do: present and not null is a 400, never ignored."""

MAX_FIELDS = 256
"""Fields of one object of a request. Far more than there are, and few enough to name each one that is unknown."""


class RequestModel(BaseModel):
    """Base of all request bodies: strict types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, values: Any) -> Any:
        """Drop unsupported fields that are off, refuse those that are on, and floods of any."""
        if not isinstance(values, dict):
            return values
        if len(values) > MAX_FIELDS:
            raise ApiError(
                400, f"An object of the request has {len(values)} fields; at most {MAX_FIELDS} are read.",
                code="invalid_value",
            )  # fmt: skip
        known = [name for name in UNSUPPORTED if name in values and name not in cls.model_fields]
        for name in known:
            if values[name] is not None and values[name] is not False:
                raise ApiError(
                    400, f"Unsupported parameter: '{name}': {UNSUPPORTED[name]}.", param=name,
                    code="unsupported_parameter",
                )  # fmt: skip
        return {name: value for name, value in values.items() if name not in known} if known else values


class Ignored(RequestModel):
    """OpenAI fields without meaning here: accepted, so that clients need no special case, and ignored."""

    user: Any = Field(None, description="Ignored.")
    metadata: Any = Field(None, description="Ignored.")
    store: Any = Field(None, description="Ignored; nothing is stored.")
    service_tier: Any = Field(None, description="Ignored.")
    safety_identifier: Any = Field(None, description="Ignored.")
    prompt_cache_key: Any = Field(None, description="Ignored; equal prompt beginnings are always found.")
    prompt_cache_retention: Any = Field(None, description="Ignored.")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Finite = Field(allow_inf_nan=False)
Token = Annotated[int, Field(ge=0, lt=2**31)]


class StreamOptions(RequestModel):
    include_usage: bool = False
    continuous_usage_stats: bool = Field(False, description="Put the usage so far into every chunk.")
    include_obfuscation: Any = Field(None, description="Ignored.")


class JsonSchemaFormat(RequestModel):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(RequestModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class StructuredOutputs(RequestModel):
    """Exactly one constraint on the output text."""

    json_value: dict[str, Any] | str | None = Field(None, alias="json", description="A JSON schema.")
    json_object: bool | None = Field(None, description="Any JSON object.")
    regex: str | None = None
    choice: Annotated[list[str], Field(min_length=1, max_length=4096)] | None = None
    grammar: str | None = Field(None, description="A grammar in Lark notation.")
    ebnf: str | None = Field(None, description="The same as grammar.")


class Sampling(Ignored):
    """Fields of both completions and chat completions."""

    model: Annotated[str, Field(max_length=512)] | None = Field(
        None, description="An id from /v1/models; the default variant when left out."
    )
    n: Annotated[int, Field(ge=1, le=128)] | None = 1
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    max_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    min_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = 0
    stop: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=1000)]],
            BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
            Field(max_length=4),
        ]
        | None
    ) = None
    stop_token_ids: Annotated[list[Token], Field(max_length=256)] | None = None
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False

    temperature: Annotated[float, Field(ge=0, le=2), Finite] | None = None
    top_p: Annotated[float, Field(gt=0, le=1), Finite] | None = None
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] | None = Field(None, description="-1 and 0 are off.")
    min_p: Annotated[float, Field(ge=0, le=1), Finite] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10), Finite] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2), Finite] | None = 0.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2), Finite] | None = 0.0
    logit_bias: (
        Annotated[dict[str, Annotated[float, Field(ge=-100, le=100), Finite]], Field(max_length=1024)] | None
    ) = None
    allowed_token_ids: Annotated[list[Token], Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = Field(None, description="A random one if left out.")

    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    truncate_prompt_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = Field(
        None, description="Keep only this many tokens of the prompt's end."
    )
    prompt_logprobs: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    return_token_ids: bool | None = None
    return_tokens_as_token_ids: bool | None = Field(None, description="Show tokens in logprobs as token_id:N.")

    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None

    cache_salt: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="Requests share cached prompts only under the same salt."
    )
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = Field(
        0, description="Lower is served first, if the server schedules by priority."
    )
    timings: bool | None = Field(None, description="Add a timings block; the header x-rhumb-timings: 1 does the same.")


class PromptTokensDetails(BaseModel):
    cached_tokens: int = 0


class CompletionTokensDetails(BaseModel):
    reasoning_tokens: int = 0


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class TimingsBlock(BaseModel):
    """Where the time went. The first nine are llama.cpp's. Of several choices, counts add up, times are the longest."""

    cache_n: int = Field(description="Prompt tokens found in the prefix cache.")
    prompt_n: int = Field(description="Prompt tokens computed.")
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float
    queue_ms: float = Field(description="Wait for a place in the batch.")
    preemptions: int = Field(description="Times the request gave its pages up to others.")
    mean_depth_layers: float = Field(description="Layers that a generated token ran, on average.")
    kv_bytes: int = Field(description="KV cache that the request held at its end.")


class ErrorFields(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(BaseModel):
    error: ErrorFields


ReducedDepth = Annotated[
    str | None,
    Field(
        description="The exit schedule by which generated tokens come from fewer layers, and so do all their log "
        "probabilities but the first one's; the prompt's come from all layers. Absent at full depth."
    ),
]
FinishReasonName = Literal["stop", "length", "tool_calls", "content_filter"]
PromptLogprobs = list[dict[str, dict[str, Any]] | None]
"""vLLM's shape: per prompt token, token id -> {logprob, rank, decoded_token}; null for the first."""
