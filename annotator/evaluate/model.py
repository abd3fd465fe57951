"""What evaluation is about: a question as it was shown, what was read of the reply, and what came of it.

Modules that run models make these, modules that judge, count and export read them. All are immutable and go to JSON and
back with pydantic's own methods.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from annotator.contexts.tokens import estimate
from annotator.datasets.native import NativeItem
from annotator.questions.answers import OpenAnswer, OpenKind
from annotator.questions.model import NO, YES, QuestionType

Mode = Literal["closed_book", "text_context", "json_context", "oracle_evidence", "tools"]
Verdict = Literal["right", "wrong", "abstained", "invalid", "limit", "error"]
How = Literal["submit", "json", "marker", "exact option", "exact value"]
"""Where an answer was found: submitted by a tool call, JSON, behind a marker, or a whole reply that is an option or a
value of the wanted kind and nothing else."""
Form = Literal["yes_no", "single_choice", "multiple_choice", "open_ended"]

MODES: tuple[Mode, ...] = ("closed_book", "text_context", "json_context", "oracle_evidence", "tools")
VERDICTS: tuple[Verdict, ...] = ("right", "wrong", "abstained", "invalid", "limit", "error")


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ShownOption(_Value):
    """One line of the options that a model saw.

    Args:
        label: what it is called there: `A`, `B`, … or a number.
        key: of the option in the item; None for the one that abstains.
    """

    label: str
    text: str
    key: str | None


class Shown(_Value):
    """A question as a model saw it, which is what reading its reply depends on.

    Args:
        form: how it looks. That it cannot be answered does not show.
        options: in the order shown, the abstaining one among them where it is offered.
        offers_abstaining: whether the model was told that it may abstain.
        kind: of an open answer; None where the item has none to go by.
        unit: in which a bare number is meant, where the question or the prompt says so: a number's own unit, or the one
            asked for durations and distances.
    """

    form: Form
    options: tuple[ShownOption, ...] = ()
    offers_abstaining: bool = False
    kind: OpenKind | None = None
    unit: str = ""


class Given(_Value):
    """What was read of a reply: options, an open answer, or an abstention; exactly one of them.

    Args:
        option_keys: keys of the item's options, sorted.
        open: an open answer, whose tolerances nobody reads.
        abstains: it says that the question cannot be answered.
        how: where the answer was found.
    """

    option_keys: tuple[str, ...] | None = None
    open: OpenAnswer | None = None
    abstains: bool = False
    how: How

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (bool(self.option_keys), self.open is not None, self.abstains).count(True) != 1:
            raise ValueError("an answer is options, an open answer or an abstention")
        return self


class Citing(_Value):
    """What an answer cites of what the model's calls brought.

    Args:
        refs: of the results that it names as its evidence, each once.
        num_supporting: of these, results that show a supporting value of the question.
        num_values: of the question's supporting values, those that the cited results show.
    """

    refs: tuple[str, ...] = ()
    num_supporting: int = Field(default=0, ge=0)
    num_values: int = Field(default=0, ge=0)


class Judgement(_Value):
    """What a reply is worth.

    Args:
        score: 1 where it is right, else 0.
        partial: in [0, 1]: Jaccard for sets of options and items, closeness for numbers and places, else the score.
        given: what was read; None where nothing could be.
        detail: one sentence for people.
        citing: of an answer that was read in tools mode; None of all else.
    """

    verdict: Verdict
    score: float = Field(ge=0, le=1)
    partial: float = Field(ge=0, le=1)
    given: Given | None = None
    detail: str = ""
    citing: Citing | None = None


class ItemFacts(_Value):
    """What is counted by, of an item.

    Args:
        number, rev, content_sha: of the question's revision.
        type: of the question; `is_answerable` says the same of `unanswerable`.
        num_options: without the one that abstains; 0 for open questions.
        context_tokens: estimated, of the text; None where it must not leave by its provider's terms.
    """

    item_id: str
    number: int
    rev: int
    content_sha: str
    context_id: str
    category: str = ""
    type: QuestionType
    tags: tuple[str, ...] = ()
    difficulty: str = ""
    is_answerable: bool
    num_options: int = Field(ge=0)
    context_tokens: int | None = Field(default=None, ge=0)


class ItemResult(_Value):
    """One item asked once.

    Args:
        epoch: which time it was asked, from 0.
        latency_ms: from the first request to the last byte, without waiting for a turn.
        first_token_ms: of the first request; None where it did not stream or there was no token.
        prompt_tokens, completion_tokens: as the server counted them, over all turns; None where it did not.
        num_turns: requests that were answered.
        num_tool_calls: calls that the model made, bad ones included.
        num_offline_misses: calls that no recording answers.
        evidence_found: of `evidence_wanted`, the supporting evidence that the model's calls brought to light.
        tools: calls by name.
        kv_bytes: KV cache of the largest request, `depth_layers` the layers that a token of the last one ran, on
            average; None where the server does not say.
    """

    facts: ItemFacts
    epoch: int = Field(default=0, ge=0)
    judgement: Judgement
    latency_ms: float = Field(default=0.0, ge=0)
    first_token_ms: float | None = Field(default=None, ge=0)
    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    num_turns: int = Field(default=0, ge=0)
    num_tool_calls: int = Field(default=0, ge=0)
    num_tool_errors: int = Field(default=0, ge=0)
    num_offline_misses: int = Field(default=0, ge=0)
    evidence_found: int = Field(default=0, ge=0)
    evidence_wanted: int = Field(default=0, ge=0)
    tools: dict[str, int] = {}
    kv_bytes: int | None = Field(default=None, ge=0)
    depth_layers: float | None = Field(default=None, ge=0)


class RunFacts(_Value):
    """What comparing and exporting need to know of a run.

    Args:
        snapshot: `project/dataset@version`.
        manifest_sha: sha256 that names the snapshot; runs are comparable where it is the same.
        model: as the endpoint lists it, variant and all.
        variant: what follows the colon there, or empty.
        template: name and version of the prompt template, `template_sha` its sha256.
        offers_abstaining: to every item, or to none.
        shuffle_seed: None where options keep the order in which they were frozen.
        decoding: temperature, max_tokens and what else was sent.
        started_at, finished_at: UTC, as ISO 8601; None where it has not.
    """

    run_id: str
    name: str
    snapshot: str
    manifest_sha: str
    endpoint: str
    model: str
    variant: str = ""
    mode: Mode
    template: str = ""
    template_sha: str = ""
    offers_abstaining: bool
    shuffle_seed: int | None = None
    decoding: dict[str, Any] = {}
    epochs: int = Field(default=1, ge=1)
    server_version: str = ""
    started_at: str | None = None
    finished_at: str | None = None


def form_of(item: NativeItem) -> Form:
    """How a question looks to whoever does not know whether it can be answered."""
    if item.type != "unanswerable":
        return item.type
    if not item.options:
        return "open_ended"
    return "yes_no" if {option.key for option in item.options} == {YES, NO} else "single_choice"


def facts_of(item: NativeItem) -> ItemFacts:
    """What is counted by."""
    return ItemFacts(
        item_id=item.id,
        number=item.number,
        rev=item.rev,
        content_sha=item.content_sha,
        context_id=item.context.id,
        category=item.category,
        type=item.type,
        tags=item.tags,
        difficulty=item.difficulty,
        is_answerable=item.type != "unanswerable",
        num_options=len(item.options),
        context_tokens=None if item.context.text is None else estimate(item.context.text),
    )
