"""The two-way forward against the oracle: the reference is the model, the student is its heads mixed one by one."""

import pytest
import torch
from transformers import LlamaConfig, Qwen2Config, Qwen3Config

from server.calibrate.two_way import TwoWayForward
from server.config import EngineConfig
from server.errors import ConfigError
from server.models.registry import load_model
from tests.calibrate.toy import with_sliding_window
from tests.models.dense import random_reference
from tests.oracle import Oracle, window_mask

SINKS, RECENT = 3, 8


def random_ids(vocab_size: int, length: int) -> torch.Tensor:
    return torch.randint(vocab_size, (length,), generator=torch.Generator().manual_seed(length))


def random_gates(shape: tuple[int, int]) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def heads_alone(oracle: Oracle) -> list[Oracle]:
    """For each KV head the same model whose other heads add nothing."""
    config = oracle.config
    num_kv_heads = config["num_key_value_heads"]
    width = config["num_attention_heads"] // num_kv_heads * config["head_dim"]
    alone = []
    for head in range(num_kv_heads):
        weights = dict(oracle.weights)
        for layer in range(config["num_hidden_layers"]):
            name = f"model.layers.{layer}.self_attn.o_proj.weight"
            kept = torch.zeros_like(weights[name])
            kept[:, head * width : (head + 1) * width] = weights[name][:, head * width : (head + 1) * width]
            weights[name] = kept
        alone.append(Oracle(config, weights))
    return alone


def slow_two_way(oracle: Oracle, ids: torch.Tensor, gates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both copies' states after the last norm, float64 [n, hidden]."""
    alone, length = heads_alone(oracle), ids.numel()
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    streams = causal & window_mask(length, SINKS, RECENT)
    reference = student = oracle.weights["model.embed_tokens.weight"][ids]
    for layer in range(oracle.config["num_hidden_layers"]):
        full = [one._attention(layer, reference, causal, None) for one in alone]
        streamed = [one._attention(layer, student, streams, None) for one in alone]
        mixed = [gate * f + (1 - gate) * s for gate, f, s in zip(gates[layer], full, streamed, strict=True)]
        reference = (reference + sum(full)).detach()
        reference = (reference + oracle._mlp(layer, reference)).detach()
        student = student + sum(mixed)
        student = student + oracle._mlp(layer, student)
    return oracle._norm(reference, "model.norm.weight"), oracle._norm(student, "model.norm.weight")


@pytest.fixture(scope="module")
def model(tiny_llama):
    return load_model(EngineConfig(str(tiny_llama), device="cpu"))[0]


def test_both_copies_and_the_gates_gradients_equal_the_oracles(tiny_llama, model):
    forward, oracle = TwoWayForward(model, SINKS, RECENT), Oracle.from_directory(tiny_llama)
    ids = random_ids(model.config.vocab_size, 37)
    positions = torch.tensor([0, 5, 20, 36])
    gates = random_gates(forward.shape).requires_grad_()
    states = forward(ids, gates, positions)
    slow_gates = gates.detach().double().requires_grad_()
    reference, student = slow_two_way(oracle, ids, slow_gates)
    torch.testing.assert_close(states.reference.double(), reference[positions], atol=1e-5, rtol=0)
    torch.testing.assert_close(states.student.double(), student[positions], atol=1e-5, rtol=0)
    assert not torch.equal(states.student[2], states.reference[2])
    torch.testing.assert_close(
        model.lm_head(states.reference).double(), oracle.logits(ids.tolist())[positions], atol=1e-5, rtol=0
    )
    (states.student - states.reference).square().mean().backward()
    (student - reference)[positions].square().mean().backward()
    assert slow_gates.grad.abs().min() > 0
    torch.testing.assert_close(gates.grad.double(), slow_gates.grad, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize(("block", "is_checkpointed"), [(1, True), (7, True), (256, False)])
def test_blocks_and_checkpoints_change_nothing(model, block, is_checkpointed):
    ids, positions = random_ids(model.config.vocab_size, 50), torch.arange(30, 50)

    def run(forward: TwoWayForward) -> tuple[torch.Tensor, torch.Tensor]:
        gates = random_gates(forward.shape).requires_grad_()
        states = forward(ids, gates, positions)
        loss = (states.student - states.reference).square().mean()
        return loss.detach(), torch.autograd.grad(loss, gates)[0]

    expected = run(TwoWayForward(model, SINKS, RECENT))
    found = run(TwoWayForward(model, SINKS, RECENT, block, is_checkpointed=is_checkpointed))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_open_gates_give_the_reference_itself(model):
    forward = TwoWayForward(model, SINKS, RECENT)
    ids = random_ids(model.config.vocab_size, 60)
    states = forward(ids, torch.ones(forward.shape), torch.arange(60))
    assert torch.equal(states.student, states.reference)


def test_within_sinks_and_window_gates_make_no_difference(model):
    forward = TwoWayForward(model, SINKS, RECENT)
    ids = random_ids(model.config.vocab_size, SINKS + RECENT)
    states = forward(ids, torch.zeros(forward.shape), torch.arange(SINKS + RECENT))
    torch.testing.assert_close(states.student, states.reference, atol=1e-5, rtol=0)


SMALL = {
    "vocab_size": 64,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(LlamaConfig(**SMALL, attention_bias=True, mlp_bias=True), id="biases"),
        pytest.param(Qwen2Config(**SMALL), id="qwen2"),
        pytest.param(Qwen3Config(**SMALL, head_dim=16), id="norms-of-heads"),
        pytest.param(
            LlamaConfig(**SMALL, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
            id="stretched-rope",
        ),
    ],
)
def test_the_reference_copy_is_the_model_as_transformers_has_it(config, tmp_path):
    theirs = random_reference(config)
    theirs.save_pretrained(tmp_path)
    model, _ = load_model(EngineConfig(str(tmp_path), device="cpu"))
    # Longer than what a dynamic RoPE needs no stretching for.
    length = 60 if config.rope_parameters["rope_type"] == "dynamic" else 32
    ids = random_ids(64, length)
    forward = TwoWayForward(model, SINKS, RECENT)
    states = forward(ids, random_gates(forward.shape), torch.arange(length))
    with torch.inference_mode():
        expected = theirs(ids[None]).logits[0]
    torch.testing.assert_close(model.lm_head(states.reference), expected, atol=2e-4, rtol=1e-4)


def test_layers_with_a_window_of_their_own_keep_it_whatever_the_gates(tiny_llama, tmp_path):
    directory = with_sliding_window(tiny_llama, 8, tmp_path)
    windowed, _ = load_model(EngineConfig(str(directory), device="cpu"))
    forward = TwoWayForward(windowed, SINKS, RECENT + 20)
    ids = random_ids(windowed.config.vocab_size, 40)
    states = forward(ids, torch.zeros(forward.shape), torch.arange(40))
    torch.testing.assert_close(states.student, states.reference, atol=1e-5, rtol=0)
    expected = Oracle.from_directory(directory).logits(ids.tolist())
    torch.testing.assert_close(windowed.lm_head(states.reference).double(), expected, atol=1e-5, rtol=0)


def test_models_of_other_families_are_refused(model):
    class Other:
        config = model.config

    with pytest.raises(ConfigError, match="Llama family only"):
        TwoWayForward(Other(), SINKS, RECENT)
