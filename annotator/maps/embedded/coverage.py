"""What to say of positions that a map does not cover."""

from collections.abc import Iterable, Sequence

from annotator.errors import InputError
from annotator.geo import LatLon
from annotator.maps.embedded.manifest import Box

MARGIN_M = 2_000.0
"""How far outside its box a position still counts as on the map: extracts hold whole roads, which reach beyond."""


def refuse_swapped(box: Box, title: str, points: Iterable[LatLon]) -> None:
    """Raises `InputError` for a position that is far outside the map and would lie inside with lat and lon swapped."""
    for point in points:
        if hint := _swap_hint(box, point):
            raise InputError(f"{point[0]:g}, {point[1]:g} lies outside the map '{title}'; {hint}", param="lat")


def off_map_reason(box: Box, title: str, stops: Sequence[LatLon], names: Sequence[str]) -> str | None:
    """Why there is no way through stops, because the map does not cover one of them; None if it covers all.

    Args:
        names: of the stops, such as "the origin".
    """
    for name, stop in zip(names, stops, strict=True):
        if not box.contains(stop, MARGIN_M):
            hint = _swap_hint(box, stop)
            limits = f"{box.south:.4f} to {box.north:.4f} north and {box.west:.4f} to {box.east:.4f} east"
            return f"{name} lies outside the map '{title}', which covers {limits}" + (f"; {hint}" if hint else "")
    return None


def stop_names(num_stops: int) -> list[str]:
    """Names of the stops of a route, for people."""
    return ["the origin", *(f"stop {number}" for number in range(1, num_stops - 1)), "the destination"]


def _swap_hint(box: Box, point: LatLon) -> str | None:
    is_swapped = not box.contains(point, MARGIN_M) and box.contains((point[1], point[0]))
    return "did you swap lat and lon?" if is_swapped else None
