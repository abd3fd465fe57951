"""Ranks share page tables, so a group streams on all of them or on none; the masked oracle judges what that gives."""

import torch

from server.kv.plan import plan_by_patterns
from tests.engine.conftest import drain, greedy, request
from tests.engine.duo_oracle import duo, visible, write_scores
from tests.engine.test_schedules import prompt_of
from tests.oracle import Oracle
from tests.parallel.conftest import opened


def test_two_ranks_give_the_masked_oracles_tokens(tiny_llama, tmp_path):
    pattern = write_scores(tmp_path)
    variants = ("full", duo("half", pattern), duo("most", pattern, sparsity=0.75, prefill="strict"))
    oracle = Oracle.from_directory(tiny_llama)
    with opened(tiny_llama, tensor_parallel=2, variants=variants) as core:
        names = list(core.variants)
        for index, name in enumerate(names):
            core.add(request(name, prompt_of(30, index), greedy(16), variant=name))
        results = drain(core)
        policies = {name: core.variants[name].policy for name in names[1:]}
        streaming = {name: policy.streaming for name, policy in policies.items()}
        plans = [plan_by_patterns([[0], [1]], rank, [None] * 4, streaming) for rank in range(2)]
        assert core.plan.groups == plans[0].groups
    assert [len([group for group in plans[0].groups if name in group.streams]) for name in names] == [0, 2, 2]
    for index, name in enumerate(names):
        slots = {
            (layer, rank) for rank, plan in enumerate(plans) for group in plan.groups if name in group.streams
            for layer, _ in group.slots
        }  # fmt: skip

        def mask(layer: int, head: int, length: int, name=name, slots=slots) -> torch.Tensor:
            if (layer, head) not in slots:
                return torch.ones(length, length, dtype=torch.bool)
            return visible(length, 30, policies[name].sinks, policies[name].recent, str(policies[name].prefill))

        assert results[name, 0].token_ids == oracle.greedy(prompt_of(30, index), 16, head_mask=mask)
