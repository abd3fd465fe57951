"""What all of HERE's services share: its name, its key, its modes of travel, and its words when something is wrong."""

from annotator.errors import UpstreamError
from annotator.maps.calls import HttpResponse, Secret
from annotator.maps.params import Avoidable, TravelMode
from annotator.maps.providers.reading import get

TITLE = "HERE"
KEY_ENV = "HERE_API_KEY"
KEY = Secret(KEY_ENV, "apiKey", "query")

MODES: dict[TravelMode, str] = {"drive": "car", "walk": "pedestrian", "bicycle": "bicycle"}
FEATURES: dict[Avoidable, str] = {"tolls": "tollRoad", "highways": "controlledAccessHighway", "ferries": "ferry"}


def travel_refusals(mode: TravelMode, avoid: tuple[Avoidable, ...]) -> list[str]:
    """Why a mode of travel, or what it shall avoid, cannot be had."""
    if mode not in MODES:
        return [f"{TITLE} has no {mode} here: use one of {', '.join(MODES)}"]
    if avoid and mode != "drive":
        return [f"{TITLE} avoids {', '.join(avoid)} only for drive: leave out avoid"]
    return []


def error_words(response: HttpResponse) -> str:
    """HERE's words: a title with its cause, or for what concerns the key an error with its description."""
    try:
        payload = response.json()
    except UpstreamError:
        return ""
    names = ("title", "cause") if get(payload, "title", kind=str) else ("error", "error_description")
    return ": ".join(text for name in names if (text := get(payload, name, kind=str)))
