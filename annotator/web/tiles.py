"""GET /tiles/...: the base map of each map on this machine, as vector tiles, TileJSON and MapLibre styles."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from annotator.maps.embedded.tiles import CONTENT_TYPE
from annotator.web.access import SignedIn
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import Service
from annotator.web.style import map_style

router = APIRouter(
    prefix="/tiles", tags=["base map"], responses=ERROR_RESPONSES, dependencies=[Depends(SignedIn("account"))]
)


@router.get("/{name}.json")
async def tilejson(name: str, request: Request, service: Service) -> dict[str, Any]:
    """TileJSON 3.0: where the tiles are, their zooms, bounds and layers."""
    return (await asyncio.to_thread(service.library.open, name)).tiles.tilejson(str(request.base_url).rstrip("/"))


@router.get("/{name}/style-{theme}.json")
async def style(name: str, theme: Literal["light", "dark"], request: Request, service: Service) -> dict[str, Any]:
    """A MapLibre style that draws the tiles."""
    manifest = service.library.manifest(name)
    return map_style(str(request.url_for("tilejson", name=name)), theme=theme, attribution=manifest.attribution)


@router.get("/{name}/{z}/{x}/{y}.mvt", response_class=Response)
async def tile(name: str, z: int, x: int, y: int, request: Request, service: Service) -> Response:
    """One vector tile. The same build gives the same bytes, so browsers need not ask twice."""
    opened = await asyncio.to_thread(service.library.open, name)
    etag = f'"{opened.manifest.build_sha[:16]}"'
    headers = {"etag": etag, "cache-control": "public, max-age=60"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    body = await asyncio.to_thread(opened.tiles.tile, z, x, y)
    return Response(body, media_type=CONTENT_TYPE, headers=headers)
