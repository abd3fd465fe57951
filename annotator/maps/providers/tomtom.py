"""TomTom: Search API 2, Routing API 1 and Matrix Routing API 2, with one key of your own.

Its terms let content be kept for a while only: recordings expire after 30 days, and exports hold nothing but ids.
"""

from typing import ClassVar

from annotator.maps.calls import HttpResponse
from annotator.maps.params import ToolName
from annotator.maps.provider import Policy, Provider, ProviderInfo, RateLimit
from annotator.maps.providers import tomtom_along, tomtom_places, tomtom_routes
from annotator.maps.providers.reading import get, items
from annotator.maps.providers.tomtom_http import KEY_ENV, TITLE, error_code, error_text, json_or_none

_DAY_S = 24 * 3600


class TomTom(Provider):
    """TomTom Maps."""

    info = ProviderInfo(
        key="tomtom",
        title=TITLE,
        family="tomtom",
        namespace="tomtom",
        version=1,
        base_url="https://api.tomtom.com",
        licence="LicenseRef-TomTom",
        attribution="© TomTom",
        terms_url="https://developer.tomtom.com/terms-and-conditions",
        policy=Policy(
            storage="expire",
            ttl_s=30 * _DAY_S,
            after_expiry="place_ids",
            export="ids_only",
            evaluation="needs_consent",
        ),
        rate_limit=RateLimit(interval_s=0.2, burst=5),
        is_commercial=True,
        secret_envs=(KEY_ENV,),
    )
    operations: ClassVar = {
        "text_search": tomtom_places.TEXT_SEARCH,
        "place_details": tomtom_places.PLACE_DETAILS,
        "reverse_geocode": tomtom_places.REVERSE_GEOCODE,
        "nearby_search": tomtom_places.NEARBY_SEARCH,
        "compute_routes": tomtom_routes.COMPUTE_ROUTES,
        "travel_matrix": tomtom_routes.TRAVEL_MATRIX,
        "search_along_route": tomtom_along.SEARCH_ALONG_ROUTE,
    }

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """TomTom says with status 400 that there is no way, and with 404 that there is no such place."""
        if tool in ("compute_routes", "search_along_route") and response.status == 400:
            return tomtom_routes.no_way_reason(response) is not None
        if tool == "place_details" and response.status == 404:
            return bool(error_text(json_or_none(response)))
        return super().is_answer(tool, response)

    def error_message(self, response: HttpResponse) -> str:
        """TomTom's words, with the code where they don't hold it."""
        payload = json_or_none(response)
        words, code = error_text(payload), error_code(payload)
        return f"{code}: {words}" if code and words and code not in words else words

    def place_ids(self, response: HttpResponse) -> tuple[str, ...]:
        """Ids of the places and addresses in any answer."""
        payload = json_or_none(response)
        entries = [*items(payload, "results"), *items(payload, "addresses")]
        return tuple(native for entry in entries if (native := get(entry, "id", kind=str)))
