"""Rules about the gold answer: there is one, of the kind that the type needs."""

from collections.abc import Iterator

from annotator.questions.answers import DistanceAnswer, DurationAnswer, OpenAnswer, PointAnswer, is_empty
from annotator.questions.findings import Fix
from annotator.questions.rules.case import Case, Remark, edited

DEFAULT_ABS_TOL_S = 60.0
DEFAULT_REL_TOL = 0.05
DEFAULT_MAX_M = 100.0


def gold_missing(case: Case) -> Iterator[Remark]:
    """A question that can be answered needs its answer."""
    content = case.content
    if case.is_choice and not content.gold_keys:
        yield Remark("error", "gold", "Mark the right option.")
    elif content.type == "open_ended" and (content.gold is None or is_empty(content.gold)):
        yield Remark("error", "gold", "Give the right answer.")


def gold_unknown(case: Case) -> Iterator[Remark]:
    """The answer has to be one of the options."""
    if not case.is_choice:
        return
    known = {option.key for option in case.content.options}
    unknown = [key for key in case.content.gold_keys if key not in known]
    if unknown:
        left = tuple(key for key in case.content.gold_keys if key in known)
        fix = Fix(label="Forget it", content=edited(case.content, gold_keys=left)) if left else None
        yield Remark("error", "gold", f"The answer names option {unknown[0]}, which is not there.", fix)


def gold_several(case: Case) -> Iterator[Remark]:
    """A single choice and a yes/no question have one right option."""
    content = case.content
    if content.type not in ("yes_no", "single_choice") or len(set(content.gold_keys)) < 2:
        return
    fix = None
    if content.type == "single_choice" and "multiple_choice" in case.settings.question_types:
        fix = Fix(label="Make it multiple choice", content=edited(content, type="multiple_choice"))
    yield Remark("error", "gold", "Only one option can be right here.", fix)


def gold_order(case: Case) -> Iterator[Remark]:
    """Right options are named in the options' order and once each, so that equal answers are equal text."""
    content = case.content
    marked = set(content.gold_keys)
    ordered = tuple(option.key for option in content.options if option.key in marked)
    # Keys that are not there are another rule's.
    known = tuple(key for key in content.gold_keys if key in ordered)
    if case.is_choice and known != ordered:
        unknown = tuple(key for key in content.gold_keys if key not in ordered)
        yield Remark(
            "hint",
            "gold",
            "The right options are not named in the options' order.",
            Fix(label="Put them in order", content=edited(content, gold_keys=(*ordered, *unknown))),
        )


def gold_unused(case: Case) -> Iterator[Remark]:
    """An answer of another type than the question's counts for nothing."""
    content = case.content
    if case.is_choice and content.gold is not None:
        corrected = edited(content, gold=None)
        yield Remark("warning", "gold", "A choice has no open answer.", Fix(label="Remove it", content=corrected))
    elif content.type == "open_ended" and content.gold_keys:
        corrected = edited(content, gold_keys=())
        message = "An open-ended question has no right options."
        yield Remark("warning", "gold", message, Fix(label="Remove them", content=corrected))


def gold_unanswerable(case: Case) -> Iterator[Remark]:
    """A question that the context cannot answer has no answer."""
    content = case.content
    if content.type == "unanswerable" and (content.gold_keys or content.gold is not None):
        yield Remark(
            "error",
            "gold",
            "This question is called unanswerable and has an answer.",
            Fix(label="Remove the answer", content=edited(content, gold_keys=(), gold=None)),
        )


def tolerance_zero(case: Case) -> Iterator[Remark]:
    """Nobody measures a distance, a duration or a position to the last digit, so some tolerance has to be."""
    gold = case.content.gold
    if case.content.type != "open_ended" or gold is None:
        return
    wider: OpenAnswer | None = None
    match gold:
        case DurationAnswer(abs_tol_s=0, rel_tol=0):
            wider = gold.model_copy(update={"abs_tol_s": DEFAULT_ABS_TOL_S})
        case DistanceAnswer(abs_tol_m=0, rel_tol=0):
            wider = gold.model_copy(update={"rel_tol": DEFAULT_REL_TOL})
        case PointAnswer(max_m=0):
            wider = gold.model_copy(update={"max_m": DEFAULT_MAX_M})
        case _:
            return
    words = {
        "duration": f"{DEFAULT_ABS_TOL_S:g} s",
        "distance": f"{DEFAULT_REL_TOL:.0%}",
        "point": f"{DEFAULT_MAX_M:g} m",
    }[gold.kind]
    yield Remark(
        "warning",
        "gold",
        "Without a tolerance only the very same number is right.",
        Fix(label=f"Allow {words}", content=edited(case.content, gold=wider)),
    )
