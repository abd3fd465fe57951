"""Gold answers as formats of others want them: an option's place in the list, or words."""

from annotator.datasets.native import NativeItem
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

NO_CONTEXT = "its context must not leave by its provider's terms"
NO_GOLD = "it has no gold answer"
CANNOT = "This cannot be answered from the context."
"""The option of abstaining, where models are offered one."""


def right_indices(item: NativeItem) -> list[int]:
    """Places of the right options in the list, from 0; none for what cannot be answered or is open-ended."""
    keys = item.gold if item.type != "open_ended" and isinstance(item.gold, list) else []
    return [index for index, option in enumerate(item.options) if option.key in keys]


def open_texts(item: NativeItem) -> list[str]:
    """Words that say an open-ended answer, the best first; none where there is no answer."""
    return [] if item.answer_spec is None else [text for text in answer_texts(item.answer_spec) if text]


def answer_texts(answer: OpenAnswer) -> list[str]:
    """Words that say an answer, the best first; empty ones where it is empty."""
    match answer:
        case TextAnswer():
            return [answer.value, *answer.aliases]
        case NumberAnswer():
            number = _number(answer.value)
            return [f"{number} {answer.unit}".strip() if number else ""]
        case DurationAnswer():
            return [f"{number} s" if (number := _number(answer.value_s)) else ""]
        case DistanceAnswer():
            return [f"{number} m" if (number := _number(answer.value_m)) else ""]
        case TimeAnswer():
            return [answer.value]
        case PlaceAnswer():
            return [answer.name or answer.pid, *answer.aliases]
        case PointAnswer():
            return [f"{answer.lat}, {answer.lon}" if answer.lat is not None and answer.lon is not None else ""]
        case OrderedListAnswer() | SetAnswer():
            return [", ".join(item for item in answer.items if item.strip())]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.15g}"
