"""POST /v1/completions."""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request, Response

from server.api.answer import Head, Meter, Shows
from server.api.body import body_schema, json_body
from server.api.convert import DEFAULT_COMPLETION_TOKENS, Wanted, engine_requests, sampling_params, text_params
from server.api.fanout import Fanout
from server.api.logprobs import LogprobsDict, TextOffsets, completion_logprobs, prompt_logprobs
from server.api.openapi import STREAMED, errors
from server.api.prompts import completion_prompts
from server.api.protocol.completions import Completion, CompletionRequest
from server.api.serving import Serving
from server.api.state import AppState, state_of
from server.api.streaming import respond
from server.engine.client import Delta, PositionLogprobs
from server.errors import RequestError

router = APIRouter()


@router.post(
    "/v1/completions",
    response_model=Completion,
    responses=STREAMED | errors(400, 401, 404, 408, 413, 415, 429, 500, 503),
    openapi_extra=body_schema(CompletionRequest),
    tags=["generate"],
)
async def create_completion(
    request: Request,
    body: Annotated[CompletionRequest, Depends(json_body(CompletionRequest))],
    state: Annotated[AppState, Depends(state_of)],
) -> Response:
    """Continue one or many prompts. With stream true, the answer is a stream of server-sent events."""
    serving = state.serving
    model, variant = serving.resolve(body.model)
    shows = Shows.of(body, request)
    _check(body)
    prompts = await completion_prompts(body, serving)
    wanted = Wanted(
        max_tokens=body.max_tokens,
        default_max_tokens=DEFAULT_COMPLETION_TOKENS,
        logprobs=body.logprobs,
        prompt_logprobs=_max(body.prompt_logprobs, body.logprobs if body.echo else None),
    )
    params = await sampling_params(body, wanted, serving)
    head = Head.new("cmpl", model, variant, serving)
    requests = engine_requests(
        body, prompts, params, wanted, serving, variant=variant, response_id=head.id, param="prompt"
    )
    prompts = [each.prompt_ids for each in requests]
    echoes = await _echoes(body, prompts, serving) if body.echo else None
    shape = _Completions(head, body, shows, serving, prompts, echoes)
    fanout = await Fanout.submit(requests, text_params(body), state)
    return await respond(request, state, fanout, shape, Meter(requests), shows, stream=bool(body.stream))


def _check(body: CompletionRequest) -> None:
    """Raises `RequestError` for fields that contradict each other."""
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise RequestError("best_of is only supported when it equals n.", param="best_of", code="unsupported_parameter")
    if body.max_tokens == 0 and not body.echo:
        raise RequestError("max_tokens must be at least 1 unless echo is true.", param="max_tokens")
    if body.stream and body.prompt_logprobs is not None:
        raise RequestError("prompt_logprobs cannot be streamed; leave stream out.", param="prompt_logprobs")


def _max(first: int | None, second: int | None) -> int | None:
    return max((value for value in (first, second) if value is not None), default=None)


async def _echoes(body: CompletionRequest, prompts: list[list[int]], serving: Serving) -> list[str]:
    """The texts to begin the answers with: the client's own words, or those its token ids stand for."""
    if body.truncate_prompt_tokens is None:
        if isinstance(body.prompt, str):
            return [body.prompt]
        texts = [item for item in body.prompt if isinstance(item, str)]
        if texts:
            return texts
    skip = body.skip_special_tokens
    return await serving.in_thread(lambda: [serving.tokenizer.decode(ids, skip_special_tokens=skip) for ids in prompts])


class _Piece(NamedTuple):
    """One delta's share of a choice: a chunk of a stream, or a part of the whole."""

    text: str
    logprobs: LogprobsDict | None


class _Completions:
    """Implements `Shape` for completions."""

    def __init__(
        self,
        head: Head,
        body: CompletionRequest,
        shows: Shows,
        serving: Serving,
        prompts: list[list[int]],
        echoes: list[str] | None,
    ) -> None:
        self._head = head
        self._body = body
        self._shows = shows
        self._tokenizer = serving.tokenizer
        self._prompts = prompts
        self._echoes = echoes
        self._num_choices = len(prompts) * (body.n or 1)
        self._offsets = [TextOffsets() for _ in range(self._num_choices)]
        self._prompt_logprobs: dict[int, list[PositionLogprobs | None]] = {}
        self._begun: set[int] = set()
        self._kept: list[list[Delta]] = [[] for _ in range(self._num_choices)]
        self._waiting: list[tuple[int, int, Delta]] = []

    def opening(self) -> Iterator[dict[str, Any]]:
        if self._num_choices > 1:
            # Clients that accumulate by index need new indices in ascending order.
            for choice in range(self._num_choices):
                yield self._chunk({"index": choice, "text": "", "logprobs": None, "finish_reason": None})

    def chunks(self, prompt_index: int, choice: int, delta: Delta) -> Iterator[dict[str, Any]]:
        if self._lacks_prompt_logprobs(prompt_index, delta):
            self._waiting.append((prompt_index, choice, delta))
            return
        yield from self._chunks_of(prompt_index, choice, delta)
        if delta.prompt_logprobs is not None:
            ready = [item for item in self._waiting if item[0] == prompt_index]
            self._waiting = [item for item in self._waiting if item[0] != prompt_index]
            for item in ready:
                yield from self._chunks_of(*item)

    def _lacks_prompt_logprobs(self, prompt_index: int, delta: Delta) -> bool:
        """Whether the echo cannot be written yet: the engine reports the prompt with its first sample only."""
        return (
            self._echoes is not None
            and self._body.logprobs is not None
            and delta.prompt_logprobs is None
            and prompt_index not in self._prompt_logprobs
        )

    def _chunks_of(self, prompt_index: int, choice: int, delta: Delta) -> Iterator[dict[str, Any]]:
        is_first = choice not in self._begun
        piece = self._piece(prompt_index, choice, delta)
        if not (piece.text or piece.logprobs or delta.finish_reason or delta.token_ids):
            return
        fields: dict[str, Any] = {
            "index": choice,
            "text": piece.text,
            "logprobs": piece.logprobs,
            "finish_reason": delta.finish_reason,
        }
        if delta.stop_reason is not None:
            fields["stop_reason"] = delta.stop_reason
        if self._shows.token_ids:
            fields["token_ids"] = delta.token_ids
            if is_first:
                fields["prompt_token_ids"] = self._prompts[prompt_index]
        yield self._chunk(fields)

    def collect(self, prompt_index: int, choice: int, delta: Delta) -> None:
        if delta.prompt_logprobs is not None:
            self._prompt_logprobs[prompt_index] = delta.prompt_logprobs
        self._kept[choice].append(delta)

    def whole(self) -> dict[str, Any]:
        choices = [self._choice(index, deltas) for index, deltas in enumerate(self._kept)]
        return self._head.fields("text_completion") | {"choices": choices}

    def plain_chunk(self, text: str) -> dict[str, Any] | None:
        if self._num_choices > 1 or self._body.logprobs is not None or self._shows.token_ids:
            return None
        return self._chunk({"index": 0, "text": text, "logprobs": None, "finish_reason": None})

    def empty_chunk(self) -> dict[str, Any]:
        return self._head.fields("text_completion") | {"choices": []}

    def _chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        return self._head.fields("text_completion") | {"choices": [choice]}

    def _piece(self, prompt_index: int, choice: int, delta: Delta) -> _Piece:
        if delta.prompt_logprobs is not None:
            self._prompt_logprobs[prompt_index] = delta.prompt_logprobs
        entries: list[PositionLogprobs | None] = list(delta.logprobs or [])
        raws = [entry.raw for entry in entries if entry is not None]
        unscored: list[str] = []
        text = delta.text
        if choice not in self._begun and self._echoes is not None:
            text = self._echoes[prompt_index] + text
            scored = self._prompt_logprobs.get(prompt_index, [])
            if self._body.logprobs is not None:
                shown = [self._tokenizer.token_text_and_bytes(token_id) for token_id in self._prompts[prompt_index]]
                entries = [*scored, *entries]
                raws = [raw for _, raw in shown] + raws
                unscored = [shown[index][0] for index, entry in enumerate(scored) if entry is None]
        self._begun.add(choice)
        if self._body.logprobs is None:
            return _Piece(text, None)
        offsets = self._offsets[choice].walk(text, raws)
        if not entries:
            return _Piece(text, None)
        logprobs = completion_logprobs(
            entries, unscored, offsets, num_top=self._body.logprobs, as_ids=self._shows.tokens_as_ids
        )
        return _Piece(text, logprobs)

    def _choice(self, index: int, deltas: list[Delta]) -> dict[str, Any]:
        prompt_index = index // (self._body.n or 1)
        last = deltas[-1]
        pieces = [self._piece(prompt_index, index, delta) for delta in deltas]
        choice: dict[str, Any] = {
            "index": index,
            "text": "".join(piece.text for piece in pieces),
            "logprobs": _joined([piece.logprobs for piece in pieces if piece.logprobs is not None])
            if self._body.logprobs is not None
            else None,
            "finish_reason": last.finish_reason,
        }
        if last.stop_reason is not None:
            choice["stop_reason"] = last.stop_reason
        if self._body.prompt_logprobs is not None:
            choice["prompt_logprobs"] = prompt_logprobs(self._prompt_logprobs.get(prompt_index, []))
        if self._shows.token_ids:
            choice["prompt_token_ids"] = self._prompts[prompt_index]
            choice["token_ids"] = [token_id for delta in deltas for token_id in delta.token_ids]
        return choice


def _joined(parts: list[LogprobsDict]) -> LogprobsDict:
    """The four arrays of all pieces, one after the other."""
    names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    return {name: [item for part in parts for item in part[name]] for name in names}
