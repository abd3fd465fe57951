"""Requests that arrive over time, under any variants, while some are aborted and others preempted."""

from collections.abc import Collection, Iterable, Sequence

from server.engine.core import EngineCore
from tests.engine.conftest import Results, collect, greedy, request
from tests.engine.test_schedules import prompt_of

Wanted = dict[str, tuple[list[int], int, str, int, int]]
"""By name: prompt, number of tokens, variant, number of samples, and the step at which it arrives."""


def crowd_of(core: EngineCore, arrivals: Sequence[tuple[int, int, int, int, int]]) -> Wanted:
    """Requests from drawn (prompt length, tokens, delay, samples, number of the variant); some share beginnings."""
    names = list(core.variants)
    return {
        f"r{index}": (prompt_of(length, index % 2), num_tokens, names[which % len(names)], num_samples, 3 * delay)
        for index, (length, num_tokens, delay, num_samples, which) in enumerate(arrivals)
    }


def run_crowd(
    core: EngineCore, wanted: Wanted, aborts: Iterable[tuple[int, int]], preempts: Collection[int] = ()
) -> Results:
    """Step until all have come and gone; all samples of a greedy request must be the same, and all pages back.

    Args:
        wanted: loses those that are aborted.
        aborts: (step, number of the request).
        preempts: steps before which the newest running row is preempted.
    """
    results: Results = {}
    step, left = 0, dict(wanted)
    while left or core.has_work:
        for name, (prompt, num_tokens, variant, num_samples, arrives) in list(left.items()):
            if arrives <= step:
                core.add(request(name, prompt, greedy(num_tokens), num_samples=num_samples, variant=variant))
                del left[name]
        for when, which in aborts:
            if when == step:
                core.abort([f"r{which}"])
                wanted.pop(f"r{which}", None)
        if step in preempts and core.scheduler.running:
            core.scheduler.preempt(core.scheduler.running[-1])
        collect(results, core.step())
        core.check()
        step += 1
    assert core.pool.num_free == core.pool.capacity
    for name, (*_, num_samples, _) in wanted.items():
        assert len({tuple(results[name, sample].token_ids) for sample in range(num_samples)}) == 1
    return results
