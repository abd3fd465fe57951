"""What a run is told: all that decides its prompts and how they are sent. It is recorded whole, and a run that goes on
after a break goes on by exactly this.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from annotator.evaluate.model import Mode
from annotator.questions.model import QuestionType

Word = Annotated[str, Field(min_length=1, max_length=200)]
Protocol = Literal["tools", "react"]
"""How a model asks map tools: by function calling, or in text, for servers that cannot call functions."""


class RunConfig(BaseModel):
    """How a frozen dataset is put to a model.

    Args:
        mode: what the model sees beside the question.
        model: as `/v1/models` lists it, `model:variant` for a variant; empty takes the server's first.
        protocol: of tools mode; None takes the endpoint's.
        abstain: whether every question offers to say that it cannot be answered, or none does.
        shuffle_seed: deals out the order of options; None keeps the order in which they were frozen.
        temperature, top_p, max_tokens, seed: sent with every request; epoch n sends `seed + n`.
        epochs: how often every question is asked.
        limit: at most so many questions; which, is drawn by `sample_seed`.
        categories, types, splits: only questions of these; empty takes all.
        concurrency: questions that are asked at once.
        requests_per_s: at most; None does not wait.
        timeout_s: seconds that one request may take altogether.
        max_retries: further attempts after 429, 5xx and lost connections.
        max_failures: failed questions in a row after which the run stops, since nobody is there.
        max_turns, max_tool_calls, max_repeats: limits of tools mode; the last is of one and the same call.
        max_rows: of a tool's answer that the model is shown.
        live: let map providers be asked for what the dataset has no recording of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = "text_context"
    model: str = Field(default="", max_length=200)
    protocol: Protocol | None = None
    abstain: Literal["always", "never"] = "always"
    shuffle_seed: int | None = Field(default=None, ge=0, le=2**31)
    temperature: float = Field(default=0.0, ge=0, le=2, allow_inf_nan=False)
    top_p: float = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)
    max_tokens: int = Field(default=256, ge=1, le=32_768)
    seed: int = Field(default=0, ge=0, le=2**31)
    epochs: int = Field(default=1, ge=1, le=100)
    limit: int | None = Field(default=None, ge=1)
    sample_seed: int = Field(default=0, ge=0, le=2**31)
    categories: tuple[Word, ...] = Field(default=(), max_length=50)
    types: tuple[QuestionType, ...] = ()
    splits: tuple[Word, ...] = Field(default=(), max_length=50)
    concurrency: int = Field(default=4, ge=1, le=256)
    requests_per_s: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False)
    timeout_s: float = Field(default=120.0, gt=0, le=3600, allow_inf_nan=False)
    max_retries: int = Field(default=4, ge=0, le=20)
    max_failures: int = Field(default=5, ge=1, le=1000)
    max_turns: int = Field(default=15, ge=1, le=100)
    max_tool_calls: int = Field(default=25, ge=1, le=500)
    max_repeats: int = Field(default=3, ge=2, le=100)
    max_rows: int = Field(default=10, ge=1, le=100)
    live: bool = False

    @property
    def offers_abstaining(self) -> bool:
        """Whether a model is told that it may abstain; of every question the same."""
        return self.abstain == "always"

    def decoding(self, epoch: int = 0) -> dict[str, Any]:
        """What is sent with every request beside the prompt."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed + epoch,
        }
