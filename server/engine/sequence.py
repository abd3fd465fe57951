"""Sequence: one sample of one request, from arrival to its last token."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.engine.request import EngineRequest, SamplingParams, TokenLogprobs
from server.engine.variants import Variant
from server.kv.policy import UNLIMITED

if TYPE_CHECKING:
    from server.grammar import GrammarState


@dataclass(slots=True, eq=False)
class Sequence:
    """State of one sample. `computed` positions chase `num_known` ones; that is all a scheduler needs.

    Args:
        order: (priority, arrival number); smaller goes first and is preempted last.
        ids: prompt and generated token ids that the host has read.
        arrival_s: monotonic seconds.
        cache_seed: first parent of the sequence's prefix-cache chain.
        computed: positions whose KV is written by steps launched so far.
        in_flight: tokens sampled by launched steps that the host has not read yet.
        row: index in the page tables and the sampler while running.
        pending_forks: samples of the same request that will share this one's prompt pages.
        block_keys: prefix-cache keys of the leading full blocks of `ids`.
        num_published: leading blocks offered to the prefix cache so far.
        prompt_len: tokens of the prompt.
        max_len: tokens of the prompt and of the longest output wanted.
    """

    request: EngineRequest
    sample_index: int
    variant: Variant
    order: tuple[int, int]
    ids: list[int]
    arrival_s: float
    cache_seed: bytes
    computed: int = 0
    in_flight: int = 0
    row: int | None = None
    is_finished: bool = False
    pending_forks: list["Sequence"] = field(default_factory=list)
    block_keys: list[bytes] = field(default_factory=list)
    num_published: int = 0
    cached_tokens: int = 0
    num_preemptions: int = 0
    grammar: "GrammarState | None" = None
    prompt_logprobs: list[TokenLogprobs | None] | None = None
    first_scheduled_s: float | None = None
    first_token_s: float | None = None
    prompt_len: int = field(init=False)
    max_len: int = field(init=False)
    depth_tokens: int = 0
    depth_layers: int = 0
    """Layers run by the `depth_tokens` generated tokens that were computed, for their mean depth."""

    def __post_init__(self) -> None:
        # Plain fields, because every step asks every row for them.
        self.prompt_len = len(self.request.prompt_ids)
        self.max_len = self.prompt_len + self.request.params.max_tokens

    @property
    def params(self) -> SamplingParams:
        return self.request.params

    @property
    def num_generated(self) -> int:
        """Generated tokens that the host has read."""
        return len(self.ids) - self.prompt_len

    @property
    def num_known(self) -> int:
        """Positions whose token exists, on the host or on the device."""
        return len(self.ids) + self.in_flight

    @property
    def num_uncomputed(self) -> int:
        return self.num_known - self.computed

    @property
    def cacheable_end(self) -> int:
        """Positions below this may enter and come from the prefix cache."""
        return UNLIMITED if self.variant.caches_generated else self.prompt_len

    @property
    def waits_for_host(self) -> bool:
        """A grammar's next mask needs the previous token on the host."""
        return self.params.grammar is not None and self.in_flight > 0

    @property
    def may_generate(self) -> bool:
        """Whether tokens in flight still leave room for one more."""
        return len(self.ids) + self.in_flight < self.max_len
