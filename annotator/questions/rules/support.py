"""Rules about evidence: there is some, it holds, and the gold answer is what it says."""

import re
from collections.abc import Iterator

from annotator.geo import haversine_m
from annotator.questions.answers import (
    DistanceAnswer,
    DurationAnswer,
    NumberAnswer,
    OpenAnswer,
    PlaceAnswer,
    PointAnswer,
    TimeAnswer,
)
from annotator.questions.findings import Fix
from annotator.questions.locate import place_around
from annotator.questions.model import Evidence, QuestionContent
from annotator.questions.rules.case import Case, Remark, edited, quoted
from annotator.questions.rules.quantities import UNITS, of_evidence, of_gold, reachable, read_quantity, words_of

FAR_M = 5_000.0
"""Metres from every place of the evidence at which a gold position is most likely another town's."""

_CLOCK = re.compile(r"(?<![\d:])(\d{1,2})(?:[:.](\d{2}))?(?::\d{2})?\s*([ap]\.?m\b)?", re.I)


def gold_unsupported(case: Case) -> Iterator[Remark]:
    """A gold answer needs a recorded value that says so; an error where the project insists on it."""
    if case.content.type != "unanswerable" and case.has_gold and not case.support:
        yield Remark(
            "error" if case.settings.require_evidence else "hint",
            "evidence",
            "No evidence supports the answer; click a value of a card in evidence mode (E).",
        )


def evidence_mismatch(case: Case) -> Iterator[Remark]:
    """Evidence that no longer is what was recorded proves nothing."""
    attached = {item.key for item in case.content.evidence}
    for mismatch in case.mismatches:
        if mismatch.key in attached:
            yield Remark(
                "error",
                f"evidence.{mismatch.key}",
                f"This evidence no longer holds: {mismatch.reason}.",
                Fix(label="Detach it", content=_without(case.content, mismatch.key)),
            )


def evidence_option_unknown(case: Case) -> Iterator[Remark]:
    """Evidence for or against an option needs that option."""
    known = {option.key for option in case.content.options}
    for item in case.content.evidence:
        if item.option_key is not None and item.option_key not in known:
            free = item.model_copy(update={"option_key": None})
            corrected = tuple(free if one.key == item.key else one for one in case.content.evidence)
            yield Remark(
                "error",
                f"evidence.{item.key}",
                f"This evidence is about option {item.option_key}, which is not there.",
                Fix(label="Keep it without the option", content=edited(case.content, evidence=corrected)),
            )


def evidence_repeated(case: Case) -> Iterator[Remark]:
    """The same value twice in the same role is one piece of evidence."""
    seen: set[tuple[str, str, str, str | None]] = set()
    for item in case.content.evidence:
        same = (item.result_sha, item.pointer, item.role, item.option_key)
        if same in seen:
            yield Remark(
                "hint",
                f"evidence.{item.key}",
                "This evidence is attached twice.",
                Fix(label="Detach one", content=_without(case.content, item.key)),
            )
        seen.add(same)


def gold_differs(case: Case) -> Iterator[Remark]:
    """A distance or duration has to be what the evidence says, within its tolerance and whatever its unit; sums and
    differences of several values count too."""
    gold = of_gold(case.content.gold) if case.content.type == "open_ended" else None
    if gold is None:
        return
    said = of_evidence(case.support, gold.kind)
    if not said or any(gold.takes(value) for value in reachable(said)):
        return
    fix = None
    if len(said) == 1:
        fix = Fix(label=f"Use {words_of(gold.kind, said[0])}", content=_with_amount(case.content, said[0]))
    shown = ", ".join(words_of(gold.kind, value) for value in said[:3])
    yield Remark(
        "warning",
        "gold",
        f"The answer is {words_of(gold.kind, gold.value)}, and the evidence says {shown}.",
        fix,
    )


def gold_outside_hours(case: Case) -> Iterator[Remark]:
    """A time that stands in no opening hours and no computed state of the evidence is likely a slip."""
    gold = case.content.gold
    if case.content.type != "open_ended" or not isinstance(gold, TimeAnswer) or not gold.value:
        return
    hours = [item for item in case.support if _is_about_hours(item)]
    if not hours or len(hours) < len(case.support):
        return
    wanted = gold.value[-5:]
    said = set().union(*(_clock_times(item.value) for item in hours))
    # Midnight closes one day and opens the next.
    if said and wanted not in said and not (wanted == "00:00" and "24:00" in said):
        shown = ", ".join(sorted(said)[:4])
        yield Remark("warning", "gold", f"{wanted} is none of the times in the evidence ({shown}).")


def gold_far(case: Case) -> Iterator[Remark]:
    """A place or position far from every place of the evidence is likely another one of that name."""
    gold, context = case.content.gold, case.context
    if case.content.type != "open_ended" or not isinstance(gold, PlaceAnswer | PointAnswer) or context is None:
        return
    where = (gold.lat, gold.lon)
    if isinstance(gold, PlaceAnswer) and gold.pid in context.places:
        known = context.places[gold.pid]
        where = (known["lat"], known["lon"])
    if where[0] is None or where[1] is None:
        return
    distances = [
        haversine_m((where[0], where[1]), (place["lat"], place["lon"]))
        for item in case.support
        if (call := context.results.get(item.tool_call_id)) is not None
        and (place := place_around(call.result, item.pointer)) is not None
    ]
    if distances and min(distances) > max(FAR_M, gold.max_m or 0.0):
        yield Remark(
            "warning",
            "gold",
            f"The answer is {min(distances) / 1000:.0f} km from any place of the evidence; is it the right one?",
        )


def gold_text_differs(case: Case) -> Iterator[Remark]:
    """A choice that is an amount should be the option nearest to what the evidence says."""
    gold = case.gold_options
    if case.content.type != "single_choice" or len(gold) != 1:
        return
    amounts = {option.key: read_quantity(option.text) for option in case.content.options}
    own = amounts[gold[0].key]
    known = {key: amount for key, amount in amounts.items() if amount is not None}
    if own is None or own.kind == "number" or len(known) < len(amounts):
        return
    said = list(reachable(of_evidence(case.support, own.kind)))
    same_kind = {key: amount.value for key, amount in known.items() if amount.kind == own.kind}
    if len(said) != 1 or len(same_kind) < 2:
        return
    nearest = min(same_kind, key=lambda key: abs(same_kind[key] - said[0]))
    if nearest != gold[0].key and same_kind[nearest] != own.value:
        yield Remark(
            "warning",
            "gold",
            f"The evidence says {words_of(own.kind, said[0])}, which is nearer to option {nearest} than to "
            f"{quoted(gold[0].text)}.",
        )


def _with_amount(content: QuestionContent, value: float) -> QuestionContent:
    gold: OpenAnswer | None = content.gold
    match gold:
        case DistanceAnswer():
            gold = gold.model_copy(update={"value_m": value})
        case DurationAnswer():
            gold = gold.model_copy(update={"value_s": value})
        case NumberAnswer(unit=unit):
            gold = gold.model_copy(update={"value": value / UNITS[unit.strip().casefold()][1]})
    return edited(content, gold=gold)


def _without(content: QuestionContent, key: str) -> QuestionContent:
    return edited(content, evidence=tuple(item for item in content.evidence if item.key != key))


def _is_about_hours(item: Evidence) -> bool:
    steps = item.pointer.split("/")
    is_state = isinstance(item.value, dict) and "next_change" in item.value
    return is_state or bool({"opening_hours", "weekdays", "next_change"} & set(steps))


def _clock_times(value: object) -> set[str]:
    """Every time of day in some hours, as `HH:MM`."""
    if isinstance(value, dict):
        kept = ("raw", "weekdays", "next_change")
        return set().union(*(_clock_times(part) for name, part in value.items() if name in kept))
    if isinstance(value, list | tuple):
        return set().union(*(_clock_times(part) for part in value))
    if not isinstance(value, str):
        return set()
    # Of a date and time only the time: the day's number is none.
    text = value.partition("T")[2][:5] if re.match(r"\d{4}-\d{2}-\d{2}T", value) else value
    found = set()
    for hour, minute, half in _CLOCK.findall(text):
        if not minute and not half:
            continue
        number = int(hour)
        if half:
            number = number % 12 + (12 if half[0] in "pP" else 0)
        if number <= 24:
            found.add(f"{number:02d}:{minute or '00'}")
    return found
