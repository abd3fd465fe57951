"""Sequence: one sample of one request, from arrival to its last token."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from server.engine.request import EngineRequest, SamplingParams, TokenLogprobs
from server.engine.rows import MAX_END_IDS, NO_ID, RowStates
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
        row: index in the page tables and the sampler while running.
        pending_forks: samples of the same request that will share this one's prompt pages.
        block_keys: prefix-cache keys of the leading full blocks of `ids`.
        stretch_end: where the retentions that the row has now end; no chunk goes beyond.
        held_since_s: when it was first held back for others to join; None if it never was.
        layer_stops: int64 [layers], generated tokens below this index run the layer.
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
    row: int | None = None
    is_finished: bool = False
    pending_forks: list["Sequence"] = field(default_factory=list)
    block_keys: list[bytes] = field(default_factory=list)
    cached_tokens: int = 0
    num_preemptions: int = 0
    grammar: "GrammarState | None" = None
    prompt_logprobs: list[TokenLogprobs | None] | None = None
    first_scheduled_s: float | None = None
    first_token_s: float | None = None
    stretch_end: int = UNLIMITED
    held_since_s: float | None = None
    prompt_len: int = field(init=False)
    max_len: int = field(init=False)
    layer_stops: np.ndarray = field(init=False)
    _states: RowStates | None = None
    _computed: int = 0
    _in_flight: int = 0
    _num_published: int = 0
    _depth_tokens: int = 0
    _depth_layers: int = 0

    def __post_init__(self) -> None:
        self.prompt_len = len(self.request.prompt_ids)
        self.max_len = self.prompt_len + self.request.params.max_tokens
        self.layer_stops = self.variant.layer_stops(self.prompt_len, self.request.params.max_tokens)

    def enter(self, states: RowStates, row: int) -> None:
        """Run in `row`: from now on its numbers are those of `states`."""
        params = self.params
        end_ids = sorted({*params.stop_token_ids, *(() if params.ignore_eos else params.eos_token_ids)})
        states.is_running[row] = True
        states.sequences[row] = self
        states.computed[row] = self._computed
        states.in_flight[row] = self._in_flight
        states.known[row] = len(self.ids) + self._in_flight
        states.prompt_len[row] = self.prompt_len
        states.max_len[row] = self.max_len
        states.cacheable_end[row] = self.cacheable_end
        states.num_published[row] = self._num_published
        states.last_id[row] = self.ids[-1]
        states.has_grammar[row] = self.grammar is not None
        states.variant_index[row] = self.variant.index
        states.is_full_depth[row] = self.variant.schedule.is_full
        states.stops[row] = self.layer_stops[states.band_starts]
        states.end_ids[row] = NO_ID
        states.end_ids[row, : len(end_ids[:MAX_END_IDS])] = end_ids[:MAX_END_IDS]
        states.needs_care[row] = (
            self.grammar is not None
            or params.logprobs is not None
            or self.request.reports_timings
            or len(end_ids) > MAX_END_IDS
        )
        states.depth_tokens[row] = self._depth_tokens
        states.depth_layers[row] = self._depth_layers
        self.row, self._states = row, states

    def leave(self) -> None:
        """Leave the row, taking its numbers along."""
        states, row = self._running()
        self._computed = int(states.computed[row])
        self._in_flight = int(states.in_flight[row])
        self._num_published = int(states.num_published[row])
        self._depth_tokens = int(states.depth_tokens[row])
        self._depth_layers = int(states.depth_layers[row])
        states.is_running[row] = states.can_sample[row] = False
        states.sequences[row] = None
        self.row = self._states = None

    def _running(self) -> tuple[RowStates, int]:
        assert self._states is not None
        assert self.row is not None
        return self._states, self.row

    @property
    def computed(self) -> int:
        """Positions whose KV is written by steps launched so far."""
        return self._computed if self._states is None else int(self._states.computed[self.row])

    @computed.setter
    def computed(self, value: int) -> None:
        if self._states is None:
            self._computed = value
        else:
            self._states.computed[self.row] = value

    @property
    def in_flight(self) -> int:
        """Tokens sampled by launched steps that the host has not read yet."""
        return self._in_flight if self._states is None else int(self._states.in_flight[self.row])

    @property
    def num_published(self) -> int:
        """Leading blocks offered to the prefix cache so far."""
        return self._num_published if self._states is None else int(self._states.num_published[self.row])

    @num_published.setter
    def num_published(self, value: int) -> None:
        if self._states is None:
            self._num_published = value
        else:
            self._states.num_published[self.row] = value

    @property
    def depth_tokens(self) -> int:
        """Generated tokens whose forward pass was launched."""
        return self._depth_tokens if self._states is None else int(self._states.depth_tokens[self.row])

    @property
    def depth_layers(self) -> int:
        """Layers run by those tokens, for their mean depth."""
        return self._depth_layers if self._states is None else int(self._states.depth_layers[self.row])

    def count_depth(self, num_tokens: int, num_layers: int) -> None:
        """`num_tokens` generated tokens were launched that run `num_layers` layers in all."""
        states, row = self._running()
        states.depth_tokens[row] += num_tokens
        states.depth_layers[row] += num_layers

    def launched(self) -> None:
        """A launched step samples one more token."""
        states, row = self._running()
        states.in_flight[row] += 1
        states.known[row] += 1

    def dropped(self) -> None:
        """The host has read a token that it throws away, because the sequence is over."""
        if self._states is None:
            self._in_flight -= 1
        else:
            self._states.in_flight[self.row] -= 1
            self._states.known[self.row] -= 1

    def read(self, token_id: int) -> None:
        """The host has read the oldest token in flight."""
        self.ids.append(token_id)
        if self._states is None:
            self._in_flight -= 1
        else:
            self._states.in_flight[self.row] -= 1
            self._states.last_id[self.row] = token_id

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

    def next_chunk(self, budget: int) -> int:
        """Positions that the next chunk may compute, within a budget of tokens and the row's stretch."""
        return min(self.num_uncomputed, budget, self.stretch_end - self.computed)

    @property
    def cacheable_end(self) -> int:
        """Positions below this may enter and come from the prefix cache."""
        if self.variant.caches_generated:
            return UNLIMITED
        return self.prompt_len if self.variant.caches_prompts else 0

    @property
    def may_generate(self) -> bool:
        """Whether tokens in flight still leave room for one more."""
        return self.num_known < self.max_len
