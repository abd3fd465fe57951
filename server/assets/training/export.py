"""A network as a folder that every Llama loader reads: bfloat16 safetensors, configuration, tokenizer."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from server.assets.training.network import Network, Shape
from server.assets.training.template import END_OF_TEXT, TURN_END
from server.errors import ConfigError


def config_of(shape: Shape, end_id: int) -> dict[str, Any]:
    """What `config.json` says of a Llama of this shape; `end_id` ends texts and pads."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.max_positions,
        "rms_norm_eps": shape.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "use_cache": True,
        "bos_token_id": None,
        "eos_token_id": end_id,
        "pad_token_id": end_id,
    }


@torch.no_grad()
def weights_of(network: Network) -> dict[str, Tensor]:
    """The weights under the names and in the pieces that `LlamaForCausalLM` has, float32 and on the CPU."""
    shape = network.shape
    weights = {"model.embed_tokens.weight": network.embedding, "model.norm.weight": network.final_norm}
    for layer in range(shape.num_layers):
        query, key, value = network.qkv[layer].split([shape.query_size, shape.kv_size, shape.kv_size])
        gate, up = network.gate_up[layer].chunk(2)
        pieces = {
            "input_layernorm": network.norms[layer, 0],
            "post_attention_layernorm": network.norms[layer, 1],
            "self_attn.q_proj": query,
            "self_attn.k_proj": key,
            "self_attn.v_proj": value,
            "self_attn.o_proj": network.out[layer],
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": network.down[layer],
        }
        weights |= {f"model.layers.{layer}.{name}.weight": piece for name, piece in pieces.items()}
    return {name: weight.detach().cpu().clone() for name, weight in weights.items()}


def export_model(network: Network, folder: Path, tokenizer_files: Iterable[Path]) -> None:
    """Writes `model.safetensors`, `config.json`, `generation_config.json` and copies of the tokenizer's files.

    Args:
        network: rounded to bfloat16 in the file; itself it stays as it is.
        folder: is created.
        tokenizer_files: `tokenizer.json`, which must know the two ends of text and of a turn, and others to copy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in tokenizer_files:
        shutil.copyfile(path, folder / path.name)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = [tokenizer.token_to_id(END_OF_TEXT), tokenizer.token_to_id(TURN_END)]
    ends = [index for index in found if index is not None]
    if len(ends) < len(found):
        raise ConfigError(f"the tokenizer in {folder} lacks {END_OF_TEXT} or {TURN_END}; pack the training set anew")
    save_file(
        {name: weight.bfloat16() for name, weight in weights_of(network).items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    # Answers are looked up, not invented: sampling, where nothing else is asked for, stays close to greedy.
    generation = {"do_sample": True, "temperature": 0.3, "top_p": 0.9, "eos_token_id": ends, "pad_token_id": ends[0]}
    for name, content in (("config.json", config_of(network.shape, ends[0])), ("generation_config.json", generation)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
