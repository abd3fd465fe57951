"""GeoJSON (RFC 7946) of the places that questions are about, each once, with the numbers of its questions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.text import dumped, opened
from annotator.datasets.native import ItemPlace, NativeItem


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the places in the order in which they first occur."""
    places: dict[str, ItemPlace] = {}
    numbers: dict[str, list[int]] = {}
    for item in items:
        outcome.num_items += 1
        for place in item.places:
            known = places.get(place.pid)
            if known is None or known.lat is None:
                places[place.pid] = place
            numbers.setdefault(place.pid, []).append(item.number)
    with opened(path) as file:
        sources = dumped(list(about.attribution))
        file.write(f'{{"type": "FeatureCollection", "attribution": {sources}, "features": [')
        for count, (pid, place) in enumerate(places.items()):
            file.write(f"{',' if count else ''}\n{dumped(_feature(place, numbers[pid]))}")
        file.write("\n]}\n")


def _feature(place: ItemPlace, numbers: list[int]) -> dict[str, Any]:
    is_placed = place.lat is not None and place.lon is not None
    return {
        "type": "Feature",
        "id": place.pid,
        # Without a position the standard wants null: terms let some places leave by their ids alone.
        "geometry": {"type": "Point", "coordinates": [place.lon, place.lat]} if is_placed else None,
        "properties": {"pid": place.pid, "name": place.name, "questions": numbers},
    }


FORMAT = ExportFormat(
    key="geojson",
    title="GeoJSON",
    sentence="The places that the questions are about, for maps and geographic programs.",
    write=write,
    suffix=".geojson",
)
