"""Where heads and groups live is bookkeeping: any permutation or regrouping leaves the tokens alone."""

import random

from safetensors.torch import load_file, save_file

from server.engine import variants
from server.kv.plan import Group, plan_from_groups
from tests.engine.conftest import drain, greedy, request
from tests.engine.test_schedules import prompt_of


def test_permuting_kv_heads_with_their_queries_changes_no_logit(make_core, oracle, tiny_llama, tmp_path):
    """Two KV heads of head size 16, four queries each: swap them in q, k, v and back in o."""
    permuted = tmp_path / "permuted"
    permuted.mkdir()
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        (permuted / name).write_text((tiny_llama / name).read_text())
    weights = load_file(tiny_llama / "model.safetensors")
    for name, weight in weights.items():
        if "k_proj" in name or "v_proj" in name:
            weights[name] = weight.view(2, 16, -1).flip(0).reshape(weight.shape).contiguous()
        if "q_proj" in name:
            weights[name] = weight.view(2, 64, -1).flip(0).reshape(weight.shape).contiguous()
        if "o_proj" in name:
            weights[name] = weight.view(-1, 2, 64).flip(1).reshape(weight.shape).contiguous()
    save_file(weights, permuted / "model.safetensors", metadata={"format": "pt"})
    prompt = prompt_of(30)
    core = make_core(model=permuted)
    core.add(request("r", prompt, greedy(10, prompt_logprobs=0)))
    result = drain(core)["r", 0]
    assert result.token_ids == oracle.greedy(prompt, 10)
    expected = oracle.logits(prompt).log_softmax(-1)
    for position, entry in enumerate(result.prompt_logprobs[1:]):
        assert abs(entry.logprob - float(expected[position, prompt[position + 1]])) < 1e-4


def test_any_grouping_of_slots_gives_the_same_tokens(make_core, oracle, monkeypatch):
    """Groups that span layers and mix heads at any index, as a head pattern makes them."""

    def shuffled_plan(num_kv_heads, sliding_windows):
        slots = [(layer, head) for layer in range(len(sliding_windows)) for head in range(num_kv_heads)]
        random.Random(7).shuffle(slots)
        groups = tuple(Group(index, tuple(slots[4 * index : 4 * index + 4])) for index in range(len(slots) // 4))
        return plan_from_groups(groups, len(sliding_windows), num_kv_heads)

    monkeypatch.setattr(variants, "plan_by_layer", shuffled_plan)
    core = make_core(attention_backend="torch")
    assert core.plan.num_groups == 2
    for index in range(3):
        core.add(request(f"r{index}", prompt_of(20 + index, index), greedy(10), num_samples=2))
    results = drain(core)
    for index in range(3):
        expected = oracle.greedy(prompt_of(20 + index, index), 10)
        assert results[f"r{index}", 0].token_ids == results[f"r{index}", 1].token_ids == expected
    assert core.plan.group_of_head.unique().tolist() == [0, 1]
