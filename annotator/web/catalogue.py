"""GET /api/providers and /api/maps: who can be asked, and the maps on this machine."""

from typing import Any

from fastapi import APIRouter, Depends

from annotator.errors import NotFoundError
from annotator.web.access import SignedIn
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import Service

router = APIRouter(prefix="/api", tags=["providers"], dependencies=[Depends(SignedIn("account"))])


@router.get("/providers")
async def list_providers(service: Service) -> dict[str, Any]:
    """Every provider with its terms and what is missing to enable it; `default` answers calls that name none."""
    catalogue = service.catalogue
    try:
        default = catalogue.default_key("text_search")
    except NotFoundError:
        default = None
    return {"providers": [status.model_dump(mode="json") for status in catalogue.statuses()], "default": default}


@router.get("/maps")
async def list_maps(service: Service) -> dict[str, Any]:
    """The maps on this machine, the default first."""
    return {
        "maps": [
            {
                "name": manifest.name,
                "title": manifest.title,
                "bbox": [manifest.bbox.south, manifest.bbox.west, manifest.bbox.north, manifest.bbox.east],
                "center": list(manifest.center),
                "attribution": manifest.attribution,
                "licence": manifest.licence,
                "osm_timestamp": manifest.osm_timestamp,
                "build_sha": manifest.build_sha,
                "tilejson": f"/tiles/{manifest.name}.json",
            }
            for manifest in service.library.manifests()
        ]
    }


@router.get("/maps/{name}", responses=ERROR_RESPONSES)
async def show_map(name: str, service: Service) -> dict[str, Any]:
    """One map's manifest: what it was built from, and the hashes of what was built."""
    return service.library.manifest(name).model_dump(mode="json")
