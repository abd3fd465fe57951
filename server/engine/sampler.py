"""Chooses the next token of every row: edits, penalties, temperature, min-p, top-k, top-p, and the draw.

The order is vLLM's: raw log probabilities are taken first; then allowed ids and grammar, end ids before
`min_tokens`, logit bias, penalties, greedy or temperature, min-p, top-k, top-p.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from server.engine.drawer import Best, Drawer, RandomRows, TorchDrawer
from server.engine.edits import MINUS_INFINITY, LogitEdits, plan_edits
from server.engine.logprobs import Logprobs, compute_logprobs
from server.engine.penalties import PenalisedRows, Penalties
from server.engine.request import SamplingParams
from server.engine.row_parameters import EDITED, LOGPROBS, PENALISED, RANDOM, RowParameters
from server.engine.upload import upload, upload_together


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

    Places are int64 indices into the batch, on the device; work that no row needs is None. Rows with edits,
    penalties or a grammar have lines in a copy of their logits, in the order of `edited_places`. Random rows are
    drawn from the raw logits or from that copy.

    Args:
        needs_generated: the device must know how many tokens each row has.
        is_plain_greedy: the best token of each row is all that is wanted.
    """

    rows: np.ndarray
    has_grammar: bool
    edited_places: Tensor | None
    edits: LogitEdits | None
    penalised_lines: Tensor | None
    penalised_places: Tensor | None
    penalised: PenalisedRows | None
    raw_random: RandomRows | None
    edited_random: RandomRows | None
    logprob_places: Tensor | None
    num_top: int
    needs_generated: bool
    is_plain_greedy: bool

    def fits(self, rows: np.ndarray, has_grammar: bool) -> bool:
        return self.has_grammar == has_grammar and np.array_equal(self.rows, rows)


class Sampler:
    """Sampling state of up to `max_rows` rows, and the choice of their next tokens.

    A row's token is a function of its own logits, parameters, seed, sample index and token index. Neither its
    neighbours nor its place in the batch matter.

    Args:
        vocab_size: V, the width of the logits.
        max_rows: rows are numbered below this; no more lines of logits come at a time.
        device: where logits come from.
        kernels: "triton", "torch", or None for the first on CUDA, if it is installed, and the second elsewhere.
    """

    def __init__(self, vocab_size: int, max_rows: int, device: torch.device, kernels: str | None = None) -> None:
        self._vocab_size = vocab_size
        self._device = device
        self._params: list[SamplingParams | None] = [None] * max_rows
        self._parameters = RowParameters(vocab_size, max_rows, device)
        self._penalties = Penalties(vocab_size, max_rows, device)
        self._drawer = _make_drawer(kernels, vocab_size, max_rows, self._parameters, device)
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
        self._params[row] = params
        self._parameters.set(row, params, sample_index)
        if self._parameters.flags[row] & PENALISED:
            self._penalties.add(row, params, prompt_ids, output_ids)

    def remove(self, row: int) -> None:
        """Forget a row."""
        self._plan = None
        self._params[row] = None
        self._parameters.clear(row)
        self._penalties.remove(row)

    def is_plain_greedy(self, rows: np.ndarray) -> bool:
        """Whether `greedy` is all that these rows (int64) need: no draws, edits, penalties or log probabilities.

        A grammar is not known here.
        """
        return not self._parameters.flags[rows].any()

    def greedy(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The best token of each line; may be captured in a CUDA graph.

        Args:
            logits: any float type [S, V], S at most `max_rows`.

        Returns:
            token_ids: int64 [S], the lowest id among equals; 0 where the line is bad.
            is_bad: bool [S], lines that hold NaN or +infinity, or nothing but -infinity.
        """
        best = self._drawer.best(logits)
        return best.token_ids, best.is_bad

    def sample(self, logits: Tensor, rows: np.ndarray, generated: np.ndarray, grammar_mask: Tensor | None) -> Sampled:
        """Choose one token for each of S rows; nothing waits for the device.

        Args:
            logits: any float type [S, V]; not changed.
            rows: int64 [S], row indices, all different.
            generated: int64 [S], how many tokens each row has generated before this one.
            grammar_mask: int32 [S, ceil(V / 32)], bit `i % 32` of word `i // 32` allows token i; rows without
                a grammar are all ones. None if no row has a grammar.
        """
        plan = self._plan
        if plan is None or not plan.fits(rows, grammar_mask is not None):
            plan = self._plan = self._make_plan(rows, grammar_mask is not None)
        best = self._drawer.best(logits)
        if plan.is_plain_greedy:
            return Sampled(best.token_ids, best.is_bad, None)
        on_device = logits.new_empty(0, dtype=torch.int64)
        if plan.needs_generated:
            on_device = upload(generated.astype(np.int64), self._device)
        token_ids, is_bad = best.token_ids, best.is_bad
        self._draw(token_ids, logits, best, plan.raw_random, generated, on_device)
        if plan.edited_places is not None:
            edited = self._edit(logits, plan.edited_places, plan, on_device, grammar_mask)
            best = self._drawer.best(edited)
            self._draw(best.token_ids, edited, best, plan.edited_random, generated, on_device)
            # Masks may hide a NaN, so the raw logits count too.
            token_ids.index_copy_(0, plan.edited_places, best.token_ids)
            is_bad.index_copy_(0, plan.edited_places, is_bad[plan.edited_places] | best.is_bad)
        token_ids.masked_fill_(is_bad, 0)
        if plan.penalised_places is not None and plan.penalised is not None:
            self._penalties.count(plan.penalised, token_ids[plan.penalised_places])
        return Sampled(token_ids, is_bad, _logprobs(logits, token_ids, plan))

    def _draw(
        self,
        token_ids: Tensor,
        logits: Tensor,
        best: Best,
        rows: RandomRows | None,
        generated: np.ndarray,
        on_device: Tensor,
    ) -> None:
        """Replace the best tokens of random rows by drawn ones."""
        if rows is not None:
            drawn = self._drawer.draw(logits, best, rows, generated, on_device)
            token_ids.index_copy_(0, rows.index[0], drawn)

    def _edit(
        self, logits: Tensor, places: Tensor, plan: _Plan, generated: Tensor, grammar_mask: Tensor | None
    ) -> Tensor:
        """float32 copies of the lines at `places`, after masks, bias and penalties."""
        edited = logits.index_select(0, places).float()
        if grammar_mask is not None:
            edited.masked_fill_(~unpack_mask(grammar_mask, self._vocab_size), MINUS_INFINITY)
        if plan.edits is not None:
            plan.edits.apply(edited, generated[places])
        if plan.penalised_lines is not None and plan.penalised is not None:
            penalised = self._penalties.apply(edited[plan.penalised_lines], plan.penalised)
            edited.index_copy_(0, plan.penalised_lines, penalised)
        return edited

    def _make_plan(self, rows: np.ndarray, has_grammar: bool) -> _Plan:
        """Look up once what these rows need; only rows with edits cost work of their own on the host."""
        flags = self._parameters.flags[rows]
        changing = EDITED | PENALISED
        edited = np.arange(rows.size) if has_grammar else np.flatnonzero(flags & changing)
        lines = np.full(rows.size, -1, dtype=np.int64)
        lines[edited] = np.arange(edited.size)
        is_random = (flags & RANDOM) != 0
        raw_random = np.flatnonzero(is_random & (lines < 0))
        edited_random = np.flatnonzero(is_random & (lines >= 0))
        penalised = np.flatnonzero(flags & PENALISED)
        wanting = np.flatnonzero(flags & LOGPROBS)
        editing = np.flatnonzero(flags & EDITED).tolist()
        sent = upload_together(
            [
                edited,
                lines[penalised],
                penalised,
                np.stack([raw_random, rows[raw_random], raw_random]),
                np.stack([lines[edited_random], rows[edited_random], edited_random]),
                wanting,
            ],
            self._device,
        )

        def random(places: np.ndarray, index: Tensor) -> RandomRows | None:
            if not places.size:
                return None
            return RandomRows(rows[places], places, index, int(np.bitwise_or.reduce(flags[places])))

        def if_any(tensor: Tensor) -> Tensor | None:
            return tensor if tensor.numel() else None

        edits = None
        if editing:
            params = [p for place in editing if (p := self._params[rows[place]]) is not None]
            edits = plan_edits(params, lines[editing].tolist(), self._vocab_size, self._device)
        return _Plan(
            rows=rows.copy(),
            has_grammar=has_grammar,
            edited_places=if_any(sent[0]),
            edits=edits,
            penalised_lines=if_any(sent[1]),
            penalised_places=if_any(sent[2]),
            penalised=self._penalties.plan(rows[penalised]) if penalised.size else None,
            raw_random=random(raw_random, sent[3]),
            edited_random=random(edited_random, sent[4]),
            logprob_places=if_any(sent[5]),
            num_top=int(self._parameters.num_top[rows].max(initial=0)),
            needs_generated=edits is not None or bool(is_random.any()),
            is_plain_greedy=not has_grammar and not flags.any(),
        )


def _make_drawer(
    kernels: str | None, vocab_size: int, max_rows: int, parameters: RowParameters, device: torch.device
) -> Drawer:
    if kernels == "triton" or (kernels is None and device.type == "cuda"):
        try:
            from server.engine.triton_sampling import TritonDrawer
        except ImportError:
            if kernels == "triton":
                raise
        else:
            return TritonDrawer(vocab_size, max_rows, parameters, device)
    return TorchDrawer(vocab_size, parameters, device)


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
