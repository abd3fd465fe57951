"""The demo project's contexts by title."""

from collections.abc import Awaitable, Callable

from annotator.demo.project.sheet import Sheet
from annotator.demo.project.town_places import address, museums, pharmacies
from annotator.demo.project.town_trips import errands, hotels, lunch, station

CONTEXTS: tuple[tuple[str, Callable[[Sheet], Awaitable[None]]], ...] = (
    ("Pharmacies around the square", pharmacies),
    ("A day of museums", museums),
    ("From the square to the station", station),
    ("Lunch on the way", lunch),
    ("Hotels and sights", hotels),
    ("An afternoon's errands", errands),
    ("Cafés and addresses", address),
)
