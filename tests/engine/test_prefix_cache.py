"""Prefix-cache hits are cold runs, only faster; nobody hits what is not theirs."""

import pytest

from tests.engine.conftest import drain, greedy, request
from tests.engine.test_schedules import prompt_of


def test_a_hit_at_every_block_boundary_gives_the_cold_runs_tokens(make_core, oracle):
    prompt = prompt_of(33)
    for shared in range(0, 34):
        core = make_core(page_size=4)
        other = prompt[:shared] + prompt_of(33 - shared, 9)
        core.add(request("warm", other, greedy(1)))
        drain(core)
        core.add(request("r", prompt, greedy(8)))
        result = drain(core)["r", 0]
        assert result.token_ids == oracle.greedy(prompt, 8)
        # At least the last prompt token is recomputed.
        assert result.last.cached_tokens == min(shared, 32) // 4 * 4


def test_a_fully_cached_prompt_recomputes_its_last_token(make_core, oracle):
    core = make_core(page_size=4)
    prompt = prompt_of(16)
    for _ in range(3):
        core.add(request("r", prompt, greedy(6)))
        result = drain(core)["r", 0]
        assert result.token_ids == oracle.greedy(prompt, 6)
    assert result.last.cached_tokens == 12
    assert core.stats().prefix_hits == 24


def test_a_conversation_hits_its_own_generated_tokens(make_core):
    core = make_core(page_size=4)
    prompt = prompt_of(10)
    core.add(request("turn 1", prompt, greedy(20)))
    answer = drain(core)["turn 1", 0].token_ids
    core.add(request("turn 2", prompt + answer + prompt_of(5, 3), greedy(4)))
    assert drain(core)["turn 2", 0].last.cached_tokens == 28


@pytest.mark.parametrize("field", ["cache_salt"])
def test_different_salts_never_share(make_core, field):
    core = make_core()
    prompt = prompt_of(40)
    core.add(request("a", prompt, greedy(2), **{field: "tenant a"}))
    drain(core)
    core.add(request("b", prompt, greedy(2), **{field: "tenant b"}))
    assert drain(core)["b", 0].last.cached_tokens == 0
    core.add(request("a again", prompt, greedy(2), **{field: "tenant a"}))
    assert drain(core)["a again", 0].last.cached_tokens == 36


def test_two_equal_prompts_in_one_step_are_both_right(make_core, oracle):
    core = make_core(max_step_tokens=200)
    prompt = prompt_of(30)
    core.add(request("a", prompt, greedy(6)))
    core.add(request("b", prompt, greedy(6)))
    results = drain(core)
    assert results["a", 0].token_ids == results["b", 0].token_ids == oracle.greedy(prompt, 6)


def test_aborts_and_preemptions_leave_no_wrong_block_behind(make_core, oracle):
    prompt = prompt_of(60)
    for when in range(12):
        core = make_core(max_step_tokens=8, page_size=4, overlap=True)
        core.add(request("a", prompt, greedy(30)))
        for _ in range(when):
            core.step()
        if when % 2:
            core.abort(["a"])
        elif core.scheduler.running:
            core.scheduler.preempt(core.scheduler.running[0])
        core.add(request("b", prompt, greedy(6)))
        assert drain(core)["b", 0].token_ids == oracle.greedy(prompt, 6)


def test_eviction_takes_the_tail_of_the_oldest_first(make_core):
    core = make_core(num_pages=4 * 24 + 1, page_size=4, max_rows=1, max_step_tokens=64)
    old, new = prompt_of(41), prompt_of(41, 5)
    for name, prompt in (("old", old), ("new", new)):
        core.add(request(name, prompt, greedy(1)))
        drain(core)
    # 96 pages hold two cached prompts of 10 blocks over 4 groups; a third one evicts from the oldest's tail.
    core.add(request("third", prompt_of(33, 6), greedy(1)))
    drain(core)
    core.add(request("old again", old, greedy(1)))
    hit = drain(core)["old again", 0].last.cached_tokens
    assert 0 < hit < 40


def test_resetting_the_cache_forgets_everything(make_core):
    core = make_core()
    core.add(request("a", prompt_of(40), greedy(2)))
    drain(core)
    assert core.stats().pages_cached > 0
    core.reset_prefix_cache()
    assert core.stats().pages_cached == 0
    core.add(request("b", prompt_of(40), greedy(2)))
    assert drain(core)["b", 0].last.cached_tokens == 0
