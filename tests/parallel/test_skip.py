"""Ranks leave the same layers out, compute the same tokens again after a preemption, and share what they let go."""

from server.kv.plan import plan_by_patterns
from tests.engine.conftest import Results, collect, drain, greedy, request
from tests.engine.duo_oracle import duo, write_scores
from tests.engine.skip_oracle import assert_greedy
from tests.engine.test_schedules import prompt_of
from tests.oracle import Oracle
from tests.parallel.conftest import opened

SKIP = "skip(max_layers=3, min_layers=2, horizon=5)"


def test_two_ranks_give_the_layer_masked_oracles_tokens_and_stop_groups_where_both_have_left(tiny_llama, tmp_path):
    oracle = Oracle.from_directory(tiny_llama)
    both = duo("both", write_scores(tmp_path), sparsity=0.5, sinks=0, recent=200) + f"+{SKIP}"
    variants = ("full", f"falling={SKIP}", both)
    with opened(tiny_llama, tensor_parallel=2, variants=variants, force_skip=True, prefix_caching=False) as core:
        results: Results = {}
        for index, name in enumerate(core.variants):
            core.add(request(name, prompt_of(20, index), greedy(12), variant=name))
        for _ in range(8):
            collect(results, core.step())
        for sequence in list(core.scheduler.running)[1:]:
            core.scheduler.preempt(sequence)
        drain(core, results)
        for index, name in enumerate(core.variants):
            # The window is wider than any context, so that only the layers are masked.
            variant = "full" if name == "full" else "falling"
            assert_greedy(oracle, core, variant, prompt_of(20, index), results[name, 0], 12)
        assert core.stats().layers_skipped > 0
        streaming = {"both": core.variants["both"].policy.streaming}
        plans = [plan_by_patterns([[0], [1]], rank, [None] * 4, streaming) for rank in range(2)]
        layers = [{layer for plan in plans for layer, _ in plan.groups[group].slots} for group in range(4)]
        assert core.scheduler.stopped.group_layers == [sorted(each) for each in layers]
