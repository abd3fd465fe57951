"""openrouteservice of HeiGIT: places, routes and matrices on OpenStreetMap.

The public API needs a key, which is free. A server of your own answers routes and matrices at an address such as
`http://127.0.0.1:8080/ors`; the geocoder, the points of interest and the order of visit are separate services, and
answer there only if you put them beside it.
"""

from typing import ClassVar

from annotator.errors import UpstreamFormatError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolName
from annotator.maps.provider import Provider, ProviderInfo, RateLimit
from annotator.maps.providers import ors_places, ors_routes
from annotator.maps.providers.reading import get


class OpenRouteService(Provider):
    """The public API, or servers of your own."""

    info = ProviderInfo(
        key="openrouteservice",
        title=ors_routes.TITLE,
        family="osm",
        namespace="osm",
        version=1,
        base_url="https://api.openrouteservice.org",
        licence="ODbL-1.0",
        attribution="© openrouteservice.org by HeiGIT, © OpenStreetMap contributors",
        terms_url="https://openrouteservice.org/terms-of-service/",
        # 40 routes and matrices a minute.
        rate_limit=RateLimit(interval_s=1.5, burst=5),
        is_public_service=True,
        secret_envs=(ors_routes.KEY_ENV,),
    )
    operations: ClassVar = {
        "text_search": ors_places.TEXT_SEARCH,
        "reverse_geocode": ors_places.REVERSE_GEOCODE,
        "nearby_search": ors_places.NEARBY_SEARCH,
        "compute_routes": ors_routes.COMPUTE_ROUTES,
        "travel_matrix": ors_routes.TRAVEL_MATRIX,
    }

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """openrouteservice says with status 404 that there is no way."""
        if tool == "compute_routes" and response.status == 404:
            return ors_routes.error_code(response) in ors_routes.NO_WAY
        return super().is_answer(tool, response)

    def error_message(self, response: HttpResponse) -> str:
        """Its own words; the gateway before it and the geocoder each have a shape of theirs."""
        try:
            payload = response.json()
        except UpstreamFormatError:
            return ""
        code, message = get(payload, "error", "code", kind=int), get(payload, "error", "message", kind=str)
        if message is not None:
            return message if code is None else f"{message} ({code})"
        geocoder = get(payload, "geocoding", "errors", 0, kind=str)
        return geocoder or get(payload, "error", kind=str) or get(payload, "message", kind=str) or ""
