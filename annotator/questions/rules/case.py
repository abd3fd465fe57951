"""What a rule sees and what it says, and the small questions that many rules ask."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from annotator.maps.embedded.folding import fold
from annotator.people.projects import ProjectSettings
from annotator.questions.evidence import Mismatch
from annotator.questions.findings import Fix, Severity
from annotator.questions.model import Evidence, Option, QuestionContent
from annotator.questions.surroundings import Surroundings

CHOICES = ("yes_no", "single_choice", "multiple_choice")
"""Types whose gold answer is among options."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question and all by which it is judged.

    Args:
        context: None where nothing is known of it; rules that need it are silent then.
        mismatches: of its evidence.
    """

    content: QuestionContent
    settings: ProjectSettings
    context: Surroundings | None = None
    mismatches: Sequence[Mismatch] = ()

    @property
    def is_choice(self) -> bool:
        """Whether gold is a choice among options."""
        return self.content.type in CHOICES

    @property
    def gold_options(self) -> list[Option]:
        """The right options that there are."""
        return [option for option in self.content.options if option.key in self.content.gold_keys]

    @property
    def other_options(self) -> list[Option]:
        """The wrong options."""
        return [option for option in self.content.options if option.key not in self.content.gold_keys]

    @property
    def has_gold(self) -> bool:
        """Whether something is marked as the answer, be it right or wrong."""
        return bool(self.content.gold_keys) if self.is_choice else self.content.gold is not None

    @property
    def support(self) -> list[Evidence]:
        """Evidence for the gold answer: for it, for no option in particular, or against another option."""
        gold = set(self.content.gold_keys)
        return [
            item
            for item in self.content.evidence
            if (item.role == "supports" and (item.option_key is None or item.option_key in gold))
            or (item.role == "refutes" and item.option_key is not None and item.option_key not in gold)
        ]


@dataclass(frozen=True, slots=True)
class Remark:
    """What a rule says; the rule's name becomes the finding's code. See `Finding`."""

    severity: Severity
    about: str
    message: str
    fix: Fix | None = None


type Rule = Callable[[Case], Iterator[Remark]]


def edited(content: QuestionContent, **values: object) -> QuestionContent:
    """The question with other values in some fields."""
    return content.model_copy(update=values)


def plain(text: str) -> str:
    """Words without case, accents and punctuation, with a space before and after each."""
    words = fold(text)
    return f" {' '.join(words)} " if words else ""


def holds(text: str, part: str) -> bool:
    """Whether the words of `part` stand in `text` in a row; both are made by `plain`."""
    return bool(part) and part in text


def quoted(text: str) -> str:
    """A text to be named in a sentence."""
    line = " ".join(text.split())
    return f"“{line}”" if len(line) <= 60 else f"“{line[:59]}…”"
