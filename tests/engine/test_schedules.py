"""Whatever the schedule, a request's tokens are those of the oracle, and every page comes back."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.engine.mixed_budget import MixedBudget
from server.engine.request import SamplingParams
from tests.engine.conftest import Results, collect, drain, greedy, request
from tests.oracle import Oracle

VOCAB = 380

prompts = st.lists(st.integers(3, VOCAB - 1), min_size=1, max_size=40)
engine_settings = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def prompt_of(length: int, salt: int = 0) -> list[int]:
    return [3 + (7 * i * i + 13 * i + 31 * salt) % (VOCAB - 3) for i in range(length)]


def test_greedy_tokens_are_the_oracles(make_core, oracle, alone):
    core = make_core()
    for salt, length in enumerate([1, 3, 4, 5, 17, 33, 70]):
        prompt = prompt_of(length, salt)
        core.add(request(f"r{salt}", prompt, greedy(24)))
    results = drain(core)
    for salt, length in enumerate([1, 3, 4, 5, 17, 33, 70]):
        prompt = prompt_of(length, salt)
        expected = oracle.greedy(prompt, 24)
        assert results[f"r{salt}", 0].token_ids == expected
        assert alone(prompt, greedy(24)) == expected


def test_a_sliding_window_model_frees_pages_and_keeps_its_tokens(make_core, tiny_mistral):
    core = make_core(model=tiny_mistral, page_size=2, max_step_tokens=8)
    mistral = Oracle.from_directory(tiny_mistral)
    prompt = prompt_of(50)
    core.add(request("r", prompt, greedy(40)))
    results: Results = {}
    most = 0
    while core.has_work:
        collect(results, core.step())
        most = max(most, core.stats().pages_used)
    assert results["r", 0].token_ids == mistral.greedy(prompt, 40)
    # Window 11 plus a chunk of 8, in pages of 2, over 3 layers; the whole row would take 135.
    assert most <= 3 * (19 // 2 + 2)
    # A second run hits what the window still holds, and changes nothing.
    core.add(request("again", prompt, greedy(40)))
    again = drain(core)["again", 0]
    assert again.token_ids == results["r", 0].token_ids


samplings = st.one_of(
    st.builds(greedy, max_tokens=st.integers(1, 20)),
    st.builds(
        SamplingParams,
        max_tokens=st.integers(1, 20),
        temperature=st.floats(0.3, 1.5),
        top_k=st.sampled_from([0, 5, 50]),
        top_p=st.sampled_from([1.0, 0.8]),
        seed=st.integers(0, 2**62),
        ignore_eos=st.just(True),
        repetition_penalty=st.sampled_from([1.0, 1.2]),
        frequency_penalty=st.sampled_from([0.0, 0.5]),
    ),
)

arrivals = st.lists(
    st.tuples(prompts, samplings, st.integers(0, 6), st.integers(1, 3), st.integers(0, 2)),
    min_size=1,
    max_size=7,
)


@engine_settings
@given(
    arrivals=arrivals,
    page_size=st.sampled_from([1, 3, 4, 16]),
    max_step_tokens=st.sampled_from([4, 7, 32, 200]),
    spare_pages=st.integers(0, 30),
    overlap=st.booleans(),
    prefix_caching=st.booleans(),
    scheduling=st.sampled_from(["fcfs", "priority"]),
    aborts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=3),
)
def test_a_request_gets_the_same_tokens_alone_and_in_any_crowd(
    make_core, alone, arrivals, page_size, max_step_tokens, spare_pages, overlap, prefix_caching, scheduling, aborts
):
    """Random arrivals, lengths, chunks, pages, aborts; a pool so small that rows are preempted."""
    longest = max(len(prompt) + params.max_tokens for prompt, params, *_ in arrivals)
    pages = (-(-longest // page_size) + 2) * 4 + spare_pages
    core = make_core(
        page_size=page_size,
        max_step_tokens=max_step_tokens,
        num_pages=pages + 1,
        max_model_len=longest,
        overlap=overlap,
        prefix_caching=prefix_caching,
        scheduling=scheduling,
    )
    results: Results = {}
    aborted: set[str] = set()
    pending = [(delay * 3, f"r{index}", arrival) for index, arrival in enumerate(arrivals) for delay in [arrival[2]]]
    step = 0
    while pending or core.has_work:
        for item in [item for item in pending if item[0] <= step]:
            pending.remove(item)
            _, name, (prompt, params, _, num_samples, priority) = item
            core.add(request(name, prompt, params, num_samples=num_samples, priority=priority))
        for when, which in aborts:
            if when == step:
                core.abort([f"r{which}"])
                aborted.add(f"r{which}")
        collect(results, core.step())
        step += 1
        assert step < 5000
    core.check()
    assert core.pool.num_free == core.pool.capacity
    for index, (prompt, params, _, num_samples, _) in enumerate(arrivals):
        if f"r{index}" in aborted:
            continue
        for sample in range(num_samples):
            result = results[f"r{index}", sample]
            assert result.finish_reason == "length"
            assert result.token_ids == alone(prompt, params, sample)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("max_step_tokens", [4, 7, 16, 17, 200])
@pytest.mark.parametrize("page_size", [1, 4, 16, 64])
def test_chunks_pages_and_overlap_change_no_token(make_core, oracle, page_size, max_step_tokens, overlap):
    core = make_core(page_size=page_size, max_step_tokens=max_step_tokens, overlap=overlap, num_pages=600)
    prompt = prompt_of(37)
    core.add(request("r", prompt, greedy(12)))
    assert drain(core)["r", 0].token_ids == oracle.greedy(prompt, 12)


@pytest.mark.parametrize("overlap", [False, True])
def test_preempting_at_every_step_changes_no_token(make_core, alone, overlap):
    params = SamplingParams(max_tokens=15, temperature=0.8, seed=3, ignore_eos=True, presence_penalty=0.4)
    prompt = prompt_of(21)
    expected = alone(prompt, params)
    for when in range(1, 18):
        core = make_core(overlap=overlap, max_step_tokens=8)
        core.add(request("r", prompt, params))
        results: Results = {}
        for step in range(400):
            if not core.has_work:
                break
            if step >= when and step % when == 0 and core.scheduler.running and step < 60:
                core.scheduler.preempt(core.scheduler.running[0])
            collect(results, core.step())
        assert results["r", 0].token_ids == expected
        core.check()


def test_preemption_happens_when_the_pool_is_short_and_reports_itself(make_core, alone):
    core = make_core(num_pages=4 * 20 + 1, page_size=4, prefix_caching=False)
    wanted = {f"r{i}": prompt_of(20, i) for i in range(4)}
    for name, prompt in wanted.items():
        core.add(request(name, prompt, greedy(30)))
    results = drain(core)
    assert core.stats().num_preemptions > 0
    assert any(result.last.timings.preemptions for result in results.values())
    for name, prompt in wanted.items():
        assert results[name, 0].token_ids == alone(prompt, greedy(30))


def test_decodes_advance_in_every_step_of_a_long_prefill(make_core):
    core = make_core(max_step_tokens=8, num_pages=600)
    core.add(request("talker", prompt_of(4), greedy(60)))
    core.step()
    core.add(request("long", prompt_of(200, 1), greedy(2)))
    for _ in range(20):
        outputs = core.step()
        assert [output.request_id for output in outputs] == ["talker"]
    drain(core)


@pytest.mark.parametrize("overlap", [False, True])
def test_a_long_prompt_gets_on_beside_rows_that_decode_without_holding_them_up(make_core, overlap):
    core = make_core(max_step_tokens=32, max_mixed_tokens=12, max_rows=5, num_pages=600, overlap=overlap)
    for index in range(4):
        core.add(request(f"talker{index}", prompt_of(4, index), greedy(60)))
    core.step()
    core.add(request("long", prompt_of(100, 9), greedy(2)))
    sizes = []
    while not any(output.request_id == "long" for output in core.step()):
        sizes += core.stats().iteration_tokens
    # 4 rows decode and 8 prompt tokens fit beside them; a prompt alone may fill the whole step.
    assert set(sizes[1:-1]) == {12}
    # Where the rows alone fill the budget, a quarter of it is still left for prompts.
    while "long" in core.scheduler.by_request:
        core.step()
    core.scheduler.mixed_budget = MixedBudget(4)
    core.add(request("patient", prompt_of(30, 8), greedy(2)))
    core.stats()
    core.step()
    assert core.stats().iteration_tokens == [4 + 1]
    drain(core)


def test_a_long_queue_of_prompts_gets_larger_steps_up_to_a_limit(make_core):
    core = make_core(max_step_tokens=64, max_mixed_tokens=8, num_pages=900, max_rows=4)
    core.add(request("talker", prompt_of(4), greedy(60)))
    core.step()
    for index in range(10):
        core.add(request(f"queued{index}", prompt_of(90, index), greedy(1)))
    sizes = []
    for _ in range(12):
        core.step()
        sizes += core.stats().iteration_tokens
    # 900 tokens wait: an eighth is more than three usual steps, so a step has three times 8 tokens.
    assert set(sizes[1:]) == {24}
    drain(core)


def test_rows_that_see_most_come_first_in_a_step(make_core, oracle, monkeypatch):
    """A GPU works through the rows in order, and should not begin with the longest of them when all others are done."""
    core = make_core(max_step_tokens=300, num_pages=600)
    execute, orders = core.runner.executor.execute, []

    def noted(inputs):
        orders.append((inputs.rows.tolist(), inputs.kv_lens[inputs.num_prefill_rows :].tolist()))
        return execute(inputs)

    monkeypatch.setattr(core.runner.executor, "execute", noted)
    lengths = [20, 60, 5, 33]
    for index, length in enumerate(lengths):
        core.add(request(f"r{index}", prompt_of(length, index), greedy(4 + index)))
    results = drain(core)
    # What rows of a list share is planned once, so the list has to stay the same while they all run.
    assert [rows for rows, _ in orders[1:4]] == [orders[1][0]] * 3
    assert orders[1][1] == [61, 34, 21, 6]
    assert all(lens == sorted(lens, reverse=True) for _, lens in orders)
    for index, length in enumerate(lengths):
        assert results[f"r{index}", 0].token_ids == oracle.greedy(prompt_of(length, index), 4 + index)


def test_priority_decides_who_waits_and_who_is_preempted(make_core):
    core = make_core(scheduling="priority", max_rows=1, max_step_tokens=32)
    core.add(request("first", prompt_of(4), greedy(3)))
    core.step()
    core.add(request("late", prompt_of(4, 1), greedy(3), priority=5))
    core.add(request("urgent", prompt_of(4, 2), greedy(3), priority=-1))
    order = []
    while core.has_work:
        order += [output.request_id for output in core.step() if output.finish_reason]
    assert order == ["first", "urgent", "late"]
