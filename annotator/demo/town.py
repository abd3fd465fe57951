"""The embedded town: a fictional place as a real .osm.pbf file, the same bytes for the same seed."""

from dataclasses import dataclass
from pathlib import Path

from annotator.demo.anchors import Anchor, Projection, choose_anchor
from annotator.demo.make import Made, make_town
from annotator.demo.names.words import shown
from annotator.demo.plane.geometry import Point, snap
from annotator.demo.sheet import Ids, Member, PbfWriter, Sheet
from annotator.demo.sizes import LARGE, MEDIUM, METROPOLIS, SIZES, SMALL, TownSize

__all__ = ["DEFAULT_SEED", "LARGE", "MEDIUM", "METROPOLIS", "SIZES", "SMALL", "TownSize", "TownSummary", "build_town"]

DEFAULT_SEED = 1
"""The seed of the town that comes with the package."""

_GAP_M = 420.0
"""Between the edges of towns that make up one map."""


@dataclass(frozen=True, slots=True)
class TownSummary:
    """What was written.

    Args:
        seed: of the town.
        size: name of its size.
        name: in the town's own language.
        names: by language; of the first town if there are several.
        languages: the town's own, and the other one of its names.
        country_code: ISO 3166 code of the country in which it pretends to lie.
        lat, lon: its market square, in degrees.
        bbox: south, west, north, east of everything that it has, in degrees.
        num_places: places with a name.
        num_nodes, num_ways, num_relations: objects in the file.
        num_bytes: size of the file.
    """

    seed: int
    size: str
    name: str
    names: dict[str, str]
    languages: tuple[str, str]
    country_code: str
    lat: float
    lon: float
    bbox: tuple[float, float, float, float]
    num_places: int
    num_nodes: int
    num_ways: int
    num_relations: int
    num_bytes: int


def build_town(seed: int, target: Path, *, size: TownSize = MEDIUM) -> TownSummary:
    """Writes the town of a seed; a file that exists is replaced when the new one is complete.

    Args:
        seed: any whole number; each gives another town.
        target: the file to write, ending in .osm.pbf.
        size: how large the town is; several towns in a row along the coast for `METROPOLIS`.

    Raises:
        OSError: the file cannot be written.
    """
    anchor = choose_anchor(seed)
    ids = Ids()
    reach = size.rings_m[-1] + size.outskirts_m
    pitch = 2.0 * reach + _GAP_M
    box = [90.0, 180.0, -90.0, -180.0]
    num_places = 0
    first: Made | None = None
    before: Made | None = None
    with PbfWriter(target) as writer:
        for number in range(size.num_towns):
            # The first town is the one that the seed makes alone.
            sheet = Sheet(Projection(anchor, (-number * pitch, 0.0)), ids)
            made = make_town(seed + number * 1_000_003, size, anchor, sheet)
            if before is not None:
                _join(sheet, before, made)
            for _, point, _ in sheet.nodes:
                lat, lon = sheet.projection.degrees(point)
                box = [min(box[0], lat), min(box[1], lon), max(box[2], lat), max(box[3], lon)]
            if number == size.num_towns - 1:
                _draw_country(sheet, anchor, number * pitch, reach)
            writer.add(sheet)
            num_places += made.num_places
            first, before = first or made, made
    if first is None:
        raise ValueError("a map needs at least one town")
    names = first.plan.names["town"]
    lat, lon = Projection(anchor).degrees(first.plan.square)
    return TownSummary(
        seed=seed,
        size=size.name,
        name=names[anchor.languages[0]],
        names={language: names[language] for language in anchor.languages},
        languages=anchor.languages,
        country_code=anchor.country_code,
        lat=lat,
        lon=lon,
        bbox=(box[0], box[1], box[2], box[3]),
        num_places=num_places,
        num_nodes=ids.node,
        num_ways=ids.way,
        num_relations=ids.relation,
        num_bytes=target.stat().st_size,
    )


def _join(sheet: Sheet, west: Made, east: Made) -> None:
    """Roads and the railway from one town to the next."""
    tags = {
        "road": {"highway": "primary", "maxspeed": "80"},
        "coast road": {"highway": "secondary", "maxspeed": "70"},
        "motorway": {"highway": "trunk", "maxspeed": "90"},
        "railway": {"railway": "rail", "gauge": "1435"},
    }
    for role, what in tags.items():
        start, end = west.exits.get((role, "east")), east.exits.get((role, "west"))
        if start is not None and end is not None:
            sheet.way([start[0], end[0]], what)


def _draw_country(sheet: Sheet, anchor: Anchor, west_m: float, reach: float) -> None:
    """Boundaries of country and state around everything, as routers and address search want to know them."""
    low, high = -west_m - 1.5 * reach, 1.5 * reach
    corners: list[Point] = [snap(low, -1500.0), snap(high, -1500.0), snap(high, 1.9 * reach), snap(low, 1.9 * reach)]
    border = sheet.area(corners, {"boundary": "administrative"}, "country")
    members: list[Member] = [("w", border, "outer")]
    for level, names, code in (
        ("2", anchor.country_names, {"ISO3166-1": anchor.country_code, "ISO3166-1:alpha2": anchor.country_code}),
        ("4", anchor.state_names, {"ISO3166-2": anchor.state_code}),
    ):
        tags = {"type": "boundary", "boundary": "administrative", "admin_level": level}
        sheet.relation(members, tags | shown(names, anchor.languages) | code)
