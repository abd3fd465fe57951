"""Mapbox: Search Box, Directions, Matrix and Optimization APIs, with one access token of your own.

Its terms call the results of these searches temporary: they may be shown and not stored, so nothing of them is recorded
or exported.
"""

from typing import ClassVar

from annotator.errors import UpstreamError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolName
from annotator.maps.provider import Policy, Provider, ProviderInfo, RateLimit
from annotator.maps.providers import mapbox_along, mapbox_routes, mapbox_search
from annotator.maps.providers.mapbox_routes import NO_WAY, TITLE, TOKEN_ENV
from annotator.maps.providers.reading import get, items


class Mapbox(Provider):
    """Mapbox."""

    info = ProviderInfo(
        key="mapbox",
        title=TITLE,
        family="mapbox",
        namespace="mapbox",
        version=1,
        base_url="https://api.mapbox.com",
        licence="LicenseRef-Mapbox",
        attribution="© Mapbox © OpenStreetMap contributors",
        terms_url="https://www.mapbox.com/legal/tos",
        policy=Policy(storage="none", display="own_map_only", export="forbidden", evaluation="needs_consent"),
        rate_limit=RateLimit(interval_s=0.1, burst=5),
        is_commercial=True,
        secret_envs=(TOKEN_ENV,),
    )
    operations: ClassVar = {
        "text_search": mapbox_search.TEXT_SEARCH,
        "place_details": mapbox_search.PLACE_DETAILS,
        "reverse_geocode": mapbox_search.REVERSE_GEOCODE,
        "nearby_search": mapbox_search.NEARBY_SEARCH,
        "compute_routes": mapbox_routes.COMPUTE_ROUTES,
        "travel_matrix": mapbox_routes.TRAVEL_MATRIX,
        "search_along_route": mapbox_along.SEARCH_ALONG_ROUTE,
    }

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """Mapbox says with 404 that there is no such place, and by a code that there is no way."""
        if response.status == 404 and tool == "place_details":
            return bool(self.error_message(response))
        return super().is_answer(tool, response) or (response.status < 500 and _text(response, "code") in NO_WAY)

    def error_message(self, response: HttpResponse) -> str:
        """Mapbox's words."""
        return _text(response, "message") or _text(response, "error")

    def place_ids(self, response: HttpResponse) -> tuple[str, ...]:
        """Ids of the places of a search."""
        try:
            features = items(response.json(), "features")
        except UpstreamError:
            return ()
        found = [get(feature, "properties", "mapbox_id", kind=str) for feature in features]
        return tuple(dict.fromkeys(native for native in found if native))


def _text(response: HttpResponse, name: str) -> str:
    try:
        return get(response.json(), name, kind=str) or ""
    except UpstreamError:
        return ""
