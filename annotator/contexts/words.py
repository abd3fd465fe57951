"""Numbers and terms as people read them in a context: distances, durations, positions, travel modes, kinds.

Distances are given to about three digits and durations to the minute; whoever needs the exact number finds it in the
context's JSON. Text never depends on a locale.
"""

import unicodedata
from collections.abc import Sequence

from annotator.maps.categories import CATEGORIES

_BY = {
    "drive": "by car",
    "walk": "on foot",
    "bicycle": "by bicycle",
    "motorcycle": "by motorcycle",
    "transit": "by public transport",
}
_NAMES = {"atm": "ATM"}
_PLURALS = {
    "fast food": "fast food places",
    "ice cream": "ice cream parlours",
    "veterinary": "veterinary practices",
    "police": "police stations",
    "place of worship": "places of worship",
    "tourist information": "tourist information points",
    "parking": "car parks",
    "bicycle parking": "bicycle parking places",
    "car repair": "car repair shops",
    "drinking water": "drinking water points",
    "recycling": "recycling points",
    "public art": "works of public art",
    "industrial": "industrial sites",
}
"""Those that no ending makes."""
_COMPASS = {"N": "north", "E": "east", "S": "south", "W": "west"}


def distance(metres: float) -> str:
    """For instance `0 m`, `85 m`, `1.23 km`, `12.3 km`, `123 km`."""
    if metres < 999.5:
        return f"{metres:.0f} m"
    km = metres / 1000
    text = f"{km:.2f}" if km < 9.995 else f"{km:.1f}" if km < 99.95 else f"{km:.0f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} km"


def duration(seconds: float) -> str:
    """For instance `45 s`, `7 min`, `1 h 5 min`, `2 h`; to the minute from one minute on."""
    if seconds < 59.5:
        return f"{max(0.0, seconds):.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def position(lat: float, lon: float) -> str:
    """Latitude and longitude with five decimals, about a metre, without zeros that say nothing."""
    return f"{_degrees(lat)}, {_degrees(lon)}"


def travel_by(mode: str) -> str:
    """For instance `on foot`."""
    return _BY.get(mode, f"by {mode}")


def kind_name(category: str) -> str:
    """A canonical type in words, such as `charging station`."""
    found = CATEGORIES.get(category)
    return _NAMES.get(category) or (found.title if found else category.replace("_", " "))


def kind_names(category: str) -> str:
    """A canonical type in the plural, capitalised as the beginning of a line."""
    name = kind_name(category)
    plural = _PLURALS.get(name)
    if plural is None and not name.endswith("s"):
        is_ies = name.endswith("y") and name[-2:-1] not in "aeiou"
        plural = f"{name[:-1]}ies" if is_ies else f"{name}es" if name.endswith(("ch", "sh", "x")) else f"{name}s"
    plural = plural or name
    return f"{plural[:1].upper()}{plural[1:]}"


def compass_words(point: str) -> str:
    """A compass point in words, such as `north-north-east` for `NNE`."""
    return "-".join(_COMPASS.get(letter, letter) for letter in point)


def listed(parts: Sequence[str], last: str = "and") -> str:
    """For instance `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}" if parts else ""


def clean(text: str) -> str:
    """Somebody's text as one line: single spaces, no control characters, whatever its script."""
    if text.isprintable():
        # No control character and no white space but plain spaces: almost every text.
        return " ".join(text.split())
    kept = (" " if character.isspace() else character for character in text)
    return " ".join("".join(one for one in kept if unicodedata.category(one) not in ("Cc", "Cs", "Zl", "Zp")).split())


def clean_lines(text: str) -> str:
    """Text with plain line ends, and without trailing spaces or empty lines at its ends."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def _degrees(value: float) -> str:
    text = f"{value:.5f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
