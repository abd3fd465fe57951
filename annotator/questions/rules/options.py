"""Rules about options: enough of them, each something else, and none that gives the others away."""

from collections.abc import Iterator
from itertools import pairwise

from annotator.questions.findings import Fix
from annotator.questions.model import NO, YES, Evidence, Option, QuestionContent
from annotator.questions.rules.case import Case, Remark, edited, holds, plain, quoted
from annotator.questions.rules.quantities import read_quantity

MIN_OPTIONS = 2

_SWEEPING = tuple(
    plain(words)
    for words in (
        "all of the above",
        "none of the above",
        "all of these",
        "none of these",
        "all of them",
        "none of them",
        "both of the above",
    )
)


def option_empty(case: Case) -> Iterator[Remark]:
    """An option without words is no choice. The fix takes it away, unless it is the answer."""
    if case.content.type == "open_ended":
        return
    for option in case.content.options:
        if option.text.strip():
            continue
        is_gold = option.key in case.content.gold_keys
        fix = None if is_gold else Fix(label="Remove it", content=_without(case.content, option.key))
        yield Remark("error", f"options.{option.key}", f"Option {option.key} is empty.", fix)


def option_duplicate(case: Case) -> Iterator[Remark]:
    """Two options that say the same cannot be told apart. The fix keeps the first, and what was said of the second."""
    if case.content.type == "open_ended":
        return
    first: dict[str, Option] = {}
    for option in case.content.options:
        # Not folded: signs, accents and punctuation may be all that tells two options apart.
        words = " ".join(option.text.split()).casefold()
        if not words:
            continue
        kept = first.setdefault(words, option)
        if kept is not option:
            yield Remark(
                "error",
                f"options.{option.key}",
                f"Option {option.key} says the same as option {kept.key}.",
                Fix(label=f"Remove {option.key}", content=_without(case.content, option.key, kept.key)),
            )


def options_few(case: Case) -> Iterator[Remark]:
    """A choice needs at least two options."""
    if case.content.type in ("single_choice", "multiple_choice") and len(case.content.options) < MIN_OPTIONS:
        yield Remark("error", "options", f"A choice needs at least {MIN_OPTIONS} options.")


def options_yes_no(case: Case) -> Iterator[Remark]:
    """A yes/no question has the options `yes` and `no` and no others. The fix makes them, keeping the answer."""
    content = case.content
    if content.type != "yes_no" or [option.key for option in content.options] == [YES, NO]:
        return
    own = {plain(option.text): option.key for option in content.options}
    renamed = {own.get(plain(key), key): key for key in (YES, NO)} | {YES: YES, NO: NO}
    evidence = tuple(
        item if item.option_key is None else item.model_copy(update={"option_key": renamed.get(item.option_key)})
        for item in content.evidence
    )
    corrected = edited(
        content,
        options=(Option(key=YES, text="Yes"), Option(key=NO, text="No")),
        gold_keys=tuple(renamed[key] for key in content.gold_keys if key in renamed),
        evidence=evidence,
    )
    yield Remark(
        "error",
        "options",
        "A yes/no question has the options yes and no.",
        Fix(label="Use yes and no", content=corrected),
    )


def options_unused(case: Case) -> Iterator[Remark]:
    """An open-ended question has no options; they would be shown to nobody."""
    content = case.content
    if content.type == "open_ended" and content.options:
        evidence = tuple(item.model_copy(update={"option_key": None}) for item in content.evidence)
        corrected = edited(content, options=(), gold_keys=(), evidence=evidence)
        yield Remark(
            "warning", "options", "Open-ended questions have no options.", Fix(label="Remove them", content=corrected)
        )


def option_sweeping(case: Case) -> Iterator[Remark]:
    """“All of the above” tests reading of options, not of maps, and breaks when options are shuffled."""
    for option in case.content.options:
        words = plain(option.text)
        if any(holds(words, phrase) for phrase in _SWEEPING):
            yield Remark(
                "warning",
                f"options.{option.key}",
                f"{quoted(option.text)} means something else once options are shuffled; make it multiple choice.",
            )


def options_order(case: Case) -> Iterator[Remark]:
    """Options whose order says something: numbers out of order, or only the answer standing outside the alphabet."""
    content = case.content
    options = list(content.options)
    if content.type not in ("single_choice", "multiple_choice") or len(options) < 3:
        return
    numbers = [read_quantity(option.text) for option in options]
    known = [one for one in numbers if one is not None]
    if len(known) == len(options) and len({one.kind for one in known}) == 1:
        order = sorted(range(len(options)), key=lambda place: known[place].value)
        if order != list(range(len(options))):
            yield Remark(
                "hint",
                "options",
                "Options that are numbers read best from small to large.",
                Fix(label="Sort them", content=edited(content, options=tuple(options[place] for place in order))),
            )
        return
    texts = [option.text.casefold() for option in options]
    others = [option.text.casefold() for option in case.other_options]
    if len(others) >= 3 and not _is_sorted(texts) and _is_sorted(others) and len(case.gold_options) == 1:
        by_text = tuple(sorted(options, key=lambda option: option.text.casefold()))
        yield Remark(
            "hint",
            "options",
            "All options but the answer stand in alphabetical order, which shows it to whoever looks closely.",
            Fix(label="Sort them", content=edited(content, options=by_text)),
        )


def _is_sorted(texts: list[str]) -> bool:
    return all(one <= two for one, two in pairwise(texts))


def _without(content: QuestionContent, key: str, heir: str | None = None) -> QuestionContent:
    """The question without an option; its gold mark and evidence go to `heir`, or with it where there is none."""
    options = tuple(option for option in content.options if option.key != key)
    marked = {heir if one == key else one for one in content.gold_keys}
    in_order = [option.key for option in options if option.key in marked]
    unknown = [one for one in content.gold_keys if one in marked and one not in in_order]
    return edited(
        content,
        options=options,
        gold_keys=tuple(dict.fromkeys([*in_order, *unknown])),
        evidence=tuple(_moved(content.evidence, key, heir)),
    )


def _moved(evidence: tuple[Evidence, ...], key: str, heir: str | None) -> Iterator[Evidence]:
    for item in evidence:
        if item.option_key != key:
            yield item
        elif heir is not None:
            yield item.model_copy(update={"option_key": heir})
