"""What lint says about a question."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from annotator.questions.model import QuestionContent

Severity = Literal["error", "warning", "hint"]
"""An error keeps a question from being submitted; a warning should be looked at; a hint may be."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "hint")


class Fix(BaseModel):
    """A correction that one key press can make.

    Args:
        label: on the button, a verb first.
        content: the whole question, corrected.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    content: QuestionContent


class Finding(BaseModel):
    """One thing to look at.

    Args:
        code: which rule found it.
        message: one sentence for people.
        about: what it stands beside: `body`, `options`, `options.B`, `gold`, `evidence`, `evidence.KEY`,
            `explanation`, `category` or `type`.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Severity
    message: str
    about: str
    fix: Fix | None = None
