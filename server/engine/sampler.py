"""Chooses the next token of every row: edits, penalties, temperature, min-p, top-k, top-p, and the draw.

The order is vLLM's: raw log probabilities are taken first; then allowed ids and grammar, end ids before
`min_tokens`, logit bias, penalties, greedy or temperature, min-p, top-k, top-p.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from server.engine.draw import lowest_kept, pick, stream_key, uniform, weigh
from server.engine.edits import MINUS_INFINITY, LogitEdits, has_edits, plan_edits
from server.engine.logprobs import Logprobs, compute_logprobs
from server.engine.penalties import PenalisedRows, Penalties, has_penalties
from server.engine.request import SamplingParams
from server.engine.upload import upload

_RANDOM, _FILTERED, _MIN_P, _EDITED, _PENALISED, _LOGPROBS = (1 << bit for bit in range(6))


@dataclass(frozen=True, slots=True)
class Sampled:
    """One chosen token per row, on the device.

    Args:
        token_ids: int64 [S]; 0 where the row is bad.
        is_bad: bool [S], rows whose logits hold NaN or infinity, or that may not choose any token.
        logprobs: n = S positions with the most top tokens that any of the rows wants; None if none wants any.
    """

    token_ids: Tensor
    is_bad: Tensor
    logprobs: Logprobs | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one list of rows needs; kept from step to step while the list and its rows stay the same.

    Places are int64 indices into the batch, or None where no row needs that work. `filtered_places` index
    the random rows instead. `random` and `keys` stay on the host: `random_places` again, and uint64 stream keys.
    """

    rows: list[int]
    edits: LogitEdits | None
    penalised_places: Tensor | None
    penalised: PenalisedRows | None
    random_places: Tensor | None
    random: np.ndarray
    keys: np.ndarray
    temperatures: Tensor
    log_min_p: Tensor | None
    filtered_places: Tensor | None
    top_k: Tensor
    top_p: Tensor
    max_k: int
    logprob_places: Tensor | None
    num_top: int

    @property
    def is_plain_greedy(self) -> bool:
        needs = (self.edits, self.penalised_places, self.random_places, self.logprob_places)
        return all(need is None for need in needs)


class Sampler:
    """Sampling state of up to `max_rows` rows, and the choice of their next tokens.

    A row's token is a function of its own logits, parameters, seed, sample index and token index. Neither its
    neighbours nor its place in the batch matter.

    Args:
        vocab_size: V, the width of the logits.
        max_rows: rows are numbered below this.
        device: where logits come from.
    """

    def __init__(self, vocab_size: int, max_rows: int, device: torch.device) -> None:
        self._vocab_size = vocab_size
        self._device = device
        self._params: list[SamplingParams | None] = [None] * max_rows
        self._flags = np.zeros(max_rows, dtype=np.uint8)
        self._keys = np.zeros(max_rows, dtype=np.uint64)
        self._temperatures = np.ones(max_rows, dtype=np.float32)
        self._log_min_p = np.full(max_rows, MINUS_INFINITY, dtype=np.float32)
        self._top_k = np.full(max_rows, vocab_size, dtype=np.int64)
        self._top_p = np.ones(max_rows, dtype=np.float64)
        self._num_top = np.zeros(max_rows, dtype=np.int64)
        self._penalties = Penalties(vocab_size, device)
        self._floats = torch.empty(0, vocab_size, dtype=torch.float32, device=device)
        self._integers = torch.empty(0, vocab_size, dtype=torch.int64, device=device)
        self._plan: _Plan | None = None

    def add(
        self,
        row: int,
        params: SamplingParams,
        sample_index: int,
        prompt_ids: Sequence[int],
        output_ids: Sequence[int],
    ) -> None:
        """Start a row, or start it again after a preemption; whatever the row held before is forgotten.

        Args:
            row: the row's index, below `max_rows`.
            params: how its tokens are chosen.
            sample_index: which of the request's samples it is.
            prompt_ids: its prompt, for the repetition penalty.
            output_ids: what it generated before it was preempted; empty for a new row.
        """
        self.remove(row)
        # Of one candidate the draw is certain, and greedy breaks ties as documented.
        is_random = not (params.is_greedy or params.top_k == 1)
        is_filtered = is_random and (0 < params.top_k < self._vocab_size or params.top_p < 1.0)
        self._params[row] = params
        self._keys[row] = stream_key(params.seed, sample_index)
        self._temperatures[row] = params.temperature
        self._log_min_p[row] = math.log(params.min_p) if params.min_p > 0 else MINUS_INFINITY
        self._top_k[row] = min(params.top_k, self._vocab_size) if params.top_k > 0 else self._vocab_size
        self._top_p[row] = params.top_p
        self._num_top[row] = params.logprobs or 0
        if has_penalties(params):
            self._penalties.add(row, params, prompt_ids, output_ids)
        self._flags[row] = (
            _RANDOM * is_random
            | _FILTERED * is_filtered
            | _MIN_P * (is_random and params.min_p > 0)
            | _EDITED * has_edits(params)
            | _PENALISED * has_penalties(params)
            | _LOGPROBS * (params.logprobs is not None)
        )

    def remove(self, row: int) -> None:
        """Forget a row."""
        self._plan = None
        self._params[row] = None
        self._flags[row] = 0
        self._num_top[row] = 0
        self._penalties.remove(row)

    def sample(self, logits: Tensor, rows: list[int], generated: list[int], grammar_mask: Tensor | None) -> Sampled:
        """Choose one token for each of S rows; nothing waits for the device.

        Args:
            logits: float32 [S, V]; not changed.
            rows: S row indices, all different.
            generated: how many tokens each row has generated before this one.
            grammar_mask: int32 [S, ceil(V / 32)], bit `i % 32` of word `i // 32` allows token i; rows without
                a grammar are all ones. None if no row has a grammar.
        """
        plan = self._plan
        if plan is None or plan.rows != rows:
            plan = self._plan = self._make_plan(rows)
        if plan.is_plain_greedy and grammar_mask is None:
            best, token_ids = _best(logits)
            is_bad = ~best.isfinite()
            return Sampled(token_ids.masked_fill_(is_bad, 0), is_bad, None)

        edited = self._edit(logits, plan, generated, grammar_mask)
        best, token_ids = _best(edited)
        # Masks may hide a NaN, so the raw logits are looked at too.
        is_bad = ~(best.isfinite() & logits.amax(1).isfinite())
        if plan.random_places is not None:
            drawn = self._draw(edited, best, generated, plan, plan.random_places)
            token_ids = token_ids.index_copy(0, plan.random_places, drawn)
        token_ids = token_ids.masked_fill(is_bad, 0)
        if plan.penalised_places is not None and plan.penalised is not None:
            self._penalties.count(plan.penalised, token_ids[plan.penalised_places])
        return Sampled(token_ids, is_bad, _logprobs(logits, token_ids, plan))

    def _edit(self, logits: Tensor, plan: _Plan, generated: list[int], grammar_mask: Tensor | None) -> Tensor:
        """Logits after masks, bias and penalties; the same tensor if there is nothing to do."""
        if plan.edits is None and plan.penalised_places is None and grammar_mask is None:
            return logits
        logits = logits.clone()
        if grammar_mask is not None:
            logits.masked_fill_(~unpack_mask(grammar_mask, self._vocab_size), MINUS_INFINITY)
        if plan.edits is not None:
            plan.edits.apply(logits, upload(np.array(generated, dtype=np.int64), self._device))
        if plan.penalised_places is not None and plan.penalised is not None:
            penalised = self._penalties.apply(logits[plan.penalised_places], plan.penalised)
            logits.index_copy_(0, plan.penalised_places, penalised)
        return logits

    def _draw(self, logits: Tensor, best: Tensor, generated: list[int], plan: _Plan, places: Tensor) -> Tensor:
        """int64 [n]: a token for each random row. `best` is each row's largest logit."""
        num = places.shape[0]
        if num > self._floats.shape[0]:
            # Fresh pages of memory cost more than the arithmetic, so the two largest temporaries are kept.
            self._floats = self._floats.new_empty(num, self._vocab_size)
            self._integers = self._integers.new_empty(num, self._vocab_size)
        z = torch.index_select(logits, 0, places, out=self._floats[:num])
        z.sub_(best[places].unsqueeze(1)).div_(plan.temperatures.unsqueeze(1))
        if plan.log_min_p is not None:
            z.masked_fill_(z < plan.log_min_p.unsqueeze(1), MINUS_INFINITY)
        if plan.filtered_places is not None:
            candidates = z[plan.filtered_places]
            lowest = lowest_kept(candidates, plan.top_k, plan.top_p, plan.max_k, self._integers)
            z.index_copy_(0, plan.filtered_places, candidates.masked_fill_(candidates < lowest, MINUS_INFINITY))
        indices = np.array(generated, dtype=np.uint64)[plan.random]
        uniforms = upload(uniform(plan.keys, indices), self._device)
        return pick(weigh(z, self._integers[:num]), uniforms)

    def _make_plan(self, rows: list[int]) -> _Plan:
        """Look up once what these rows need; the only per-row work on the host."""
        index = np.array(rows, dtype=np.int64)
        flags = self._flags[index]

        def places(flag: int) -> np.ndarray:
            return np.flatnonzero(flags & flag)

        def on_device(array: np.ndarray) -> Tensor:
            return upload(array, self._device)

        def if_any(array: np.ndarray) -> Tensor | None:
            return on_device(array) if array.size else None

        edited, penalised, random, wanting = (places(f) for f in (_EDITED, _PENALISED, _RANDOM, _LOGPROBS))
        random_rows = index[random]
        filtered = np.flatnonzero(flags[random] & _FILTERED)
        filtered_rows = random_rows[filtered]
        by_place = [self._params[row] for row in rows]
        editing = [(int(place), p) for place in edited if (p := by_place[place]) is not None]
        has_min_p = bool((flags & _MIN_P).any())
        return _Plan(
            rows=list(rows),
            edits=plan_edits([p for _, p in editing], [place for place, _ in editing], self._vocab_size, self._device)
            if editing
            else None,
            penalised_places=if_any(penalised),
            penalised=self._penalties.plan(index[penalised].tolist()) if penalised.size else None,
            random_places=if_any(random),
            random=random,
            keys=self._keys[random_rows],
            temperatures=on_device(self._temperatures[random_rows]),
            log_min_p=on_device(self._log_min_p[random_rows]) if has_min_p else None,
            filtered_places=if_any(filtered),
            top_k=on_device(self._top_k[filtered_rows]),
            top_p=on_device(self._top_p[filtered_rows]),
            max_k=int(self._top_k[filtered_rows].max(initial=0)),
            logprob_places=if_any(wanting),
            num_top=int(self._num_top[index].max(initial=0)),
        )


def _best(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Largest value and its lowest index in every row of [S, V]; NaN counts as largest."""
    if logits.device.type == "cpu":
        # NumPy's argmax uses vector instructions; PyTorch's takes six times as long on the CPU.
        token_ids = torch.from_numpy(logits.numpy().argmax(1))
        return logits.gather(1, token_ids.unsqueeze(1)).squeeze(1), token_ids
    return logits.max(1)


def _logprobs(logits: Tensor, token_ids: Tensor, plan: _Plan) -> Logprobs | None:
    """Raw log probabilities of the rows that want them; the other rows hold zeros."""
    places = plan.logprob_places
    if places is None:
        return None
    if places.shape[0] == logits.shape[0]:
        return compute_logprobs(logits, token_ids, plan.num_top)
    return compute_logprobs(logits[places], token_ids[places], plan.num_top).scatter(places, logits.shape[0])


def unpack_mask(mask: Tensor, vocab_size: int) -> Tensor:
    """int32 [S, ceil(V / 32)] bits, lowest first -> bool [S, V]."""
    bits = (mask.unsqueeze(2) >> torch.arange(32, dtype=torch.int32, device=mask.device)) & 1
    return bits.view(mask.shape[0], -1)[:, :vocab_size].to(torch.bool)
