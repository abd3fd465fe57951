"""HERE: Geocoding and Search v7, Routing v8, Matrix Routing v8 and Waypoints Sequence v8, with one key of your own.

Its platform terms (section 6.4 of those of September 2023) let results be kept for 30 days, and be drawn with the
content of others as long as one can tell whose is whose.
"""

from typing import ClassVar

from annotator.errors import UpstreamError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolName
from annotator.maps.provider import Policy, Provider, ProviderInfo, RateLimit
from annotator.maps.providers import here_along, here_matrix, here_routes, here_search
from annotator.maps.providers.here_http import KEY_ENV, TITLE, error_words
from annotator.maps.providers.reading import get, items

_DAY_S = 24 * 3600


class Here(Provider):
    """HERE; `{service}` in its address becomes `discover.search`, `router`, `matrix.router` and so on."""

    info = ProviderInfo(
        key="here",
        title=TITLE,
        family="here",
        namespace="here",
        version=1,
        base_url="https://{service}.hereapi.com",
        licence="LicenseRef-HERE",
        attribution="© HERE",
        terms_url="https://legal.here.com/terms",
        policy=Policy(storage="expire", ttl_s=30 * _DAY_S, export="ids_only", evaluation="needs_consent"),
        rate_limit=RateLimit(interval_s=0.2, burst=5),
        is_commercial=True,
        secret_envs=(KEY_ENV,),
    )
    operations: ClassVar = {
        "text_search": here_search.TEXT_SEARCH,
        "place_details": here_search.PLACE_DETAILS,
        "reverse_geocode": here_search.REVERSE_GEOCODE,
        "nearby_search": here_search.NEARBY_SEARCH,
        "compute_routes": here_routes.COMPUTE_ROUTES,
        "travel_matrix": here_matrix.TRAVEL_MATRIX,
        "search_along_route": here_along.SEARCH_ALONG_ROUTE,
    }

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """HERE says with status 404 that there is no such place."""
        if response.status == 404 and tool == "place_details":
            return bool(self.error_message(response))
        return super().is_answer(tool, response)

    def error_message(self, response: HttpResponse) -> str:
        """HERE's words."""
        return error_words(response)

    def place_ids(self, response: HttpResponse) -> tuple[str, ...]:
        """Ids of the places of a search, or of one that was looked up."""
        try:
            payload = response.json()
        except UpstreamError:
            return ()
        found = [get(raw, "id", kind=str) for raw in (payload, *items(payload, "items")) if get(raw, "title", kind=str)]
        return tuple(dict.fromkeys(native for native in found if native))
