"""When a place opens or closes next, where the context says so for a moment."""

import re
from dataclasses import dataclass, replace

from annotator.demo.questions.writers.make import open_ended, text_of
from annotator.demo.questions.writers.phrases import filled, worded
from annotator.demo.questions.writers.question import About, Question, Told
from annotator.demo.questions.writers.reading import Reading
from annotator.demo.stream import Stream


@dataclass(frozen=True, slots=True)
class Change:
    """When a state changes next, as the context tells it of a named place.

    Args:
        since: the moment that was asked about, such as `Wednesday 2026-07-01 10:00`.
        until: the moment of the change.
        iso: the same in ISO 8601.
    """

    name: str
    since: str
    until: str
    iso: str
    told: Told


_CHANGE = re.compile(
    r"(?P<said>(?P<name>.+?) with the opening hours “.*” .* on (?P<since>\w+day \S+ \S+) \(\S+\)\. "
    r"The next change is on (?P<until>\w+day \S+ \S+))\."
)


def changes(reading: Reading) -> list[Change]:
    """Every change that the context tells of a place whose name is its own."""
    found = []
    for index, asked in reading.asked.items():
        told = _CHANGE.match(reading.opening(index)) if asked.tool == "open_at" else None
        if told is None or told["name"] == "A place" or not reading.has(told["said"]):
            continue
        value = Told(told["name"], told["until"], told["said"], 0.0, index, "/next_change", told["said"])
        found.append(Change(told["name"], told["since"], told["until"], str(asked.result["next_change"]), value))
    return found


def next_change(change: Change, stream: Stream, how: str) -> Question | None:
    """When is the next change after that moment?"""
    phrases = (
        "{x} on {t}: when is the next change?",
        "After {t}, when does {x} open or close next?",
        "It is {t}. When will the door of {x} be opened or locked next?",
        "How long does {x} stay as it is on {t}: until when?",
        "On {t} somebody stands before {x}. When does its state change next?",
    )
    body = filled(worded(stream, phrases, how), x=change.name, t=change.since)
    answer = text_of(change.until, change.until.partition(" ")[2], change.iso)
    return open_ended(
        About("hours/next_change", "poi", "opening_hours"), how, body, change.until, answer, (change.told,)
    )


def strange(change: Change, reading: Reading, stream: Stream) -> Change | None:
    """The same of a place that the context does not name."""
    names = reading.strange_names(stream, 1)
    return replace(change, name=names[0]) if names else None
