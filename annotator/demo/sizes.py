"""How large a town is: how far its rings reach, how much is in it."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class TownSize:
    """What a town of a size has.

    Args:
        name: what to call the size.
        rings_m: mean radius of every ring road in metres, the old town's first.
        outskirts_m: metres of fields and woods between the last ring and the edge of the map.
        num_places: how many places with a name the town has, about.
        population: people who live there, about.
        has_motorway: whether a motorway passes by.
        num_towns: how many such towns make up the map, in rows and columns, joined by roads.
    """

    name: str
    rings_m: tuple[float, ...]
    outskirts_m: float
    num_places: int
    population: int
    has_motorway: bool = True
    num_towns: int = 1


SMALL = TownSize("small", (190.0, 460.0), 330.0, 110, 3_400, has_motorway=False)
MEDIUM = TownSize("medium", (250.0, 610.0, 1010.0), 640.0, 515, 16_000)
LARGE = TownSize("large", (290.0, 690.0, 1150.0, 1650.0, 2200.0), 700.0, 1600, 61_000)
METROPOLIS = replace(LARGE, name="metropolis", num_towns=24)

SIZES = {size.name: size for size in (SMALL, MEDIUM, LARGE, METROPOLIS)}
"""Every size by name. `small` is for tests, `metropolis` for measuring how builds scale."""
