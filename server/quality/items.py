"""What a model is asked, what comes back, and what is written down: the words that tasks and models share.

A task makes items. An item is a dialogue, written as a generator: it yields what the model is to do, gets the reply,
and returns its judgement. So a question of one turn, a conversation with tools and a window of text run the same way.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Outcome = Literal["right", "wrong", "invalid", "abstained", "scored", "skipped", "failed"]
"""The first four are `scoring.Verdict`. `scored` has a number and no verdict; `skipped` was never asked, because the
model cannot take it; `failed` was asked and got no answer."""

COUNTED: frozenset[str] = frozenset({"right", "wrong", "invalid", "abstained"})
"""Outcomes that count towards accuracy."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation to answer, greedily.

    Args:
        messages: in the shape of the chat API.
        max_tokens: the longest reply.
        tools: in the shape of the chat API.
        cue: how the reply begins, for a model without chat template, which can only continue text. It is part of
            that model's reply.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    tools: tuple[dict[str, Any], ...] = ()
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of text whose tokens' probabilities are wanted.

    Args:
        content: token ids, or a text where only the server knows the tokens.
        start: index of the first token, or character, that counts; what precedes it is context.
    """

    content: tuple[int, ...] | str
    start: int


Ask = Prompt | Window


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered to one `Ask`.

    Args:
        text: without tool calls and special tokens.
        calls: in the shape of the chat API.
        is_plain: a model without chat template continued the prompt, and may not have known where to end.
        ms: computing time where the engine tells, else the time that the server took.
        logprobs: of the tokens of a window that count, natural logarithms.
        num_bytes: UTF-8 bytes of those tokens.
    """

    text: str = ""
    calls: tuple[dict[str, Any], ...] = ()
    is_plain: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    ms: float = 0.0
    logprobs: tuple[float, ...] = ()
    num_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """How an item came out.

    Args:
        score: in [0, 1] for what has a right answer.
        reply: what is shown of the model's answer.
        facts: what only the dialogue knows, added to the item's.
    """

    outcome: Outcome
    score: float | None
    reply: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Dialogue = Generator[Ask, Reply, Judgement]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask a model.

    Args:
        id: unique within its task, and the same in every run with the same settings.
        cluster: items of one cluster are not independent, such as questions about one context.
        facts: what accuracy is broken down by.
        start: begins the dialogue; called once for each variant.
    """

    id: str
    task: str
    cluster: str
    facts: Mapping[str, Any]
    start: Callable[[], Dialogue]


@dataclass(frozen=True, slots=True)
class Record:
    """An item as one variant of the model dealt with it. `prompt_tokens` is the first turn's, `reason` says why an
    item was skipped or failed."""

    id: str
    task: str
    variant: str
    cluster: str
    outcome: Outcome
    score: float | None
    reply: str
    reason: str
    prompt_tokens: int
    completion_tokens: int
    ms: float
    facts: Mapping[str, Any]


OnRecord = Callable[[Record], None]


class Model(Protocol):
    """What answers: an engine in this process, or a server."""

    @property
    def max_model_len(self) -> int | None:
        """Longest prompt plus reply in tokens; None if the server does not tell."""

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Tokens of each text; estimates, where the server does not count them."""

    def windows(self, text: str, length: int, stride: int) -> list[Window]:
        """Cut a text so that every token counts once, after up to `length - stride` tokens of context."""

    def run(self, items: list[Item], variant: str, on_record: OnRecord) -> None:
        """Ask everything, many at a time, and report each item when it is done."""

    def describe(self) -> dict[str, Any]:
        """Facts for the saved result."""

    def close(self) -> None:
        """Give the model back."""


class Course:
    """One item on its way through a model.

    Attributes:
        ask: what the model is to do next; None when the item is done.
    """

    def __init__(self, item: Item, variant: str) -> None:
        self._item = item
        self._variant = variant
        self._dialogue = item.start()
        self._judgement: Judgement | None = None
        self._reason = ""
        self._prompt_tokens = self._completion_tokens = 0
        self._ms = 0.0
        self._num_replies = 0
        self.ask: Ask | None = next(self._dialogue)

    def take(self, reply: Reply) -> None:
        """Go on with the model's reply."""
        if self._num_replies == 0:
            self._prompt_tokens = reply.prompt_tokens
        self._num_replies += 1
        self._completion_tokens += reply.completion_tokens
        self._ms += reply.ms
        try:
            self.ask = self._dialogue.send(reply)
        except StopIteration as end:
            self._judgement = end.value
            self.ask = None

    def skip(self, reason: str) -> None:
        """The model cannot take what is asked. In the middle of a dialogue that is no fault of the item."""
        self._end("skipped" if self._num_replies == 0 else "invalid", reason)

    def fail(self, reason: str) -> None:
        """There was no answer."""
        self._end("failed", reason)

    def _end(self, outcome: Outcome, reason: str) -> None:
        self._dialogue.close()
        self._judgement = Judgement(outcome, 0.0 if outcome in COUNTED else None, "")
        self._reason = reason
        self.ask = None

    def record(self) -> Record:
        """The item's record, once it is done."""
        assert self._judgement is not None
        judged, item = self._judgement, self._item
        return Record(
            id=item.id,
            task=item.task,
            variant=self._variant,
            cluster=item.cluster,
            outcome=judged.outcome,
            score=judged.score,
            reply=judged.reply,
            reason=self._reason,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            ms=round(self._ms, 3),
            facts={**item.facts, **judged.facts},
        )
