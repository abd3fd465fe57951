"""What is told of places: phone, address, hours, wheelchair access, and whatever else stands on a line of its own.

Values that a name gives away (a website made of it, a brand that is it) are not asked for, and what a name only hints
at, such as a cuisine, is asked for by address.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from annotator.demo.questions.writers.make import choice, open_ended, text_of, yes_no, yes_no_body
from annotator.demo.questions.writers.phrases import filled, gives_away, worded
from annotator.demo.questions.writers.question import About, Question, Told
from annotator.demo.questions.writers.reading import Reading, Sighting
from annotator.demo.stream import Stream

_FIELDS = ("category", "address", "position", "opening_hours", "phone", "wheelchair", "price_level", "attributes")
_BY_ADDRESS = frozenset({"Type", "Cuisine"})
_ANY_KIND = frozenset({"Type", "Address", "Street", "Postcode", "Coordinates", "Phone", "Wheelchair access"})
"""Labels of which values do not depend on what kind of place it is, or are themselves the kind."""
_LEFT_OUT = frozenset({"Description", "Brand wikidata"})

_ASK: Mapping[str, tuple[str, ...]] = {
    "Phone": (
        "What is the phone of {x}?",
        "Under which number can one call {x}?",
        "Which number does one dial to reach {x}?",
        "Somebody wants to ring {x}. What is the number?",
        "How can {x} be reached by telephone?",
    ),
    "Address": (
        "What is the address of {x}?",
        "Where does a letter to {x} go?",
        "At which address does one find {x}?",
        "A taxi driver asks for the full address of {x}. What is it?",
        "Where is {x} located, with street and town?",
    ),
    "Street": (
        "What is the street of {x}?",
        "In which street is {x}?",
        "On which street does one find {x}?",
        "Which street is {x} in?",
        "Somebody looks for {x}. Into which street must they go?",
    ),
    "Postcode": (
        "What is the postcode of {x}?",
        "Which postcode has {x}?",
        "What postal code belongs to {x}?",
        "Which postcode must be written on a parcel to {x}?",
        "In which postal district is {x}? Give its code.",
    ),
    "Coordinates": (
        "What are the coordinates of {x}?",
        "Which latitude and longitude has {x}?",
        "Where exactly on the globe is {x}?",
        "Give the position of {x} as latitude and longitude.",
        "Which coordinates does one enter to find {x}?",
    ),
    "Opening hours": (
        "What are the opening hours of {x}?",
        "When is {x} open?",
        "At which times can one visit {x}?",
        "What times does {x} keep?",
        "On which days and at what times does {x} receive people?",
    ),
    "Wheelchair access": (
        "What is the wheelchair access of {x}?",
        "Can wheelchair users enter {x}: yes, limited or no?",
        "How accessible is {x} to somebody in a wheelchair?",
        "What is said of wheelchairs at {x}?",
        "A friend uses a wheelchair. What does one know about getting into {x}?",
    ),
    "Type": (
        "What is the type of {x}?",
        "What kind of place is {x}?",
        "As what is {x} classed?",
        "What does one find at {x}: what sort of place?",
        "Of which kind is {x}?",
    ),
}
_ASK_OTHER = (
    "What is the {label} of {x}?",
    "What is said about the {label} of {x}?",
    "Which {label} does {x} have?",
    "Concerning {x}: what is its {label}?",
    "What does one learn about {label} at {x}?",
)
_HOLDER = (
    "Which of these has the {label} {v}?",
    "To which of these places belongs the {label} {v}?",
    "The {label} {v} is that of which place?",
    "One of these has {v} for its {label}. Which?",
    "Whose {label} is {v}?",
)
_HOLDERS = (
    "Which of these have the {label} {v}?",
    "For which of these is the {label} {v}?",
    "Of these places, which ones have {v} for their {label}?",
    "Name all of these whose {label} is {v}.",
    "Whose {label} is {v}? Several may be right.",
)
_IS = ("the {label} of {x}", "what is told as the {label} of {x}")


@dataclass(frozen=True, slots=True)
class Group:
    """Places of which the context tells the same thing.

    Args:
        category: of all its places; empty for labels that places of any kind have.
        told: one value a place.
        accepted: other ways to write a value, by place.
    """

    label: str
    category: str
    told: tuple[Told, ...]
    accepted: Mapping[str, tuple[str, ...]]

    @property
    def values(self) -> list[str]:
        """Every value once."""
        return list(dict.fromkeys(told.words for told in self.told))

    def having(self, value: str) -> list[Told]:
        """Places with a value."""
        return [told for told in self.told if told.words == value]


def groups(reading: Reading) -> list[Group]:
    """Everything that is told of at least two places of one kind."""
    found: defaultdict[tuple[str, str, str], dict[str, Told]] = defaultdict(dict)
    accepted: defaultdict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    contested: set[tuple[str, str]] = set()
    for sighting in reading.sightings:
        place = sighting.place
        for label, told, others in _labelled(sighting):
            is_any = label in _ANY_KIND
            category, kind = ("", "") if is_any else ((place.categories or ("",))[0], place.kind or "")
            # Of things of no type, and of several kinds, a name says too much.
            if not is_any and not category:
                continue
            subject = told.subject
            if label in _BY_ADDRESS:
                subject = _by_address(reading, sighting)
                if not subject:
                    continue
                told = replace(told, subject=subject, said=f"{subject}{told.said.removeprefix(sighting.name)}")
            before = found[label, category, kind].setdefault(subject, told)
            if before.words != told.words:
                contested.add((label, subject))
            accepted[label].setdefault(subject, others)
    made = []
    for (label, category, _), by_subject in sorted(found.items()):
        told_of = tuple(told for subject, told in by_subject.items() if (label, subject) not in contested)
        if len(told_of) > 1:
            made.append(Group(label, category, told_of, accepted[label]))
    return made


def _labelled(sighting: Sighting) -> list[tuple[str, Told, tuple[str, ...]]]:
    """Labels, what is told, and other ways to write it."""
    found = []
    place = sighting.place
    for field in _FIELDS:
        for told, label in sighting.labelled(field):
            others: tuple[str, ...] = ()
            if field == "position":
                others = (f"{place.lat}, {place.lon}",)
            if field == "opening_hours" and place.opening_hours and place.opening_hours.raw:
                others = (place.opening_hours.raw, told.words.partition(" (")[0])
            if label not in _LEFT_OUT:
                found.append((label, told, others))
            if field == "address":
                found += [
                    (title, replace(told, words=part, pointer=f"{sighting.pointer}/address_parts/{key}"), ())
                    for title, key in (("Street", "street"), ("Postcode", "postcode"))
                    if (part := place.address_parts.get(key, "")) and part in told.words
                ]
    return found


def _by_address(reading: Reading, sighting: Sighting) -> str:
    """A place called by its address, where the context tells it of no other place."""
    address = sighting.place.address or ""
    street = address.partition(",")[0]
    is_told = any(one.told("address") for one in reading.by_pid[sighting.place.pid])
    if not is_told or not any(letter.isdigit() for letter in street):
        return ""
    others = {one.place.pid for one in reading.sightings if (one.place.address or "").startswith(f"{street},")}
    return f"the place at {street}" if others == {sighting.place.pid} else ""


def value(group: Group, stream: Stream, how: str) -> Question | None:
    """What is the value of one place?"""
    told = stream.pick(group.having(stream.pick(group.values)))
    body = filled(worded(stream, _asks(group.label), how), label=_lower(group.label), x=told.subject)
    # Of values from a list that everybody knows, at least two must be told here.
    if gives_away(body, (told.words, "")) or len(group.values) < 2:
        return None
    accepted = dict.fromkeys((told.words, *group.accepted.get(told.subject, ())))
    made = open_ended(_about("value", group), how, body, told.words, text_of(*accepted), (told,))
    return made and replace(made, said="" if how == "verbatim" else made.said)


def value_choice(group: Group, stream: Stream, how: str) -> Question | None:
    """Which of these values is it?"""
    options = stream.sample(group.values, 4)
    if len(options) < 3:
        return None
    right = stream.pick(options)
    told = stream.pick(group.having(right))
    body = filled(worded(stream, _asks(group.label), how), label=_lower(group.label), x=told.subject)
    wrong = [option for option in options if option != right]
    return choice(_about("value_choice", group), how, body, (right,), wrong, (told,))


def value_yes_no(group: Group, stream: Stream, how: str) -> Question | None:
    """Is this its value? Half of the values are another place's."""
    pair = stream.sample(group.values, 2)
    if len(pair) < 2:
        return None
    told = stream.pick(group.having(pair[0]))
    is_so = stream.chance(0.5)
    subject = filled(worded(stream, _IS, how), label=_lower(group.label), x=told.subject)
    body = yes_no_body(stream, f"{subject[:1].lower()}{subject[1:]}", pair[0] if is_so else pair[1], how)
    if gives_away(told.subject, pair):
        return None
    return yes_no(_about("value_yes_no", group), how, body, is_so, (told,))


def holder_choice(group: Group, stream: Stream, how: str) -> Question | None:
    """Which of these places has this value?"""
    values = [value for value in group.values if len(group.having(value)) == 1]
    options = [group.having(value)[0] for value in stream.sample(values, 4)]
    if len(options) < 3:
        return None
    told = stream.pick(options)
    body = filled(worded(stream, _HOLDER, how), label=_lower(group.label), v=told.words)
    wrong = [other.subject for other in options if other is not told]
    return choice(_about("holder_choice", group), how, body, (told.subject,), wrong, (told,))


def holders_multiple(group: Group, stream: Stream, how: str) -> Question | None:
    """Which of these places have this value?"""
    usable = [value for value in group.values if 2 <= len(group.having(value)) <= len(group.told) - 2]
    if not usable:
        return None
    value = stream.pick(usable)
    having = group.having(value)
    lacking = [told for told in group.told if told.words != value]
    size = min(4, 1 + min(len(having), len(lacking)))
    num_right = stream.pick_weighted(tuple(range(1, size)), {3: (3.0, 3.0), 4: (4.0, 6.0, 4.0)}[size])
    right, wrong = stream.sample(having, num_right), stream.sample(lacking, size - num_right)
    told = [*right, *wrong]
    body = filled(worded(stream, _HOLDERS, how), label=_lower(group.label), v=value)
    return choice(
        _about("holders_multiple", group),
        how,
        body,
        [one.subject for one in right],
        [one.subject for one in wrong],
        told,
        parts=told,
        shape="multiple_choice",
    )


type Writer = Callable[[Group, Stream, str], Question | None]

SHAPES: Mapping[str, tuple[Writer, float]] = {
    "value": (value, 2.0),
    "value_choice": (value_choice, 1.6),
    "value_yes_no": (value_yes_no, 1.0),
    "holder_choice": (holder_choice, 1.4),
    "holders_multiple": (holders_multiple, 3.0),
}
"""Every shape and how often it is tried."""


def strange(group: Group, reading: Reading, stream: Stream) -> Group | None:
    """The same things of places of which the context does not tell them, though it may name the places."""
    if group.label in _BY_ADDRESS:
        subjects = [f"the place at {street}" for street in _strange_streets(reading)]
    else:
        told_of = {told.subject for told in group.told}
        silent = [
            name
            for name in dict.fromkeys(
                one.name
                for one in reading.sightings
                if not group.category or group.category == (one.place.categories or ("",))[0]
            )
            if name not in told_of and not _tells(reading, name, group.label)
        ]
        # Half of them stand in the context, which tells other things of them.
        wanted = len(group.told)
        subjects = stream.sample(silent, wanted // 2 + stream.integer(0, 1))
        subjects += reading.strange_names(stream, wanted - len(subjects), group.category)
    if len(subjects) < 2:
        return None
    pairs = zip(stream.shuffled(group.told), stream.shuffled(subjects), strict=False)
    return replace(group, told=tuple(replace(told, subject=name) for told, name in pairs))


def _tells(reading: Reading, name: str, label: str) -> bool:
    return any(
        found == label for sighting in reading.sightings if sighting.name == name for found, _, _ in _labelled(sighting)
    )


def _strange_streets(reading: Reading) -> list[str]:
    streets = [
        place.address.partition(",")[0] for category in reading.categories for place in reading.strangers(category)
    ]
    return [street for street in dict.fromkeys(streets) if any(map(str.isdigit, street)) and not reading.has(street)]


def _asks(label: str) -> Sequence[str]:
    return _ASK.get(label, _ASK_OTHER)


def _lower(label: str) -> str:
    return f"{label[:1].lower()}{label[1:]}"


def _about(shape: str, group: Group) -> About:
    return About(f"fact/{shape}", "poi", "place_fact")
