"""/tokenize, /detokenize (vLLM's shapes) and /v1/models."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from server.api.protocol.chat import Messages, TemplateFields
from server.api.protocol.common import RequestModel, Token


class TokenizeRequest(TemplateFields):
    """Either a prompt or messages."""

    model: str | None = None
    prompt: str | None = None
    messages: Messages | None = None
    add_special_tokens: bool | None = Field(None, description="By default true for a prompt, false for messages.")
    return_token_strs: bool | None = False

    @model_validator(mode="after")
    def _one_of_two(self) -> "TokenizeRequest":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self


class TokenizeResponse(BaseModel):
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class DetokenizeRequest(RequestModel):
    model: str | None = None
    tokens: Annotated[list[Token], Field(max_length=1_000_000)]


class DetokenizeResponse(BaseModel):
    prompt: str


class ModelCard(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "rhumb"
    root: str
    parent: str | None
    max_model_len: int
    description: str


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]
