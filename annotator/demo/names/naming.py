"""Names that are given once: towns, districts, streets; and people."""

from collections.abc import Sequence

from annotator.demo.names.words import LANGUAGES, Names, Row, tables
from annotator.demo.plan import Plan
from annotator.demo.plane.geometry import distance, length
from annotator.demo.stream import Stream
from annotator.demo.ways.streets import Street, course

_PATH_ROLES = ("river left", "river right")


class Namer:
    """Gives every name of a town once.

    Args:
        seed: of the town.
        language: the one whose families live here, mostly.
    """

    def __init__(self, seed: int, language: str) -> None:
        self._stream = Stream(seed, "names")
        self._language = language
        self._left: dict[str, list[Row]] = {}
        self._used: set[str] = set()

    def take(self, table: str) -> Names | None:
        """A row of a table that was not taken before; None when there is none left."""
        if table not in self._left:
            self._left[table] = self._stream.shuffled(tables().get(table, ()))
        while self._left[table]:
            names = self._left[table].pop().names
            if self.claim(names):
                return names
        return None

    def claim(self, names: Names) -> bool:
        """Whether a name is new; from now on it is taken."""
        if any(name in self._used for name in names.values()):
            return False
        self._used |= set(names.values())
        return True

    def district(self, table: str) -> Names:
        """A district's name; when all are used, an old one with a number."""
        names = self.take(table)
        number = 2
        while names is None:
            row = self._stream.pick(tables()[table]).names
            numbered = {language: f"{name} {number}" for language, name in row.items()}
            names = numbered if self.claim(numbered) else None
            number += 1
        return names

    def person(self) -> tuple[str, str]:
        """First and last name of somebody, spelt the same in every language."""
        language = self._language if self._stream.chance(0.75) else self._stream.pick(LANGUAGES)
        first = self._stream.pick(tables()["people first"]).names[language]
        return first, self._stream.pick(tables()["people last"]).names[language]

    def street(self, kinds: str, topics: Sequence[str]) -> Names:
        """A new name for a street, of a kind of street and something that it is named for."""
        for _ in range(40):
            kind = self._stream.pick(tables()[f"kinds {kinds}"]).names
            if self._stream.chance(0.24):
                names = _for_person(kind, *self.person())
            else:
                concept = self._stream.pick(tables()[f"concepts {self._stream.pick(topics)}"]).names
                names = {
                    "en": f"{concept['en']} {kind['en']}",
                    "fr": f"{kind['fr']} {concept['fr']}",
                    "de": concept["de"] + kind["de"],
                }
            if self.claim(names):
                return names
        while True:
            first, last = self.person()
            other = self._stream.pick(tables()["people last"]).names[self._language]
            names = _for_person(self._stream.pick(tables()[f"kinds {kinds}"]).names, first, f"{last}-{other}")
            if self.claim(names):
                return names


def _for_person(kind: Names, first: str, last: str) -> Names:
    hyphened = f"{first}-{last}".replace(" ", "-")
    return {
        "en": f"{first} {last} {kind['en']}",
        "fr": f"{kind['fr']} {hyphened}",
        "de": f"{hyphened}-{kind['de'].capitalize()}",
    }


def name_town(plan: Plan, namer: Namer) -> None:
    """Names of the town, its river and its bay."""
    stream = Stream(plan.seed, "town name")
    forms = tables()["town forms"]
    stems = [row.names for row in tables()["concepts nature"] if row.names["fr"].startswith("des ")]
    town = stream.pick(tables()["towns"]).names
    if stream.chance(0.75):
        form, stem = stream.pick(forms).names, stream.pick(stems)
        joined = {**stem, "fr": stem["fr"].replace(" ", "-")}
        town = {language: form[language].replace("{stem}", joined[language]) for language in LANGUAGES}
    plan.names["town"] = town
    for key, table in (("river", "rivers"), ("bay", "bays")):
        plan.names[key] = stream.pick(tables()[table]).names
    for names in plan.names.values():
        namer.claim(names)


def name_streets(plan: Plan, namer: Namer) -> None:
    """Gives every street of the plan its names."""
    for street in plan.streets:
        street.names = _name_of(plan, street, namer)


def _name_of(plan: Plan, street: Street, namer: Namer) -> Names | None:
    if street.kind == "footway":
        if street.role not in _PATH_ROLES:
            return None
        return tables()[f"role {street.role}"][0].names
    for table in _tables_for(plan, street):
        names = namer.take(table)
        if names is not None:
            return names
    if street.zone == "works":
        return namer.street("works", ("works",))
    if street.role:
        return namer.street("main", ("nature", "trade"))
    is_old = street.zone == "old"
    ends = plan.plane.spokes(street.halves[0]), plan.plane.spokes(street.halves[-1] ^ 1)
    is_dead_end = any(sum(plan.kinds[h >> 1] != "none" for h in spokes) == 1 for spokes in ends)
    if is_dead_end and length(course(plan.plane, street.halves)) < 170.0:
        return namer.street("close", ("nature", "trade") if is_old else ("nature",))
    if is_old:
        return namer.street("lane", ("trade",))
    return namer.street("street", ("nature", "nature", "trade"))


def _tables_for(plan: Plan, street: Street) -> list[str]:
    """Tables in which a street of the skeleton may find a name, the likeliest first."""
    role = street.role
    if role == "coast road":
        line = course(plan.plane, street.halves)
        middle = line[len(line) // 2]
        away = -float(plan.terrain.side)
        harbour = plan.terrain.harbour_half_m
        if distance(middle, plan.terrain.bend.point((0.0, 44.0))) < harbour * 1.3:
            return ["role coast quay", "role coast"]
        is_beach = middle[0] * away > harbour and abs(middle[0]) < harbour + 900.0
        return ["role coast beach", "role coast"] if is_beach else ["role coast"]
    if role in ("ring 1", "ring 2", "main street", "high street"):
        return [f"role {role}", "role ring 2"] if role == "ring 2" else [f"role {role}"]
    if role.startswith("ring "):
        return ["role ring"]
    if role in ("radial north", "radial east", "radial west"):
        return [f"role {role}", "role radial"]
    return ["role radial"] if role.startswith("radial ") else []
