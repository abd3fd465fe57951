"""From a typed request and its prompt ids to what the engine runs. Every limit is checked here or before."""

import math
import secrets
from dataclasses import dataclass, replace

from server.api.constraints import grammar_of
from server.api.protocol.common import Sampling
from server.api.serving import Serving
from server.engine.client import TextParams
from server.engine.request import EngineRequest, GrammarSpec, SamplingParams
from server.errors import RequestError

DEFAULT_COMPLETION_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a completion and a chat request say differently about the same things.

    Args:
        max_tokens: None takes `default_max_tokens`, or whatever the context has left if that is None too.
        logprobs: alternatives per token; None is off.
        limit_param: the field that set `max_tokens`, for errors.
        grammar: a constraint from elsewhere than response_format, for instance from tools.
    """

    max_tokens: int | None
    default_max_tokens: int | None
    logprobs: int | None
    prompt_logprobs: int | None
    limit_param: str = "max_tokens"
    grammar: GrammarSpec | None = None


def check_prompt_ids(prompt_ids: list[int], serving: Serving, param: str) -> None:
    """Raises `RequestError` if a prompt is empty or holds an id that the model does not have."""
    if not prompt_ids:
        raise RequestError("The prompt is empty; give at least one token.", param=param, code="invalid_value")
    highest = max(prompt_ids)
    if min(prompt_ids) < 0 or highest >= serving.info.vocab_size:
        raise RequestError(
            f"Token ids must be in [0, {serving.info.vocab_size - 1}].", param=param, code="invalid_value"
        )


def check_num_choices(num_prompts: int, num_samples: int, serving: Serving, param: str) -> None:
    """Raises `RequestError` if a request would have more choices than are served."""
    num_choices = num_prompts * num_samples
    if num_choices > serving.settings.max_choices:
        raise RequestError(
            f"{num_prompts} prompts times n={num_samples} are {num_choices} choices; "
            f"at most {serving.settings.max_choices} are served per request.",
            param=param,
            code="invalid_value",
        )


def room_for(num_prompt: int, wanted: Wanted, max_model_len: int, param: str) -> int:
    """How many tokens may be generated after a prompt.

    Raises:
        RequestError: the prompt alone, or with what was asked for, exceeds the context.
    """
    left = max_model_len - num_prompt
    limit = f"This model's maximum context length is {max_model_len} tokens."
    if left < 0 or (left == 0 and wanted.max_tokens != 0):
        raise RequestError(
            f"{limit} However, your {param} resulted in {num_prompt} tokens, which leaves no room for an answer. "
            f"Please reduce the length of the {param}.",
            param=param,
            code="context_length_exceeded",
        )
    if wanted.max_tokens is None:
        return left if wanted.default_max_tokens is None else min(left, wanted.default_max_tokens)
    if wanted.max_tokens > left:
        raise RequestError(
            f"{limit} However, you requested {num_prompt + wanted.max_tokens} tokens ({num_prompt} in the {param}, "
            f"{wanted.max_tokens} in the completion). Please reduce the length of the {param} or {wanted.limit_param}.",
            param=param,
            code="context_length_exceeded",
        )
    return wanted.max_tokens


async def sampling_params(request: Sampling, wanted: Wanted, serving: Serving) -> SamplingParams:
    """The engine's parameters, with `max_tokens` still to be fitted to each prompt.

    Raises:
        RequestError: a value is out of range for this model, or fields contradict each other.
    """
    info, defaults = serving.info, serving.defaults
    max_logprobs = serving.settings.max_logprobs
    for name, value in (("logprobs", wanted.logprobs), ("prompt_logprobs", wanted.prompt_logprobs)):
        if value is not None and value > max_logprobs:
            raise RequestError(f"At most {max_logprobs} {name} are served.", param=name, code="invalid_value")
    min_tokens = request.min_tokens or 0
    if wanted.max_tokens is not None and min_tokens > wanted.max_tokens:
        raise RequestError("min_tokens must not exceed max_tokens.", param="min_tokens", code="invalid_value")
    for name, ids in (
        ("stop_token_ids", request.stop_token_ids),
        ("allowed_token_ids", request.allowed_token_ids),
    ):
        if ids and max(ids) >= info.vocab_size:
            raise RequestError(f"{name} must be in [0, {info.vocab_size - 1}].", param=name, code="invalid_value")
    top_k = defaults.top_k if request.top_k is None else request.top_k
    return SamplingParams(
        max_tokens=0,
        temperature=_or(request.temperature, defaults.temperature),
        top_k=max(0, top_k),
        top_p=_or(request.top_p, defaults.top_p),
        min_p=_or(request.min_p, defaults.min_p),
        repetition_penalty=_or(request.repetition_penalty, defaults.repetition_penalty),
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        seed=secrets.randbits(63) if request.seed is None else request.seed,
        min_tokens=min_tokens,
        stop_token_ids=tuple(request.stop_token_ids or ()),
        eos_token_ids=tuple(info.eos_token_ids),
        ignore_eos=request.ignore_eos,
        logprobs=wanted.logprobs,
        prompt_logprobs=wanted.prompt_logprobs,
        logit_bias=_logit_bias(request.logit_bias or {}, info.vocab_size),
        allowed_token_ids=None if request.allowed_token_ids is None else tuple(sorted(set(request.allowed_token_ids))),
        grammar=await _grammar(request, wanted, serving),
    )


def text_params(request: Sampling, *, shows_special_tokens: bool = False) -> TextParams:
    """How the tokens become text. `shows_special_tokens` overrides the request: tool parsers look for them."""
    return TextParams(
        stop=tuple(request.stop or ()),
        include_stop=request.include_stop_str_in_output,
        skip_special_tokens=request.skip_special_tokens and not shows_special_tokens,
        spaces_between_special_tokens=request.spaces_between_special_tokens,
    )


def engine_requests(
    request: Sampling,
    prompts: list[list[int]],
    params: SamplingParams,
    wanted: Wanted,
    serving: Serving,
    *,
    variant: str,
    response_id: str,
    param: str,
) -> list[EngineRequest]:
    """One engine request per prompt.

    Raises:
        RequestError: a prompt does not fit, or there are too many choices.
    """
    num_samples = request.n or 1
    check_num_choices(len(prompts), num_samples, serving, param)
    if request.truncate_prompt_tokens is not None:
        prompts = [ids[-request.truncate_prompt_tokens :] for ids in prompts]
    requests = []
    for index, prompt_ids in enumerate(prompts):
        check_prompt_ids(prompt_ids, serving, param)
        room = room_for(len(prompt_ids), wanted, serving.info.limit_of(variant), param)
        requests.append(
            EngineRequest(
                request_id=f"{response_id}-{index}",
                prompt_ids=prompt_ids,
                params=replace(params, max_tokens=room, min_tokens=min(params.min_tokens, room)),
                variant=variant,
                num_samples=num_samples,
                cache_salt=request.cache_salt or "",
                priority=request.priority or 0,
            )
        )
    return requests


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _logit_bias(biases: dict[str, float], vocab_size: int) -> dict[int, float]:
    """Keys arrive as strings, because JSON has no other."""
    parsed = {}
    for key, bias in biases.items():
        # `int()` would take spaces, underscores and other scripts' digits too.
        if not (key.isascii() and key.isdigit() and len(key) <= 10) or int(key) >= vocab_size:
            raise RequestError(
                f"logit_bias keys must be token ids in [0, {vocab_size - 1}] as strings, not '{key[:32]}'.",
                param="logit_bias",
                code="invalid_value",
            )
        if not math.isfinite(bias):
            raise RequestError("logit_bias values must be finite.", param="logit_bias", code="invalid_value")
        parsed[int(key)] = bias
    return parsed


async def _grammar(request: Sampling, wanted: Wanted, serving: Serving) -> GrammarSpec | None:
    """The one constraint of the request, compiled once off the event loop to see that it can be."""
    found = grammar_of(request)
    if wanted.grammar is not None:
        if found is not None:
            raise RequestError(
                f"{found[1]} cannot be combined with tools that constrain the output; "
                "use tool_choice 'none' or leave one out.",
                param=found[1],
            )
        spec, param = wanted.grammar, "tools"
    elif found is not None:
        spec, param = found
    else:
        return None
    try:
        await serving.in_thread(lambda: serving.grammar.validate(spec))
    except RequestError as error:
        raise RequestError(error.message, param=error.param or param, code=error.code or "invalid_grammar") from None
    return spec
