"""Which class serves which architecture, and how a configured engine gets its model."""

from importlib import import_module
from pathlib import Path

import torch

from server.config import EngineConfig
from server.errors import ConfigError
from server.models.base import Model
from server.models.config import ModelConfig
from server.models.hub import resolve_model
from server.models.kernels import choose_kernels
from server.models.loader import allocate, fill_randomly, load_safetensors
from server.parallel.team import ALONE, Team

BUILDERS = {
    "LlamaForCausalLM": "server.models.decoder:Decoder",
    "MistralForCausalLM": "server.models.decoder:Decoder",
    "Qwen2ForCausalLM": "server.models.decoder:Decoder",
    "Qwen3ForCausalLM": "server.models.decoder:Decoder",
    "OPTForCausalLM": "server.models.opt:OPT",
}
"""Architecture in `config.json` -> "module:class", taking (config, kernels, device, team)."""


def load_model(engine_config: EngineConfig, team: Team = ALONE) -> tuple[Model, Path]:
    """Resolve, build and fill the model that `engine_config` names, or this rank's part of it.

    Returns:
        The model and the directory of its tokenizer files.

    Raises:
        ModelLoadError: the checkpoint is missing, broken or not supported.
        ConfigError: device, dtype or max_model_len cannot be had.
    """
    is_dummy = engine_config.load_format == "dummy"
    directory = resolve_model(engine_config.model, engine_config.revision, with_weights=not is_dummy)
    config = ModelConfig.from_directory(directory)
    if engine_config.max_model_len is not None and engine_config.max_model_len > config.max_model_len:
        raise ConfigError(
            f"max_model_len ({engine_config.max_model_len}) is more than the {config.max_model_len} positions "
            "that config.json allows"
        )
    device = choose_device(engine_config.device)
    dtype = choose_dtype(engine_config.dtype, config, device)
    module_name, class_name = BUILDERS[config.architecture].split(":")
    kernels = choose_kernels(dtype, device, engine_config.weight_format, engine_config.batch_invariant)
    model = getattr(import_module(module_name), class_name)(config, kernels, device, team)
    allocate(model.weights(), dtype, device)
    if is_dummy:
        fill_randomly(model.weights(), config.initializer_range, engine_config.seed, device)
    else:
        load_safetensors(model.weights(), directory, config.tie_word_embeddings)
    with torch.no_grad():
        model.prepare()
    return model, directory


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is a GPU, else CPU.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r} is not here: torch sees {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def choose_dtype(name: str, config: ModelConfig, device: torch.device) -> torch.dtype:
    """`auto` is float32 on CPU and the checkpoint's own on GPU."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else config.dtype
    dtype: torch.dtype = getattr(torch, name)
    return dtype
