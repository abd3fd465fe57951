"""What the OpenAPI schema says beyond FastAPI's own: bodies read by hand, streams, the error envelope."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server.api.protocol.chat import ChatChunk, ChatCompletionRequest
from server.api.protocol.common import ErrorResponse
from server.api.protocol.completions import CompletionRequest
from server.api.protocol.tokens import DetokenizeRequest, TokenizeRequest

Responses = dict[int | str, dict[str, Any]]

_MEANINGS = {
    400: "The request is not valid; the error says which field and why.",
    401: "No valid API key.",
    404: "Nothing here, or no such model.",
    405: "The address does not support this method.",
    408: "The request body did not arrive in time.",
    413: "The request body is too large.",
    415: "The request body is not application/json.",
    429: "Too many requests; retry-after says when to come again.",
    431: "Too many or too large headers.",
    500: "The request failed inside the server.",
    503: "The engine is loading, restarting or shutting down.",
}

STREAMED: Responses = {
    200: {"description": "The answer.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}

_BODIES: tuple[type[BaseModel], ...] = (
    CompletionRequest, ChatCompletionRequest, TokenizeRequest, DetokenizeRequest, ChatChunk,
)  # fmt: skip


def errors(*statuses: int) -> Responses:
    """The error responses of a route, all with the one envelope."""
    return {status: {"model": ErrorResponse, "description": _MEANINGS[status]} for status in statuses}


def install(app: FastAPI, *, has_auth: bool) -> None:
    """Make `app.openapi` return the complete schema."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app, has_auth=has_auth)
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def _build(app: FastAPI, *, has_auth: bool) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = schema.setdefault("components", {})
    _, definitions = models_json_schema(
        [(model, "validation") for model in _BODIES], ref_template="#/components/schemas/{model}"
    )
    components.setdefault("schemas", {}).update(definitions.get("$defs", {}))
    if has_auth:
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"bearer": []}]
    return schema
