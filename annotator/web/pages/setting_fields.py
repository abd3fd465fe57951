"""A project's settings as a form: what each is called, what it does, and how it is typed in."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from annotator.people.projects import ProjectSettings
from annotator.questions.model import QuestionType

Kind = Literal["number", "flag", "list", "lines", "text", "choice", "ticks"]


@dataclass(frozen=True, slots=True)
class SettingField:
    """One field of the form.

    Args:
        name: of `ProjectSettings`.
        kind: how it is typed in; `list` is separated by commas, `lines` has one item a line.
        choices: of `choice` and `ticks`.
        step: of numbers; `1` for whole ones.
    """

    name: str
    title: str
    help: str
    kind: Kind
    value: Any = None
    choices: tuple[str, ...] = ()
    step: str = "1"
    least: str = "0"
    most: str = ""


GROUPS: tuple[tuple[str, tuple[SettingField, ...]], ...] = (
    (
        "Maps and contexts",
        (
            SettingField(
                "allowed_providers",
                "Allowed map providers",
                "Keys of the providers whose tools may be asked, separated by commas. Empty allows every enabled one.",
                "list",
            ),
        ),
    ),
    (
        "Questions",
        (
            SettingField("categories", "Categories", "What questions may be about, separated by commas.", "list"),
            SettingField(
                "question_types",
                "Question types",
                "Types that authors may choose from.",
                "ticks",
                choices=get_args(QuestionType),
            ),
            SettingField(
                "require_evidence",
                "Evidence is required",
                "A question can be submitted only when a value of a recorded map answer supports its gold answer.",
                "flag",
            ),
            SettingField(
                "require_explanation",
                "An explanation is required",
                "A question can be submitted only when its author says why the gold answer is right.",
                "flag",
            ),
            SettingField(
                "abstain_option",
                "“Unanswerable” as an option",
                "Whether evaluation offers it with every question or with none. By question would give answers away.",
                "choice",
                choices=("always", "never"),
            ),
            SettingField(
                "isolate",
                "Annotators see only their own questions",
                "Keeps authors from copying each other. Reviewers and admins see everything.",
                "flag",
            ),
        ),
    ),
    (
        "Second answers",
        (
            SettingField(
                "blind_answers",
                "Blind answers",
                "How many people answer each question without seeing the gold answer, before it is reviewed.",
                "number",
                most="20",
            ),
            SettingField(
                "overlap",
                "Share of questions answered blind",
                "From 0 to 1. Less than 1 saves work and measures agreement on a part.",
                "number",
                step="0.01",
                most="1",
            ),
            SettingField(
                "agreement_threshold",
                "Least agreement with the gold answer",
                "Share of blind answers, from 0 to 1. A question below it goes to adjudication.",
                "number",
                step="0.01",
                most="1",
            ),
        ),
    ),
    (
        "Review",
        (
            SettingField(
                "min_reviews", "Approvals needed", "By different reviewers, for each question.", "number", most="10"
            ),
            SettingField(
                "review_own",
                "Reviewers may review their own questions",
                "For teams of one. Whoever uses this program alone may always.",
                "flag",
            ),
            SettingField("checklist", "Checklist", "What a reviewer ticks before approving, one item a line.", "lines"),
        ),
    ),
    (
        "AI help",
        (
            SettingField(
                "assist_model",
                "Model",
                "Name of the model that makes suggestions. Empty takes the one of this installation.",
                "text",
            ),
            SettingField(
                "model_consent",
                "Providers whose answers a model may read",
                "Keys of providers whose terms you have checked, separated by commas. The embedded town needs none.",
                "list",
            ),
        ),
    ),
)


def fields(settings: ProjectSettings) -> dict[str, Any]:
    """The values of a project's settings, by name."""
    return settings.model_dump(mode="json")
