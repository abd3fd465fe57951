"""POST /api/tools/{tool}: the canonical tools as JSON, one typed and documented route each."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import Response

from annotator.maps import params as p
from annotator.maps.answer import ToolAnswer
from annotator.maps.categories import CATEGORIES
from annotator.maps.modes import Mode
from annotator.web.access import SignedIn
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import Service, State

router = APIRouter(prefix="/api", tags=["tools"], dependencies=[Depends(SignedIn("account"))])

_SQUARE = {"lat": 45.392654, "lon": -65.328712}
_STATION = {"lat": 45.396802, "lon": -65.327567}

EXAMPLES: dict[p.ToolName, dict[str, Any]] = {
    "text_search": {"query": "pharmacy near the harbour", "limit": 5},
    "place_details": {"place_id": "town:n5195"},
    "reverse_geocode": _SQUARE,
    "nearby_search": {**_SQUARE, "type": "cafe", "radius_m": 800},
    "compute_routes": {"origin": _SQUARE, "destination": _STATION, "mode": "walk"},
    "travel_matrix": {"origins": [_SQUARE], "destinations": [_STATION, {"place_id": "town:n5195"}]},
    "search_along_route": {"origin": _SQUARE, "destination": _STATION, "type": "restaurant"},
    "distance_bearing": {"origin": _SQUARE, "destination": _STATION},
    "open_at": {"opening_hours": "Mo-Fr 09:00-18:00; PH off", "at": "2026-07-01T10:00", **_SQUARE},
}
"""One request of each tool that the embedded town answers; they stand in the OpenAPI description."""

_ProviderKey = Annotated[
    str | None, Query(max_length=64, description="A provider's key; by default the map built last.")
]
_Mode = Annotated[Mode, Query(description="record: from recordings, else ask; replay: recordings only; refresh: ask.")]


def _add_route(tool: p.ToolName, model: type[p.ToolParams]) -> None:
    async def call(state: State, params: Any, provider: _ProviderKey = None, mode: _Mode = Mode.RECORD) -> Response:
        with state.metrics.tool_call(tool) as record:
            found = state.service.catalogue.get(provider or state.service.catalogue.default_key(tool))
            record.provider = found.info.key
            answer = await state.service.call(tool, params, provider=found.info.key, mode=mode)
            record.outcome = answer.outcome
        # Serialised once: FastAPI would validate a second time what has just been built from validated parts.
        return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")

    # FastAPI reads the body's type off the function; each tool's differs only in that.
    call.__annotations__["params"] = Annotated[model, Body(openapi_examples={"example": {"value": EXAMPLES[tool]}})]
    router.add_api_route(
        f"/tools/{tool}",
        call,
        methods=["POST"],
        response_model=ToolAnswer,
        summary=(model.__doc__ or tool).strip().splitlines()[0],
        operation_id=tool,
        # A call may cost money and is recorded, so looking is not enough.
        dependencies=[Depends(SignedIn("account", "write"))],
        responses=ERROR_RESPONSES,
    )


for _tool, _model in p.PARAMS.items():
    _add_route(_tool, _model)


@router.get("/tools")
async def list_tools(service: Service) -> dict[str, Any]:
    """Every tool, the JSON Schema of its parameters, and the providers that answer it."""
    listed = service.catalogue.statuses()
    return {
        "tools": [
            {
                "name": tool,
                "description": (model.__doc__ or "").strip(),
                "parameters": model.model_json_schema(),
                "providers": [status.key for status in listed if tool in status.tools and not status.missing],
            }
            for tool, model in p.PARAMS.items()
        ]
    }


@router.get("/types")
async def list_types() -> dict[str, Any]:
    """The place types that every provider speaks."""
    return {"types": [{"key": category.key, "title": category.title} for category in CATEGORIES.values()]}
