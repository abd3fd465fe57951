"""How contexts differ in looks: their titles, their items' headings, and which fields they show."""

from collections.abc import Sequence

from annotator.contexts.fields import FIELDS_OF_KIND
from annotator.contexts.model import ITEM_KIND_OF_TOOL
from annotator.contexts.words import kind_name, kind_names, travel_by
from annotator.demo.stream import Stream
from annotator.maps.params import ToolName

_STANDARD = 0.45
"""Share of items that show the standard fields."""
_HEADED = 0.3
"""Share of items with a heading of their own."""
_TITLED = 0.5
"""Share of contexts with a title."""

_TITLES = (
    "A day in {town}",
    "{town}",
    "Notes about {town}",
    "What I found in {town}",
    "Around {home}",
    "Visiting {town}",
    "Places and ways in {town}",
    "{town}: {kinds} and more",
    "Plans for the weekend",
    "Things to look up",
)

_OFTEN: dict[str, float] = {
    "category": 0.4,
    "address": 0.5,
    "position": 0.08,
    "distance": 0.8,
    "travel": 0.95,
    "detour": 0.9,
    "opening_hours": 0.45,
    "rating": 0.1,
    "price_level": 0.1,
    "phone": 0.35,
    "website": 0.25,
    "email": 0.25,
    "wheelchair": 0.35,
    "names": 0.06,
    "attributes": 0.2,
    "id": 0.03,
    "via": 0.7,
    "legs": 0.95,
    "notes": 0.6,
    "duration": 0.8,
}
"""How often a field is shown where an annotator chose the fields."""

_DETAILS_FACTOR = 1.7
"""Details are looked up to see more than a list shows."""


def title_of(stream: Stream, town: str, home: str, focus: Sequence[str]) -> str:
    """A context's title; empty for none."""
    if not stream.chance(_TITLED):
        return ""
    return stream.pick(_TITLES).format(town=town, home=home, kinds=kind_names(focus[0]))[:200]


def fields_of(stream: Stream, tool: ToolName) -> tuple[str, ...] | None:
    """The fields that an item shows; None for the standard ones."""
    known = FIELDS_OF_KIND[ITEM_KIND_OF_TOOL[tool]]
    if not known or stream.chance(_STANDARD):
        return None
    factor = _DETAILS_FACTOR if tool == "place_details" else 1.0
    chosen = tuple(field.name for field in known if stream.chance(min(0.95, factor * _OFTEN.get(field.name, 0.5))))
    # A table without a number and details without a fact would say nothing.
    return chosen or None


def heading_of(
    stream: Stream, tool: ToolName, *, kind: str = "", place: str = "", other: str = "", mode: str = ""
) -> str:
    """An item's own heading; empty for none, as for most.

    Args:
        kind: canonical type that is looked for.
        place, other: names of what it is about, where known.
        mode: how to travel.
    """
    if not stream.chance(_HEADED):
        return ""
    words = {
        "kind": kind_name(kind) if kind else "",
        "kinds": kind_names(kind) if kind else "",
        "place": place,
        "other": other,
        "by": travel_by(mode) if mode else "",
    }
    fitting = [text for text, needs in _HEADINGS[tool] if all(words[need] for need in needs)]
    text = stream.pick(fitting).format_map(words)[:200] if fitting else ""
    return f"{text[:1].upper()}{text[1:]}"


_HEADINGS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "text_search": (("Search results", ()), ("Looking for {place}", ("place",)), ("{kinds}", ("kinds",))),
    "place_details": (("About {place}", ("place",)), ("Details", ()), ("One {kind} more closely", ("kind",))),
    "reverse_geocode": (("What is here", ()), ("Address of a position", ()), ("Near {place}", ("place",))),
    "nearby_search": (
        ("{kinds} around {place}", ("kinds", "place")),
        ("Close to {place}", ("place",)),
        ("Which {kind}?", ("kind",)),
        ("In the neighbourhood", ()),
    ),
    "compute_routes": (
        ("From {place} to {other}", ("place", "other")),
        ("The way {by}", ("by",)),
        ("How to get there", ()),
    ),
    "travel_matrix": (("Travel {by}", ("by",)), ("From everywhere to everywhere", ())),
    "search_along_route": (
        ("{kinds} on the way", ("kinds",)),
        ("Between {place} and {other}", ("place", "other")),
        ("Stopping on the way", ()),
    ),
    "distance_bearing": (("As the crow flies", ()), ("From {place} to {other}", ("place", "other"))),
    "open_at": (("Is it open?", ()), ("Opening hours of {place}", ("place",))),
}
"""Headings with the words that they need."""
