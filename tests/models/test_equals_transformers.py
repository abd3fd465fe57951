"""Every family, in every shape it comes in, has the logits of transformers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from tests.models.dense import DenseAttention, load, reference_sequence, run_sequence, run_step, step_batch

SaveRandom = Callable[[PreTrainedConfig], tuple[PreTrainedModel, Path]]

SHAPE = {
    "vocab_size": 131,
    "hidden_size": 48,
    "intermediate_size": 72,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": None,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
OPT_SHAPE = {
    "vocab_size": 131,
    "hidden_size": 48,
    "ffn_dim": 72,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


def rope(rope_type: str, **scaling: object) -> dict[str, object]:
    return {"rope_parameters": {"rope_type": rope_type, "rope_theta": 10000.0, **scaling}}


LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = {"factor": 4.0, "original_max_position_embeddings": 16}

CONFIGS: dict[str, PreTrainedConfig] = {
    "llama-gqa": LlamaConfig(**SHAPE),
    "llama-mha": LlamaConfig(**SHAPE | {"num_key_value_heads": 4}),
    "llama-mqa": LlamaConfig(**SHAPE | {"num_key_value_heads": 1}),
    "llama-tied": LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "llama-biased": LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True),
    "llama-head-20": LlamaConfig(**SHAPE | {"hidden_size": 80}),
    "llama-head-80": LlamaConfig(**SHAPE | {"hidden_size": 160, "num_attention_heads": 2, "num_key_value_heads": 1}),
    "llama-explicit-head-dim": LlamaConfig(**SHAPE, head_dim=20),
    "llama-gelu": LlamaConfig(**SHAPE, hidden_act="gelu_pytorch_tanh"),
    "llama-theta": LlamaConfig(**SHAPE, **rope("default") | {"rope_parameters": {"rope_theta": 500000.0}}),
    "llama-linear": LlamaConfig(**SHAPE, **rope("linear", factor=2.5)),
    "llama-dynamic": LlamaConfig(**SHAPE, **rope("dynamic", factor=3.0)),
    "llama-dynamic-beyond-the-prompt": LlamaConfig(
        **SHAPE | {"max_position_embeddings": 24}, **rope("dynamic", factor=3.0)
    ),
    "llama-dynamic-beyond-from-the-start": LlamaConfig(
        **SHAPE | {"max_position_embeddings": 12}, **rope("dynamic", factor=6.0)
    ),
    "llama-llama3": LlamaConfig(**SHAPE, **LLAMA3),
    "llama-yarn": LlamaConfig(**SHAPE, **rope("yarn", **YARN)),
    "llama-yarn-untruncated": LlamaConfig(**SHAPE, **rope("yarn", **YARN, truncate=False)),
    "llama-yarn-betas": LlamaConfig(**SHAPE, **rope("yarn", **YARN, beta_fast=4.0, beta_slow=0.5)),
    "llama-yarn-attention-factor": LlamaConfig(**SHAPE, **rope("yarn", **YARN, attention_factor=1.3)),
    "llama-yarn-mscale": LlamaConfig(**SHAPE, **rope("yarn", **YARN, mscale=0.9, mscale_all_dim=0.4)),
    "mistral-windowed": MistralConfig(**SHAPE, sliding_window=7),
    "mistral-unwindowed": MistralConfig(**SHAPE, sliding_window=None),
    "mistral-head-dim": MistralConfig(**SHAPE, sliding_window=9, head_dim=20),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen2-tied-mha": Qwen2Config(**SHAPE | {"num_key_value_heads": 4}, tie_word_embeddings=True),
    "qwen2-windowed-from-layer-1": Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=6, max_window_layers=1),
    "qwen2-yarn": Qwen2Config(**SHAPE, **rope("yarn", **YARN)),
    "qwen3": Qwen3Config(**SHAPE, head_dim=20),
    "qwen3-tied-biased": Qwen3Config(**SHAPE, head_dim=12, tie_word_embeddings=True, attention_bias=True),
    "qwen3-layer-types": Qwen3Config(
        **SHAPE,
        head_dim=16,
        use_sliding_window=True,
        sliding_window=5,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
    "opt-pre-norm": OPTConfig(**OPT_SHAPE),
    "opt-post-norm": OPTConfig(**OPT_SHAPE, do_layer_norm_before=False),
    "opt-350m-like": OPTConfig(**OPT_SHAPE, do_layer_norm_before=False, word_embed_proj_dim=32),
    "opt-projected-pre-norm": OPTConfig(**OPT_SHAPE, word_embed_proj_dim=64),
    "opt-no-bias": OPTConfig(**OPT_SHAPE, enable_bias=False),
    "opt-plain-norms": OPTConfig(**OPT_SHAPE, layer_norm_elementwise_affine=False, enable_bias=False),
    "opt-no-final-norm": OPTConfig(**OPT_SHAPE, _remove_final_layer_norm=True),
    "opt-untied": OPTConfig(**OPT_SHAPE, tie_word_embeddings=False),
    "opt-gelu": OPTConfig(**OPT_SHAPE, activation_function="gelu"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_of_prompt_and_decode_steps_equal_transformers(name: str, save_random: SaveRandom) -> None:
    reference, directory = save_random(CONFIGS[name])
    token_ids = torch.randint(0, 131, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    expected = reference_sequence(reference, token_ids, prompt_length=20)

    logits = run_sequence(load(directory), token_ids, prompt_length=20)

    assert logits.dtype == torch.float32
    assert expected.std() > 0.3, "logits so flat that a fault would not show"
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["llama-dynamic-beyond-the-prompt", "mistral-windowed", "qwen3", "opt-350m-like"])
def test_a_row_has_the_same_logits_alone_and_beside_others(name: str, save_random: SaveRandom) -> None:
    _, directory = save_random(CONFIGS[name])
    model = load(directory)
    token_ids = torch.randint(0, 131, (30,), generator=torch.Generator().manual_seed(2)).tolist()
    alone = run_sequence(model, token_ids, prompt_length=20)

    attention = DenseAttention(model.config)
    beside = [run_step(model, attention, [(3, token_ids[5:14], 0), (0, token_ids[:20], 0)])[9:]]
    for position in range(20, 25):
        beside.append(run_step(model, attention, [(0, [token_ids[position]], position), (3, [7], position - 11)])[:1])
    beside.append(run_step(model, attention, [(1, token_ids[:8], 0), (0, [token_ids[25]], 25)])[8:])

    torch.testing.assert_close(torch.cat(beside), alone[:26], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["llama-gqa", "qwen3", "opt-pre-norm", "opt-post-norm"])
def test_layers_run_on_the_leading_tokens_that_have_not_exited(name: str, save_random: SaveRandom) -> None:
    _, directory = save_random(CONFIGS[name])
    model = load(directory)
    prompts = [[5, 6, 7], [8, 9]]

    def last_layers(num_tokens: int) -> torch.Tensor:
        attention = DenseAttention(model.config)
        run_step(model, attention, [(row, prompt, 0) for row, prompt in enumerate(prompts)])
        batch = step_batch([(0, [11], 3), (1, [12], 2)])
        x, residual = model.embed(batch.token_ids, batch.positions), None
        x, residual = model.layers[0](x, residual, batch, attention)
        x, residual = x[:num_tokens], None if residual is None else residual[:num_tokens]
        for layer in model.layers[1:]:
            x, residual = layer(x, residual, batch, attention)
        return model.head(x, residual)

    with torch.inference_mode():
        everyone, first_only = last_layers(2), last_layers(1)

    assert first_only.shape == (1, 131)
    torch.testing.assert_close(first_only, everyone[:1], atol=1e-5, rtol=1e-5)


def test_stories260k_writes_the_same_200_greedy_tokens_for_ten_prompts(stories260k: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(stories260k)
    reference = AutoModelForCausalLM.from_pretrained(stories260k, attn_implementation="eager", dtype=torch.float32)
    model = load(stories260k)
    beginnings = [
        "Once upon a time",
        "Lily and Tom",
        "The big red dog",
        "One day, a bird",
        "There was a little girl named Anna who",
        "Mom said",
        "In the park",
        "A cat",
        "Tim had a toy car. He",
        "It was a sunny day and",
    ]
    attention = DenseAttention(model.config)
    for row, beginning in enumerate(beginnings):
        prompt = tokenizer(beginning).input_ids
        with torch.inference_mode():
            expected = reference.generate(
                torch.tensor([prompt]),
                attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
                do_sample=False,
                max_new_tokens=200,
                min_new_tokens=200,
                pad_token_id=0,
            )[0, len(prompt) :].tolist()

        written: list[int] = []
        not_the_end = torch.zeros(model.config.vocab_size).index_fill_(
            0, torch.tensor(model.config.eos_token_ids), -torch.inf
        )
        new_ids, position = prompt, 0
        while len(written) < 200:
            logits = run_step(model, attention, [(row, new_ids, position)])[-1]
            position += len(new_ids)
            new_ids = [int((logits + not_the_end).argmax())]
            written += new_ids

        assert written == expected, beginning
