"""The engine core in this process, without HTTP: what offline benchmarks drive."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.bench.datasets import Prompt
from server.engine.loop import Core
from server.engine.request import EngineRequest, EngineStats, SamplingParams
from server.errors import EngineStepError


@dataclass(frozen=True, slots=True)
class LocalRun:
    """What one offline run gave.

    Args:
        duration_s: from the first request added to the last token.
        token_ids: per prompt, what was generated.
        first_token_s: per prompt, seconds from the start to its first token.
        step_end_s: seconds from the start to the end of every step that gave tokens, ascending.
        last_token_s: per prompt, seconds from the start to its last token.
        stats: of the core, at the end.
    """

    duration_s: float
    token_ids: list[list[int]]
    first_token_s: list[float]
    step_end_s: list[float]
    last_token_s: list[float]
    stats: EngineStats

    @property
    def decode_steps_s(self) -> list[float]:
        """Seconds of every step in which all prompts had begun, none had ended, and each got a token."""
        first_s, last_s = max(self.first_token_s), min(self.last_token_s)
        ends_s = [end_s for end_s in self.step_end_s if first_s <= end_s <= last_s]
        return [end_s - start_s for start_s, end_s in itertools.pairwise(ends_s)]

    @property
    def num_output_tokens(self) -> int:
        return sum(len(ids) for ids in self.token_ids)


class LocalEngine:
    """Runs prompts through a core, all queued at once, and waits for the last token.

    Args:
        core: loaded, idle, and used by nobody else.
        variant: which of the core's variants serves the requests.
    """

    def __init__(self, core: Core, variant: str = "full") -> None:
        self._core = core
        self._variant = variant
        self._numbers = itertools.count()

    def run(
        self,
        prompts: Sequence[Prompt],
        *,
        temperature: float = 0.0,
        on_done: Callable[[], None] = lambda: None,
        on_step: Callable[[], None] = lambda: None,
    ) -> LocalRun:
        """Generate exactly `output_len` tokens for every prompt, whatever the model would end with.

        Args:
            on_done: called after each request.
            on_step: called after each step.

        Raises:
            EngineStepError: a request failed or came out short, so that the time would mean nothing.
        """
        index_of = {f"bench-{next(self._numbers)}": i for i in range(len(prompts))}
        token_ids: list[list[int]] = [[] for _ in prompts]
        first_token_s, last_token_s = [0.0] * len(prompts), [0.0] * len(prompts)
        step_end_s: list[float] = []
        start_s = time.perf_counter()
        for (request_id, i), prompt in zip(index_of.items(), prompts, strict=True):
            params = SamplingParams(max_tokens=prompt.output_len, temperature=temperature, seed=i, ignore_eos=True)
            self._core.add(EngineRequest(request_id, prompt.token_ids, params, variant=self._variant))
        while self._core.has_work:
            outputs = self._core.step()
            on_step()
            now_s = time.perf_counter() - start_s
            if outputs:
                step_end_s.append(now_s)
            for output in outputs:
                i = index_of[output.request_id]
                if output.error is not None:
                    raise EngineStepError(f"a request failed: {output.error}")
                if output.token_ids and not token_ids[i]:
                    first_token_s[i] = now_s
                token_ids[i].extend(output.token_ids)
                if output.finish_reason is not None:
                    last_token_s[i] = now_s
                    on_done()
        duration_s = time.perf_counter() - start_s
        for prompt, ids in zip(prompts, token_ids, strict=True):
            if len(ids) != prompt.output_len:
                raise EngineStepError(f"a request ended after {len(ids)} of {prompt.output_len} tokens")
        return LocalRun(duration_s, token_ids, first_token_s, step_end_s, last_token_s, self._core.stats())
