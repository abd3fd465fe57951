"""What a place is called: a chain's name, or a row of its table filled in, never twice."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from annotator.demo.names.naming import Namer
from annotator.demo.names.words import Names, Row, brands, fill, of_french, plain, shown, tables
from annotator.demo.places.catalogue import Kind
from annotator.demo.places.details import Tags
from annotator.demo.plan import Plan
from annotator.demo.stream import Stream


@dataclass(frozen=True, slots=True)
class Title:
    """A name and what comes with it.

    Args:
        names: by language.
        tags: that go with the name: cuisine, religion, brand.
        old: a former name.
        is_brand: the same everywhere.
    """

    names: Names
    tags: Tags = field(default_factory=dict)
    old: Names | None = None
    is_brand: bool = False


class Titles:
    """Gives places their names.

    Args:
        plan: the town, with its own names.
        namer: knows which names are taken.
    """

    def __init__(self, plan: Plan, namer: Namer) -> None:
        self._plan = plan
        self._namer = namer
        self._rows: dict[str, list[Row]] = {}
        self._chains: list[str] = []
        self._stops: set[str] = set()

    def open_chains(self, kind: Kind, scale: float, most: int) -> None:
        """Says how many of the next places belong to chains."""
        stream = Stream(self._plan.seed, f"chains {kind.key}")
        branches = []
        for name, number in brands().get(kind.key, ()):
            share = number * scale
            branches += [name] * (int(share) + int(stream.chance(share - int(share))))
        if kind.key not in tables():
            names = [name for name, _ in brands()[kind.key]]
            branches += [stream.pick(names) for _ in range(most - len(branches))]
        self._chains = stream.shuffled(branches)[:most]

    def take(self, kind: Kind, words: dict[str, Names], stream: Stream, suits: Callable[[str], bool]) -> Title:
        """A title for a place; chains come first."""
        if self._chains:
            name = self._chains.pop()
            return Title(dict.fromkeys(("en", "fr", "de"), name), {"brand": name}, is_brand=True)
        rows = self._rows.setdefault(kind.key, stream.shuffled(tables()[kind.key]))
        # Rather a name that does not suit than one with something added.
        for is_choosy in (True, False):
            for row in list(rows):
                names = self._filled(row, words)
                if (is_choosy and not suits(row.names["en"])) or not self._namer.claim(names):
                    continue
                rows.remove(row)
                if "{" in row.names["en"]:
                    rows.append(row)
                return Title(names, dict(row.tags), self._former(kind, names, words, stream))
        return self._last_resort(kind, words, stream)

    def claim_stop(self, names: Names) -> bool:
        """Whether no bus stop has a name yet; from now on one has."""
        if names["en"] in self._stops:
            return False
        self._stops.add(names["en"])
        return True

    def tags(self, title: Title) -> Tags:
        """Name tags: plain in the first language, and in both unless it is a chain."""
        languages = self._plan.anchor.languages
        tags = shown(title.names, languages)
        if title.is_brand:
            tags = {"name": tags["name"]}
        elif short := self._short(tags["name"], languages[0]):
            tags["short_name"] = short
        if title.old is not None:
            tags["old_name"] = plain(title.old[languages[0]])
        return tags

    def _filled(self, row: Row, words: dict[str, Names]) -> Names:
        first, last = self._namer.person()
        people = {"first": dict.fromkeys(("en", "fr", "de"), first), "last": dict.fromkeys(("en", "fr", "de"), last)}
        return fill(row.names, {**words, **people})

    def _former(self, kind: Kind, now: Names, words: dict[str, Names], stream: Stream) -> Names | None:
        """What was here before, for a few."""
        if kind.how != "unit" or not stream.chance(0.06):
            return None
        names = self._filled(stream.pick(tables()[kind.key]), words)
        return names if names != now else None

    def _last_resort(self, kind: Kind, words: dict[str, Names], stream: Stream) -> Title:
        """A name of the table with the district added to it, and a number where there are several."""
        row = stream.pick(tables()[kind.key])
        names = self._filled(row, words)
        for number in count(1):
            more = "" if number == 1 else f" {number}"
            longer = {lang: f"{name} ({plain(words['district'][lang])}{more})" for lang, name in names.items()}
            if self._namer.claim(longer):
                return Title(longer, dict(row.tags))
        raise AssertionError("numbers never end")

    def _short(self, name: str, language: str) -> str | None:
        """The name without the town's, if it has that."""
        town = self._plan.names["town"][language]
        for part in (of_french(town), town):
            if part in name and name != town:
                rest = " ".join(name.replace(part, " ").split())
                return rest if len(rest.split()) > 1 else None
        return None
