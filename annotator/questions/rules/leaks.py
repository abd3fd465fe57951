"""Rules about answers that give themselves away, so that nobody has to look at the map.

K-MapEval (2025) measured what such leaks do: a floor of 52 % without any tool in one of its own sets.
"""

from collections.abc import Iterator

from annotator.questions.model import Option
from annotator.questions.rules.case import Case, Remark, holds, plain, quoted

LONGER_BY = 1.8
LONGER_BY_CHARACTERS = 15
"""A gold option leaks by its length when it is this many times and this many characters longer than any other."""


def leak_length(case: Case) -> Iterator[Remark]:
    """Writers say more about what is right, and guessers know it."""
    gold, others = case.gold_options, case.other_options
    if case.content.type != "single_choice" or len(gold) != 1 or not others:
        return
    own, longest = len(gold[0].text.strip()), max(len(option.text.strip()) for option in others)
    if own >= LONGER_BY * longest and own >= longest + LONGER_BY_CHARACTERS:
        yield Remark(
            "warning",
            f"options.{gold[0].key}",
            "The right option is much longer than the others; say as much in each.",
        )


def leak_body(case: Case) -> Iterator[Remark]:
    """The words of the answer stand in the question, and those of no other option do."""
    if not case.is_choice or case.content.type == "yes_no":
        return
    body = plain(case.content.body)
    gold = [option for option in case.gold_options if holds(body, plain(option.text))]
    if gold and case.other_options and not any(holds(body, plain(option.text)) for option in case.other_options):
        yield Remark("warning", "body", f"The question already says {quoted(gold[0].text)}, and no other option.")


def leak_place(case: Case) -> Iterator[Remark]:
    """Of options that are places by id, only one is in the context: finding it there is answering."""
    context = case.context
    options = [option for option in case.content.options if option.pid]
    if context is None or case.content.type not in ("single_choice", "multiple_choice") or len(options) < 2:
        return
    inside = [option for option in options if option.pid in context.places]
    if len(inside) == 1:
        yield Remark(
            "warning",
            f"options.{inside[0].key}",
            f"Only {quoted(inside[0].text)} occurs in the context; add the other places to it, or choose others.",
        )


def leak_name(case: Case) -> Iterator[Remark]:
    """Of options that are names, only the right ones occur in the context."""
    context = case.context
    if context is None or case.content.type not in ("single_choice", "multiple_choice"):
        return
    gold, others = case.gold_options, case.other_options
    if not gold or not others or any(option.pid for option in case.content.options):
        return
    if all(_is_named(option, context.names) for option in gold) and not any(
        holds(context.text, plain(option.text)) for option in others
    ):
        yield Remark(
            "warning",
            f"options.{gold[0].key}",
            f"Of all options only {quoted(gold[0].text)} occurs in the context; take distractors from it too.",
        )


def _is_named(option: Option, names: frozenset[tuple[str, ...]]) -> bool:
    return tuple(plain(option.text).split()) in names
