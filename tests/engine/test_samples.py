"""n > 1: samples share their prompt's pages, copy on write, and are independent of each other."""

import pytest

from server.engine.request import SamplingParams
from tests.engine.conftest import Results, collect, drain, request
from tests.engine.test_schedules import prompt_of


def sampling(max_tokens: int, seed: int = 11) -> SamplingParams:
    return SamplingParams(max_tokens=max_tokens, temperature=1.0, seed=seed, ignore_eos=True)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("prompt_length", [1, 4, 5, 22])
def test_samples_are_the_same_with_any_number_of_siblings(make_core, prompt_length, overlap):
    prompt = prompt_of(prompt_length)
    runs = []
    for count in (1, 2, 4, 7):
        core = make_core(overlap=overlap, max_rows=4)
        core.add(request("r", prompt, sampling(12), num_samples=count))
        results = drain(core)
        assert len(results) == count
        runs.append([results["r", index].token_ids for index in range(count)])
    for run in runs:
        assert run == runs[-1][: len(run)]
    assert len({tuple(tokens) for tokens in runs[-1]}) > 1


def test_samples_share_the_prompts_pages(make_core):
    core = make_core(page_size=4, prefix_caching=False, max_step_tokens=64)
    prompt = prompt_of(42)
    core.add(request("r", prompt, sampling(8), num_samples=4))
    core.step()
    # 11 blocks over 4 groups, once.
    assert core.stats().pages_used == 44
    core.step()
    # Each sample now writes: three of them copy the last, partial block.
    assert core.stats().pages_used == 44 + 3 * 4
    assert len(core.scheduler.running) == 4
    drain(core)


def test_samples_beyond_the_free_rows_wait_and_still_come_out(make_core):
    core = make_core(max_rows=2, max_step_tokens=16)
    core.add(request("r", prompt_of(20), sampling(6), num_samples=9))
    core.add(request("other", prompt_of(5, 2), sampling(6)))
    results = drain(core)
    assert len(results) == 10
    assert all(len(result.token_ids) == 6 for result in results.values())


def test_aborting_one_sample_leaves_the_others_alone(make_core):
    prompt = prompt_of(22)
    core = make_core()
    core.add(request("r", prompt, sampling(10), num_samples=3))
    expected = drain(core)
    for steps in range(5):
        core = make_core()
        core.add(request("r", prompt, sampling(10), num_samples=3))
        results: Results = {}
        for _ in range(steps):
            collect(results, core.step())
        core.abort(["r"], sample_index=0)
        drain(core, results)
        for index in (1, 2):
            assert results["r", index].token_ids == expected["r", index].token_ids
        assert ("r", 0) not in results or results["r", 0].finish_reason is None


def test_aborting_a_request_ends_all_its_samples_wherever_they_are(make_core):
    for steps in range(6):
        core = make_core(max_rows=2, max_step_tokens=8)
        core.add(request("r", prompt_of(20), sampling(10), num_samples=5))
        for _ in range(steps):
            core.step()
        core.abort(["r", "unknown"])
        assert drain(core) == {}
        assert core.scheduler.by_request == {}
