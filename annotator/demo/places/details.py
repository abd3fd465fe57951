"""The further tags of places: what they serve, whom they let in, how to reach them."""

import unicodedata
from collections.abc import Callable

from annotator.demo.anchors import Anchor, filled
from annotator.demo.names.words import tables
from annotator.demo.stream import Stream

type Tags = dict[str, str]

_DOMAINS = ("example.com", "example.org", "example.net")


def slug(name: str) -> str:
    """A name in letters that a web address may have."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("œ", "oe").replace("Œ", "Oe"))
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return "-".join(words.lower().split())


def contact(anchor: Anchor, name: str, stream: Stream) -> Tags:
    """Phone and website; many have one, some both, some neither."""
    tags = {}
    host = f"{slug(name)}.{_DOMAINS[len(name) % len(_DOMAINS)]}"
    if stream.chance(0.72):
        tags["phone"] = filled(anchor.phone, stream)
    if stream.chance(0.55):
        tags["website"] = f"https://{host}"
    if stream.chance(0.12):
        tags["email"] = f"info@{host}"
    return tags


def wheelchair(stream: Stream) -> Tags:
    """Whether wheelchairs can enter; unknown for some."""
    value = stream.pick_weighted(("yes", "limited", "no", ""), (5.0, 2.5, 1.7, 1.4))
    return {"wheelchair": value} if value else {}


def description(extras: str, anchor: Anchor, stream: Stream) -> Tags:
    """A sentence in both languages, for a few."""
    rows = tables().get(f"about {extras}", ())
    if not rows or not stream.chance(0.14):
        return {}
    names = stream.pick(rows).names
    first, second = anchor.languages
    return {"description": names[first], f"description:{second}": names[second]}


def details(extras: str, stream: Stream) -> Tags:
    """Further tags of a place by what kind of details it may have."""
    make = _MAKERS.get(extras)
    return make(stream) if make else {}


def _some(stream: Stream, choices: dict[str, tuple[float, tuple[str, ...]]]) -> Tags:
    """Each tag with its probability, and one of its values."""
    return {key: stream.pick(values) for key, (share, values) in choices.items() if stream.chance(share)}


def _food(stream: Stream) -> Tags:
    return _some(
        stream,
        {
            "outdoor_seating": (0.6, ("yes", "yes", "no")),
            "takeaway": (0.5, ("yes", "no", "yes")),
            "delivery": (0.25, ("yes", "no")),
            "reservation": (0.3, ("yes", "recommended", "no")),
            "internet_access": (0.4, ("wlan", "no")),
            "diet:vegetarian": (0.45, ("yes", "yes", "no")),
            "diet:vegan": (0.2, ("yes", "no")),
            "payment:cash": (0.3, ("yes",)),
            "payment:cards": (0.3, ("yes", "no")),
            "smoking": (0.15, ("no", "outside")),
            "capacity": (0.15, ("24", "36", "48", "60", "90")),
        },
    )


def _cafe(stream: Stream) -> Tags:
    return _some(
        stream,
        {
            "outdoor_seating": (0.7, ("yes", "yes", "no")),
            "takeaway": (0.6, ("yes",)),
            "internet_access": (0.6, ("wlan", "wlan", "no")),
            "internet_access:fee": (0.2, ("no",)),
            "dog": (0.2, ("yes", "leashed", "no")),
        },
    )


def _bar(stream: Stream) -> Tags:
    return _some(
        stream,
        {
            "outdoor_seating": (0.5, ("yes", "no")),
            "live_music": (0.25, ("yes", "no")),
            "microbrewery": (0.12, ("yes",)),
            "smoking": (0.4, ("no", "outside")),
            "internet_access": (0.3, ("wlan", "no")),
        },
    )


def _hotel(stream: Stream) -> Tags:
    stars = stream.pick(("2", "3", "3", "4", "4", "5"))
    rooms = stream.integer(12, 48) * (1 if stars < "4" else 2)
    tags = {"stars": stars, "rooms": str(rooms), "internet_access": "wlan"}
    return tags | _some(
        stream,
        {
            "internet_access:fee": (0.5, ("no",)),
            "breakfast": (0.4, ("yes",)),
            "swimming_pool": (0.2, ("yes",)),
            "dog": (0.3, ("yes", "no")),
        },
    )


def _charging(stream: Stream) -> Tags:
    is_fast = stream.chance(0.4)
    tags = {"capacity": str(stream.integer(2, 6)), "motorcar": "yes", "socket:type2": str(stream.integer(1, 4))}
    if is_fast:
        tags |= {"socket:type2_combo": "2", "socket:type2_combo:output": stream.pick(("50 kW", "150 kW"))}
    return tags | {"fee": "yes"}


def _memorial(stream: Stream) -> Tags:
    return {"memorial": stream.pick(("stele", "plaque", "statue")), "start_date": str(stream.integer(1871, 1998))}


def _playground(stream: Stream) -> Tags:
    return {"access": "yes"} | _some(
        stream,
        {"playground:slide": (0.6, ("yes",)), "playground:swing": (0.7, ("yes",)), "fence": (0.3, ("yes", "no"))},
    )


_MAKERS: dict[str, Callable[[Stream], Tags]] = {
    "food": _food,
    "cafe": _cafe,
    "bar": _bar,
    "hotel": _hotel,
    "charging": _charging,
    "memorial": _memorial,
    "playground": _playground,
    "fast": lambda s: (
        {"takeaway": "yes"} | _some(s, {"delivery": (0.5, ("yes", "no")), "outdoor_seating": (0.4, ("yes", "no"))})
    ),
    "ice": lambda s: {"takeaway": "yes"} | _some(s, {"outdoor_seating": (0.6, ("yes", "no"))}),
    "bakery": lambda s: _some(s, {"takeaway": (0.4, ("yes",)), "organic": (0.2, ("yes", "only"))}),
    "hostel": lambda s: _some(s, {"internet_access": (0.7, ("wlan",)), "rooms": (0.5, ("4", "6", "8", "11"))}),
    "shop": lambda s: _some(s, {"payment:cards": (0.25, ("yes", "no")), "payment:cash": (0.1, ("yes",))}),
    "super": lambda s: _some(s, {"organic": (0.3, ("yes",)), "payment:cards": (0.4, ("yes",))}),
    "bike": lambda s: {"service:bicycle:repair": "yes"} | _some(s, {"service:bicycle:rental": (0.5, ("yes", "no"))}),
    "hair": lambda s: _some(s, {"female": (0.4, ("yes",)), "male": (0.4, ("yes",))}),
    "pharmacy": lambda s: {"dispensing": "yes"} | _some(s, {"drive_through": (0.1, ("yes", "no"))}),
    "doctor": lambda s: _some(
        s, {"healthcare:speciality": (0.5, ("general", "paediatrics", "dermatology", "gynaecology"))}
    ),
    "bank": lambda s: {"atm": s.pick(("yes", "yes", "no"))},
    "atm": lambda s: {"cash_in": s.pick(("yes", "no"))},
    "fuel": lambda s: (
        {"fuel:diesel": "yes", "fuel:octane_95": "yes"}
        | _some(s, {"fuel:lpg": (0.4, ("yes",)), "compressed_air": (0.5, ("yes",))})
    ),
    "parking": lambda s: (
        {"capacity": str(s.integer(2, 22) * 10), "fee": s.pick(("yes", "yes", "no")), "access": "yes"}
        | _some(s, {"maxstay": (0.25, ("2 hours", "4 hours"))})
    ),
    "bikes": lambda s: {"capacity": str(s.integer(4, 12) * 2)},
    "taxi": lambda s: {"capacity": str(s.integer(3, 8))},
    "toilets": lambda s: {"fee": s.pick(("no", "no", "yes"))} | _some(s, {"changing_table": (0.5, ("yes", "no"))}),
    "recycling": lambda s: {"recycling_type": "centre", "recycling:glass": "yes", "recycling:paper": "yes"},
    "museum": lambda s: {"fee": s.pick(("yes", "yes", "no"))},
    "artwork": lambda s: {"artwork_type": s.pick(("sculpture", "sculpture", "statue", "mural"))},
    "nursery": lambda s: _some(s, {"capacity": (0.5, ("24", "36", "48", "60"))}),
    "school": lambda s: _some(s, {"capacity": (0.5, ("80", "120", "240", "360"))}),
    "hospital": lambda s: {"emergency": "yes", "beds": str(s.integer(8, 30) * 10)},
    "station": lambda s: {"train": "yes", "operator": "Litoral Rail"},
    "post": lambda s: {"operator": "Posta Libra"},
    "stage": lambda s: _some(s, {"capacity": (0.6, ("120", "240", "380"))}),
    "library": lambda s: {"internet_access": "wlan"} | _some(s, {"internet_access:fee": (0.5, ("no",))}),
    "pool": lambda s: {"access": "yes", "fee": "yes"},
    "beach": lambda s: {"supervised": "yes", "access": "yes"},
    "marina": lambda s: {"capacity": str(s.integer(6, 20) * 10)},
    "sports": lambda s: _some(s, {"sport": (0.4, ("fitness", "multi"))}),
    "care": lambda s: {"social_facility:for": "senior"},
}
