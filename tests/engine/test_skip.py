"""SkipDecode in the engine is the masked oracle, in any crowd, chunks, pages, preemptions, forks and cache hits."""

import json
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.depth.carried import KEY
from server.depth.skip import Skip
from server.engine.request import SamplingParams
from server.errors import ConfigError
from tests.engine.conftest import Results, collect, drain, greedy, request
from tests.engine.crowds import crowd_of, run_crowd
from tests.engine.duo_oracle import duo, write_scores
from tests.engine.skip_oracle import LISTED, SKIPS, assert_greedy, expected_logprobs, layer_mask
from tests.engine.test_schedules import prompt_of


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    scores = torch.rand(7, 2, generator=torch.Generator().manual_seed(2))
    return write_scores(tmp_path_factory.mktemp("pattern"), scores=scores)


def test_hiding_keys_that_were_not_written_changes_nothing(judge, make_deep):
    """A query that runs a layer never sees a position that did not, so gates alone are the whole oracle."""
    core = make_deep(*LISTED)
    ids = prompt_of(31)
    for name in SKIPS:
        runs = layer_mask(core, name, 11, 20, len(ids))
        assert not runs.all()
        hidden = expected_logprobs(judge, core, name, ids[:11], [*ids[11:], 0], 20)
        gated = judge.logits(ids, layer_mask=runs)[10:].log_softmax(-1)
        assert (hidden - gated).abs().max() < 1e-9
        full = judge.logits(ids)[10:].log_softmax(-1)
        # The prompt runs every layer, its last token too.
        assert (full[0] - gated[0]).abs().max() < 1e-9
        assert (full[2:] - gated[2:]).abs().amax(1).min() > 1e-2


@pytest.mark.parametrize("name", SKIPS)
def test_tokens_have_the_masked_oracles_log_probabilities(make_deep, judge, name):
    core = make_deep(f"{name}={SKIPS[name]}", max_step_tokens=9)
    prompt = prompt_of(25)
    core.add(request("r", prompt, greedy(20, logprobs=0, prompt_logprobs=0), variant=name))
    result = drain(core)["r", 0]
    expected = expected_logprobs(judge, core, name, prompt, result.token_ids, 20)
    expected = expected.gather(1, torch.tensor(result.token_ids)[:, None])[:, 0]
    found = torch.tensor([entry.logprob for entry in result.logprobs])
    assert (found - expected).abs().max() < 1e-4


def test_what_leaves_nothing_out_is_full_depth_to_the_last_bit(make_deep, pattern):
    both = duo("both", pattern, sparsity=0) + "+skip(speedup=1)"
    core = make_deep("full", "all=skip(speedup=1)", both, prefix_caching=False)
    assert core.runner.executor.bands[-1].end == 7
    entries = []
    for name in core.variants:
        core.add(request(name, prompt_of(20), greedy(10, logprobs=0), variant=name))
        result = drain(core)[name, 0]
        entries.append([(entry.token_id, entry.logprob) for entry in result.logprobs])
    assert entries[0] == entries[1] == entries[2]
    assert core.stats().layers_skipped == 0


def test_a_row_has_the_same_numbers_alone_and_beside_rows_of_other_depths(make_deep):
    """In whatever order they are sorted; to the last bit where there is batch-invariant arithmetic."""
    is_exact = torch.cuda.is_available()
    arithmetic = {"batch_invariant": True, "dtype": "bfloat16"} if is_exact else {}
    core = make_deep("full", *LISTED, prefix_caching=False, max_rows=8, **arithmetic)
    wanted = {name: (prompt_of(9 + index, index), 6 + index) for index, name in enumerate(core.variants)}

    def ask(name):
        prompt, num_tokens = wanted[name]
        core.add(request(name, prompt, greedy(num_tokens, logprobs=0), variant=name))

    def entries(results):
        return {
            name: [number for entry in result.logprobs for number in (entry.token_id, entry.logprob)]
            for (name, _), result in results.items()
        }

    alone = {}
    for name in wanted:
        ask(name)
        alone |= entries(drain(core))
    for order in (list(wanted), list(reversed(wanted))):
        results: Results = {}
        for name in order:
            ask(name)
            collect(results, core.step())
        beside = entries(drain(core, results))
        for name, numbers in alone.items():
            assert beside[name] == (numbers if is_exact else pytest.approx(numbers, rel=0, abs=1e-5))


def test_a_constant_number_of_layers_is_the_network_without_the_others(make_deep, judge):
    """On top of a prompt that all layers have seen."""
    core = make_deep("four=skip(max_layers=4, min_layers=4, warmup=2)")
    prompt = prompt_of(13)
    core.add(request("r", prompt, greedy(9), variant="four"))
    result = drain(core)["r", 0]
    ids = [*prompt, *result.token_ids[:-1]]
    runs = torch.ones(7, len(ids), dtype=torch.bool)
    runs[[2, 3, 4], len(prompt) :] = False
    assert judge.logits(ids, layer_mask=runs)[len(prompt) - 1 :].argmax(1).tolist() == result.token_ids


arrivals = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 14), st.integers(0, 5), st.integers(1, 3), st.integers(0, 9)),
    min_size=2,
    max_size=6,
)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    arrivals=arrivals,
    page_size=st.sampled_from([1, 3, 4, 16]),
    max_step_tokens=st.sampled_from([4, 7, 32, 200]),
    spare_pages=st.integers(0, 30),
    overlap=st.booleans(),
    prefix_caching=st.booleans(),
    align_ms=st.sampled_from([0.0, 1e5]),
    preempts=st.lists(st.integers(1, 25), max_size=2),
    aborts=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=2),
)
def test_a_crowd_of_full_skip_and_duo_rows_gets_the_masked_oracles_tokens_whatever_happens(
    make_deep, judge, pattern, arrivals, page_size, max_step_tokens, spare_pages, overlap, prefix_caching, align_ms,
    preempts, aborts,
):  # fmt: skip
    longest = max(length + num_tokens for length, num_tokens, *_ in arrivals)
    both = duo("both", pattern, recent=5, sinks=2) + "+skip(max_layers=5, min_layers=3, horizon=6, warmup=2)"
    core = make_deep(
        "full",
        *LISTED,
        duo("duo", pattern, recent=5, prefill="strict"),
        both,
        page_size=page_size,
        max_step_tokens=max_step_tokens,
        num_pages=(-(-longest // page_size) + 2) * 8 + spare_pages + 1,
        max_model_len=longest,
        overlap=overlap,
        prefix_caching=prefix_caching,
        align_ms=align_ms,
    )
    wanted = crowd_of(core, arrivals)
    results = run_crowd(core, wanted, aborts, preempts)
    for name, (prompt, num_tokens, variant, _, _) in wanted.items():
        assert_greedy(judge, core, variant, prompt, results[name, 0], num_tokens)


def test_preempting_at_every_step_changes_no_token(make_deep, judge):
    """Generated tokens are computed again as deep as they were, several depths in one step."""
    for when in range(2, 16, 2):
        core = make_deep("full", *LISTED, max_step_tokens=16, max_rows=5, overlap=when % 4 == 2)
        results: Results = {}
        for index, name in enumerate(core.variants):
            core.add(request(name, prompt_of(12, index), greedy(14), variant=name))
        for _ in range(when):
            collect(results, core.step())
        for sequence in list(core.scheduler.running):
            core.scheduler.preempt(sequence)
        drain(core, results)
        for index, name in enumerate(core.variants):
            assert_greedy(judge, core, name, prompt_of(12, index), results[name, 0], 14)


def test_computing_again_from_another_origin_would_show(make_deep, judge):
    """The oracle would catch a row that came back with its tokens counted anew, or at full depth."""
    core = make_deep(*LISTED[:1])
    prompt = prompt_of(12)
    core.add(request("r", prompt, greedy(14), variant="linear"))
    result = drain(core)["r", 0]
    assert_greedy(judge, core, "linear", prompt, result, 14)
    with pytest.raises(AssertionError, match="is not the likeliest"):
        assert_greedy(judge, core, "linear", prompt[:5], result, 14)
    full = make_deep("full")
    with pytest.raises(AssertionError, match="is not the likeliest"):
        assert_greedy(judge, full, "full", prompt, result, 14)


def test_samples_of_one_prompt_have_the_depths_that_each_would_have_alone(make_deep, judge):
    core = make_deep(*LISTED, page_size=4)
    prompt = prompt_of(17)
    params = SamplingParams(max_tokens=16, temperature=1.2, seed=5, ignore_eos=True, logprobs=0)
    for name in SKIPS:
        core.add(request(name, prompt, params, num_samples=3, variant=name))
    results = drain(core)
    for name in SKIPS:
        assert len({tuple(results[name, sample].token_ids) for sample in range(3)}) == 3
        for sample in range(3):
            result = results[name, sample]
            expected = expected_logprobs(judge, core, name, prompt, result.token_ids, 16)
            expected = expected.gather(1, torch.tensor(result.token_ids)[:, None])[:, 0]
            assert (torch.tensor([entry.logprob for entry in result.logprobs]) - expected).abs().max() < 1e-4


def test_pages_that_nobody_wrote_are_never_read(make_deep, judge):
    core = make_deep("full", *LISTED, page_size=4)
    core.pool.storage.fill_(float("nan"))
    for index, name in enumerate(core.variants):
        core.add(request(name, prompt_of(15, index), greedy(14), variant=name))
    results = drain(core)
    for index, name in enumerate(core.variants):
        assert results[name, 0].finish_reason == "length"
        assert_greedy(judge, core, name, prompt_of(15, index), results[name, 0], 14)


def test_every_layer_that_ran_is_counted_and_each_step_reads_as_many_as_its_deepest_row(make_deep):
    core = make_deep("linear=skip(max_layers=6, min_layers=2, horizon=9)", overlap=False, prefix_caching=False)
    skip = core.variants["linear"].schedule
    core.add(request("first", prompt_of(10), greedy(20), variant="linear"))
    for _ in range(6):
        core.step()
    core.add(request("second", prompt_of(8, 1), greedy(20), variant="linear"))
    results = drain(core)
    stats = core.stats()
    depths = [skip.depth(index) for index in range(19)]
    assert stats.layers_run == 7 * (10 + 8) + 2 * sum(depths)
    assert stats.layers_skipped == 2 * 19 * 7 - 2 * sum(depths)
    assert stats.depth_counts == [2 * depths.count(count) for count in range(8)]
    # Alone for five tokens, beside a prompt, and then the second is always the deeper one.
    assert stats.layers_read == 7 + sum(depths[:5]) + 7 + sum(depths)
    for result in results.values():
        assert result.last.timings.mean_depth_layers == pytest.approx(sum(depths) / 19)


def test_an_answer_that_becomes_a_prompt_is_computed_again_at_full_depth(make_deep, judge):
    core = make_deep("full", *LISTED[:1], page_size=4)
    prompt = prompt_of(13)
    core.add(request("first", prompt, greedy(12), variant="linear"))
    answer = drain(core)["first", 0].token_ids
    follow_up = [*prompt, *answer, 7, 8, 9]
    for name in ("linear", "full"):
        before = core.stats().prefix_hits
        core.add(request(f"{name}-again", follow_up, greedy(6), variant=name))
        result = drain(core)[f"{name}-again", 0]
        # Three blocks of the first prompt; the second time all of the follow-up, but for what gives the first token.
        hits = core.stats().prefix_hits - before
        assert hits == result.last.cached_tokens == (12 if name == "linear" else 24)
        assert_greedy(judge, core, name, follow_up, result, 6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are real graphs")
def test_captured_steps_of_prompts_and_of_many_depths_equal_the_oracle(make_core, oracle, static_steps, monkeypatch):
    """The last request's prompt is computed beside rows that have left some bands."""
    monkeypatch.setattr("server.engine.executor.mixed_sizes", lambda max_step_tokens: [8])
    monkeypatch.setattr("server.engine.executor.graph_sizes", lambda max_rows: [1, 3])
    variants = ("full", "falling=skip(max_layers=3, min_layers=2, horizon=3)")
    settings = {"attention_backend": "triton", "max_step_tokens": 8, "max_rows": 3, "force_skip": True}
    core = static_steps(make_core(variants=variants, **settings))
    executor = core.runner.executor
    eager = []
    monkeypatch.setattr(
        executor, "batch", lambda inputs: eager.append(inputs) or type(executor).batch(executor, inputs)
    )
    results: Results = {}
    wanted = {"early": ("falling", 3, 6), "whole": ("full", 4, 3), "late": ("falling", 5, 2)}
    for name, (variant, length, num_tokens) in wanted.items():
        core.add(request(name, prompt_of(length, length), greedy(num_tokens), variant=variant))
        for _ in range(2):
            collect(results, core.step())
    drain(core, results)
    assert not eager
    for name, (variant, length, num_tokens) in wanted.items():
        assert_greedy(oracle, core, variant, prompt_of(length, length), results[name, 0], num_tokens)


def test_a_checkpoint_with_a_schedule_is_served_by_it_without_flags(make_core, deep, judge, tmp_path):
    folder = tmp_path / "taught"
    shutil.copytree(deep, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {KEY: Skip.of_speedup(2, 7, horizon=8).to_config()}))
    core = make_core(model=folder, num_pages=700)
    assert list(core.variants) == ["full", "skip"]
    assert core.info.default_variant == "full"
    assert core.info.schedules == {"skip": core.variants["skip"].schedule.identity}
    assert core.info.descriptions["skip"].endswith(
        "; SkipDecode: 4 of 7 layers, falling to 3 over 8 generated tokens (linear), 1.93 times fewer on average; "
        "the lowest 1 always"
    )
    core.add(request("r", prompt_of(9), greedy(12), variant="skip"))
    assert_greedy(judge, core, "skip", prompt_of(9), drain(core)["r", 0], 12)
    with pytest.raises(ConfigError, match="was not fine-tuned for this schedule but for skip"):
        make_core(model=folder, variants=("full", "skip3"))


def test_a_checkpoint_without_one_is_refused_unless_forced(make_core, deep):
    with pytest.raises(ConfigError, match="not fine-tuned to skip layers"):
        make_core(model=deep, variants=("full", "skip2"))
    core = make_core(model=deep, variants=("full", "skip2", "own=skip(speedup=3, force=true)"), force_skip=True)
    assert list(core.variants) == ["full", "skip2", "own"]
    assert make_core(model=deep, variants=("own=skip(speedup=3, force=true)",)).info.schedules
