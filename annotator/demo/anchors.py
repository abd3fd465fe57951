"""Where on the globe towns are put: empty shores of real countries, so that time zones and holidays are real."""

import math
from dataclasses import dataclass

from annotator.demo.plane.geometry import Point
from annotator.demo.stream import Stream

_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """A shore to build on.

    Args:
        key: what to call it.
        lat, lon: where the harbour goes, in degrees.
        turn_deg: how far the drawing is turned counterclockwise; at 0 the sea is in the south.
        languages: first the one of plain names, then the other.
        country_code, country_names: of the country, ISO 3166 and by language.
        state_code, state_names: of the province, region or state.
        postcode: pattern of postcodes; `#` stands for a digit, `A` for a letter.
        phone: pattern of numbers that belong to no one; `#` stands for a digit.
    """

    key: str
    lat: float
    lon: float
    turn_deg: float
    languages: tuple[str, str]
    country_code: str
    country_names: dict[str, str]
    state_code: str
    state_names: dict[str, str]
    postcode: str
    phone: str

    def code(self, stream: Stream) -> str:
        """A postcode."""
        return filled(self.postcode, stream)


def filled(pattern: str, stream: Stream) -> str:
    """The pattern with a digit for each # and a letter for each A."""
    characters = []
    for character in pattern:
        if character == "#":
            character = str(stream.integer(0, 9))
        elif character == "A":
            # Letters that no post office mistakes for digits.
            character = stream.pick("ABCEHJKLMNPRSTVXY")
        characters.append(character)
    return "".join(characters)


_CANADA = {"en": "Canada", "fr": "Canada", "de": "Kanada"}
_FRANCE = {"en": "France", "fr": "France", "de": "Frankreich"}
_GERMANY = {"en": "Germany", "fr": "Allemagne", "de": "Deutschland"}

ANCHORS = (
    Anchor(
        "fundy",
        45.392,
        -65.33,
        -14.0,
        ("en", "fr"),
        "CA",
        _CANADA,
        "CA-NB",
        {"en": "New Brunswick", "fr": "Nouveau-Brunswick", "de": "Neubraunschweig"},
        "E9Z #A#",
        "+1 506 555 ####",
    ),
    Anchor(
        "north shore",
        50.262,
        -65.42,
        6.0,
        ("fr", "en"),
        "CA",
        _CANADA,
        "CA-QC",
        {"en": "Quebec", "fr": "Québec", "de": "Québec"},
        "G9Z #A#",
        "+1 418 555 ####",
    ),
    Anchor(
        "silver coast",
        44.135,
        -1.285,
        -94.0,
        ("fr", "en"),
        "FR",
        _FRANCE,
        "FR-NAQ",
        {"en": "Nouvelle-Aquitaine", "fr": "Nouvelle-Aquitaine", "de": "Nouvelle-Aquitaine"},
        "409##",
        "+33 5 36 49 ## ##",
    ),
    Anchor(
        "baltic",
        54.405,
        12.465,
        148.0,
        ("de", "en"),
        "DE",
        _GERMANY,
        "DE-MV",
        {"en": "Mecklenburg-Vorpommern", "fr": "Mecklembourg-Poméranie-Occidentale", "de": "Mecklenburg-Vorpommern"},
        "189##",
        "+49 40 66969 ###",
    ),
)


def choose_anchor(seed: int) -> Anchor:
    """The shore of the town of a seed; a third of the towns are in English first."""
    stream = Stream(seed, "shore")
    return stream.pick_weighted(ANCHORS, (3.0, 1.0, 2.0, 2.0))


class Projection:
    """From metres on the drawing to degrees.

    Args:
        anchor: the shore.
        origin: which point of the drawing lies at the anchor.
    """

    def __init__(self, anchor: Anchor, origin: Point = (0.0, 0.0)) -> None:
        self._lat, self._lon = anchor.lat, anchor.lon
        self._origin = origin
        turn = math.radians(anchor.turn_deg)
        self._cos, self._sin = math.cos(turn), math.sin(turn)
        self._per_lon = _METRES_PER_DEGREE * math.cos(math.radians(anchor.lat))

    def degrees(self, point: Point) -> tuple[float, float]:
        """Latitude and longitude of a point, with seven decimals."""
        x, y = point[0] - self._origin[0], point[1] - self._origin[1]
        east, north = x * self._cos - y * self._sin, x * self._sin + y * self._cos
        return round(self._lat + north / _METRES_PER_DEGREE, 7), round(self._lon + east / self._per_lon, 7)
