"""Small models for tests of calibration, built by hand."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from server.models.config import ModelConfig
from server.models.decoder import Decoder
from server.models.kernels import TorchKernels
from server.models.loader import allocate


def toy_config(**values: object) -> ModelConfig:
    """One layer of two query heads, each with its own KV head of 8 dimensions, without an MLP to speak of."""
    raw = {
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": 16,
        "hidden_size": 16,
        "intermediate_size": 4,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 1024,
        "rope_theta": 1e8,
        "tie_word_embeddings": False,
    }
    return ModelConfig.from_dict(raw | values)


def toy_model(config: ModelConfig, weights: Mapping[str, torch.Tensor]) -> Decoder:
    """A model with these weights, by their names in a checkpoint without `model.`; norms are 1, the others 0."""
    model = Decoder(config, TorchKernels(), torch.device("cpu"))
    allocate(model.weights(), torch.float32, torch.device("cpu"))
    left = set(weights)
    for parameter in model.weights():
        parameter.data.fill_(1.0 if parameter.fill == "ones" else 0.0)
        for name in parameter.parts:
            if name in weights:
                parameter.load(name, weights[name])
                left.discard(name)
    assert not left, f"no such weights: {left}"
    model.prepare()
    return model


def with_sliding_window(directory: Path, window: int, target: Path) -> Path:
    """The checkpoint in `directory` as a Mistral with such a window, in the empty folder `target`."""
    for file in directory.iterdir():
        if file.name != "config.json":
            (target / file.name).symlink_to(file)
    raw = json.loads((directory / "config.json").read_text())
    raw |= {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": window}
    (target / "config.json").write_text(json.dumps(raw))
    return target
