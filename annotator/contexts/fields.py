"""The fields that an item of a context can show, by its kind, in the order in which they are told."""

from collections.abc import Mapping
from dataclasses import dataclass

from annotator.contexts.model import ITEM_KIND_OF_TOOL, Item, ItemKind


@dataclass(frozen=True, slots=True)
class FieldOut:
    """A field.

    Args:
        name: as `View.fields` names it.
        title: for people.
        standard: whether it is shown when the view does not say which.
    """

    name: str
    title: str
    standard: bool


_TITLES = {
    "category": "Type",
    "address": "Address",
    "position": "Coordinates",
    "distance": "Distance",
    "travel": "Travel time",
    "detour": "Detour",
    "opening_hours": "Opening hours",
    "rating": "Rating",
    "price_level": "Price level",
    "phone": "Phone",
    "website": "Website",
    "email": "E-mail",
    "wheelchair": "Wheelchair access",
    "names": "Other names",
    "attributes": "Other facts",
    "id": "Place id",
}
"""Fields of places in the order in which they are told."""

JSON_KEYS: Mapping[str, tuple[str, ...]] = {
    "category": ("categories", "kind"),
    "address": ("address", "address_parts"),
    "position": ("lat", "lon"),
    "distance": ("distance_m",),
    "travel": ("travel",),
    "detour": ("detour",),
    "opening_hours": ("opening_hours",),
    "rating": ("rating", "rating_count"),
    "price_level": ("price_level",),
    "phone": ("phone",),
    "website": ("website",),
    "email": ("email",),
    "wheelchair": ("wheelchair",),
    "names": ("names",),
    "attributes": ("attributes",),
    "id": ("pid",),
}
"""What of a place's canonical JSON each field is."""


def _of_places(*standard: str, without: tuple[str, ...] = ()) -> tuple[FieldOut, ...]:
    return tuple(FieldOut(name, title, name in standard) for name, title in _TITLES.items() if name not in without)


FIELDS_OF_KIND: dict[ItemKind, tuple[FieldOut, ...]] = {
    "places": _of_places("category", "address", "distance", without=("travel", "detour")),
    "details": _of_places(*_TITLES.keys() - {"id", "distance", "travel", "detour"}, without=("travel", "detour")),
    "nearby": _of_places("address", "distance", "travel", "rating", without=("detour",)),
    "along_route": _of_places("address", "detour", "rating", without=("distance", "travel")),
    "route": (
        FieldOut("via", "Roads", True),
        FieldOut("legs", "Parts between stops", True),
        FieldOut("notes", "Tolls, ferries, warnings", True),
    ),
    "matrix": (FieldOut("duration", "Travel time", True), FieldOut("distance", "Distance", True)),
    "calc": (),
    "note": (),
}
"""A context's fields by kind; the names of places, and the length and time of routes, are always told."""


def shown_fields(item: Item, tool: str) -> tuple[str, ...]:
    """The fields that an item shows, in the order in which they are told.

    Which there are follows from the tool, whatever kind the item says it is; names that the kind lacks are left out.
    """
    chosen = item.view.fields
    known = FIELDS_OF_KIND[ITEM_KIND_OF_TOOL.get(tool, item.kind)]
    return tuple(field.name for field in known if (field.standard if chosen is None else field.name in chosen))
