"""/tokenize and /detokenize, in vLLM's shapes, also under /v1."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from server.api.body import body_schema, json_body
from server.api.openapi import errors
from server.api.prompts import chat_text, check_length, encode
from server.api.protocol.tokens import DetokenizeRequest, DetokenizeResponse, TokenizeRequest, TokenizeResponse
from server.api.state import AppState, state_of
from server.api.tools import prepare_tools
from server.errors import RequestError

router = APIRouter(tags=["tokens"])

_ERRORS: dict[str, Any] = {"responses": errors(400, 401, 404, 408, 413, 415, 429, 503)}


@router.post("/tokenize", openapi_extra=body_schema(TokenizeRequest), **_ERRORS)
@router.post("/v1/tokenize", openapi_extra=body_schema(TokenizeRequest), **_ERRORS)
async def tokenize(
    body: Annotated[TokenizeRequest, Depends(json_body(TokenizeRequest))],
    state: Annotated[AppState, Depends(state_of)],
) -> TokenizeResponse:
    """The token ids of a prompt, or of messages in the model's chat format."""
    serving = state.serving
    _, variant = serving.resolve(body.model)
    if body.messages is None:
        text = body.prompt or ""
        adds_special = body.add_special_tokens is not False
    else:
        tools = None if body.tools is None else [tool.model_dump(exclude_none=True) for tool in body.tools]
        plan = prepare_tools(tools, None, None, serving.tool_family)
        text = await chat_text(body, body.messages, plan.template_tools, serving)
        adds_special = body.add_special_tokens is True
    check_length([text], serving, "prompt" if body.messages is None else "messages", must_fit=False)
    ids = (await encode([text], serving, add_special_tokens=adds_special))[0]
    shown = (
        [serving.tokenizer.token_text_and_bytes(token_id)[0] for token_id in ids] if body.return_token_strs else None
    )
    return TokenizeResponse(count=len(ids), max_model_len=serving.info.limit_of(variant), tokens=ids, token_strs=shown)


@router.post("/detokenize", openapi_extra=body_schema(DetokenizeRequest), **_ERRORS)
@router.post("/v1/detokenize", openapi_extra=body_schema(DetokenizeRequest), **_ERRORS)
async def detokenize(
    body: Annotated[DetokenizeRequest, Depends(json_body(DetokenizeRequest))],
    state: Annotated[AppState, Depends(state_of)],
) -> DetokenizeResponse:
    """The text of token ids, special tokens included."""
    serving = state.serving
    serving.resolve(body.model)
    if body.tokens and max(body.tokens) >= serving.tokenizer.vocab_size:
        raise RequestError(f"Token ids must be in [0, {serving.tokenizer.vocab_size - 1}].", param="tokens")
    text = await serving.in_thread(lambda: serving.tokenizer.decode(body.tokens, skip_special_tokens=False))
    return DetokenizeResponse(prompt=text)
