"""Worlds of a few objects, written as real extracts, and the indexes of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import osmium
import pytest
from osmium.osm.mutable import Node, Relation, Way

from annotator.maps.embedded.index import build_index
from annotator.maps.embedded.places import PlaceIndex


@dataclass
class World:
    """An extract in the making; ids are given out in order, and positions are (lat, lon)."""

    nodes: list[tuple[int, float, float, Mapping[str, str]]] = field(default_factory=list)
    ways: list[tuple[int, Sequence[int], Mapping[str, str]]] = field(default_factory=list)
    relations: list[tuple[int, Sequence[tuple[str, int, str]], Mapping[str, str]]] = field(default_factory=list)

    def node(self, lat: float, lon: float, **tags: str) -> int:
        self.nodes.append((len(self.nodes) + 1, lat, lon, _keys(tags)))
        return len(self.nodes)

    def way(self, points: Sequence[tuple[float, float] | int], **tags: str) -> int:
        refs = [point if isinstance(point, int) else self.node(*point) for point in points]
        self.ways.append((len(self.ways) + 1, refs, _keys(tags)))
        return len(self.ways)

    def box(self, south: float, west: float, north: float, east: float, **tags: str) -> int:
        """A closed way around a rectangle."""
        first = self.node(south, west)
        return self.way([first, (south, east), (north, east), (north, west), first], **tags)

    def relation(self, members: Sequence[tuple[str, int, str]], **tags: str) -> int:
        self.relations.append((len(self.relations) + 1, members, _keys(tags)))
        return len(self.relations)

    def boundary(self, south: float, west: float, north: float, east: float, level: int, **tags: str) -> int:
        """An administrative area around a rectangle."""
        outer = self.box(south, west, north, east)
        tags = {"type": "boundary", "boundary": "administrative", "admin_level": str(level)} | tags
        return self.relation([("w", outer, "outer")], **tags)

    def write(self, path: Path, header: Mapping[str, str] | None = None) -> Path:
        said = osmium.io.Header()
        for key, value in (header or {}).items():
            said.set(key, value)
        with osmium.SimpleWriter(str(path), header=said) as writer:
            for number, lat, lon, tags in self.nodes:
                writer.add_node(Node(id=number, location=(lon, lat), tags=dict(tags)))
            for number, refs, tags in self.ways:
                writer.add_way(Way(id=number, nodes=list(refs), tags=dict(tags)))
            for number, members, tags in self.relations:
                writer.add_relation(Relation(id=number, members=list(members), tags=dict(tags)))
        return path


def _keys(tags: Mapping[str, str]) -> dict[str, str]:
    """Keyword arguments cannot hold colons: name__de stands for name:de."""
    return {key.replace("__", ":"): value for key, value in tags.items()}


@pytest.fixture(scope="session")
def new_world() -> type[World]:
    return World


@pytest.fixture
def index_of(tmp_path: Path) -> Iterator[Callable[..., PlaceIndex]]:
    """Builds and opens the index of a world."""
    opened: list[PlaceIndex] = []

    def build(world: World, **options: Any) -> PlaceIndex:
        number = len(opened)
        build_index(world.write(tmp_path / f"{number}.osm.pbf"), tmp_path / f"{number}.places")
        opened.append(PlaceIndex(tmp_path / f"{number}.places", **options))
        return opened[-1]

    yield build
    for index in opened:
        index.close()


@pytest.fixture(scope="session")
def port_sel() -> World:
    """A small harbour town on no map, some two kilometres across, French with English and German names."""
    town = World()
    # The old town in the south-west, the new one in the north-east, the harbour between.
    town.boundary(45.00, 5.00, 45.02, 5.03, 8, name="Port-Sel", name__en="Salt Harbour", wikidata="Q1")
    town.boundary(45.00, 5.00, 45.01, 5.015, 10, name="Vieille Ville", name__en="Old Town", name__de="Altstadt")
    town.boundary(45.01, 5.015, 45.02, 5.03, 10, name="Ville Neuve", name__en="New Town")
    town.node(45.010, 5.015, place="town", name="Port-Sel", name__en="Salt Harbour", population="9000")
    town.box(45.0080, 5.0150, 45.0100, 5.0190, leisure="marina", name="Port du Sel", wikidata="Q2")
    town.box(45.0010, 5.0200, 45.0030, 5.0280, natural="beach", name="Plage des Mouettes", name__en="Gull Beach")
    # Streets: two that cross at a node, one in two parts, one with an abbreviated neighbour.
    corner = town.node(45.0050, 5.0100)
    town.way([(45.0050, 5.0050), corner, (45.0050, 5.0140)], highway="residential", name="Rue de l'Écluse")
    town.way([(45.0020, 5.0100), corner, (45.0090, 5.0100)], highway="tertiary", name="Rue du Phare", maxspeed="30")
    middle = town.node(45.0150, 5.0220)
    town.way([(45.0150, 5.0180), middle], highway="secondary", name="Boulevard Saint-Elme", lanes="2")
    town.way([middle, (45.0150, 5.0270)], highway="secondary", name="Boulevard Saint-Elme", lanes="3")
    for number, lon in ((2, 5.0060), (4, 5.0070), (12, 5.0120)):
        address = {"addr__housenumber": str(number), "addr__street": "Rue de l'Écluse", "addr__postcode": "99001"}
        town.node(45.0051, lon, **address)
    town.node(45.0153, 5.0200, addr__housenumber="7 bis", addr__street="Boulevard Saint-Elme", addr__city="Port-Sel")
    # Places of interest.
    town.node(45.0105, 5.0160, amenity="pharmacy", name="Pharmacie du Quai", opening_hours="Mo-Sa 08:00-20:00")
    town.node(45.0049, 5.0080, amenity="pharmacy", name="Pharmacie Ancienne", wheelchair="yes")
    town.node(45.0155, 5.0250, amenity="pharmacy", name="Pharmacie Neuve", wheelchair="no")
    town.node(45.0040, 5.0060, amenity="casino", name="Casino des Embruns", wikidata="Q3", website="https://e.example")
    town.node(45.0160, 5.0210, shop="supermarket", name="Casino", brand="Casino")
    town.node(45.0045, 5.0125, amenity="cafe", name="Café de la Gare", cuisine="coffee_shop;cake", opening_hours="24/7")
    town.node(45.0152, 5.0260, amenity="cafe", name="Le Phare Bleu", outdoor_seating="yes")
    town.node(
        45.0095, 5.0200, amenity="restaurant", name="Chez Ondine", cuisine="seafood;italian", wheelchair="limited"
    )
    town.node(45.0054, 5.0085, amenity="restaurant", name="Trattoria Zampa & Figli", cuisine="italian", stars="1")
    town.node(45.0175, 5.0240, railway="station", name="Port-Sel-Ville", name__de="Salzhafen Bahnhof")
    town.box(
        45.0060, 5.0020, 45.0070, 5.0040, tourism="museum", name="Musée de la Mer", name__en="Museum of the Sea",
        name__de="Meeresmuseum", website="https://m.example", wikidata="Q4", opening_hours="Tu-Su 10:00-18:00",
    )  # fmt: skip
    town.node(45.0030, 5.0030, amenity="place_of_worship", religion="christian", name="Église Saint-Elme")
    town.node(45.0110, 5.0210, tourism="hotel", name="Hôtel Fairwind", name__ja="フェアウィンド", phone="+99 1 23 45")
    town.node(45.0021, 5.0205, amenity="parking", name="Parking des Mouettes")
    town.node(45.0190, 5.0290, amenity="parking", name="Parking de la Gare")
    town.node(45.0100, 5.0120, amenity="atm", operator="Banque du Large")
    town.node(45.0012, 5.0012, amenity="bench")
    town.node(45.0176, 5.0241, highway="bus_stop", name="Gare")
    return town


@pytest.fixture(scope="session")
def port_sel_index(port_sel: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaceIndex]:
    folder = tmp_path_factory.mktemp("port-sel")
    build_index(port_sel.write(folder / "port-sel.osm.pbf"), folder / "places")
    with PlaceIndex(folder / "places", namespace="town", provider="port-sel") as index:
        yield index


@pytest.fixture(scope="session")
def monaco_pbf(shared_data: Path) -> Path:
    path = shared_data / "osm" / "monaco-2023-11-21.osm.pbf"
    if not path.is_file():
        pytest.skip(f"needs the extract {path}, which is not here")
    return path


@pytest.fixture(scope="session")
def monaco_index(monaco_pbf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaceIndex]:
    target = tmp_path_factory.mktemp("monaco") / "places"
    build_index(monaco_pbf, target)
    with PlaceIndex(target) as index:
        yield index
