"""What all of TomTom's services have in common: the key, the languages, and how they tell of errors."""

from typing import Any
from urllib.parse import quote

from annotator.errors import UpstreamFormatError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import TravelMode
from annotator.maps.provider import Provider
from annotator.maps.providers.reading import get

TITLE = "TomTom"

KEY_ENV = "TOMTOM_API_KEY"

_KEY = Secret(env=KEY_ENV, name="key", place="query")

TRAVEL_MODES: dict[TravelMode, str] = {
    "drive": "car",
    "walk": "pedestrian",
    "bicycle": "bicycle",
    "motorcycle": "motorcycle",
}

# Every tag that TomTom takes; of several regions the first is taken for the bare language.
_LANGUAGES = [
    "af-ZA",
    "ar",
    "bg-BG",
    "ca-ES",
    "cs-CZ",
    "da-DK",
    "de-DE",
    "el-GR",
    "en-GB",
    "en-AU",
    "en-NZ",
    "en-US",
    "es-ES",
    "es-419",
    "et-EE",
    "eu-ES",
    "fi-FI",
    "fr-FR",
    "fr-CA",
    "gl-ES",
    "he-IL",
    "hr-HR",
    "hu-HU",
    "id-ID",
    "it-IT",
    "kk-KZ",
    "ko-KR",
    "lt-LT",
    "lv-LV",
    "ms-MY",
    "nb-NO",
    "nl-NL",
    "nl-BE",
    "no-NO",
    "pl-PL",
    "pt-PT",
    "pt-BR",
    "ro-RO",
    "ru-RU",
    "sk-SK",
    "sl-SI",
    "sr-RS",
    "sv-SE",
    "th-TH",
    "tr-TR",
    "uk-UA",
    "vi-VN",
    "zh-CN",
    "zh-TW",
]


def language_tag(language: str) -> str | None:
    """TomTom's tag for a language, or None if it has none."""
    if language in _LANGUAGES:
        return language
    primary = language.partition("-")[0]
    return next((tag for tag in _LANGUAGES if tag.partition("-")[0] == primary), None)


def language_refusals(language: str) -> list[str]:
    """Why a language cannot be had."""
    return [] if language_tag(language) else [f"{TITLE} has no texts in '{language}': ask in another, such as en"]


def language_query(language: str) -> tuple[str, str]:
    """The query parameter for a language that `language_refusals` has nothing against."""
    return "language", language_tag(language) or "en-GB"


def segment(text: str) -> str:
    """Text as one segment of a path, whatever is in it."""
    return quote(text, safe="")


def get_call(provider: Provider, path: str, *query: tuple[str, str]) -> HttpCall:
    """A request without a body."""
    return HttpCall("GET", provider.base_url + path, query=query, secrets=(_KEY,))


def post_call(provider: Provider, path: str, body: dict[str, Any], *query: tuple[str, str]) -> HttpCall:
    """A request with a JSON body."""
    return HttpCall("POST", provider.base_url + path, query=query, json=body, secrets=(_KEY,))


def error_code(payload: Any) -> str:
    """The code of an error, such as `NO_ROUTE_FOUND`; older services have it only at the end of their sentence."""
    code = get(payload, "detailedError", "code", kind=str) or ""
    if code in ("", "CELL_PROCESSING_ERROR"):
        code = get(payload, "detailedError", "innerError", "code", kind=str) or code
    if code:
        return code
    return (get(payload, "error", "description", kind=str) or "").rpartition(": ")[2]


def error_text(payload: Any) -> str:
    """The words of an error, in whichever of its places a service has them; the innermost say most."""
    paths = (
        ("detailedError", "innerError", "message"),
        ("detailedError", "message"),
        ("errorText",),
        ("error", "description"),
        ("error",),
        ("message",),
    )
    return next((text for path in paths if (text := get(payload, *path, kind=str))), "")


def json_or_none(response: HttpResponse) -> Any:
    """The parsed body, or None if it is no JSON."""
    try:
        return response.json()
    except UpstreamFormatError:
        return None
