"""Made-up places as facts, and what somebody might write about them: data-to-text in the style of E2E.

Novikova et al., "The E2E Dataset" (2017): a few named facts are to become a short description that states all of them.
Places and sentences are drawn from a seed, so there are as many as one wants, and several descriptions of each. Names
of one split occur in no other.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from server.errors import ConfigError

ASK = "Describe this place in a few sentences that state all of its facts.\n\n{facts}"
SPLITS = ("train", "validation", "test")

_FIRST = (
    *("Amber", "Blue", "Copper", "Crooked", "Drowsy", "Early", "Golden", "Green", "Hidden", "Iron", "Jolly", "Lazy"),
    *("Little", "Lucky", "Merry", "Old", "Quiet", "Red", "Salty", "Silver", "Sunny", "Velvet", "White", "Windy"),
)
_SECOND = (
    *("Anchor", "Badger", "Barrel", "Bell", "Boat", "Bridge", "Candle", "Crow", "Fig", "Fox", "Gate", "Goose"),
    *("Heron", "Kettle", "Lantern", "Lemon", "Mill", "Oak", "Otter", "Pear", "Quill", "Spoon", "Thistle", "Wheel"),
)
_STREETS = ("Castle Road", "Chapel Lane", "Fore Street", "Harbour Street", "Market Square", "Orchard Way", "Rope Walk")
_LANDMARKS = ("the town hall", "the old mill", "the lighthouse", "the railway station", "the park", "the museum")
_AREAS = ("the old town", "the harbour quarter", "the riverside", "the northern suburbs")
_KINDS = ("café", "restaurant", "pub", "bakery", "tea room", "wine bar")
_FOODS = ("French", "Greek", "Indian", "Italian", "Japanese", "Portuguese", "seafood", "vegetarian")
_PRICES = ("cheap", "moderate", "expensive")
_OPTIONAL = ("food", "price", "rating", "area", "near", "distance", "hours", "family")
_FEWEST, _MOST = 3, 7
"""Facts beside name, kind and street."""

_SENTENCES: dict[str, tuple[str, ...]] = {
    "food": (
        "It serves {food} food.",
        "The kitchen is known for {food} dishes.",
        "Guests come for its {food} cooking.",
    ),
    "price": ("Prices are {price}.", "A meal here is {price}.", "What it offers is {price}."),
    "rating": (
        "Visitors rate it {rating} out of 5.",
        "Its rating is {rating} out of 5.",
        "It has {rating} of 5 stars.",
    ),
    "area": ("It stands in {area}.", "You find it in {area}.", "It belongs to {area}."),
    "near": ("{Near} is close by.", "It lies near {near}.", "From {near} it is only a few steps."),
    "distance": ("The nearest bus stop is {distance} away.", "A bus stops {distance} from its door."),
    "hours": ("It is open from {hours}.", "Its doors are open {hours}.", "Opening hours are {hours}."),
    "family": ("Families with children are {family}.", "Children are {family}."),
}
_OPENINGS = (
    "{name} is a {kind} on {street}.",
    "On {street} there is a {kind} called {name}.",
    "{name}, a {kind}, can be found on {street}.",
    "Looking for a {kind}? Try {name} on {street}.",
)


def draw_place(seed: str, split: str) -> dict[str, str]:
    """The facts of a place: name of the fact -> value, in the order in which they are shown.

    Args:
        split: whose names.
    """
    draw = random.Random(f"{split} {seed}")
    facts = {"name": _name(draw, split), "kind": draw.choice(_KINDS)}
    facts["street"] = f"{draw.randint(1, 80)} {draw.choice(_STREETS)}"
    values = {
        "food": draw.choice(_FOODS),
        "price": draw.choice(_PRICES),
        "rating": f"{draw.randint(20, 50) / 10:.1f}",
        "area": draw.choice(_AREAS),
        "near": draw.choice(_LANDMARKS),
        "distance": f"{draw.randint(3, 90) * 10} m",
        "hours": f"{draw.randint(6, 11)}:{draw.choice(('00', '30'))} to {draw.randint(16, 23)}:00",
        "family": draw.choice(("welcome", "not admitted")),
    }
    chosen = set(draw.sample(_OPTIONAL, draw.randint(_FEWEST, _MOST)))
    return facts | {fact: values[fact] for fact in _OPTIONAL if fact in chosen}


def ask_about(facts: Mapping[str, str]) -> str:
    """The request to describe the place."""
    return ASK.format(facts="\n".join(f"{fact}: {value}" for fact, value in facts.items()))


def describe(facts: Mapping[str, str], draw: random.Random) -> str:
    """One description that states every fact in its own words, in an order of its own."""
    fill = dict(facts) | {"Near": facts.get("near", "")[:1].upper() + facts.get("near", "")[1:]}
    rest = [fact for fact in facts if fact in _SENTENCES]
    draw.shuffle(rest)
    sentences = [draw.choice(_OPENINGS), *(draw.choice(_SENTENCES[fact]) for fact in rest)]
    return " ".join(sentence.format(**fill) for sentence in sentences)


def write_examples(path: Path, split: str, count: int) -> None:
    """Write conversations to learn from, as `rhumb finetune skip --data` reads them.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"messages": messages}) + "\n" for messages in _conversations(split, count))
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _conversations(split: str, count: int) -> Iterator[list[dict[str, str]]]:
    for number in range(count):
        facts = draw_place(str(number), split)
        reply = describe(facts, random.Random(f"{split} {number}"))
        yield [{"role": "user", "content": ask_about(facts)}, {"role": "assistant", "content": reply}]


def _name(draw: random.Random, split: str) -> str:
    while True:
        name = f"{draw.choice(_FIRST)} {draw.choice(_SECOND)}"
        # Eight of ten names are for training.
        part = hashlib.sha256(name.encode()).digest()[0] % 10
        if split == ("test" if part == 0 else "validation" if part == 1 else "train"):
            return name
