"""How requests end: ids that stop, lengths, grammar, errors; and what is reported with them."""

import math
from dataclasses import replace

import pytest
import torch

from server.engine.request import GrammarSpec, SamplingParams
from server.errors import ConfigError
from tests.engine.conftest import Results, collect, drain, greedy, part_tables_from_their_host, request
from tests.engine.test_schedules import prompt_of


def test_a_stop_id_ends_the_request_and_min_tokens_delays_it(make_core, oracle):
    prompt = prompt_of(12)
    expected = oracle.greedy(prompt, 20)
    stop_id = expected[6]
    first = expected.index(stop_id)
    core = make_core()
    core.add(request("r", prompt, greedy(20, stop_token_ids=(stop_id,))))
    result = drain(core)["r", 0]
    assert result.token_ids == expected[: first + 1]
    assert (result.finish_reason, result.last.stop_token_id) == ("stop", stop_id)
    core.add(request("later", prompt, greedy(20, stop_token_ids=(stop_id,), min_tokens=first + 3)))
    later = drain(core)["later", 0].token_ids
    assert len(later) >= first + 3
    assert stop_id not in later[: first + 3]


def test_eos_ends_unless_it_is_ignored(make_core, oracle):
    prompt = prompt_of(12)
    expected = oracle.greedy(prompt, 10)
    core = make_core()
    params = replace(greedy(10), eos_token_ids=(expected[2],))
    core.add(request("ignores", prompt, params))
    core.add(request("ends", prompt, replace(params, ignore_eos=False)))
    results = drain(core)
    assert results["ignores", 0].token_ids == expected
    assert results["ends", 0].token_ids == expected[: expected.index(expected[2]) + 1]


def test_no_tokens_wanted_means_only_the_prompt_is_computed(make_core):
    core = make_core()
    core.add(request("r", prompt_of(50), greedy(0, prompt_logprobs=1), num_samples=2))
    results = drain(core)
    assert [results["r", index].token_ids for index in range(2)] == [[], []]
    assert results["r", 0].finish_reason == "length"
    assert len(results["r", 0].prompt_logprobs) == 50
    assert core.stats().generated_tokens == 0


@pytest.mark.parametrize("max_step_tokens", [5, 16, 300])
def test_logprobs_are_the_oracles(make_core, oracle, max_step_tokens):
    core = make_core(max_step_tokens=max_step_tokens)
    prompt = prompt_of(37)
    core.add(request("warm", prompt, greedy(1)))
    drain(core)
    core.add(request("r", prompt, greedy(6, prompt_logprobs=3, logprobs=2)))
    result = drain(core)["r", 0]
    ids = prompt + result.token_ids
    expected = oracle.logits(ids).log_softmax(-1)
    assert result.prompt_logprobs[0] is None
    for position, entry in enumerate([*result.prompt_logprobs, *result.logprobs]):
        if position == 0:
            continue
        row = expected[position - 1]
        assert entry.token_id == ids[position]
        assert math.isclose(entry.logprob, float(row[ids[position]]), abs_tol=1e-4)
        assert entry.rank == int((row > row[ids[position]]).sum()) + 1
        num_top = 3 if position < len(prompt) else 2
        assert entry.top_ids == row.topk(num_top).indices.tolist()


def test_a_grammar_holds_with_and_without_overlap(make_core, tiny_llama):
    texts = []
    for overlap in (False, True):
        core = make_core(overlap=overlap)
        spec = GrammarSpec("regex", "(yes|no), [0-9]{3}")
        params = SamplingParams(max_tokens=40, temperature=1.0, seed=5, eos_token_ids=(0,), grammar=spec)
        core.add(request("r", prompt_of(9), params))
        core.add(request("free", prompt_of(9, 1), greedy(12)))
        results = drain(core)
        assert results["r", 0].finish_reason == "stop"
        texts.append(results["r", 0].token_ids)
        assert len(results["free", 0].token_ids) == 12
    assert texts[0] == texts[1]


def test_every_sample_is_held_from_its_first_token_and_nobody_who_takes_its_row_later(make_core, oracle):
    core = make_core()
    spec = GrammarSpec("regex", "[0-9]{4}")
    params = SamplingParams(max_tokens=40, temperature=1.0, seed=5, eos_token_ids=(0,), grammar=spec)
    core.add(request("held", prompt_of(9), params, num_samples=4))
    results = drain(core)
    for index in range(4):
        assert results["held", index].finish_reason == "stop"
    for index in range(4):
        core.add(request(f"free{index}", prompt_of(9, index), greedy(6)))
    results = drain(core)
    for index in range(4):
        assert results[f"free{index}", 0].token_ids == oracle.greedy(prompt_of(9, index), 6)


def test_one_rows_nan_fails_that_row_alone_and_poisons_no_cache(make_core, oracle):
    core = make_core(max_step_tokens=64, page_size=4)
    good, bad = prompt_of(12), prompt_of(12, 4)
    core.add(request("good", good, greedy(8)))
    core.add(request("bad", bad, greedy(8)))
    results: Results = {}
    collect(results, core.step())
    row = core.scheduler.by_request["bad"][0].row
    page = int(core.tables.host[row, 0, 0])
    core.pool.storage[:, page] = float("nan")
    drain(core, results)
    assert results["good", 0].token_ids == oracle.greedy(good, 8)
    assert results["bad", 0].finish_reason == "error"
    core.add(request("bad again", bad, greedy(8)))
    again = drain(core)["bad again", 0]
    assert again.token_ids == oracle.greedy(bad, 8)
    assert again.last.cached_tokens == 0


@pytest.mark.parametrize("overlap", [False, True])
def test_running_out_of_memory_shrinks_the_step_and_loses_nothing(make_core, oracle, monkeypatch, overlap):
    core = make_core(max_step_tokens=64, overlap=overlap)
    execute = core.runner.executor.execute
    limit = 10

    def limited(inputs):
        if inputs.num_tokens > limit:
            raise torch.OutOfMemoryError("out of memory")
        return execute(inputs)

    monkeypatch.setattr(core.runner.executor, "execute", limited)
    for index in range(4):
        core.add(request(f"r{index}", prompt_of(30, index), greedy(5), num_samples=2))
    results = drain(core)
    for index in range(4):
        for sample in range(2):
            assert results[f"r{index}", sample].token_ids == oracle.greedy(prompt_of(30, index), 5)
    limit = 0
    core.add(request("hopeless", prompt_of(8), greedy(5)))
    result = drain(core)["hopeless", 0]
    assert result.finish_reason == "error"
    assert "memory" in result.last.error


def fail_once(monkeypatch, owner, method, which):
    """The call with this number finds no memory; returns a list that grows with the calls."""
    work, calls = getattr(owner, method), []

    def run(*args):
        calls.append(args)
        if len(calls) == which + 1:
            raise torch.OutOfMemoryError("out of memory")
        return work(*args)

    monkeypatch.setattr(owner, method, run)
    return calls


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("how_far", ["not begun", "not sampled"])
def test_a_step_that_found_no_memory_leaves_nothing_out_and_nothing_behind(
    make_core, alone, monkeypatch, overlap, how_far
):
    """At whichever step it happens: while prompts run, when samples part and pages are copied, while rows decode."""
    drawn = SamplingParams(max_tokens=9, temperature=0.9, seed=3, ignore_eos=True, frequency_penalty=0.5)
    wanted = {"greedy": (prompt_of(30), greedy(9)), "drawn": (prompt_of(13, 1), drawn), "later": (prompt_of(9), drawn)}
    expected = {(name, index): alone(*wanted[name], index) for name in wanted for index in range(2)}
    for failing in range(9):
        core = make_core(overlap=overlap, max_step_tokens=24)
        part_tables_from_their_host(core)
        if how_far == "not begun":
            calls = fail_once(monkeypatch, core.runner.executor, "execute", failing)
        else:
            calls = fail_once(monkeypatch, core.runner.sampler, "sample", failing)
        for name, (prompt, params) in wanted.items():
            core.add(request(name, prompt, params, num_samples=2))
        results = drain(core)
        assert len(calls) > failing
        assert {key: result.token_ids for key, result in results.items()} == expected


def test_requests_that_can_never_run_end_with_an_error_at_once(make_core):
    core = make_core()
    core.add(request("long", prompt_of(500), greedy(100)))
    core.add(request("empty", [], greedy(5)))
    core.add(request("variant", prompt_of(5), greedy(5), variant="nonesuch"))
    results = drain(core)
    assert [result.finish_reason for result in results.values()] == ["error"] * 3
    assert f"limit of {core.info.max_model_len}" in results["long", 0].last.error


def test_a_request_may_fill_the_context_to_its_last_token(make_core):
    core = make_core(max_step_tokens=200, num_pages=800)
    for length in (510, 511, 512):
        core.add(request(f"r{length}", prompt_of(length), greedy(512 - length + 1)))
    results = drain(core)
    assert [len(result.token_ids) for _, result in sorted(results.items())] == [3, 2, 1]


def test_a_small_pool_shortens_the_longest_request_and_a_tiny_one_is_refused(make_core):
    core = make_core(num_pages=4 * 31 + 1, page_size=4)
    assert core.info.max_model_len == 120
    core.add(request("longest", prompt_of(100), greedy(21)))
    assert len(drain(core)["longest", 0].token_ids) == 21
    with pytest.raises(ConfigError, match="kv-memory"):
        make_core(num_pages=9)


def test_timings_and_the_live_table_tell_where_a_request_is(make_core):
    core = make_core(max_rows=1, max_step_tokens=16)
    core.add(request("a", prompt_of(20), greedy(10)))
    core.add(request("b", prompt_of(20), greedy(10)))
    core.step()
    first, second = core.inspect()
    assert (first.request_id, first.state, first.computed_tokens, first.pages) == ("a", "running", 16, 16)
    assert (second.request_id, second.state, second.pages) == ("b", "waiting", 0)
    timings = drain(core)["b", 0].last.timings
    assert timings.prompt_tokens == 20
    assert timings.cached_tokens == 16
    assert timings.generated_tokens == 10
    assert timings.queue_ms > 0
    assert timings.mean_depth_layers == 4
    assert timings.kv_bytes == 8 * 4 * core.pool.page_bytes
