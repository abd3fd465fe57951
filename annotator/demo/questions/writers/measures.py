"""Ways to ask about lengths and times: fragments of questions, the first of each in the context's own words.

Fragments stand after "is": `Is X {less} than Y?`, `Which of these is the {least}?`, `Is X {within}?`.
"""

from dataclasses import dataclass
from typing import Literal

from annotator.contexts.words import distance, duration


@dataclass(frozen=True, slots=True)
class Measure:
    """A length or time that several things have.

    Args:
        ask: questions for the value of `{x}`.
        being: that the value is `{v}`.
        less, more: comparatives.
        least, most: superlatives.
        within, beyond: that the value is at most, or more than `{v}`.
    """

    unit: Literal["m", "s"]
    ask: tuple[str, ...]
    being: tuple[str, ...]
    less: tuple[str, ...]
    more: tuple[str, ...]
    least: tuple[str, ...]
    most: tuple[str, ...]
    within: tuple[str, ...]
    beyond: tuple[str, ...]

    def words(self, number: float) -> str:
        """A value as contexts write it."""
        return distance(number) if self.unit == "m" else duration(number)

    def shown(self, number: float) -> float:
        """The value as far as it can be read from the words."""
        return shown_number(number, self.unit)

    def tolerance(self, number: float) -> float:
        """How far an answer may be off: what rounding in the words takes away, and a little."""
        return max(1.0, 1.02 * abs(step(number, self.unit)) / 2)


def step(number: float, unit: Literal["m", "s"]) -> float:
    """The last digit that the words of a value tell."""
    if unit == "s":
        return 1.0 if number < 59.5 else 60.0
    return 1.0 if number < 999.5 else 10.0 if number < 9995 else 100.0 if number < 99950 else 1000.0


def shown_number(number: float, unit: Literal["m", "s"]) -> float:
    """A value as it can be read from its words."""
    one = step(number, unit)
    return round(max(0.0, number) / one) * one


def straight(anchor: str) -> Measure:
    """Straight-line distance from somewhere."""
    return Measure(
        "m",
        (
            f"How many m away from {anchor} is {{x}}?",
            f"How far is {{x}} from {anchor} in a straight line?",
            f"How far does {{x}} lie from {anchor}, as the crow flies?",
            f"What is the straight-line distance between {anchor} and {{x}}?",
            f"At what distance from {anchor} does one find {{x}}?",
        ),
        (
            f"{{v}} away from {anchor}",
            f"{{v}} from {anchor} in a straight line",
            f"at a distance of {{v}} from {anchor}",
            f"{{v}} from {anchor} as the crow flies",
            f"located {{v}} from {anchor}",
        ),
        (
            f"less far away from {anchor}",
            f"nearer to {anchor}",
            f"closer to {anchor}",
            f"at a shorter distance from {anchor}",
            f"less distant from {anchor}",
        ),
        (
            f"farther away from {anchor}",
            f"farther from {anchor}",
            f"more distant from {anchor}",
            f"at a greater distance from {anchor}",
            f"less close to {anchor}",
        ),
        (
            f"least far away from {anchor}",
            f"nearest to {anchor}",
            f"closest to {anchor}",
            f"least distant from {anchor}",
            f"nearest one as seen from {anchor}",
        ),
        (
            f"farthest away from {anchor}",
            f"farthest from {anchor}",
            f"most distant from {anchor}",
            f"least close to {anchor}",
            f"most remote one as seen from {anchor}",
        ),
        (
            f"at most {{v}} away from {anchor}",
            f"within {{v}} of {anchor}",
            f"no farther than {{v}} from {anchor}",
            f"inside a circle of {{v}} around {anchor}",
            f"{{v}} or less from {anchor}",
        ),
        (
            f"more than {{v}} away from {anchor}",
            f"farther than {{v}} from {anchor}",
            f"beyond {{v}} from {anchor}",
            f"outside a circle of {{v}} around {anchor}",
            f"over {{v}} from {anchor}",
        ),
    )


def travel_time(anchor: str, by: str, *, is_to: bool = False) -> Measure:
    """Time of travel between somewhere and each of several places."""
    way = f"to {anchor} {by}" if is_to else f"from {anchor} {by}"
    ends = f"from {{x}} to {anchor}" if is_to else f"from {anchor} to {{x}}"
    return Measure(
        "s",
        (
            f"What is the travel time {ends} {by}?",
            f"How long does it take {ends} {by}?",
            f"How much time does one need {ends} {by}?",
            f"How many minutes is it {ends} {by}?",
            f"Somebody goes {ends} {by}. How long is that?",
        ),
        (
            f"{{v}} {way}",
            f"{{v}} of travel {way}",
            f"a matter of {{v}} {way}",
            f"{{v}} in time {way}",
            f"{{v}} away {way}",
        ),
        (
            f"shorter in travel time {way}",
            f"quicker {way}",
            f"faster to reach {way}" if not is_to else f"faster {way}",
            f"a shorter trip in time {way}",
            f"nearer in minutes {way}",
        ),
        (
            f"longer in travel time {way}",
            f"slower {way}",
            f"a longer trip in time {way}",
            f"farther in minutes {way}",
            f"more minutes of travel {way}",
        ),
        (
            f"shortest in travel time {way}",
            f"quickest {way}",
            f"shortest trip in time {way}",
            f"nearest in minutes {way}",
            f"fastest {way}",
        ),
        (
            f"longest in travel time {way}",
            f"slowest {way}",
            f"longest trip in time {way}",
            f"farthest in minutes {way}",
            f"most minutes of travel {way}",
        ),
        (
            f"at most {{v}} {way}",
            f"no more than {{v}} {way}",
            f"{{v}} or less {way}",
            f"not over {{v}} {way}",
            f"a trip of {{v}} or less {way}",
        ),
        (
            f"more than {{v}} {way}",
            f"over {{v}} {way}",
            f"longer than {{v}} {way}",
            f"above {{v}} {way}",
            f"a trip of more than {{v}} {way}",
        ),
    )


def travel_way(anchor: str, by: str, *, is_to: bool = False) -> Measure:
    """Length of the way between somewhere and each of several places."""
    way = f"to {anchor} {by}" if is_to else f"from {anchor} {by}"
    ends = f"from {{x}} to {anchor}" if is_to else f"from {anchor} to {{x}}"
    return Measure(
        "m",
        (
            f"What is the distance {ends} {by}?",
            f"How long is the way {ends} {by}, as a distance?",
            f"How far does one go {ends} {by}?",
            f"What length has the way {ends} {by}?",
            f"Somebody goes {ends} {by}. How far is that along the way?",
        ),
        (
            f"a distance of {{v}} {way}",
            f"a way of {{v}} {way}",
            f"{{v}} along the way {way}",
            f"a trip of {{v}} {way}",
            f"{{v}} on the road {way}",
        ),
        (
            f"shorter in distance {way}",
            f"a shorter way {way}",
            f"nearer along the way {way}",
            f"fewer metres of travel {way}",
            f"a less long way {way}",
        ),
        (
            f"longer in distance {way}",
            f"a longer way {way}",
            f"farther along the way {way}",
            f"more metres of travel {way}",
            f"a less short way {way}",
        ),
        (
            f"shortest in distance {way}",
            f"shortest way {way}",
            f"nearest along the way {way}",
            f"fewest metres of travel {way}",
            f"least long way {way}",
        ),
        (
            f"longest in distance {way}",
            f"longest way {way}",
            f"farthest along the way {way}",
            f"most metres of travel {way}",
            f"least short way {way}",
        ),
        (
            f"at most {{v}} in distance {way}",
            f"a way of {{v}} or less {way}",
            f"no more than {{v}} of way {way}",
            f"not over {{v}} along the way {way}",
            f"a trip of at most {{v}} {way}",
        ),
        (
            f"more than {{v}} in distance {way}",
            f"a way of more than {{v}} {way}",
            f"over {{v}} of way {way}",
            f"above {{v}} along the way {way}",
            f"a trip of more than {{v}} {way}",
        ),
    )
