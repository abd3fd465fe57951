"""Lint: what is wrong with a question or may be, found as it is written. One small function a rule, in `rules/`."""

from collections.abc import Iterator, Sequence

from annotator.people.projects import ProjectSettings
from annotator.questions.evidence import Mismatch
from annotator.questions.findings import SEVERITIES, Finding
from annotator.questions.model import QuestionContent
from annotator.questions.rules import gold, leaks, options, support, wording
from annotator.questions.rules.case import Case, Rule
from annotator.questions.surroundings import Surroundings

RULES: tuple[Rule, ...] = (
    wording.body_empty,
    wording.body_unasked,
    wording.body_names_nothing,
    wording.near_duplicate,
    wording.type_unwanted,
    options.options_few,
    options.options_yes_no,
    options.options_unused,
    options.option_empty,
    options.option_duplicate,
    options.option_sweeping,
    options.options_order,
    gold.gold_missing,
    gold.gold_unknown,
    gold.gold_several,
    gold.gold_order,
    gold.gold_unused,
    gold.gold_unanswerable,
    gold.tolerance_zero,
    support.gold_unsupported,
    support.gold_differs,
    support.gold_text_differs,
    support.gold_outside_hours,
    support.gold_far,
    support.evidence_mismatch,
    support.evidence_option_unknown,
    support.evidence_repeated,
    leaks.leak_length,
    leaks.leak_body,
    leaks.leak_place,
    leaks.leak_name,
    wording.explanation_missing,
    wording.category_unknown,
    wording.too_long,
)
"""Every rule; its name is its findings' code. In the order in which a person writes a question."""

_QUICK = tuple(rule for rule in RULES if rule is not wording.near_duplicate)
"""Without the one rule that compares with thousands of texts; it neither corrects nor forbids anything."""


def lint(
    content: QuestionContent,
    settings: ProjectSettings,
    *,
    context: Surroundings | None = None,
    mismatches: Sequence[Mismatch] = (),
) -> list[Finding]:
    """What there is to say about a question, errors first.

    A fix is offered only where it makes its finding go away and brings no error.

    Args:
        settings: of the project.
        context: what the question stands in; without it, rules that compare with the context are silent.
        mismatches: of its evidence.
    """
    findings = list(_run(RULES, Case(content, settings, context, mismatches)))
    errors = _errors(findings)
    kept = [
        one
        if one.fix is None or _is_good(one, Case(one.fix.content, settings, context, mismatches), errors)
        else one.model_copy(update={"fix": None})
        for one in findings
    ]
    return sorted(kept, key=lambda one: SEVERITIES.index(one.severity))


def _run(rules: Sequence[Rule], case: Case) -> Iterator[Finding]:
    for rule in rules:
        for remark in rule(case):
            yield Finding(
                code=rule.__name__,
                severity=remark.severity,
                message=remark.message,
                about=remark.about,
                fix=remark.fix,
            )


def _is_good(finding: Finding, corrected: Case, errors: set[tuple[str, str]]) -> bool:
    after = list(_run(_QUICK, corrected))
    is_gone = all((one.code, one.about) != (finding.code, finding.about) for one in after)
    return is_gone and _errors(after) <= errors


def _errors(findings: Sequence[Finding]) -> set[tuple[str, str]]:
    return {(one.code, one.about) for one in findings if one.severity == "error"}
