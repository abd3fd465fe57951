"""What every block is for, and what its buildings are like."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from annotator.demo.land.blocks import Block
from annotator.demo.plane.geometry import Point, centroid, distance
from annotator.demo.plane.planar import Plane
from annotator.demo.stream import Stream


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes of the buildings of a use in metres; each pair is a range.

    Args:
        front: width along the street.
        depth: away from it.
        setback: free strip between street and house.
        gap: between neighbours; equal zeros make a closed row.
        row: houses of a closed row before there is a gap.
        types: values of `building` and how often each.
        levels: storeys.
        most: no block has more of them; 0 for as many as fit.
    """

    front: tuple[float, float]
    depth: tuple[float, float]
    setback: tuple[float, float]
    gap: tuple[float, float]
    row: tuple[int, int]
    types: tuple[tuple[str, float], ...]
    levels: tuple[int, int]
    most: int = 0


STYLES = {
    "old": Style(
        (6.5, 11.5), (9.0, 13.0), (0.2, 0.7), (1.5, 3.0), (5, 14), (("house", 3), ("retail", 1), ("yes", 3)), (2, 4)
    ),
    "mixed": Style(
        (10.0, 18.0),
        (11.0, 15.0),
        (0.8, 2.4),
        (2.0, 5.0),
        (3, 8),
        (("apartments", 3), ("retail", 2), ("commercial", 1), ("yes", 2)),
        (3, 5),
    ),
    "terraces": Style((6.4, 8.4), (9.0, 11.0), (2.6, 4.6), (3.0, 5.0), (4, 9), (("terrace", 3), ("house", 2)), (2, 3)),
    "apartments": Style((20.0, 40.0), (11.0, 14.0), (5.0, 8.0), (9.0, 15.0), (1, 1), (("apartments", 1),), (3, 6)),
    "houses": Style(
        (9.5, 15.0),
        (8.5, 12.0),
        (5.0, 8.5),
        (4.0, 10.0),
        (1, 2),
        (("detached", 4), ("house", 3), ("semidetached_house", 1)),
        (1, 2),
    ),
    "offices": Style(
        (22.0, 38.0), (14.0, 19.0), (3.0, 7.0), (7.0, 14.0), (1, 2), (("office", 2), ("commercial", 1)), (3, 6)
    ),
    "works": Style(
        (32.0, 70.0), (24.0, 44.0), (9.0, 16.0), (12.0, 24.0), (1, 1), (("industrial", 3), ("warehouse", 2)), (1, 2)
    ),
    "retail": Style((38.0, 74.0), (30.0, 46.0), (17.0, 26.0), (14.0, 26.0), (1, 2), (("retail", 1),), (1, 1)),
    "farm": Style(
        (14.0, 26.0), (10.0, 15.0), (12.0, 20.0), (8.0, 20.0), (1, 1), (("farm_auxiliary", 2), ("barn", 1)), (1, 2)
    ),
    "school": Style((40.0, 58.0), (14.0, 19.0), (10.0, 16.0), (12.0, 22.0), (1, 1), (("school", 1),), (2, 3), 2),
    "college": Style((44.0, 66.0), (16.0, 22.0), (9.0, 16.0), (14.0, 24.0), (1, 1), (("college", 1),), (3, 4), 4),
    "hospital": Style((56.0, 84.0), (20.0, 28.0), (14.0, 20.0), (16.0, 26.0), (1, 1), (("hospital", 1),), (4, 7), 4),
    "church": Style((13.0, 17.0), (27.0, 36.0), (5.0, 9.0), (20.0, 30.0), (1, 1), (("church", 1),), (2, 2), 1),
    "town hall": Style((25.0, 33.0), (15.0, 20.0), (3.0, 6.0), (20.0, 30.0), (1, 1), (("civic", 1),), (3, 4), 1),
    "station": Style(
        (36.0, 52.0), (12.0, 16.0), (14.0, 22.0), (20.0, 30.0), (1, 1), (("train_station", 1),), (2, 2), 1
    ),
    "sports": Style((34.0, 48.0), (20.0, 28.0), (10.0, 16.0), (20.0, 30.0), (1, 1), (("sports_hall", 1),), (1, 2), 1),
    "cemetery": Style((9.0, 12.0), (14.0, 18.0), (12.0, 18.0), (20.0, 30.0), (1, 1), (("chapel", 1),), (1, 1), 1),
}
"""How blocks are built up, by use; uses that are not here have no buildings."""

LANDUSE = {
    "old": {"landuse": "retail"},
    "mixed": {"landuse": "commercial"},
    "terraces": {"landuse": "residential"},
    "apartments": {"landuse": "residential"},
    "houses": {"landuse": "residential"},
    "offices": {"landuse": "commercial"},
    "works": {"landuse": "industrial"},
    "retail": {"landuse": "retail"},
    "allotments": {"landuse": "allotments"},
    "green": {"landuse": "recreation_ground"},
    "grass": {"landuse": "grass"},
    "farmland": {"landuse": "farmland"},
    "meadow": {"landuse": "meadow"},
    "forest": {"landuse": "forest"},
    "orchard": {"landuse": "orchard"},
    "scrub": {"natural": "scrub"},
}
"""Tags of the land of a block, by use. Other uses become places of their own."""

_MIXES = {
    "centre": (("terraces", 5.0), ("apartments", 2.4), ("mixed", 1.6), ("offices", 0.7)),
    "inner": (("houses", 6.0), ("terraces", 2.2), ("apartments", 1.3)),
    "outer": (("houses", 8.0), ("terraces", 1.6), ("apartments", 1.0)),
}


def choose_uses(seed: int, plane: Plane, blocks: Sequence[Block], centre: Point, inner_m: float) -> None:
    """Gives every block without a use one, in place."""
    stream = Stream(seed, "uses")
    flavours: dict[int, str] = {}
    for block in blocks:
        if block.use or block.zone in ("river", "waterfront"):
            continue
        middle = centroid(block.ring)
        if block.zone == "rural":
            block.use = _rural(stream, middle)
            continue
        if block.area_m2 < 850.0:
            block.use = "grass"
            continue
        if block.zone in ("old", "centre") and 1100.0 < block.area_m2 < 3800.0 and stream.chance(0.07):
            block.use = "parking"
            continue
        if block.zone in ("old", "works"):
            block.use = block.zone
            continue
        # Most of a quarter was built at one time, so most of its blocks look alike.
        names, weights = zip(*_MIXES[block.zone], strict=True)
        flavour = flavours.setdefault(block.quarter, stream.pick_weighted(names, weights))
        block.use = flavour if stream.chance(0.62) else stream.pick_weighted(names, weights)
        main = any(plane.kind[h >> 1] in ("primary", "secondary") for h in plane.loop(block.half))
        if main and stream.chance(0.85 if block.zone == "centre" else 0.12):
            block.use = "mixed"
        if block.zone == "centre" and distance(middle, centre) < 1.45 * inner_m and stream.chance(0.5):
            block.use = "mixed"


def _rural(stream: Stream, middle: Point) -> str:
    """Woods and fields lie in patches, not at random."""
    x, y = middle
    patch = math.sin(x / 260.0 + 1.3) + math.sin(y / 230.0 + 0.4) + math.sin((x + y) / 420.0) + stream.around(0.0, 1.1)
    if patch > 0.75:
        return "forest"
    if patch > 0.3:
        return stream.pick(("orchard", "meadow", "scrub"))
    return stream.pick(("meadow", "farmland", "farmland", "farmland"))
