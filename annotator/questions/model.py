"""A question as one revision holds it. Everything may still be missing: `lint` says what, and submitting insists."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from annotator.contexts.model import Key, Ulid
from annotator.questions.answers import OpenAnswer

QuestionType = Literal["yes_no", "single_choice", "multiple_choice", "open_ended", "unanswerable"]
Status = Literal["draft", "submitted", "in_review", "changes_requested", "approved", "rejected", "archived"]
EvidenceRole = Literal["supports", "refutes", "distractor"]

OptionKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,8}$")]
Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Pointer = Annotated[str, Field(max_length=1000, pattern=r"^(/.*)?$")]

YES, NO = "yes", "no"
"""Keys of a yes/no question's two options."""


class Option(BaseModel):
    """One choice.

    Args:
        key: `A`, `B`, … by which answers name it; `yes` and `no` in yes/no questions.
        pid: the place that it means, where it means one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: OptionKey
    text: str = Field(default="", max_length=2000)
    pid: str | None = Field(default=None, max_length=512)


class ResponseEvidence(BaseModel):
    """Where in the provider's own bytes an evidence's value stands.

    Args:
        pointer: JSON Pointer into the body; None where the adapter computed the value from others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    exchange_id: Ulid
    body_sha: Sha
    pointer: Pointer | None = None


class Evidence(BaseModel):
    """A recorded value that speaks for or against an answer.

    Args:
        key: names it within its question.
        tool_call_id: the call whose result holds it.
        result_sha: sha256 of that result's canonical JSON.
        pointer: JSON Pointer of the value in the result.
        value: the value there, when it was attached.
        response: the provider's bytes behind it; None for what was computed here.
        role: what it does to the answer, or to the option `option_key`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    tool_call_id: Ulid
    result_sha: Sha
    pointer: Pointer
    value: Any = None
    response: ResponseEvidence | None = None
    role: EvidenceRole = "supports"
    option_key: OptionKey | None = None


class QuestionContent(BaseModel):
    """All that is written in a question.

    Args:
        type: `unanswerable` says that the context cannot answer it; it may have options all the same.
        options: of yes/no (`yes`, `no`) and choices; empty for open-ended ones.
        gold_keys: keys of the right options, in the options' order.
        gold: an open-ended question's answer with its tolerance; None for others.
        category: one of the project's, such as `poi`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: QuestionType = "single_choice"
    body: str = Field(default="", max_length=10_000)
    options: tuple[Option, ...] = Field(default=(), max_length=26)
    gold_keys: tuple[OptionKey, ...] = Field(default=(), max_length=26)
    gold: OpenAnswer | None = None
    explanation: str = Field(default="", max_length=20_000)
    category: str = Field(default="", max_length=64)
    tags: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(default=(), max_length=30)
    difficulty: Literal["", "easy", "medium", "hard"] = ""
    evidence: tuple[Evidence, ...] = Field(default=(), max_length=200)

    @model_validator(mode="after")
    def _keys_are_distinct(self) -> Self:
        if len({option.key for option in self.options}) < len(self.options):
            raise ValueError("two options have the same key")
        if len({item.key for item in self.evidence}) < len(self.evidence):
            raise ValueError("two pieces of evidence have the same key")
        return self

    @property
    def answer_kind(self) -> str | None:
        """The kind of an open-ended answer; None for others."""
        return None if self.gold is None or self.type != "open_ended" else self.gold.kind
