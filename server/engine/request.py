"""The typed records that cross the border between the API and the engine core.

They are plain dataclasses: `transport.py` packs them with msgpack, and the engine imports without it.
"""

from dataclasses import dataclass, field
from typing import Literal

FinishReason = Literal["stop", "length", "abort", "error"]
GrammarKind = Literal["json_schema", "json_object", "regex", "lark"]


@dataclass(frozen=True, slots=True)
class GrammarSpec:
    """A constraint on the output text. `source` is the schema (JSON text), regex or Lark grammar."""

    kind: GrammarKind
    source: str = ""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How one request's tokens are chosen and when they end. Limits are checked by the API, not here.

    Args:
        max_tokens: tokens to generate at most; 0 only computes the prompt.
        temperature: 0 (below 1e-5) is greedy.
        top_k: 0 is off.
        seed: every token is a function of (seed, sample index, position, logits) alone.
        min_tokens: end-of-sequence and stop ids are masked before this many tokens.
        stop_token_ids: end the request and are left out of its text.
        eos_token_ids: the model's end ids; unused when `ignore_eos`.
        logprobs: None is off; 0 is the sampled token only; k adds the k most likely tokens.
        prompt_logprobs: the same for every prompt token but the first.
        logit_bias: token id -> added to its raw logit.
        allowed_token_ids: every other id is masked.
    """

    max_tokens: int
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0
    min_tokens: int = 0
    stop_token_ids: tuple[int, ...] = ()
    eos_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    logit_bias: dict[int, float] = field(default_factory=dict)
    allowed_token_ids: tuple[int, ...] | None = None
    grammar: GrammarSpec | None = None

    @property
    def is_greedy(self) -> bool:
        return self.temperature < 1e-5


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One prompt and the `num_samples` continuations wanted of it.

    Args:
        variant: name of the (KV policy, exit schedule, KV dtype) to run.
        cache_salt: joins the prefix-cache key, so that tenants cannot probe each other's prompts.
        priority: lower runs first under `scheduling=priority`.
        reports_timings: every output carries timings, not only the core's last one. Needed where the reader may
            end a sample by itself, at a stop string.
    """

    request_id: str
    prompt_ids: list[int]
    params: SamplingParams
    variant: str = "full"
    num_samples: int = 1
    cache_salt: str = ""
    priority: int = 0
    reports_timings: bool = False


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop these requests, matched exactly, wherever they are. Unknown ids are ignored."""

    request_ids: list[str]
    sample_index: int | None = None
    """Only this sample; None aborts all of them."""


@dataclass(frozen=True, slots=True)
class ResetPrefixCache:
    """Forget every cached page that no row uses."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Ask for the live request table."""

    query_id: int


@dataclass(frozen=True, slots=True)
class Profile:
    """Start or stop recording steps; answered by `Profiled`."""

    query_id: int
    action: Literal["start", "stop"]


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Finish nothing more and leave the loop."""


ToCore = EngineRequest | Abort | ResetPrefixCache | Inspect | Profile | Shutdown


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Log probabilities of one position under the raw distribution (before temperature and masks).

    `top_ids` are the most likely ids, best first; `rank` is the chosen token's (1 = most likely).
    """

    token_id: int
    logprob: float
    rank: int
    top_ids: list[int]
    top_logprobs: list[float]


@dataclass(frozen=True, slots=True)
class Timings:
    """Where one sample's time went; durations in milliseconds, from the core's monotonic clock."""

    queue_ms: float
    prefill_ms: float
    decode_ms: float
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    preemptions: int
    mean_depth_layers: float
    kv_bytes: int


# Not frozen: one is made for every token, and freezing makes that four times as slow.
@dataclass(slots=True)
class SampleOutput:
    """What one step added to one sample of one request.

    `error` is set with finish_reason "error". `stop_token_id` is the id that ended it, if one did;
    that id is the last of `token_ids`.
    """

    request_id: str
    sample_index: int
    token_ids: list[int]
    finish_reason: FinishReason | None = None
    stop_token_id: int | None = None
    logprobs: list[TokenLogprobs] | None = None
    prompt_logprobs: list[TokenLogprobs | None] | None = None
    cached_tokens: int = 0
    timings: Timings | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Gauges as of now and counters since the core started."""

    num_running: int = 0
    num_waiting: int = 0
    pages_total: int = 0
    pages_used: int = 0
    """Pages that some row holds; cached pages without a row count as free."""
    pages_cached: int = 0
    prefix_queries: int = 0
    """Prompt tokens looked up in the prefix cache."""
    prefix_hits: int = 0
    """Prompt tokens found there."""
    num_preemptions: int = 0
    steps: int = 0
    step_tokens: int = 0
    """Tokens computed, over all steps."""
    prompt_tokens: int = 0
    generated_tokens: int = 0
    layers_run: int = 0
    """(token, layer) pairs that were computed."""
    layers_skipped: int = 0
    """(token, layer) pairs that an exit schedule left out."""
    layers_read: int = 0
    """Layers that some token of a step ran, over all steps."""
    depth_counts: list[int] = field(default_factory=list)
    """Generated tokens computed, by how many layers they ran: 0, 1, ...; empty where every schedule is full."""
    cohort_wait_counts: list[int] = field(default_factory=list)
    """Samples held back for others to join, by how long, in the buckets of `WAIT_BOUNDS_S`."""
    cohort_wait_s: float = 0.0
    """How long all of those waited, in all."""
    iteration_tokens: list[int] = field(default_factory=list)
    """Tokens in each step since the last report."""


@dataclass(frozen=True, slots=True)
class StepOutputs:
    """All that one or more steps produced, or an empty heartbeat."""

    outputs: list[SampleOutput]
    stats: EngineStats


@dataclass(frozen=True, slots=True)
class RowInfo:
    """One line of the live request table. Holds no text."""

    request_id: str
    sample_index: int
    variant: str
    state: Literal["waiting", "running"]
    prompt_tokens: int
    generated_tokens: int
    computed_tokens: int
    pages: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Inspection:
    query_id: int
    rows: list[RowInfo]


@dataclass(frozen=True, slots=True)
class Profiled:
    """The profiler was started, or stopped and its trace written to `path` on the core's machine.

    `error` says in one line why neither happened.
    """

    query_id: int
    path: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Facts about a loaded engine, sent once when it is ready."""

    model: str
    model_path: str
    """Directory with the tokenizer files."""
    max_model_len: int
    vocab_size: int
    eos_token_ids: list[int]
    bos_token_id: int | None
    variants: list[str]
    default_variant: str
    page_size: int
    num_pages: int
    num_groups: int
    max_rows: int
    dtype: str
    device: str
    attention_backend: str
    backend_refusals: dict[str, list[str]]
    """Backend -> why it was not taken."""
    num_parameters: int
    load_s: float
    kv_format: str = "float32"
    kv_token_bytes: int = 0
    """KV cache of one position in all layers, scales included."""
    stages_s: dict[str, float] = field(default_factory=dict)
    """What loading consisted of, in order: name -> seconds."""
    variant_lens: dict[str, int] = field(default_factory=dict)
    """Variant -> longest prompt plus output, where it is not `max_model_len`, which all of them serve."""
    descriptions: dict[str, str] = field(default_factory=dict)
    """Variant -> what it is, in one line."""
    schedules: dict[str, str] = field(default_factory=dict)
    """Variant -> its exit schedule, where generated tokens do not run every layer."""

    def limit_of(self, variant: str) -> int:
        """Longest prompt plus output that the variant serves."""
        return self.variant_lens.get(variant, self.max_model_len)


@dataclass(frozen=True, slots=True)
class Ready:
    info: EngineInfo


@dataclass(frozen=True, slots=True)
class Failed:
    """The core cannot start or cannot go on; the message is for a user."""

    message: str


FromCore = StepOutputs | Inspection | Profiled | Ready | Failed
