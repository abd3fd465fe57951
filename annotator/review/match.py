"""Whether an answer is right: pure, with the tolerances that the gold answer carries.

Second answers and evaluation score by exactly this. An answer of another kind than gold's is wrong, and so is an empty
one; nothing is guessed from prose.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from annotator.geo import haversine_m
from annotator.questions.answers import (
    DistanceAnswer,
    DurationAnswer,
    NumberAnswer,
    OpenAnswer,
    OrderedListAnswer,
    PlaceAnswer,
    PointAnswer,
    SetAnswer,
    TextAnswer,
    TimeAnswer,
    is_empty,
)
from annotator.review.given import Given, Keys, Unanswerable

DAY_S = 86_400
ARTICLES = frozenset({"a", "an", "the"})
_APOSTROPHES = "'`\u2019\u02bc\u00b4"
_SLACK = 1e-9
"""Of a value: what arithmetic in binary loses; 0.3 is within 0.1 of 0.2."""


def is_right(gold: Given, given: Given) -> bool:
    """Whether `given` answers as `gold` does.

    Options must be the same set. Open answers are compared by gold's kind and tolerances; see `loosely` for text.
    """
    if isinstance(gold, Keys) or isinstance(given, Keys):
        return isinstance(gold, Keys) and isinstance(given, Keys) and set(gold.keys) == set(given.keys)
    if isinstance(gold, Unanswerable) or isinstance(given, Unanswerable):
        return isinstance(gold, Unanswerable) and isinstance(given, Unanswerable)
    return _is_open_right(gold, given)


def is_same(a: Given, b: Given, gold: Given | None = None) -> bool:
    """Whether two people said the same, with gold's tolerances where there is a gold answer; symmetric."""
    if gold is not None and is_right(gold, a) and is_right(gold, b):
        return True
    return is_right(_as_gold(a, gold), b) or is_right(_as_gold(b, gold), a)


def classes(answers: Sequence[Given], gold: Given | None = None) -> list[int]:
    """A number for each answer, equal where they say the same; 0 is gold's.

    Being within a tolerance is not transitive, so each answer joins the first class whose first answer it equals.
    """
    heads: list[tuple[int, Given]] = [] if gold is None else [(0, gold)]
    found = []
    for answer in answers:
        number = next((n for n, head in heads if is_same(head, answer, gold)), None)
        if number is None:
            number = len(heads) if gold is not None else len(heads) + 1
            heads.append((number, answer))
        found.append(number)
    return found


def loosely(text: str) -> str:
    """Text as loose comparison sees it: without case, accents, punctuation and English articles.

    A minus before a digit stays, and so do signs such as `+` and `€`. Only marks that are accents or vowel points go:
    those that make another letter, as in Japanese or Hindi, stay.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.replace("\x00", " ")).casefold() if not _is_accent(c))
    plain = unicodedata.normalize("NFC", plain)
    plain = re.sub(r"(?<!\w)[-\u2212](?=\d)", "\x00", plain)
    plain = "".join(" " if unicodedata.category(c)[0] == "P" else c for c in plain if c not in _APOSTROPHES)
    words = plain.replace("\x00", "-").split()
    return " ".join([word for word in words if word not in ARTICLES] or words)


def _is_accent(character: str) -> bool:
    mark = unicodedata.combining(character)
    return mark >= 200 or 27 <= mark <= 36


def _is_open_right(gold: OpenAnswer, given: OpenAnswer) -> bool:
    if is_empty(gold) or is_empty(given):
        return False
    match gold, given:
        case TextAnswer(), TextAnswer():
            wanted = (gold.value, *gold.aliases)
            if gold.normaliser == "exact":
                return given.value in wanted
            return loosely(given.value) in {loosely(word) for word in wanted if word.strip()}
        case NumberAnswer(), NumberAnswer():
            has_unit = not given.unit.strip() or loosely(given.unit) == loosely(gold.unit)
            return has_unit and _is_near(gold.value, given.value, gold.abs_tol, gold.rel_tol)
        case DurationAnswer(), DurationAnswer():
            return _is_near(gold.value_s, given.value_s, gold.abs_tol_s, gold.rel_tol)
        case DistanceAnswer(), DistanceAnswer():
            return _is_near(gold.value_m, given.value_m, gold.abs_tol_m, gold.rel_tol)
        case TimeAnswer(), TimeAnswer():
            return time_apart_s(gold.value, given.value) <= gold.abs_tol_s
        case PlaceAnswer(), PlaceAnswer():
            return _is_same_place(gold, given)
        case PointAnswer(), PointAnswer():
            return apart_m(gold, given) <= gold.max_m
        case OrderedListAnswer(), OrderedListAnswer():
            return loose_items(gold.items) == loose_items(given.items)
        case SetAnswer(), SetAnswer():
            return set(loose_items(gold.items)) == set(loose_items(given.items))
    return False


def _is_near(gold: float | None, given: float | None, abs_tol: float, rel_tol: float) -> bool:
    if gold is None or given is None:
        return False
    slack = _SLACK * max(abs(gold), abs(given))
    return abs(given - gold) <= max(abs_tol, rel_tol * abs(gold)) + slack


def time_apart_s(gold: str, given: str) -> float:
    """Seconds between two times; those of a day are compared around midnight. A date that is wanted must be given."""
    if "T" in gold:
        if "T" not in given:
            return math.inf
        try:
            return abs((datetime.fromisoformat(gold) - datetime.fromisoformat(given)).total_seconds())
        except ValueError:
            return math.inf
    apart = abs(_of_day_s(gold) - _of_day_s(given))
    return min(apart, DAY_S - apart)


def _of_day_s(time: str) -> int:
    hours, minutes = time.rpartition("T")[2].split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _is_same_place(gold: PlaceAnswer, given: PlaceAnswer) -> bool:
    if gold.pid and gold.pid == given.pid:
        return True
    if gold.max_m is not None and apart_m(gold, given) <= gold.max_m:
        return True
    # Two places of one map may share a name; their ids tell them apart.
    if gold.pid and given.pid and gold.pid.partition(":")[0] == given.pid.partition(":")[0]:
        return False
    names = {loosely(name) for name in (gold.name, *gold.aliases) if name.strip()}
    return bool(given.name.strip()) and loosely(given.name) in names


def apart_m(gold: PlaceAnswer | PointAnswer, given: PlaceAnswer | PointAnswer) -> float:
    """Metres between two answers; without end where one has no position."""
    if gold.lat is None or gold.lon is None or given.lat is None or given.lon is None:
        return math.inf
    return haversine_m((gold.lat, gold.lon), (given.lat, given.lon))


def loose_items(items: Sequence[str]) -> list[str]:
    """Items of a list as they are compared, without blank ones."""
    return [loosely(item) for item in items if item.strip()]


def _as_gold(answer: Given, gold: Given | None) -> Given:
    """An answer with the tolerances of the gold answer, whose own nobody reads."""
    match answer, gold:
        case TextAnswer(), TextAnswer():
            return gold.model_copy(update={"value": answer.value, "aliases": ()})
        case NumberAnswer(), NumberAnswer():
            return gold.model_copy(update={"value": answer.value, "unit": answer.unit or gold.unit})
        case DurationAnswer(), DurationAnswer():
            return gold.model_copy(update={"value_s": answer.value_s})
        case DistanceAnswer(), DistanceAnswer():
            return gold.model_copy(update={"value_m": answer.value_m})
        case TimeAnswer(), TimeAnswer():
            return gold.model_copy(update={"value": answer.value})
        case PlaceAnswer(), PlaceAnswer():
            return answer.model_copy(update={"aliases": (), "max_m": gold.max_m})
        case PointAnswer(), PointAnswer():
            return gold.model_copy(update={"lat": answer.lat, "lon": answer.lon})
    return answer
