"""What a context tells, value by value, in the words in which it tells it: all that writers may ask about."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from annotator.contexts.describe import answer_section, place_row
from annotator.contexts.document import Line, Numbered, Phrase, Section, Strong, Table
from annotator.contexts.facts import Fact, facts_of, name_of
from annotator.contexts.fields import FIELDS_OF_KIND, JSON_KEYS
from annotator.contexts.gazetteer import Gazetteer
from annotator.contexts.model import ITEM_KIND_OF_TOOL, Item, View
from annotator.contexts.recorded import RESULT
from annotator.contexts.seen import Seen
from annotator.contexts.words import clean, position
from annotator.demo.questions.landmarks import Landmarks
from annotator.demo.questions.scene import Asked, Scene
from annotator.demo.questions.writers.question import Told
from annotator.demo.stream import Stream
from annotator.geo import LatLon
from annotator.maps.results import AlongRoute, Place, PlaceList, PlaceResult, Result
from annotator.pointers import join


@dataclass(frozen=True, slots=True)
class Stranger:
    """A place of the town that the context does not name."""

    name: str
    lat: float
    lon: float
    address: str


_NOBODY = "0" * 26
"""An item needs the id of a call; nothing here looks at it."""


_DASH = "\n- "
"""Before every fact that has a line of its own."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A place as one item of the context tells of it.

    Args:
        item, pointer: where its result holds the place.
        is_detailed: whether facts stand on lines of their own.
        fields: that are told.
        text: what is told of it, from its name on.
    """

    place: Place
    name: str
    item: int
    pointer: str
    is_detailed: bool
    fields: tuple[str, ...]
    text: str

    def told(self, field: str) -> list[Told]:
        """What is told of a field, as far as it can be found in the text."""
        return [told for told, _ in self.labelled(field)]

    def labelled(self, field: str) -> list[tuple[Told, str]]:
        """The same, each with its label."""
        if field not in self.fields:
            return []
        found = []
        facts = facts_of(self.place, field)
        for fact, key in zip(facts, self._keys(field, facts), strict=True):
            words = f"{_DASH}{fact.label}: {fact.words}" if self.is_detailed else fact.in_line
            start = self.text.find(words)
            if start >= 0:
                quote = self.text[: start + len(words)]
                pointer = f"{self.pointer}{key}"
                said = f"{self.name}: {words.removeprefix(_DASH)}"
                told = Told(self.name, fact.words, said, 0.0, self.item, pointer, quote, self.place.pid)
                found.append((told, fact.label))
        return found

    def _keys(self, field: str, facts: Sequence[Fact]) -> list[str]:
        if field != "attributes":
            return [join(JSON_KEYS[field][0])] * len(facts)
        keys = [key for key in sorted(self.place.attributes) if _says(self.place, key)]
        return [join("attributes", key) for key in keys]


class Reading:
    """A scene's context, read.

    Args:
        scene: places that share a name with another one are left out of everything here.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.asked: Mapping[int, Asked] = {asked.index: asked for asked in scene.asked}
        self.results: Mapping[int, Result] = {
            index: RESULT.validate_python(dict(asked.result)) for index, asked in self.asked.items()
        }
        shown = [place for result in self.results.values() for place in _places(result)]
        self.names = Gazetteer(shown, self._inside())
        self._namesakes = _shared(shown)
        self._sections: dict[int, Section | None] = {}
        self._strangers: dict[str, list[Stranger]] = {}

    def fields(self, asked: Asked) -> tuple[str, ...]:
        """The fields that an item tells, in their order."""
        return tuple(field.name for field in FIELDS_OF_KIND[ITEM_KIND_OF_TOOL[asked.tool]] if field.name in asked.shown)

    def section(self, index: int) -> Section | None:
        """An item as it is told."""
        if index not in self._sections:
            asked = self.asked[index]
            fields = self.fields(asked)
            view = View(fields=fields, show_steps=asked.show_steps)
            kind = ITEM_KIND_OF_TOOL[asked.tool]
            item = Item(key="i", kind=kind, tool_call_id=_NOBODY, title=asked.heading, view=view)
            seen = Seen(dict(asked.result), ())
            result = self.results[index]
            self._sections[index] = answer_section(
                item, asked.tool, dict(asked.params), result, seen, fields, self.names
            )
        return self._sections[index]

    def rows(self, index: int) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
        """An item's numbered rows: words, parts, steps."""
        section = self.section(index)
        blocks = section.blocks if section else ()
        return tuple(
            (plain(row.words), row.parts, row.steps)
            for block in blocks
            if isinstance(block, Numbered)
            for row in block.rows
        )

    def num_rows(self, index: int) -> int:
        """How many rows an item's list has."""
        return len(self.rows(index))

    def until(self, index: int, words: str, after: str = "") -> str:
        """An item's text from its introduction to these words, the first ones behind `after`; empty if not there."""
        text = self.scene.text
        start = text.find(self.opening(index))
        begin = text.find(after, start) if start >= 0 else -1
        end = text.find(words, begin) if begin >= 0 else -1
        return text[start : end + len(words)] if end >= 0 else ""

    def table(self, index: int) -> Table | None:
        """An item's table."""
        section = self.section(index)
        return next((block for block in section.blocks if isinstance(block, Table)), None) if section else None

    def opening(self, index: int) -> str:
        """The line that introduces an item."""
        section = self.section(index)
        return next((plain(block.words) for block in section.blocks if isinstance(block, Line)), "") if section else ""

    def has(self, words: str) -> bool:
        """Whether the context's text holds these words."""
        return words in self.scene.text

    def is_namesake(self, name: str) -> bool:
        """Whether two places that are shown have this name."""
        return name in self._namesakes

    @cached_property
    def sightings(self) -> tuple[Sighting, ...]:
        """Places that are told of, in the context's order; a place that two items tell of comes twice."""
        return tuple(self._sightings())

    @cached_property
    def by_pid(self) -> Mapping[str, tuple[Sighting, ...]]:
        """Everything that is told of a place."""
        found: defaultdict[str, list[Sighting]] = defaultdict(list)
        for sighting in self.sightings:
            found[sighting.place.pid].append(sighting)
        return {pid: tuple(sightings) for pid, sightings in found.items()}

    def of_item(self, index: int) -> list[Sighting]:
        """The places that an item tells of."""
        return [sighting for sighting in self.sightings if sighting.item == index]

    def strangers(self, category: str) -> list[Stranger]:
        """Places of the town of a type that the context does not name."""
        if category not in self._strangers:
            places = self._landmarks.of_type(category)
            names = Counter(clean(place["name"]) for place in places)
            text = self.scene.text.casefold()
            self._strangers[category] = [
                Stranger(name, place["lat"], place["lon"], place.get("address", ""))
                for place in places
                if (name := clean(place["name"])) and names[name] == 1 and name.casefold() not in text
            ]
        return self._strangers[category]

    def strange_names(self, stream: Stream, count: int, category: str = "") -> list[str]:
        """Names that the context does not hold, of types as frequent as elsewhere; fewer where there are too few.

        Args:
            category: the only type to take them from; empty for any.
        """
        names: list[str] = []
        for _ in range(4 * count):
            strangers = self.strangers(category or self._any_category(stream))
            name = stream.pick(strangers).name if strangers else ""
            if name and name not in names:
                names.append(name)
            if len(names) == count:
                break
        return names

    def strange_anchor(self, stream: Stream, anchor: str) -> str | None:
        """Another name that looks like one from which something is measured."""
        if anchor.startswith("("):
            # Only a position: that of some place which the context does not tell of.
            places = self.strangers(self._any_category(stream))
            return f"({position(place.lat, place.lon)})" if places and (place := stream.pick(places)) else None
        kinds = [one.place.categories[0] for one in self.sightings if one.name == anchor and one.place.categories]
        names = self.strange_names(stream, 1, kinds[0] if kinds and stream.chance(0.5) else "")
        return names[0] if names else None

    def _any_category(self, stream: Stream) -> str:
        """A type as often as contexts show it: also types of which a town has one place, which is shown or strange."""
        kinds = [one.place.categories[0] for one in self.sightings if one.place.categories]
        return stream.pick(kinds) if kinds and stream.chance(0.4) else self._landmarks.any_type(stream)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """First types of the places that are told of, each once."""
        return tuple(dict.fromkeys(one.place.categories[0] for one in self.sightings if one.place.categories))

    @cached_property
    def language(self) -> str:
        """Of the context's names."""
        return next((asked.params["language"] for asked in self.scene.asked if "language" in asked.params), "en")

    @cached_property
    def _landmarks(self) -> Landmarks:
        # Composing asked the town for the same, so that it only has to remember.
        return Landmarks(self.scene.town, self.language)

    def _sightings(self) -> Iterable[Sighting]:
        for index, asked in self.asked.items():
            fields, result = self.fields(asked), self.results[index]
            is_detailed = isinstance(result, PlaceResult)
            for number, place in enumerate(_places(result)):
                name = name_of(place)
                if not place.name or name in self._namesakes:
                    continue
                if is_detailed:
                    facts = [fact for field in fields for fact in facts_of(place, field)]
                    text = "\n".join([name, *(f"- {fact.label}: {fact.words}" for fact in facts)])
                else:
                    text = plain(place_row(place, fields).words)
                pointer = "/place" if is_detailed else f"/places/{number}"
                yield Sighting(place, name, index, pointer, is_detailed, fields, text)

    def _inside(self) -> list[tuple[LatLon, Place]]:
        """As the renderer does it: a position that was looked up may be called by the place around it."""
        return [
            ((asked.params["lat"], asked.params["lon"]), place)
            for index, asked in self.asked.items()
            if asked.tool == "reverse_geocode"
            for place in _places(self.results[index])
            if place.distance_m == 0 and place.name
        ]


def plain(words: Phrase) -> str:
    """A phrase as text."""
    return "".join(word.text if isinstance(word, Strong) else word for word in words)


def _places(result: Result) -> tuple[Place, ...]:
    match result:
        case PlaceResult(place=place):
            return () if place is None else (place,)
        case PlaceList(places=places) | AlongRoute(places=places):
            return places
        case _:
            return ()


def _shared(places: Sequence[Place]) -> frozenset[str]:
    pids: defaultdict[str, set[str]] = defaultdict(set)
    for place in places:
        pids[name_of(place)].add(place.pid)
    return frozenset(name for name, of_name in pids.items() if len(of_name) > 1)


def _says(place: Place, key: str) -> bool:
    return bool(facts_of(place.model_copy(update={"attributes": {key: place.attributes[key]}}), "attributes"))
