"""What choices and comparisons are asked with: the words of map questions around the random strings.

A text that stands before a name or a word ends without a space, since words bring their own; one that stands before a
number ends with a space.
"""

from enum import StrEnum


class Said(StrEnum):
    """What a fact says of a place."""

    DISTANCE = "distance"
    """How far away it is."""
    TRAVEL = "travel"
    """The time of a journey, with its length in brackets."""


class Measure(StrEnum):
    """What is compared."""

    AWAY = "away"
    """How far away places are."""
    LENGTH = "length"
    """The lengths of journeys."""
    TIME = "time"
    """Their times."""


OPTIONS = {letter: f"{letter}." for letter in "ABCD"}
CHOSEN = {letter: f" {letter}" for letter in OPTIONS}
FACT, COLON, NEWLINE, QUESTION, BREAK = "-", ":", "\n", "Question:", "\n\n"
YES, NO = " Yes", " No"
NEXT_QUOTE, NEXT_CHOSEN = ";", ","
ANSWER = "\nAnswer:"
ASK_END = "?\n"

_INSTRUCTION = (
    'Reply with what the context says, then "Answer:" and {}. If the context does not say, answer "unanswerable".'
)
ONE = _INSTRUCTION.format("the letter")
SEVERAL = _INSTRUCTION.format("the letters of all that are right")
OPEN = _INSTRUCTION.format("the answer")

VALUE_OF = tuple(f" What is the {what} of" for what in ("address", "street", "type", "phone number"))
"""Before a name; the options are values."""
NAME_OF = (
    *(f" Which of these has the {what}" for what in ("address", "street", "type", "phone number")),
    *(f" To which of these places belongs the {what}" for what in ("address", "street")),
    *(f" Whose {what} is" for what in ("address", "street")),
)
"""Before a value; the options are names."""
NAMES_OF = (
    *(f" Which of these have the {what}" for what in ("address", "street", "type", "postcode")),
    *(f" For which of these is the {what}" for what in ("address", "street")),
)
"""Before a value that several of the options may have."""

METRES, KILOMETRES, SECONDS, MINUTES, POINT = " m", " km", " s", " min", "."

BEFORE_AMOUNT = ": "
BY = (" by car (", " on foot (", " by bicycle (")
AMOUNT_END = {Said.DISTANCE: " away\n", Said.TRAVEL: ")\n"}
AMOUNT_NEXT = {Said.DISTANCE: " away;", Said.TRAVEL: ");"}
AMOUNT_ANSWER = {Said.DISTANCE: " away\nAnswer:", Said.TRAVEL: ")\nAnswer:"}
AMOUNT_ANSWER_NUMBER = {Said.DISTANCE: " away\nAnswer: ", Said.TRAVEL: ")\nAnswer: "}
"""Marks stick to those before them, so that these are texts of their own."""

LEAST = {
    Measure.AWAY: (
        " Which of these is the closest?\n",
        " Which one is the least far away?\n",
        " One of these is the nearest. Which?\n",
    ),
    Measure.LENGTH: (" Which of these is the shortest in distance?\n", " One of these is the least long way. Which?\n"),
    Measure.TIME: (" Which of these is the shortest in travel time?\n", " One of these is the quickest trip. Which?\n"),
}
MOST = {
    Measure.AWAY: (
        " Which of these is the farthest away?\n",
        " Which one is the most distant?\n",
        " Which one is the least close?\n",
    ),
    Measure.LENGTH: (" Which of these is the longest in distance?\n", " One of these is the least short way. Which?\n"),
    Measure.TIME: (" Which of these is the longest in travel time?\n", " One of these is the slowest trip. Which?\n"),
}
IS, IS_LATER = " Is", " is"
IS_IT_SO = (" Would it be true to say that", " Does it hold that", " Is it right that")
"""Before the first of two names that a question for yes or no compares; what they are, then stands between them."""
LESS_THAN = {
    Measure.AWAY: (" less far away than", " closer than", " at a shorter distance than"),
    Measure.LENGTH: (" shorter in distance than", " a less long way than"),
    Measure.TIME: (" shorter in travel time than", " quicker than"),
}
MORE_THAN = {
    Measure.AWAY: (" farther away than", " more distant than", " at a greater distance than", " less close than"),
    Measure.LENGTH: (" longer in distance than", " a longer way than"),
    Measure.TIME: (" longer in travel time than", " slower than"),
}
EXACTLY = {
    Measure.AWAY: (" Which of these is ", " away?\n"),
    Measure.LENGTH: (" Which of these ways is ", " long?\n"),
    Measure.TIME: (" Which of these is a trip of ", "?\n"),
}
AT_MOST = {
    Measure.AWAY: ((" Which of these are at most ", " away?\n"), (" Which of these are within ", "?\n")),
    Measure.LENGTH: (
        (" Which of these ways are at most ", " long?\n"),
        (" Name all that are not over ", " in length.\n"),
    ),
    Measure.TIME: ((" Which of these are a trip of at most ", "?\n"), (" Name all that are done within ", ".\n")),
}
OVER = {
    Measure.AWAY: ((" Which of these are more than ", " away?\n"), (" Which of these are beyond ", "?\n")),
    Measure.LENGTH: (
        (" Which of these ways are more than ", " long?\n"),
        (" Name all that are over ", " in length.\n"),
    ),
    Measure.TIME: ((" Which of these are more than ", "?\n"), (" Name all that are not done within ", ".\n")),
}
BY_HOW_MUCH = " By how much is"


def all_wordings() -> tuple[str, ...]:
    """Every text of this module, each once."""
    texts: dict[str, None] = {}

    def collect(value: object) -> None:
        if isinstance(value, str):
            texts[value] = None
        elif isinstance(value, tuple):
            for part in value:
                collect(part)
        elif isinstance(value, dict):
            for part in value.values():
                collect(part)

    for name, value in globals().items():
        if name.isupper() and not name.startswith("_"):
            collect(value)
    return tuple(texts)
