"""A context in the making: what it shows so far, and what its next call may be about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotator.contexts.words import clean
from annotator.demo.questions.landmarks import Landmarks, Place
from annotator.demo.stream import Stream
from annotator.maps.params import ToolName


@dataclass(frozen=True, slots=True)
class Piece:
    """A call to ask, and how a context shows its answer.

    Args:
        params: as a caller gives them.
        heading: the item's own; empty for none.
        fields: names of the fields to show; None for the standard ones.
        may_be_empty: whether an answer without any row is worth showing.
    """

    tool: ToolName
    params: Mapping[str, Any]
    heading: str = ""
    fields: tuple[str, ...] | None = None
    show_steps: bool = False
    may_be_empty: bool = False


@dataclass
class Draft:
    """Chooses what to ask about.

    Args:
        landmarks: the town's places.
        language: of names.
        stream: makes all choices.
        home: the place around which most of it turns.
        focus: types of places that come up again and again, so that there are many to be told apart.
        room: tokens that the context may still grow by.
        shown: places that it shows, each once; only these can be named by routes.
    """

    landmarks: Landmarks
    language: str
    stream: Stream
    home: Place
    focus: tuple[str, ...]
    room: int = 0
    shown: list[Place] = field(default_factory=list)

    def show(self, places: Sequence[Place]) -> None:
        """Takes note of places that a new item shows."""
        known = {place["pid"] for place in self.shown}
        for place in places:
            if place["pid"] not in known and clean(place["name"]):
                known.add(place["pid"])
                self.shown.append(place)

    def kind(self) -> str:
        """A type of place to look for, mostly one that came up before."""
        stream = self.stream
        return stream.pick(self.focus) if stream.chance(0.75) else self.landmarks.any_type(stream)

    def place(self) -> Place:
        """A place to learn more about: of the focus, shown already, or any."""
        stream = self.stream
        dice = stream.unit()
        if dice < 0.4:
            return stream.pick(self.landmarks.of_type(stream.pick(self.focus)))
        if dice < 0.75 and self.shown:
            return stream.pick(self.shown)
        return self.landmarks.any_place(stream)

    def somewhere(self) -> Place:
        """A place to look around from: home, one that is shown, or now and then one that only its position names."""
        stream = self.stream
        dice = stream.unit()
        if dice < 0.35:
            return self.home
        return stream.pick(self.shown) if dice < 0.9 and self.shown else self.landmarks.any_place(stream)

    def stops(self, count: int) -> list[Place]:
        """Up to `count` different shown places that are apart from each other."""
        found: list[Place] = []
        positions = set()
        for place in self.stream.shuffled(self.shown):
            where = (round(place["lat"], 4), round(place["lon"], 4))
            if where not in positions:
                positions.add(where)
                found.append(place)
                if len(found) == count:
                    break
        return found

    def num_rows(self, most: int, tokens_each: int) -> int:
        """How many rows to ask for: at most `most`, and about as many as there is room for."""
        return max(1, min(self.stream.integer(2, most), self.room // tokens_each))


def at(place: Place) -> dict[str, float]:
    """A place's position as parameters."""
    return {"lat": place["lat"], "lon": place["lon"]}
