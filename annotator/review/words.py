"""Answers as people read them."""

from collections.abc import Mapping
from typing import Any

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
)
from annotator.questions.model import QuestionContent
from annotator.review.given import Given, Keys, Unanswerable, gold_of

UNANSWERABLE = "The context does not say"


def option_words(option: Mapping[str, Any]) -> str:
    """An option's text, with the place that it means."""
    return f"{option['text']} [{option['pid']}]" if option["pid"] else str(option["text"])


def answer_words(content: Mapping[str, Any]) -> str:
    """A content's gold answer in words, tolerances included; empty while there is none."""
    model = QuestionContent.model_validate(content)
    gold = gold_of(model)
    return "" if gold is None else given_words(gold, model, tolerances=True)


def given_words(given: Given, content: QuestionContent, *, tolerances: bool = False) -> str:
    """An answer in words, options with their text.

    Args:
        tolerances: say them too, as for gold.
    """
    if isinstance(given, Unanswerable):
        return UNANSWERABLE
    if isinstance(given, Keys):
        texts = {option.key: option.text for option in content.options}
        return "; ".join(f"{key}: {texts[key]}" if texts.get(key) else key for key in given.keys)
    value = _value(given)
    within = _within(given) if tolerances else ""
    return f"{value} ({within})" if within else value


def _value(given: OpenAnswer) -> str:
    match given:
        case TextAnswer(value=text) | TimeAnswer(value=text):
            return text
        case NumberAnswer(value=number, unit=unit):
            return f"{_number(number)} {unit}".strip()
        case DurationAnswer(value_s=seconds):
            return duration_words(seconds or 0.0)
        case DistanceAnswer(value_m=metres):
            return distance_words(metres or 0.0)
        case PlaceAnswer(name=name, pid=pid):
            return f"{name} [{pid}]" if name and pid else name or pid
        case PointAnswer(lat=lat, lon=lon):
            return f"{lat}, {lon}"
        case OrderedListAnswer(items=items):
            return "; ".join(f"{place}. {item}" for place, item in enumerate(items, 1))
        case SetAnswer(items=items):
            return "; ".join(items)


def _within(given: OpenAnswer) -> str:
    match given:
        case TextAnswer(aliases=aliases, normaliser=normaliser):
            also = f"or {', '.join(aliases)}; " if aliases else ""
            return f"{also}{'exactly' if normaliser == 'exact' else 'loosely'}"
        case NumberAnswer(abs_tol=absolute, rel_tol=relative):
            return _either(_number(absolute) if absolute else "", relative)
        case DurationAnswer(abs_tol_s=absolute, rel_tol=relative):
            return _either(duration_words(absolute) if absolute else "", relative)
        case DistanceAnswer(abs_tol_m=absolute, rel_tol=relative):
            return _either(distance_words(absolute) if absolute else "", relative)
        case TimeAnswer(abs_tol_s=absolute):
            return f"± {duration_words(absolute)}" if absolute else ""
        case PlaceAnswer(aliases=aliases, max_m=max_m):
            also = f"or {', '.join(aliases)}" if aliases else ""
            near = "" if max_m is None else f"within {distance_words(max_m)}"
            return "; ".join(part for part in (also, near) if part)
        case PointAnswer(max_m=max_m):
            return f"within {distance_words(max_m)}"
    return ""


def _either(absolute: str, relative: float) -> str:
    parts = [f"± {absolute}" if absolute else "", f"± {_number(relative * 100)} %" if relative else ""]
    return " or ".join(part for part in parts if part)


def duration_words(seconds: float) -> str:
    """For instance `1 h 5 min`, `90 s`; exact to the second."""
    if seconds < 120 or seconds % 60:
        return f"{_number(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def distance_words(metres: float) -> str:
    """For instance `850 m`, `2.31 km`."""
    return f"{_number(metres)} m" if metres < 1000 else f"{_number(metres / 1000)} km"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
