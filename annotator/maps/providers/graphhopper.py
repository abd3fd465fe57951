"""GraphHopper: its hosted Directions API with a key of yours, or the open-source server at an address of your own.

The data is OpenStreetMap's and so keeps its licence. A server of your own has routes, but neither matrix nor geocoder.
"""

from typing import Any, ClassVar

from annotator.errors import UpstreamFormatError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.categories import categories_of_osm
from annotator.maps.osm_place import address_line
from annotator.maps.params import ReverseGeocodeParams, TextSearchParams, ToolName
from annotator.maps.provider import Operation, Provider, ProviderInfo, RateLimit, Responses
from annotator.maps.providers.graphhopper_routes import COMPUTE_ROUTES, TRAVEL_MATRIX, no_way_reason
from annotator.maps.providers.nearby import measured
from annotator.maps.providers.positions import lat_lon, on_earth
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import Place, PlaceList

_KEY = Secret(env="GRAPHHOPPER_API_KEY", name="key", place="query")

_GEOCODER_LANGUAGES = ("en", "fr", "de", "it")

_ADDRESS = {
    "street": "street",
    "house_number": "housenumber",
    "postcode": "postcode",
    "city": "city",
    "state": "state",
    "country": "country",
}


def _refuse_language(params: TextSearchParams | ReverseGeocodeParams) -> list[str]:
    if params.language.partition("-")[0] in _GEOCODER_LANGUAGES:
        return []
    return [f"GraphHopper's geocoder speaks {', '.join(_GEOCODER_LANGUAGES)}, not '{params.language}'"]


def _refuse_search(provider: "GraphHopper", params: TextSearchParams) -> list[str]:
    reasons = _refuse_language(params)
    if params.radius_m is not None:
        reasons.append("GraphHopper's geocoder has no radius: leave out radius_m, and results only lean to lat, lon")
    return reasons


def _build_search(provider: "GraphHopper", params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    near = (("point", lat_lon(params.near)),) if params.near else ()
    return (provider.geocode(("q", params.query), *near, limit=params.limit, language=params.language),)


def _parse_search(provider: "GraphHopper", params: TextSearchParams, responses: Responses) -> PlaceList:
    places = provider.places(responses[0])
    return PlaceList(places=tuple(measured(places, params.near) if params.near else places)[: params.limit])


def _refuse_reverse(provider: "GraphHopper", params: ReverseGeocodeParams) -> list[str]:
    return _refuse_language(params)


def _build_reverse(provider: "GraphHopper", params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    at = ("point", lat_lon((params.lat, params.lon)))
    return (provider.geocode(at, ("reverse", "true"), limit=params.limit, language=params.language),)


def _parse_reverse(provider: "GraphHopper", params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    places = measured(provider.places(responses[0]), (params.lat, params.lon))
    return PlaceList(places=tuple(places[: params.limit]))


class GraphHopper(Provider):
    """GraphHopper Directions API."""

    info = ProviderInfo(
        key="graphhopper",
        title="GraphHopper",
        family="osm",
        namespace="osm",
        version=1,
        base_url="https://graphhopper.com/api/1",
        licence="ODbL-1.0",
        attribution="© OpenStreetMap contributors, powered by GraphHopper",
        terms_url="https://www.graphhopper.com/terms/",
        rate_limit=RateLimit(interval_s=0.6, burst=10),
        # The hosted service wants enabling and a key; the same program at one's own address wants neither.
        is_public_service=True,
        secret_envs=(_KEY.env,),
    )
    operations: ClassVar = {
        "text_search": Operation(_build_search, _parse_search, _refuse_search),
        "reverse_geocode": Operation(_build_reverse, _parse_reverse, _refuse_reverse),
        "compute_routes": COMPUTE_ROUTES,
        "travel_matrix": TRAVEL_MATRIX,
    }

    def post(self, service: str, body: dict[str, Any]) -> HttpCall:
        """A request with a JSON body."""
        return HttpCall("POST", f"{self.base_url}/{service}", json=body, secrets=(_KEY,))

    def geocode(self, *query: tuple[str, str], limit: int, language: str) -> HttpCall:
        """A request to the geocoder."""
        common = (("limit", str(limit)), ("locale", language.partition("-")[0]))
        return HttpCall("GET", f"{self.base_url}/geocode", query=(*query, *common), secrets=(_KEY,))

    def places(self, response: HttpResponse) -> list[Place]:
        """The hits of a geocoder's answer."""
        payload = response.json()
        need(payload, "hits", kind=list)
        return [self._place(hit) for hit in items(payload, "hits")]

    def _place(self, hit: dict[str, Any]) -> Place:
        lat, lon = on_earth(need(hit, "point", "lat", kind=float), need(hit, "point", "lng", kind=float))
        parts = {part: text for part, name in _ADDRESS.items() if (text := get(hit, name, kind=str))}
        if code := get(hit, "countrycode", kind=str):
            parts["country_code"] = code.upper()
        key, value = get(hit, "osm_key", kind=str), get(hit, "osm_value", kind=str)
        native = _native_id(hit)
        return Place(
            # Addresses of other sources than OpenStreetMap have no id: where they are is all that names them.
            pid=self.pid(native or f"address:{lat_lon((lat, lon))}"),
            provider=self.info.key,
            name=get(hit, "name", kind=str) or "",
            lat=lat,
            lon=lon,
            address=address_line(parts),
            address_parts=parts,
            categories=categories_of_osm({key: value}) if key and value else (),
            kind=f"{key}={value}" if key and value else key,
        )

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """GraphHopper says with status 400 that there is no way."""
        if tool == "compute_routes" and response.status == 400:
            return no_way_reason(response) is not None
        return super().is_answer(tool, response)

    def error_message(self, response: HttpResponse) -> str:
        """The message, and those of its hints that say more."""
        try:
            payload = response.json()
        except UpstreamFormatError:
            return ""
        messages = [get(entry, "message", kind=str) for entry in (payload, *items(payload, "hints"))]
        return "; ".join(dict.fromkeys(message for message in messages if message))

    def place_ids(self, response: HttpResponse) -> tuple[str, ...]:
        """OpenStreetMap's ids of a geocoder's hits."""
        try:
            hits = items(response.json(), "hits")
        except UpstreamFormatError:
            return ()
        return tuple(native for hit in hits if (native := _native_id(hit)))


def _native_id(hit: dict[str, Any]) -> str | None:
    """`n123`; GraphHopper writes the number as text or as a number."""
    kind = (get(hit, "osm_type", kind=str) or "")[:1].lower()
    number = get(hit, "osm_id", kind=str) or get(hit, "osm_id", kind=int)
    return f"{kind}{number}" if kind in ("n", "w", "r") and number else None
