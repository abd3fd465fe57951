"""What a reply is worth: exact and set scores, and values within the tolerances that the gold answer carries.

Right or wrong is what `annotator.review.match` says, the same as for people's second answers. An item that cannot be
answered is right exactly if the model abstains.
"""

from typing import Literal

from annotator.datasets.native import NativeItem
from annotator.errors import InputError
from annotator.evaluate.closeness import closeness, jaccard
from annotator.evaluate.model import Given, Judgement
from annotator.evaluate.units import factor, is_measure
from annotator.questions.answers import NumberAnswer, OpenAnswer, OrderedListAnswer, SetAnswer
from annotator.review import given as answers
from annotator.review import match

Stop = Literal["limit", "error"]


def judge(item: NativeItem, given: Given | None, *, stopped: Stop | None = None, why: str = "") -> Judgement:
    """What an answer to an item is worth.

    Args:
        given: what was read; None where nothing could be.
        stopped: that a limit ended the item, or that asking failed. What was answered before a limit still counts;
            a failure is never an answer.
        why: one sentence on what stopped it.

    Raises:
        InputError: the item has no gold answer.
    """
    gold = gold_of(item)
    if stopped == "error":
        return Judgement(verdict="error", score=0, partial=0, detail=why or "asking the model failed")
    if given is None:
        if stopped == "limit":
            return Judgement(verdict="limit", score=0, partial=0, detail=why or "a limit ended it before an answer")
        return Judgement(verdict="invalid", score=0, partial=0, detail="no answer could be read of the reply")
    judged = _judged(gold, given)
    return judged.model_copy(update={"detail": f"{judged.detail}; then {why}"}) if stopped and why else judged


def gold_of(item: NativeItem) -> answers.Given:
    """What would be right.

    Raises:
        InputError: the item has no gold answer.
    """
    if item.type == "unanswerable":
        return answers.Unanswerable()
    if item.type == "open_ended":
        if item.answer_spec is not None:
            return item.answer_spec
    elif item.gold:
        return answers.Keys(keys=tuple(item.gold))
    raise InputError(f"question {item.number} has no gold answer, so nothing can be judged by it")


def _judged(gold: answers.Given, given: Given) -> Judgement:
    if isinstance(gold, answers.Unanswerable):
        if given.abstains:
            return Judgement(verdict="right", score=1, partial=1, given=given, detail="it cannot be answered, as given")
        return _wrong(given, 0.0, "it was answered and cannot be")
    if given.abstains:
        detail = "it can be answered, and the model abstained"
        return Judgement(verdict="abstained", score=0, partial=0, given=given, detail=detail)
    if isinstance(gold, answers.Keys):
        return _judged_keys(gold, given)
    if given.open is None:
        return _wrong(given, 0.0, "an open answer was wanted and options were given")
    return _judged_open(gold, given, given.open)


def _judged_keys(gold: answers.Keys, given: Given) -> Judgement:
    if not given.option_keys:
        return _wrong(given, 0.0, "options were wanted and an open answer was given")
    wanted, said = ", ".join(gold.keys), ", ".join(given.option_keys)
    if match.is_right(gold, answers.Keys(keys=given.option_keys)):
        return _right(given, f"{said} is right")
    # Of one right option, a wrong one has no part.
    partial = jaccard(set(gold.keys), set(given.option_keys))
    return _wrong(given, partial, f"{said} was given and {wanted} is right")


def _judged_open(gold: OpenAnswer, given: Given, said: OpenAnswer) -> Judgement:
    if gold.kind != said.kind:
        return _wrong(given, 0.0, f"a {gold.kind} was wanted and a {said.kind} was given")
    said = rejoined(gold, in_unit_of(gold, said))
    if match.is_right(gold, said):
        return _right(given, "within the tolerance" if gold.kind not in ("text", "ordered_list", "set") else "the same")
    partial = closeness(gold, said)
    return _wrong(given, partial, "not within the tolerance" if partial else "not the answer")


def in_unit_of(gold: OpenAnswer, said: OpenAnswer) -> OpenAnswer:
    """A number in the unit that is wanted.

    Kilometres become metres where metres are wanted. A word that measures nothing, such as the `cafés` of `12 cafés`,
    says what was counted; the question said so already, and it is not held against the answer.
    """
    if not isinstance(gold, NumberAnswer) or not isinstance(said, NumberAnswer) or said.value is None:
        return said
    times = factor(said.unit, gold.unit)
    if times is not None:
        return said.model_copy(update={"value": said.value * times, "unit": gold.unit})
    return said if is_measure(said.unit) else said.model_copy(update={"unit": gold.unit})


def rejoined(gold: OpenAnswer, said: OpenAnswer) -> OpenAnswer:
    """A list in which what the gold answer has as one item is one again.

    Lists in words are parted at commas and `and`, which may be within a name: `Salt and Sons`.
    """
    if not isinstance(gold, OrderedListAnswer | SetAnswer) or not isinstance(said, OrderedListAnswer | SetAnswer):
        return said
    wanted = {match.loosely(item) for item in gold.items}
    items: list[str] = []
    for item in said.items:
        joined = [f"{items[-1]}{between}{item}" for between in (" and ", ", ")] if items else []
        # What is an item by itself stays one.
        whole = next((one for one in joined if match.loosely(one) in wanted), None)
        if whole is not None and match.loosely(item) not in wanted:
            items[-1] = whole
        else:
            items.append(item)
    return said.model_copy(update={"items": tuple(items)})


def _right(given: Given, detail: str) -> Judgement:
    return Judgement(verdict="right", score=1, partial=1, given=given, detail=detail)


def _wrong(given: Given, partial: float, detail: str) -> Judgement:
    return Judgement(verdict="wrong", score=0, partial=partial, given=given, detail=detail)
