"""GET /v1/models: the model and each of its variants."""

from typing import Annotated

from fastapi import APIRouter, Depends

from server.api.openapi import errors
from server.api.protocol.tokens import ModelCard, ModelList
from server.api.serving import Serving
from server.api.state import AppState, state_of
from server.errors import ModelNotFoundError

router = APIRouter(tags=["models"])


def _card(model: str, serving: Serving) -> ModelCard:
    root, variant = serving.info.model, serving.models[model]
    return ModelCard(
        id=model,
        created=serving.created,
        root=root,
        parent=None if model == root else root,
        max_model_len=serving.info.limit_of(variant),
        description=serving.info.descriptions.get(variant, variant),
    )


@router.get("/v1/models", responses=errors(401, 503))
async def list_models(state: Annotated[AppState, Depends(state_of)]) -> ModelList:
    """Every id that a request's `model` may name."""
    serving = state.serving
    return ModelList(data=[_card(model, serving) for model in serving.models])


@router.get("/v1/models/{model:path}", responses=errors(401, 404, 503))
async def get_model(model: str, state: Annotated[AppState, Depends(state_of)]) -> ModelCard:
    """One model. Its id may hold slashes."""
    serving = state.serving
    if model not in serving.models:
        raise ModelNotFoundError(f"The model '{model[:100]}' does not exist.", param="model", code="model_not_found")
    return _card(model, serving)
