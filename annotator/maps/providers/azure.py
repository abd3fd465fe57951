"""Azure Maps: Search and Route services 1.0, with one subscription key of your own.

Its terms let results be kept for six months at most and want them on no third party's map.
"""

from typing import ClassVar

from annotator.errors import UpstreamError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolName
from annotator.maps.provider import Policy, Provider, ProviderInfo, RateLimit
from annotator.maps.providers import azure_along, azure_matrix, azure_routes, azure_search
from annotator.maps.providers.azure_http import KEY_ENV, TITLE, error_words
from annotator.maps.providers.azure_matrix import no_way
from annotator.maps.providers.reading import get, items

_DAY_S = 24 * 3600


class Azure(Provider):
    """Azure Maps."""

    info = ProviderInfo(
        key="azure",
        title=TITLE,
        family="azure",
        namespace="azure",
        version=1,
        base_url="https://atlas.microsoft.com",
        licence="LicenseRef-Azure-Maps",
        attribution="© Microsoft, © TomTom",
        terms_url="https://www.microsoft.com/licensing/terms/productoffering/MicrosoftAzure",
        # Six months are never shorter than this.
        policy=Policy(
            storage="expire",
            ttl_s=181 * _DAY_S,
            display="own_map_only",
            export="ids_only",
            evaluation="needs_consent",
        ),
        rate_limit=RateLimit(interval_s=0.1, burst=5),
        is_commercial=True,
        secret_envs=(KEY_ENV,),
    )
    operations: ClassVar = {
        "text_search": azure_search.TEXT_SEARCH,
        "reverse_geocode": azure_search.REVERSE_GEOCODE,
        "nearby_search": azure_search.NEARBY_SEARCH,
        "compute_routes": azure_routes.COMPUTE_ROUTES,
        "travel_matrix": azure_matrix.TRAVEL_MATRIX,
        "search_along_route": azure_along.SEARCH_ALONG_ROUTE,
    }

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """Azure Maps says with status 400 that there is no way."""
        if response.status == 400 and tool in ("compute_routes", "search_along_route"):
            return bool(no_way(error_words(response)))
        return super().is_answer(tool, response)

    def error_message(self, response: HttpResponse) -> str:
        """Azure Maps' words."""
        return error_words(response)

    def place_ids(self, response: HttpResponse) -> tuple[str, ...]:
        """Ids of the places of a search."""
        try:
            results = items(response.json(), "results")
        except UpstreamError:
            return ()
        found = [get(raw, "id", kind=str) for raw in results]
        return tuple(dict.fromkeys(native for native in found if native))
