"""Google Maps Platform: Places API (New), Geocoding API and Routes API, with one key of your own.

Its terms let content be kept for 30 days and place ids for ever, want it drawn on Google's own maps only, and forbid
datasets made of it: recordings expire to their place ids, and exports hold nothing else.
"""

from typing import ClassVar

from annotator.errors import UpstreamError
from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolName
from annotator.maps.provider import Policy, Provider, ProviderInfo, RateLimit
from annotator.maps.providers import google_along, google_places, google_routes
from annotator.maps.providers.google_http import KEY_ENV
from annotator.maps.providers.reading import get

_DAY_S = 24 * 3600


class Google(Provider):
    """Google Maps; `{service}` in its address becomes `places`, `routes` or `maps`."""

    info = ProviderInfo(
        key="google",
        title=google_places.TITLE,
        family="google",
        namespace="google",
        version=1,
        base_url="https://{service}.googleapis.com",
        licence="LicenseRef-Google-Maps-Platform",
        attribution="Google Maps",
        terms_url="https://cloud.google.com/maps-platform/terms/maps-service-terms",
        policy=Policy(
            storage="expire",
            ttl_s=30 * _DAY_S,
            after_expiry="place_ids",
            display="own_map_only",
            export="ids_only",
            evaluation="needs_consent",
        ),
        rate_limit=RateLimit(interval_s=0.1, burst=10),
        is_commercial=True,
        secret_envs=(KEY_ENV,),
    )
    operations: ClassVar = {
        "text_search": google_places.TEXT_SEARCH,
        "place_details": google_places.PLACE_DETAILS,
        "reverse_geocode": google_places.REVERSE_GEOCODE,
        "nearby_search": google_places.NEARBY_SEARCH,
        "compute_routes": google_routes.COMPUTE_ROUTES,
        "travel_matrix": google_routes.TRAVEL_MATRIX,
        "search_along_route": google_along.SEARCH_ALONG_ROUTE,
    }

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """Google says with status 404 that a place is no more."""
        if tool == "place_details" and response.status == 404:
            return self.error_message(response).startswith("NOT_FOUND")
        return super().is_answer(tool, response)

    def error_message(self, response: HttpResponse) -> str:
        """Google's words; a route matrix has its errors in a list, the Geocoding API has words of its own."""
        try:
            payload = response.json()
        except UpstreamError:
            return ""
        first = payload[0] if isinstance(payload, list) and payload else payload
        words = get(first, "error", "message", kind=str) or get(first, "error_message", kind=str) or ""
        status = get(first, "error", "status", kind=str) or get(first, "status", kind=str)
        return f"{status}: {words}" if status and words else words

    def place_ids(self, response: HttpResponse) -> tuple[str, ...]:
        """Ids of the places in any answer; they are all that may stay of it."""
        return google_places.place_ids(response)
