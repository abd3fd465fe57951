"""Places with names: which kind goes where, what it is called, and every tag it has."""

from annotator.demo.land.districts import nearest_district
from annotator.demo.names.naming import Namer
from annotator.demo.names.titles import Title, Titles
from annotator.demo.places.attraction import Spot, suits, survey_houses
from annotator.demo.places.catalogue import KINDS, Kind
from annotator.demo.places.details import Tags, contact, description, details, wheelchair
from annotator.demo.places.hours import hours
from annotator.demo.places.premises import Premises
from annotator.demo.plan import Feature, Ground, Plan
from annotator.demo.plane.geometry import (
    Nearby,
    Point,
    between,
    centroid,
    direction,
    distance,
    inside,
    left_of,
    moved,
    nearest,
    snap,
)
from annotator.demo.stream import Stream
from annotator.demo.ways.streets import course

_TRIES = 60
_WORSHIP = {"christian": "church", "muslim": "mosque", "jewish": "synagogue", "buddhist": "temple"}
"""Values of `building` by religion."""


class Settler:
    """Fills a town with places.

    Args:
        plan: the town, with streets, houses and districts named.
        namer: gives names once.
        station: where the station is.
    """

    def __init__(self, plan: Plan, namer: Namer, station: Point) -> None:
        self._plan = plan
        self._spots = survey_houses(plan, station)
        self._premises = Premises(self._spots)
        self._doors = Nearby([spot.door for spot in self._spots])
        edges = [
            edge
            for edge, street in enumerate(plan.street_of)
            if street >= 0 and plan.streets[street].names and plan.kinds[edge] != "footway"
        ]
        self._corners = Nearby([plan.plane.points[plan.plane.origin[2 * edge]] for edge in edges])
        self._street_of_corner = [plan.street_of[edge] for edge in edges]
        self._titles = Titles(plan, namer)
        self._by_kind: dict[str, list[Point]] = {}
        self._grounds: dict[str, list[Ground]] = {}
        for ground in plan.grounds:
            self._grounds.setdefault(ground.use, []).append(ground)
        self.num_places = 0

    def settle(self, num_stops: int) -> None:
        """Every kind of the catalogue, so that with the bus stops there are as many places as the size asks for."""
        num_once = sum(kind.number for kind in KINDS if kind.once)
        num_others = sum(kind.number for kind in KINDS if not kind.once)
        scale = max(0.04, (self._plan.size.num_places - num_once - num_stops) / num_others)
        for kind in KINDS:
            stream = Stream(self._plan.seed, f"place {kind.key}")
            count = kind.number if kind.once else kind.number * scale
            # The fraction of a place is a chance of one.
            whole = int(count) + int(stream.chance(count - int(count)))
            self._titles.open_chains(kind, scale, whole)
            for _ in range(whole):
                match kind.how:
                    case "unit" | "house" | "kerb":
                        self._in_house(kind, stream)
                    case "green":
                        self._in_green(kind, stream)
                    case "shore":
                        self._at_shore(kind, stream)
                    case _:
                        self._on_ground(kind, stream)

    def name_stops(self, stops: list[Feature], choices: dict[int, list[dict[str, str]]]) -> int:
        """Names bus stops for streets near them, and gives them addresses; returns how many have a name.

        Args:
            stops: their features.
            choices: names of streets to choose from by index of stop, the best first.
        """
        count = 0
        for index, stop in enumerate(stops):
            title = next((Title(names) for names in choices[index] if self._titles.claim_stop(names)), None)
            if title is not None:
                stop.tags |= self._titles.tags(title)
                count += 1
            stop.tags |= self.address(self.street_near(stop.points[0]), "", -1, stop.points[0])
        return count

    def address_houses(self) -> None:
        """Gives every house with a number its address."""
        for house in self._plan.buildings:
            if house.number:
                house.tags |= self.address(house.street, house.number, house.block, house.door)

    def _in_house(self, kind: Kind, stream: Stream) -> None:
        spot = self._premises.find(kind, self._by_kind.get(kind.key, []), stream)
        if spot is None:
            return
        plan = self._plan
        house = plan.buildings[spot.building]
        tags = self._tags(kind, spot, stream)
        tags |= self.address(house.street, house.number, house.block, house.door)
        if kind.how == "house":
            self._premises.take_whole(spot.building)
            house.tags |= tags
        else:
            a, b = house.ring[0], house.ring[1]
            inward = left_of(direction(a, b))
            if kind.how == "kerb":
                slot = between(a, b, stream.uniform(0.15, 0.85))
                point = moved(slot, inward, -0.9)
                tags.pop("addr:housenumber", None)
            else:
                slot = between(a, b, self._premises.take_unit(spot.building))
                point = moved(slot, inward, stream.uniform(2.0, 3.5))
            plan.features.append(Feature("point", [point], tags))
        self._note(kind, house.door)

    def _on_ground(self, kind: Kind, stream: Stream) -> None:
        waiting = self._grounds.get(kind.how, [])
        if not waiting:
            return
        ground = waiting.pop(int(stream.unit() * len(waiting)) if len(waiting) > 1 and kind.how != "parking" else 0)
        plan = self._plan
        point = centroid(ground.feature.points) if ground.feature.shape == "area" else ground.feature.points[0]
        street, number = self._front(ground, point)
        tags = self._tags(kind, self._spot_at(point), stream)
        tags |= self.address(street, number, ground.block, point)
        target = ground.feature.tags
        if "building" in kind.tags:
            if ground.buildings:
                target = plan.buildings[ground.buildings[0]].tags
            else:
                del tags["building"]
        target |= tags
        self._note(kind, point)

    def _front(self, ground: Ground, point: Point) -> tuple[int, str]:
        """Street and house number of a ground: those of its first building, or the street that it is nearest to."""
        plan = self._plan
        if ground.buildings:
            house = plan.buildings[ground.buildings[0]]
            return house.street, house.number
        return self.street_near(point), ""

    def street_near(self, point: Point) -> int:
        """Index of the nearest street with a name."""
        return self._street_of_corner[self._corners.index(point)]

    def _in_green(self, kind: Kind, stream: Stream) -> None:
        uses = ("square",) if kind.where == "square" else ("park", "small park")
        greens = [ground for ground in self._plan.grounds if ground.use in uses]
        waters = [f.points for f in self._plan.features if f.tags.get("water") == "pond"]
        others = [point for points in self._by_kind.values() for point in points]
        for _ in range(_TRIES):
            if not greens:
                return
            ground = stream.pick(greens)
            ring = ground.feature.points
            middle = centroid(ring)
            corner = stream.pick(ring)
            point = snap(*between(middle, corner, stream.uniform(0.05, 0.6)))
            wet = any(inside(point, water) for water in waters)
            if inside(point, ring) and not wet and nearest(point, others) > 9.0:
                tags = self._tags(kind, self._spot_at(point), stream)
                tags |= self.address(self.street_near(point), "", ground.block, point)
                self._plan.features.append(Feature("point", [point], tags))
                self._note(kind, point)
                return

    def _at_shore(self, kind: Kind, stream: Stream) -> None:
        terrain = self._plan.terrain
        others = self._by_kind.get(kind.key, [])
        for _ in range(_TRIES):
            index = stream.integer(2, len(terrain.coast) - 3)
            point = between(terrain.coast[index], terrain.behind_coast[index], 0.45)
            is_dry = distance(point, terrain.river[-4]) > 90.0
            is_near = distance(point, self._plan.square) < self._plan.size.rings_m[-1] * 1.15
            if is_dry and is_near and nearest(point, others) > 220.0:
                tags = self._tags(kind, self._spot_at(point), stream)
                tags |= self.address(self.street_near(point), "", -1, point)
                self._plan.features.append(Feature("point", [point], tags))
                self._note(kind, point)
                return

    def _spot_at(self, point: Point) -> Spot:
        """The house nearest to a point: what is true of it is true of the point."""
        return self._spots[self._doors.index(point)]

    def _note(self, kind: Kind, point: Point) -> None:
        self._by_kind.setdefault(kind.key, []).append(point)
        self.num_places += 1

    def _tags(self, kind: Kind, spot: Spot, stream: Stream) -> Tags:
        """Everything about a new place but its address."""
        anchor = self._plan.anchor
        words = self._words(spot)
        title = self._titles.take(kind, words, stream, lambda english: suits(english, spot))
        tags = dict(kind.tags) | title.tags | self._titles.tags(title)
        if kind.hours != "-":
            tags["opening_hours"] = hours(kind.hours, stream)
        if kind.how not in ("kerb", "shore", "green", "small park"):
            tags |= contact(anchor, tags["name"], stream)
        if kind.how not in ("shore", "camp"):
            tags |= wheelchair(stream)
        if "religion" in tags:
            tags["building"] = _WORSHIP[tags["religion"]]
        tags |= details(kind.extras, stream) | description(kind.extras, anchor, stream)
        if kind.how == "unit" and stream.chance(0.05):
            tags["level"] = stream.pick(("1", "1", "2", "-1"))
        return tags

    def _words(self, spot: Spot) -> dict[str, dict[str, str]]:
        plan = self._plan
        house = plan.buildings[spot.building]
        district = plan.districts[self._district(house.block, house.door)]
        street = plan.streets[house.street].names or district.names
        return {"street": street, "district": district.names, "town": plan.names["town"], "river": plan.names["river"]}

    def _district(self, block: int, point: Point) -> int:
        known = self._plan.district_of[block] if block >= 0 else -1
        return known if known >= 0 else nearest_district(self._plan, point)

    def address(self, street: int, number: str, block: int, point: Point) -> Tags:
        """Address tags in the place's first language."""
        plan = self._plan
        language = plan.anchor.languages[0]
        names = plan.streets[street].names
        tags = {"addr:street": names[language]} if names else {}
        if number:
            tags["addr:housenumber"] = number
        district = plan.districts[self._district(block, point)]
        return tags | {"addr:postcode": district.postcode, "addr:city": plan.names["town"][language]}


def crossing_names(plan: Plan, stop: Point, limit: int) -> list[dict[str, str]]:
    """Names of the streets nearest to a point, its own last."""
    found = []
    for street in plan.streets:
        if street.names is not None and street.kind != "footway":
            away = nearest(stop, course(plan.plane, street.halves))
            found.append((away, street.names))
    found.sort(key=lambda item: item[0])
    near = [names for _, names in found[:limit]]
    return [*near[1:], near[0]]
