"""Whether a reply to a map question is right, and how much a copy resembles its original.

Only the standard library is imported: training judges its own checkpoints with this file.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

Verdict = Literal["right", "wrong", "invalid", "abstained"]
"""`invalid`: the reply gives no answer. `abstained`: it says "unanswerable" although the context holds the answer."""

_ANSWER = re.compile(r"answer:", re.IGNORECASE)
_UNANSWERABLE = re.compile(r"\bunanswerable\b", re.IGNORECASE)
_LETTER = re.compile(r"\(?([a-z])[.):]*", re.IGNORECASE)
_LETTER_AND_TEXT = re.compile(r"\(?([a-z])[.):]+\s+\S.*", re.IGNORECASE)
_BETWEEN_LETTERS = re.compile(r"\s*(?:[,;&]|\band\b)\s*", re.IGNORECASE)
_QUANTITY = r"([-\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?)\s*([a-z]+(?![a-z]))?"
_NUMBER = re.compile(r"(?<![\w.])" + _QUANTITY, re.IGNORECASE)
_NEXT_NUMBER = re.compile(r"\s*" + _QUANTITY, re.IGNORECASE)
_FINAL_PUNCTUATION = " .,;:!?"

# Unit as written -> (what it measures, how many base units it is).
_UNITS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), ("m", 1.0)),
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), ("m", 1000.0)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("s", 1.0)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), ("s", 60.0)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("s", 3600.0)),
}


def score(answer: Mapping[str, Any], reply: str) -> Verdict:
    """Judge a reply by what follows its last `Answer:`, to the end of that line.

    Args:
        answer: a question's `answer` in a `mapqator.map_questions/1` file; its `kind` is options, text, number, list
            or unanswerable.
        reply: all that the model wrote.

    Raises:
        ValueError: the answer is of no known kind.
    """
    given = given_answer(reply)
    if given is None:
        return "invalid"
    has_abstained = _UNANSWERABLE.search(given) is not None
    if answer["kind"] == "unanswerable":
        return "right" if has_abstained else "wrong"
    if has_abstained:
        return "abstained"
    return "right" if _is_right(answer, given) else "wrong"


def given_answer(reply: str) -> str | None:
    """The first line with text after the last `Answer:`; None if there is none."""
    parts = _ANSWER.split(reply)
    lines = parts[-1].split("\n") if len(parts) > 1 else []
    return next((line.strip() for line in lines if line.strip()), None)


def _is_right(answer: Mapping[str, Any], given: str) -> bool:
    match answer["kind"]:
        case "options":
            return option_letters(given) == frozenset(answer["keys"])
        case "text":
            return normalised(given) in {normalised(text) for text in answer["accepted"]}
        case "number":
            number = number_in(given, answer["unit"])
            # Half a billionth more, because 0.3 - 0.1 is a little above 0.2.
            return number is not None and abs(number - answer["value"]) <= answer["abs_tol"] + 5e-10
        case "list":
            parts = [part for part in map(normalised, given.split(";")) if part]
            wanted = [normalised(item) for item in answer["items"]]
            return parts == wanted if answer["is_ordered"] else sorted(parts) == sorted(wanted)
        case kind:
            raise ValueError(f"an answer of unknown kind {kind!r}")


def option_letters(given: str) -> frozenset[str]:
    """The options that an answer names: `A`, `(a)`, `A, C`, `A and C`, or one letter with its text, `A. Yes`.

    Empty if the answer holds anything else: a letter that merely occurs somewhere is no choice.
    """
    letters = [_LETTER.fullmatch(part) for part in _BETWEEN_LETTERS.split(given.rstrip(_FINAL_PUNCTUATION)) if part]
    found = [letter[1].upper() for letter in letters if letter is not None]
    if len(found) < len(letters):
        alone = _LETTER_AND_TEXT.fullmatch(given)
        found = [alone[1].upper()] if alone is not None else []
    return frozenset(found)


def normalised(text: str) -> str:
    """Case, width and kind of characters, runs of whitespace and final punctuation taken away."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split()).rstrip(_FINAL_PUNCTUATION)


def number_in(given: str, unit: str) -> float | None:
    """The first number of an answer, in `unit`.

    Metres, kilometres, seconds, minutes and hours are converted, and `1 h 20 min` is one number. A number without a
    unit has the wanted one.

    Args:
        unit: "m", "s", or "" for a plain number, after which words other than units may follow.

    Returns:
        None if there is no number, or it measures something else.
    """
    first = _NUMBER.search(given)
    if first is None:
        return None
    if first[2] is None or first[2].casefold() not in _UNITS:
        return _value(first)
    kind, factor = _UNITS[first[2].casefold()]
    if kind != unit:
        return None
    total = _value(first) * factor
    end = first.end()
    while kind == "s" and (following := _NEXT_NUMBER.match(given, end)) is not None:
        next_kind, next_factor = _UNITS.get((following[2] or "").casefold(), ("", 0.0))
        # 5 min 3 h is no duration that anybody writes.
        if next_kind != "s" or next_factor >= factor:
            break
        total += _value(following) * next_factor
        factor, end = next_factor, following.end()
    return total


def _value(match: re.Match[str]) -> float:
    return float(match[1].replace(",", "").replace("\u2212", "-"))


def edit_similarity(first: str, second: str) -> float:
    """1 for equal texts, 0 for texts that have nothing in common: 1 - edit distance / length of the longer one."""
    longest = max(len(first), len(second))
    return 1.0 if longest == 0 else 1.0 - edit_distance(first, second) / longest


def edit_distance(first: str, second: str) -> int:
    """Fewest characters to insert, delete or replace (Levenshtein).

    One step of whole-column arithmetic a character: Myers, "A fast bit-vector algorithm for approximate string
    matching based on dynamic programming" (1999), in Hyyrö's form for whole strings.
    """
    if not first:
        return len(second)
    places: dict[str, int] = {}
    for index, character in enumerate(first):
        places[character] = places.get(character, 0) | 1 << index
    mask, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    plus, minus, distance = mask, 0, len(first)
    for character in second:
        equal = places.get(character, 0)
        diagonal = (((equal & plus) + plus) ^ plus) | equal | minus
        row_plus = minus | ~(diagonal | plus) & mask
        row_minus = plus & diagonal
        distance += bool(row_plus & last) - bool(row_minus & last)
        row_plus = row_plus << 1 | 1
        plus = (row_minus << 1 | ~(diagonal | row_plus)) & mask
        minus = row_plus & diagonal & mask
    return distance
