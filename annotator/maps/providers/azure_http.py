"""What all of Azure Maps' services share: the key, the version, languages, and its words when something is wrong."""

from annotator.errors import UpstreamError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.provider import Provider
from annotator.maps.providers.reading import get

TITLE = "Azure Maps"
KEY_ENV = "AZURE_MAPS_KEY"
KEY = Secret(KEY_ENV, "subscription-key")
VERSION = ("api-version", "1.0")

# It takes languages with their region only, except for Arabic.
_REGIONS = {
    "af": "af-ZA", "bg": "bg-BG", "cs": "cs-CZ", "da": "da-DK", "de": "de-DE", "el": "el-GR", "en": "en-US",
    "es": "es-ES", "et": "et-EE", "fi": "fi-FI", "fr": "fr-FR", "he": "he-IL", "hr": "hr-HR", "hu": "hu-HU",
    "id": "id-ID", "it": "it-IT", "ja": "ja-JP", "kk": "kk-KZ", "ko": "ko-KR", "lt": "lt-LT", "lv": "lv-LV",
    "ms": "ms-MY", "nb": "nb-NO", "nl": "nl-NL", "no": "nb-NO", "pl": "pl-PL", "pt": "pt-PT", "ro": "ro-RO",
    "ru": "ru-RU", "sk": "sk-SK", "sl": "sl-SI", "sr": "sr-Latn-RS", "sv": "sv-SE", "th": "th-TH", "tr": "tr-TR",
    "uk": "uk-UA", "vi": "vi-VN", "zh": "zh-Hans-CN",
}  # fmt: skip


def language_tag(language: str) -> str:
    """A language as Azure Maps has it: `en` is `en-US`."""
    return _REGIONS.get(language, language)


def get_call(provider: Provider, path: str, *query: tuple[str, str]) -> HttpCall:
    """A GET request."""
    return HttpCall("GET", f"{provider.base_url}{path}", query=(VERSION, *query), secrets=(KEY,))


def error_words(response: HttpResponse) -> str:
    """Azure Maps' words."""
    try:
        return get(response.json(), "error", "message", kind=str) or ""
    except UpstreamError:
        return ""
