"""The network is a Llama to every other program, and its optimizer does what the papers say."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from server.assets.training.export import config_of, export_model, weights_of
from server.assets.training.network import Network, Shape
from server.assets.training.optimizer import Optimizer, Pace, newton_schulz
from server.assets.training.template import END_OF_TEXT, TURN_END
from server.assets.training.tokenizer import save_tokenizer, train_tokenizer

SMALL = Shape(
    vocab_size=300, hidden_size=48, num_layers=3, num_heads=4, num_kv_heads=2, head_dim=8, intermediate_size=80
)


def small_network(seed: int = 0) -> Network:
    network = Network(SMALL, seed=seed)
    with torch.no_grad():
        # Norms of ones would hide norms in the wrong place.
        for norm in (network.norms, network.final_norm):
            norm.add_(torch.randn(norm.shape, generator=torch.Generator().manual_seed(1)) * 0.2)
    return network


def test_the_embedded_shape_fits_into_24_megabytes() -> None:
    network = Network(Shape(), seed=0)
    assert network.num_parameters == 11_762_240
    assert sum(weight.numel() * 2 for weight in weights_of(network).values()) < 24_000_000 - 100_000


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 2), (6, 1), (3, 3)])
def test_logits_equal_those_of_transformers(heads: int, kv_heads: int) -> None:
    shape = Shape(97, 48, 2, heads, kv_heads, head_dim=8, intermediate_size=40, rope_theta=10_000.0, max_positions=256)
    network = Network(shape, seed=3)
    model = LlamaForCausalLM(LlamaConfig(**config_of(shape, 0))).float().eval()
    missing = model.load_state_dict(weights_of(network), strict=False)
    assert missing.missing_keys == ["lm_head.weight"]
    assert not missing.unexpected_keys
    ids = torch.randint(97, (3, 200), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network.logits(network(ids)), model(ids).logits, rtol=1e-4, atol=1e-5)


def test_the_exported_folder_loads_with_its_tokenizer_and_rounded_weights(tmp_path: Path) -> None:
    network = small_network()
    save_tokenizer(train_tokenizer(["The harbour is 120 m away. " * 3], 300), tmp_path)
    out = tmp_path / "model"
    export_model(network, out, [tmp_path / "tokenizer.json", tmp_path / "tokenizer_config.json"])
    model = LlamaForCausalLM.from_pretrained(out)
    assert model.dtype == torch.bfloat16
    exact = weights_of(network)
    for name, value in model.state_dict().items():
        if name != "lm_head.weight":
            assert torch.equal(value, exact[name].bfloat16())
    tokenizer = AutoTokenizer.from_pretrained(out)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in (END_OF_TEXT, TURN_END)]
    assert GenerationConfig.from_pretrained(out).eos_token_id == ends
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["rope_parameters"]["rope_theta"] == 500_000.0
    assert config["tie_word_embeddings"] is True


def test_padding_behind_a_row_changes_nothing_before_it() -> None:
    network = small_network()
    ids = torch.randint(300, (2, 20), generator=torch.Generator().manual_seed(0))
    padded = torch.cat([ids, torch.zeros(2, 12, dtype=torch.int64)], 1)
    with torch.no_grad():
        torch.testing.assert_close(network(padded)[:, :20], network(ids))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**30), st.integers(2, 24), st.integers(2, 24))
def test_newton_schulz_keeps_singular_vectors_and_brings_values_near_one(seed: int, rows: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    count = min(rows, columns)
    left = torch.linalg.qr(torch.randn(2, rows, count, generator=generator)).Q
    right = torch.linalg.qr(torch.randn(2, columns, count, generator=generator)).Q
    values = 0.1 + 0.9 * torch.rand(2, count, generator=generator)
    found = newton_schulz(left * values[:, None] @ right.mT)
    core = left.mT @ found @ right
    diagonal = core.diagonal(dim1=1, dim2=2)
    assert float((core - torch.diag_embed(diagonal)).abs().max()) < 1e-2
    assert 0.6 < float(diagonal.min()) <= float(diagonal.max()) < 1.3


def gradients(network: Network, step: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return {name: 1e-3 * torch.randn(p.shape, generator=generator) for name, p in network.named_parameters()}


def test_adamw_equals_that_of_torch() -> None:
    network, reference = small_network(), small_network()
    pace = Pace(uses_muon=False, weight_decay=0.1, max_grad_norm=1e9)
    optimizer = Optimizer(network, pace)
    matrices = [p for name, p in reference.named_parameters() if name in ("qkv", "out", "gate_up", "down")]
    others = [p for name, p in reference.named_parameters() if name not in ("qkv", "out", "gate_up", "down")]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(groups, lr=1e-2, betas=pace.betas)
    for step in range(5):
        for model in (network, reference):
            for name, gradient in gradients(model, step).items():
                model.get_parameter(name).grad = gradient
        optimizer.step(torch.tensor(1e-2))
        theirs.step()
    for ours, wanted in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-6)


def test_muon_moves_each_fused_matrix_by_its_own_orthogonalised_momentum() -> None:
    network, before = small_network(), small_network()
    optimizer = Optimizer(network, Pace(weight_decay=0.5, max_grad_norm=1e9))
    given_gradients = gradients(network, 0)
    for name, gradient in given_gradients.items():
        network.get_parameter(name).grad = gradient.clone()
    optimizer.step(torch.tensor(0.1))
    size = SMALL.query_size
    for layer in range(SMALL.num_layers):
        # The first momentum is (1 - 0.95) of the gradient, and Nesterov's look ahead only scales it.
        update = newton_schulz(given_gradients["qkv"][layer, :size])
        wanted = before.qkv[layer, :size] * (1 - 0.1 * 0.5) - 0.1 * 0.2 * max(update.shape) ** 0.5 * update
        torch.testing.assert_close(network.qkv[layer, :size], wanted, rtol=1e-3, atol=1e-4)


def test_long_gradients_are_shortened_together() -> None:
    network = small_network()
    optimizer = Optimizer(network, Pace(uses_muon=False, max_grad_norm=1.0))
    for name, gradient in gradients(network, 0).items():
        network.get_parameter(name).grad = gradient * 1e4
    optimizer.step(torch.tensor(0.0))
    norms = [p.grad.norm() for p in network.parameters() if p.grad is not None]
    assert float(torch.stack(norms).norm()) == pytest.approx(1.0, rel=1e-3)
