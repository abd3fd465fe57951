"""Asks the tools for questions in tool mode, and keeps what was asked and what was told.

Calls hold canonical parameters without defaults, and their answers in the JSON form of contexts, short enough to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotator.cache.json_text import canonical
from annotator.contexts.json_form import answer_json
from annotator.contexts.model import ITEM_KIND_OF_TOOL, Item
from annotator.contexts.seen import Seen
from annotator.contexts.words import clean
from annotator.demo.questions.landmarks import Landmarks
from annotator.demo.questions.town import OpenTown
from annotator.demo.stream import Stream
from annotator.maps.params import PARAMS, ToolName

FIELDS: Mapping[ToolName, tuple[str, ...]] = {
    "text_search": ("category", "position"),
    "place_details": ("category", "position", "opening_hours", "phone", "website", "wheelchair"),
    "reverse_geocode": ("category", "distance"),
    "nearby_search": ("distance", "travel"),
    "compute_routes": ("via",),
    "search_along_route": ("detour",),
}
"""What an answer tells; of what is computed, everything."""

_CALL_ID = "0" * 26


@dataclass
class Desk:
    """Asks the tools and keeps the calls.

    Args:
        town: that answers.
        landmarks: its places.
    """

    town: OpenTown
    landmarks: Landmarks
    stream: Stream
    calls: list[Mapping[str, Any]] = field(default_factory=list)

    def ask(self, tool: ToolName, **params: Any) -> Mapping[str, Any]:
        """A call, remembered for the question; gives what its answer tells."""
        asked, result = self.town.answer(tool, params)
        item = Item(key="i", kind=ITEM_KIND_OF_TOOL[tool], tool_call_id=_CALL_ID)
        seen = Seen(dict(result), ())
        told = answer_json(item, tool, self.town.provider(tool), asked, seen, FIELDS.get(tool, ()))["result"]
        content = canonical(told).decode()
        self.calls.append({"name": tool, "arguments": without_defaults(tool, asked), "content": content})
        return dict(told)

    def place(self) -> Mapping[str, Any]:
        """A place whose name is its own."""
        while True:
            found = self.landmarks.any_place(self.stream)
            names = [clean(place["name"]) for place in self.landmarks.places]
            if names.count(clean(found["name"])) == 1:
                return found

    def found(self) -> Mapping[str, Any] | None:
        """A place, looked for by its name; None where another one is found first."""
        wanted = self.place()
        places = self.ask("text_search", query=clean(wanted["name"]), limit=1)["places"]
        return places[0] if places and places[0]["pid"] == wanted["pid"] else None

    def where(self) -> dict[str, float]:
        """Some position near a place."""
        place = self.landmarks.any_place(self.stream)
        return {key: round(place[key] + self.stream.uniform(-0.0008, 0.0008), 5) for key in ("lat", "lon")}


def without_defaults(tool: ToolName, params: Mapping[str, Any]) -> dict[str, Any]:
    """Canonical parameters without those that say what would be so without them."""
    defaults = {name: info.default for name, info in PARAMS[tool].model_fields.items() if not info.is_required()}
    return {key: value for key, value in params.items() if key not in defaults or _plain(defaults[key]) != value}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
