"""What duo is for: streaming heads hold few pages, others get the rest, and prompts are shared where they may be."""

import itertools

import numpy as np
import pytest
import torch

from server.kv.pool import NULL_PAGE
from tests.engine.conftest import Results, collect, drain, greedy, part_tables_from_their_host, request
from tests.engine.duo_oracle import assert_greedy, duo, pages_of, write_scores
from tests.engine.test_schedules import prompt_of

PREFILLS = ["dense", "strict", "relaxed:7"]


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    return write_scores(tmp_path_factory.mktemp("pattern"))


@pytest.mark.parametrize("page_size", [1, 3, 4])
@pytest.mark.parametrize("prefill", PREFILLS)
def test_a_row_holds_exactly_the_pages_that_its_next_token_can_see(make_core, pattern, page_size, prefill):
    core = make_core(variants=(duo("duo", pattern, prefill=prefill),), page_size=page_size, max_step_tokens=8)
    core.add(request("r", prompt_of(43), greedy(50), variant="duo"))
    recent = 8 + prefill.startswith("relaxed")
    while core.has_work:
        core.step()
        for sequence in core.scheduler.running:
            written = core.manager.written[sequence.row]
            if written < 43:
                continue
            for group in core.plan.groups:
                positions = np.arange(written)
                is_seen = np.ones(written, dtype=bool)
                if "duo" in group.streams:
                    is_seen = (positions < 3) | (positions > written - recent)
                held = np.flatnonzero(core.tables.host[sequence.row, group.index] != NULL_PAGE)
                # The page that the next token goes to may be there already.
                assert set(held) - {written // page_size} == set(positions[is_seen] // page_size) - {
                    written // page_size
                }
            assert core.manager.num_pages(sequence.row) == pages_of(core)["r"]


def test_where_all_heads_stream_a_row_stops_growing(make_core, pattern):
    core = make_core(variants=(duo("duo", pattern, sparsity=1, prefill="strict"),), page_size=4, max_step_tokens=8)
    core.add(request("r", prompt_of(60), greedy(200), variant="duo"))
    sizes = {}
    while core.has_work:
        core.step()
        sizes |= {int(core.manager.written[sequence.row]): pages_of(core)["r"] for sequence in core.scheduler.running}
    # A page of sinks, and a window of 8 that touches two pages or three, in each of four groups.
    assert {pages for written, pages in sizes.items() if written > 60} == {4 * (1 + 2), 4 * (1 + 3)}
    assert max(sizes.values()) <= 4 * (1 + 5)


def test_the_longest_request_is_what_a_variant_can_hold_and_is_served_to_its_end(make_core, pattern):
    """No pages are promised that streaming heads will never hold, so a small pool has room for a long row."""
    half, all_stream = (duo(name, pattern, sparsity=s, prefill="strict") for name, s in (("half", 0.5), ("all", 1)))
    core = make_core(
        variants=("full", half, all_stream, duo("dense", pattern)), num_pages=4 * 16 + 1, max_step_tokens=8
    )
    limits = {name: core.info.limit_of(name) for name in core.variants}
    assert limits == {"full": 60, "half": 96, "all": 512, "dense": 60}
    assert core.info.max_model_len == 60
    for name in core.variants:
        core.add(request(name, prompt_of(limits[name] - 20), greedy(21), variant=name))
        core.add(request("longer", prompt_of(limits[name] - 20), greedy(22), variant=name))
        results = drain(core)
        assert results[name, 0].finish_reason == "length"
        assert results["longer", 0].finish_reason == "error"
    assert core.stats().num_preemptions == 0


def test_what_a_prompt_leaves_goes_to_another_request_while_the_first_one_runs(make_core, oracle, pattern):
    def rows_together(variant: str) -> int:
        core = make_core(
            variants=("full", duo("duo", pattern, sparsity=1)), num_pages=4 * 30 + 1, page_size=4, max_step_tokens=64
        )
        prompts = {f"r{index}": prompt_of(60, index) for index in range(3)}
        for name, prompt in prompts.items():
            core.add(request(name, prompt, greedy(40), variant=variant))
        results: Results = {}
        most = 0
        while core.has_work:
            collect(results, core.step())
            most = max(most, len(core.scheduler.running))
            core.check()
        for name, prompt in prompts.items():
            assert_greedy(oracle, core, variant, prompt, results[name, 0])
        return most

    # A prompt takes half of the pool. Of what it was, duo then keeps four pages of fifteen.
    assert rows_together("full") == 1
    assert rows_together("duo") == 3


def test_rows_of_windows_are_admitted_by_what_they_will_hold_and_not_by_their_length(make_core, pattern):
    """Forty-eight pages a group: of rows of 110 positions, one in full would take 28, and one of duo takes 4."""
    core = make_core(
        variants=("full", duo("duo", pattern, sparsity=1, prefill="strict")),
        num_pages=4 * 48 + 1, page_size=4, max_step_tokens=8, max_rows=6,
    )  # fmt: skip
    for index in range(5):
        core.add(request(f"r{index}", prompt_of(30, index), greedy(80), variant="duo"))
    most = 0
    while core.has_work:
        core.step()
        most = max(most, len(core.scheduler.running))
    assert most == 5
    assert core.stats().num_preemptions == 0


def cached(core, name, prompt, variant, num_tokens=4):
    core.add(request(name, prompt, greedy(num_tokens), variant=variant))
    result = drain(core)[name, 0]
    return result.last.cached_tokens, result


def test_a_prompt_under_one_variant_hits_what_others_may_share_and_nothing_else(make_core, pattern):
    """Dense prompts are alike whatever is done with them later; strict ones only under the same heads and window."""
    variants = {
        "full": "full",
        "duo": duo("duo", pattern),
        "wider": duo("wider", pattern, recent=12, sparsity=1),
        "strict": duo("strict", pattern, prefill="strict"),
        "same": duo("same", pattern, prefill="strict", sparsity=0.51),
        "other": duo("other", pattern, prefill="strict", recent=12),
        "relaxed": duo("relaxed", pattern, prefill="relaxed:8"),
    }
    shares = [{"full", "duo", "wider"}, {"strict", "same"}, {"other"}]
    core = make_core(variants=tuple(variants.values()), num_pages=1500)
    for first, second in itertools.product(variants, variants):
        core.reset_prefix_cache()
        assert cached(core, "first", prompt_of(40), first, 1)[0] == 0
        are_friends = any({first, second} <= names for names in shares)
        hit, _ = cached(core, "second", prompt_of(40), second, 1)
        assert hit == (36 if are_friends else 0), (first, second)


@pytest.mark.parametrize("variant", ["duo", "strict"])
def test_a_hit_at_every_block_boundary_gives_the_cold_runs_tokens(make_core, oracle, pattern, variant):
    core = make_core(variants=(duo("duo", pattern), duo("strict", pattern, prefill="strict")), num_pages=3000)
    prompt = prompt_of(33)
    for shared in range(0, 34, 3):
        core.reset_prefix_cache()
        cached(core, "warm", prompt[:shared] + prompt_of(33 - shared, 9), variant, 1)
        hit, result = cached(core, "r", prompt, variant, 8)
        assert hit == min(shared, 32) // 4 * 4
        assert_greedy(oracle, core, variant, prompt, result)


def test_generated_tokens_are_cached_where_they_are_computed_as_prompts_are(make_core, pattern):
    core = make_core(variants=(duo("duo", pattern), duo("strict", pattern, prefill="strict")), page_size=4)
    for variant, expected in (("duo", 8), ("strict", 28)):
        prompt = prompt_of(10)
        answer = cached(core, "turn 1", prompt, variant, 20)[1].token_ids
        hit, _ = cached(core, "turn 2", prompt + answer + prompt_of(5, 3), variant)
        assert hit == expected


def test_a_dense_prompt_needs_every_page_and_a_strict_one_its_sinks_and_window(make_core, oracle, pattern):
    """The pages that streaming heads let go are the first to be taken by others."""
    core = make_core(
        variants=(duo("duo", pattern), duo("strict", pattern, prefill="strict")),
        num_pages=4 * 40 + 1, page_size=4, max_step_tokens=16,
    )  # fmt: skip
    hits = {}
    for variant in ("duo", "strict"):
        core.reset_prefix_cache()
        prompt = prompt_of(81)
        core.add(request("holder", prompt, greedy(60), variant=variant))
        while core.manager.written[core.scheduler.running[0].row if core.scheduler.running else 0] < 81:
            core.step()
        # Takes all pages that are free, those that the holder has let go of first.
        free = core.pool.allocate(core.pool.num_free)
        core.pool.free(free)
        hits[variant], result = cached(core, "r", prompt, variant)
        assert_greedy(oracle, core, variant, prompt, result)
    # The first page has sinks, which stay.
    assert hits["duo"] == 4
    assert hits["strict"] > 60


def test_a_request_gone_wrong_takes_back_the_pages_too_that_it_has_let_go(make_core, pattern):
    core = make_core(variants=("full", duo("duo", pattern)), page_size=4)
    core.add(request("bad", prompt_of(40), greedy(30), variant="duo"))
    while core.pool.num_cached == 0:
        core.step()
    # Streaming heads have let go of the middle of the prompt, which is still cached.
    (sequence,) = core.scheduler.running
    core.scheduler.withdraw(sequence)
    assert core.pool.num_cached == 0
    core.abort(["bad"])
    drain(core)
    assert cached(core, "r", prompt_of(40), "full")[0] == 0


def test_retentions_follow_the_row_to_the_device(make_core, pattern, monkeypatch):
    """Every step runs with what its queries may see: all of a prompt, a window of it afterwards."""
    core = make_core(variants=(duo("duo", pattern),), max_step_tokens=8)
    part_tables_from_their_host(core)
    execute = core.runner.executor.execute
    streams = torch.tensor(["duo" in group.streams for group in core.plan.groups])
    seen = []

    def noted(inputs):
        output = execute(inputs)
        since = core.tables.since[inputs.rows].cpu()
        assert (since[:, ~streams] > 1000).all()
        seen.append((inputs.kv_lens.tolist(), bool((since[:, streams] > 1000).all())))
        return output

    monkeypatch.setattr(core.runner.executor, "execute", noted)
    core.add(request("r", prompt_of(20), greedy(4), variant="duo"))
    drain(core)
    assert seen == [([8], False), ([16], False), ([20], False), ([21], True), ([22], True), ([23], True)]
