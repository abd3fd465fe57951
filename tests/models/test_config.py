"""`config.json` is read in the spellings of transformers 4 and 5, and refused in one clear sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from server.errors import ModelLoadError
from server.models.config import ModelConfig

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
QWEN2 = LLAMA | {"architectures": ["Qwen2ForCausalLM"]}
LLAMA3_SCALING = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 1024,
}


def test_both_spellings_of_rope_and_dtype_mean_the_same() -> None:
    old = LLAMA | {
        "torch_dtype": "bfloat16",
        "rope_theta": 500000.0,
        "rope_scaling": LLAMA3_SCALING | {"rope_type": "llama3"},
    }
    new = LLAMA | {
        "dtype": "bfloat16",
        "rope_parameters": LLAMA3_SCALING | {"rope_type": "llama3", "rope_theta": 500000.0},
    }

    assert ModelConfig.from_dict(old) == ModelConfig.from_dict(new)
    assert ModelConfig.from_dict(old).dtype == torch.bfloat16
    assert ModelConfig.from_dict(old).rope is not None
    assert ModelConfig.from_dict(old).rope.theta == 500000.0


def test_the_oldest_spelling_of_the_rope_type_is_read() -> None:
    config = ModelConfig.from_dict(LLAMA | {"rope_scaling": {"type": "linear", "factor": 4.0}})
    assert config.rope is not None
    assert (config.rope.rope_type, config.rope.factor) == ("linear", 4.0)


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        (None, 4096),
        ({"rope_type": "linear", "factor": 2.0}, 8192),
        ({"rope_type": "dynamic", "factor": 4.0}, 16384),
        ({"rope_type": "llama3"} | LLAMA3_SCALING, 4096),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}, 16384),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}, 4096),
    ],
)
def test_the_length_limit_includes_what_rope_scaling_adds(scaling: dict[str, Any] | None, expected: int) -> None:
    assert ModelConfig.from_dict(LLAMA | {"rope_scaling": scaling}).max_model_len == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LLAMA | {"sliding_window": 8}, [None] * 4),
        (LLAMA | {"architectures": ["MistralForCausalLM"], "sliding_window": 8}, [8] * 4),
        (LLAMA | {"architectures": ["MistralForCausalLM"], "sliding_window": None}, [None] * 4),
        (LLAMA | {"architectures": ["MistralForCausalLM"]}, [4096] * 4),
        (QWEN2 | {"sliding_window": 8, "max_window_layers": 1}, [None] * 4),
        (QWEN2 | {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 3}, [None, None, None, 8]),
        (QWEN2 | {"use_sliding_window": True, "sliding_window": 8}, [None] * 4),
        (
            QWEN2
            | {
                "use_sliding_window": True,
                "sliding_window": 8,
                "layer_types": ["sliding_attention", "full_attention"] * 2,
            },
            [8, None, 8, None],
        ),
    ],
)
def test_sliding_windows_are_told_per_layer(config: dict[str, Any], expected: list[int | None]) -> None:
    assert ModelConfig.from_dict(config).sliding_windows == expected


@pytest.mark.parametrize(
    ("in_config", "in_generation", "expected"),
    [(5, None, [5]), (5, 7, [7, 5]), ([5, 6], [7, 5], [7, 5, 6]), (None, 7, [7]), (None, None, [])],
)
def test_end_ids_of_both_files_are_joined(in_config: Any, in_generation: Any, expected: list[int]) -> None:
    config = ModelConfig.from_dict(LLAMA | {"eos_token_id": in_config}, {"eos_token_id": in_generation})
    assert config.eos_token_ids == expected


def test_head_dim_and_kv_heads_are_derived_where_absent() -> None:
    config = ModelConfig.from_dict(LLAMA | {"num_key_value_heads": None})
    assert (config.head_dim, config.num_kv_heads) == (8, 8)
    assert ModelConfig.from_dict(LLAMA | {"head_dim": 20}).head_dim == 20
    assert ModelConfig.from_dict(LLAMA | {"architectures": ["Qwen3ForCausalLM"]}).head_dim == 128


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "names GPT2LMHeadModel; supported are LlamaForCausalLM, Mistral"),
        ({"architectures": None}, "names no architecture; supported are"),
        ({"auto_map": {"AutoModelForCausalLM": "x.Y"}}, "brings its own code"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised (gptq)"),
        ({"rope_scaling": {"rope_type": "longrope"}}, "RoPE type 'longrope' is not supported"),
        ({"rope_scaling": {"rope_type": "mrope", "mrope_section": [1]}}, "supported are default, linear, dynamic"),
        ({"rope_scaling": {"rope_type": "linear"}}, "factor of RoPE type linear in config.json is missing"),
        ({"rope_scaling": {"rope_type": "linear", "factor": "2"}}, "is '2'"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1.0}}}, "differ by layer type"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
        ({"hidden_act": "tanhexp"}, "activation 'tanhexp'"),
        ({"hidden_size": None}, "hidden_size in config.json is missing"),
        ({"hidden_size": 65}, "hidden_size (65) in config.json is not a multiple"),
        ({"head_dim": 7}, "head_dim (7) must be even"),
        ({"num_key_value_heads": 3}, "8 attention heads, which 3"),
        ({"num_hidden_layers": -1}, "num_hidden_layers in config.json is -1"),
        ({"dtype": "float8_e4m3fn"}, "dtype 'float8_e4m3fn'"),
    ],
)
def test_what_is_not_supported_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelLoadError) as caught:
        ModelConfig.from_dict(LLAMA | change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "{", "[]", "\udcff"])
def test_a_directory_without_a_readable_config_is_refused_in_one_line(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelLoadError, match=r"config\.json") as caught:
        ModelConfig.from_directory(tmp_path)
    assert "\n" not in str(caught.value)


def test_generation_config_is_read_from_the_directory(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [9, 2]}))
    assert ModelConfig.from_directory(tmp_path).eos_token_ids == [9, 2]
