"""POST /v1/chat/completions."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from server.api.answer import Head, Meter, Shows
from server.api.body import body_schema, json_body
from server.api.convert import Wanted, engine_requests, sampling_params, text_params
from server.api.fanout import Fanout
from server.api.logprobs import chat_logprobs, prompt_logprobs
from server.api.openapi import STREAMED, errors
from server.api.prompts import chat_text, check_length, encode
from server.api.protocol.chat import ChatCompletion, ChatCompletionRequest
from server.api.state import AppState, state_of
from server.api.streaming import respond
from server.api.tools import ToolPlan, prepare_tools
from server.engine.client import Delta, PositionLogprobs
from server.errors import RequestError

router = APIRouter()


@router.post(
    "/v1/chat/completions",
    response_model=ChatCompletion,
    responses=STREAMED | errors(400, 401, 404, 408, 413, 415, 429, 500, 503),
    openapi_extra=body_schema(ChatCompletionRequest),
    tags=["generate"],
)
async def create_chat_completion(
    request: Request,
    body: Annotated[ChatCompletionRequest, Depends(json_body(ChatCompletionRequest))],
    state: Annotated[AppState, Depends(state_of)],
) -> Response:
    """Answer a conversation. With stream true, the answer is a stream of server-sent events."""
    serving = state.serving
    model, variant = serving.resolve(body.model)
    shows = Shows.of(body, request)
    _check(body)
    plan = tool_plan(body, serving.tool_family)
    text = await chat_text(body, body.messages, plan.template_tools, serving)
    check_length([text], serving, "messages", must_fit=body.truncate_prompt_tokens is None)
    prompts = await encode([text], serving, add_special_tokens=body.add_special_tokens)
    newer = body.max_completion_tokens
    wanted = Wanted(
        max_tokens=newer if newer is not None else body.max_tokens,
        default_max_tokens=None,
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        prompt_logprobs=body.prompt_logprobs,
        limit_param="max_tokens" if newer is None else "max_completion_tokens",
        grammar=plan.grammar,
    )
    params = await sampling_params(body, wanted, serving)
    head = Head.new("chatcmpl", model, variant, serving)
    requests = engine_requests(
        body, prompts, params, wanted, serving, variant=variant, response_id=head.id, param="messages"
    )
    shape = _Chat(head, body, shows, plan, requests[0].prompt_ids)
    shown = text_params(body, shows_special_tokens=plan.needs_special_tokens)
    fanout = await Fanout.submit(requests, shown, state)
    return await respond(request, state, fanout, shape, Meter(requests), shows, stream=bool(body.stream))


def _check(body: ChatCompletionRequest) -> None:
    """Raises `RequestError` for fields that contradict each other."""
    if body.top_logprobs is not None and not body.logprobs:
        raise RequestError("top_logprobs is only allowed when logprobs is true.", param="top_logprobs")
    if body.stream and body.prompt_logprobs is not None:
        raise RequestError("prompt_logprobs cannot be streamed; leave stream out.", param="prompt_logprobs")
    older, newer = body.max_tokens, body.max_completion_tokens
    if older is not None and newer is not None and older != newer:
        raise RequestError("Give either max_tokens or max_completion_tokens, not both.", param="max_tokens")


def tool_plan(body: ChatCompletionRequest, family: str) -> ToolPlan:
    """What the request's tools mean for its prompt and its output.

    Raises:
        RequestError: whatever is wrong with the tools or the choice.
    """
    tools = None if body.tools is None else [tool.model_dump(exclude_none=True) for tool in body.tools]
    choice = body.tool_choice
    named = choice.model_dump() if choice is not None and not isinstance(choice, str) else choice
    plan = prepare_tools(tools, named, body.parallel_tool_calls, family)
    wants_format = body.structured_outputs is not None or (
        body.response_format is not None and body.response_format.type != "text"
    )
    if plan.family is not None and wants_format:
        # The constraint would forbid the model to write a call, so one of the two would silently not happen.
        raise RequestError(
            "response_format and structured_outputs cannot be combined with tools; use tool_choice 'none'.",
            param="tools",
        )
    return plan


class _ChoiceState:
    """One choice on its way: its parser, and what waits for the next chunk."""

    def __init__(self, plan: ToolPlan) -> None:
        self.stream = plan.new_stream()
        self.logprobs: list[PositionLogprobs] = []
        self.token_ids: list[int] = []
        self.last: Delta | None = None


class _Chat:
    """Implements `Shape` for chat completions."""

    def __init__(
        self, head: Head, body: ChatCompletionRequest, shows: Shows, plan: ToolPlan, prompt_ids: list[int]
    ) -> None:
        self._head = head
        self._shows = shows
        self._prompt_ids = prompt_ids
        self._wants_logprobs = bool(body.logprobs)
        self._num_top = body.top_logprobs or 0
        self._wants_prompt_logprobs = body.prompt_logprobs is not None
        self._prompt_logprobs: list[PositionLogprobs | None] | None = None
        self._finds_calls = plan.family is not None
        self._choices = [_ChoiceState(plan) for _ in range(body.n or 1)]

    def opening(self) -> Iterator[dict[str, Any]]:
        for index in range(len(self._choices)):
            chunk = self._chunk(index, {"role": "assistant", "content": ""}, None)
            if self._shows.token_ids and index == 0:
                chunk["prompt_token_ids"] = self._prompt_ids
            yield chunk

    def chunks(self, prompt_index: int, choice: int, delta: Delta) -> Iterator[dict[str, Any]]:
        state = self._choices[choice]
        self._take(state, delta)
        shown = state.stream.feed(delta.text) if delta.text else None
        if shown is not None:
            yield self._flush(choice, dict(shown))
        if delta.finish_reason is None:
            return
        held = state.stream.finish()
        if held is not None:
            yield self._flush(choice, dict(held))
        # Tokens without any text, an end token for instance, have their log probabilities here.
        last = self._flush(choice, {}, state.stream.finish_reason(delta.finish_reason))
        if delta.stop_reason is not None:
            last["choices"][0]["stop_reason"] = delta.stop_reason
        yield last

    def collect(self, prompt_index: int, choice: int, delta: Delta) -> None:
        state = self._choices[choice]
        self._take(state, delta)
        state.stream.feed(delta.text)
        if delta.finish_reason is not None:
            state.stream.finish()

    def whole(self) -> dict[str, Any]:
        answer = self._head.fields("chat.completion")
        answer["choices"] = [self._choice(index, state) for index, state in enumerate(self._choices)]
        if self._wants_prompt_logprobs:
            answer["prompt_logprobs"] = prompt_logprobs(self._prompt_logprobs or [])
        if self._shows.token_ids:
            answer["prompt_token_ids"] = self._prompt_ids
        return answer

    def plain_chunk(self, text: str) -> dict[str, Any] | None:
        if len(self._choices) > 1 or self._finds_calls or self._wants_logprobs or self._shows.token_ids:
            return None
        return self._chunk(0, {"content": text}, None)

    def empty_chunk(self) -> dict[str, Any]:
        return self._head.fields("chat.completion.chunk") | {"choices": []}

    def _take(self, state: _ChoiceState, delta: Delta) -> None:
        if delta.prompt_logprobs is not None:
            self._prompt_logprobs = delta.prompt_logprobs
        state.logprobs.extend(delta.logprobs or [])
        state.token_ids.extend(delta.token_ids)
        state.last = delta

    def _logprobs(self, state: _ChoiceState) -> dict[str, Any] | None:
        if not self._wants_logprobs:
            return None
        return chat_logprobs(state.logprobs, num_top=self._num_top, as_ids=self._shows.tokens_as_ids)

    def _flush(self, index: int, shown: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        """A chunk with the log probabilities and ids of all tokens since the last one."""
        state = self._choices[index]
        logprobs = self._logprobs(state) if state.logprobs else None
        chunk = self._chunk(index, shown, logprobs, finish_reason)
        if self._shows.token_ids:
            chunk["choices"][0]["token_ids"] = state.token_ids
        state.logprobs, state.token_ids = [], []
        return chunk

    def _chunk(
        self, index: int, shown: dict[str, Any], logprobs: dict[str, Any] | None, finish_reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": shown, "logprobs": logprobs, "finish_reason": finish_reason}
        return self._head.fields("chat.completion.chunk") | {"choices": [choice]}

    def _choice(self, index: int, state: _ChoiceState) -> dict[str, Any]:
        last = state.last
        assert last is not None
        assert last.finish_reason is not None
        choice: dict[str, Any] = {
            "index": index,
            "message": state.stream.message() | {"refusal": None},
            "logprobs": self._logprobs(state),
            "finish_reason": state.stream.finish_reason(last.finish_reason),
        }
        if last.stop_reason is not None:
            choice["stop_reason"] = last.stop_reason
        if self._shows.token_ids:
            choice["token_ids"] = state.token_ids
        return choice
