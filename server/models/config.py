"""ModelConfig: what a checkpoint's `config.json` says, checked once and in our own words.

Reads the spellings of transformers 4 (`rope_theta` + `rope_scaling`, `torch_dtype`) and 5 (`rope_parameters`,
`dtype`). A key that is absent has the default of the family's configuration class in transformers.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from server.errors import ModelLoadError
from server.models.kernels import ACTIVATIONS
from server.models.rope import RopeConfig

_LLAMA_LIKE: dict[str, Any] = {
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "initializer_range": 0.02,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "LlamaForCausalLM": _LLAMA_LIKE | {"max_position_embeddings": 2048, "bos_token_id": 1, "eos_token_id": 2},
    "MistralForCausalLM": _LLAMA_LIKE
    | {
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
        "sliding_window": 4096,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "Qwen2ForCausalLM": _LLAMA_LIKE
    | {
        "max_position_embeddings": 32768,
        "num_key_value_heads": 32,
        "sliding_window": 4096,
        "max_window_layers": 28,
    },
    "Qwen3ForCausalLM": _LLAMA_LIKE
    | {
        "max_position_embeddings": 32768,
        "num_key_value_heads": 32,
        "head_dim": 128,
        "sliding_window": 4096,
        "max_window_layers": 28,
    },
    "OPTForCausalLM": {
        "activation_function": "relu",
        "init_std": 0.02,
        "tie_word_embeddings": True,
        "max_position_embeddings": 2048,
        "bos_token_id": 2,
        "eos_token_id": 2,
        "do_layer_norm_before": True,
        "_remove_final_layer_norm": False,
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
    },
}
SUPPORTED_ARCHITECTURES = tuple(_DEFAULTS)
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class OptFacts:
    """What only OPT has.

    Args:
        word_embed_proj_dim: width of the token embedding; projected to `hidden_size` where they differ.
        do_layer_norm_before: pre-norm (all sizes but 350M) or post-norm.
        has_final_norm: whether a norm stands before the output projection.
        has_bias: whether the linears of the blocks have biases.
        has_norm_weights: whether the norms have weights and biases.
        position_offset: row of the position table that position 0 reads.
    """

    word_embed_proj_dim: int
    do_layer_norm_before: bool
    has_final_norm: bool
    has_bias: bool
    has_norm_weights: bool
    position_offset: int = 2


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of a model.

    Args:
        architecture: the name in `config.json`, for instance `LlamaForCausalLM`.
        head_dim: width of one head; need not be `hidden_size // num_heads`.
        max_model_len: longest sequence the checkpoint is good for, in tokens, RoPE scaling included.
        norm_eps: epsilon of the norms.
        rope: rotary embedding, or None where positions are learned.
        qkv_bias, attention_out_bias, mlp_bias: which linears have biases.
        qk_norm: RMS-normalise every query and key head before RoPE.
        sliding_windows: one entry per layer: positions a query sees, itself included, or None for all.
        initializer_range: standard deviation of random weights.
        eos_token_ids: every id that ends a text, from `config.json` and `generation_config.json`.
        dtype: the checkpoint's own.
        opt: what only OPT has, else None.
    """

    architecture: str
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    max_model_len: int
    norm_eps: float
    rope: RopeConfig | None
    qkv_bias: bool
    attention_out_bias: bool
    mlp_bias: bool
    qk_norm: bool
    tie_word_embeddings: bool
    sliding_windows: list[int | None]
    hidden_act: str
    initializer_range: float
    eos_token_ids: list[int]
    bos_token_id: int | None
    dtype: torch.dtype
    opt: OptFacts | None = None

    @property
    def attention_scale(self) -> float:
        """What attention multiplies q·k with."""
        return self.head_dim**-0.5

    @classmethod
    def from_directory(cls, path: str | Path) -> "ModelConfig":
        """Read `config.json`, and `generation_config.json` where there is one.

        Raises:
            ModelLoadError: a file is missing or broken, or describes what is not supported.
        """
        directory = Path(path)
        raw = _read_json(directory / "config.json")
        generation_path = directory / "generation_config.json"
        generation = _read_json(generation_path) if generation_path.is_file() else {}
        return cls.from_dict(raw, generation)

    @classmethod
    def from_dict(cls, raw: dict[str, Any], generation: dict[str, Any] | None = None) -> "ModelConfig":
        """The same from parsed JSON.

        Raises:
            ModelLoadError: `raw` describes what is not supported, or lacks a key.
        """
        architecture = _architecture(raw)
        values = _DEFAULTS[architecture] | raw
        is_opt = architecture == "OPTForCausalLM"
        hidden_size = _count(values, "hidden_size")
        num_layers = _count(values, "num_hidden_layers")
        num_heads = _count(values, "num_attention_heads")
        num_kv_heads = (
            num_heads if is_opt or values.get("num_key_value_heads") is None else _count(values, "num_key_value_heads")
        )
        if num_heads % num_kv_heads:
            raise ModelLoadError(
                f"config.json has {num_heads} attention heads, which {num_kv_heads} key-value heads cannot share evenly"
            )
        head_dim = _head_dim(values, hidden_size, num_heads, is_opt)
        max_positions = _count(values, "max_position_embeddings")
        rope = None if is_opt else RopeConfig.from_dict(values, head_dim, max_positions)
        attention_bias = bool(values.get("attention_bias")) and architecture in ("LlamaForCausalLM", "Qwen3ForCausalLM")
        has_opt_bias = is_opt and bool(values["enable_bias"])
        return cls(
            architecture=architecture,
            vocab_size=_count(values, "vocab_size"),
            hidden_size=hidden_size,
            num_layers=num_layers,
            num_heads=num_heads,
            num_kv_heads=num_kv_heads,
            head_dim=head_dim,
            intermediate_size=_count(values, "ffn_dim" if is_opt else "intermediate_size"),
            max_model_len=max_positions if rope is None else rope.max_model_len,
            norm_eps=1e-5 if is_opt else float(values["rms_norm_eps"]),
            rope=rope,
            qkv_bias=attention_bias or has_opt_bias or architecture == "Qwen2ForCausalLM",
            attention_out_bias=attention_bias or has_opt_bias,
            mlp_bias=has_opt_bias or (bool(values.get("mlp_bias")) and architecture == "LlamaForCausalLM"),
            qk_norm=architecture == "Qwen3ForCausalLM",
            tie_word_embeddings=bool(values["tie_word_embeddings"]),
            sliding_windows=_sliding_windows(architecture, values, num_layers),
            hidden_act=_activation(values["activation_function" if is_opt else "hidden_act"]),
            initializer_range=float(values["init_std" if is_opt else "initializer_range"]),
            eos_token_ids=_eos_token_ids(values, generation or {}),
            bos_token_id=_first_id(values.get("bos_token_id")),
            dtype=_dtype(raw),
            opt=_opt_facts(values, hidden_size) if is_opt else None,
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelLoadError(f"{path.parent} has no {path.name}; a model directory needs one") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelLoadError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelLoadError(f"{path} must hold a JSON object")
    return value


def _architecture(raw: dict[str, Any]) -> str:
    """The architecture, if all of it is something we serve."""
    supported = ", ".join(SUPPORTED_ARCHITECTURES)
    named = raw.get("architectures") or []
    architecture = next((name for name in named if name in _DEFAULTS), None)
    if architecture is None:
        found = ", ".join(map(str, named)) or "no architecture"
        raise ModelLoadError(f"config.json names {found}; supported are {supported}")
    if raw.get("auto_map"):
        raise ModelLoadError(
            "the checkpoint brings its own code (auto_map in config.json), which is never run; "
            f"supported are {supported}"
        )
    quantization = raw.get("quantization_config") or raw.get("compression_config")
    if quantization:
        method = (
            quantization.get("quant_method", "unknown method") if isinstance(quantization, dict) else "unknown method"
        )
        raise ModelLoadError(
            f"the checkpoint is quantised ({method or 'unknown method'}), which is not supported; "
            "use the original float32, bfloat16 or float16 checkpoint"
        )
    return architecture


def _count(values: dict[str, Any], key: str) -> int:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        problem = "is missing" if value is None else f"is {value!r}"
        raise ModelLoadError(f"{key} in config.json {problem}; it must be a whole number of at least 1")
    return value


def _head_dim(values: dict[str, Any], hidden_size: int, num_heads: int, is_opt: bool) -> int:
    if not is_opt and values.get("head_dim") is not None:
        head_dim = _count(values, "head_dim")
    elif hidden_size % num_heads:
        raise ModelLoadError(
            f"hidden_size ({hidden_size}) in config.json is not a multiple of num_attention_heads ({num_heads})"
        )
    else:
        head_dim = hidden_size // num_heads
    if head_dim % 2 and not is_opt:
        raise ModelLoadError(f"head_dim ({head_dim}) must be even, because RoPE rotates pairs")
    return head_dim


def _sliding_windows(architecture: str, values: dict[str, Any], num_layers: int) -> list[int | None]:
    is_qwen = architecture in ("Qwen2ForCausalLM", "Qwen3ForCausalLM")
    has_window = architecture == "MistralForCausalLM" or (is_qwen and values.get("use_sliding_window"))
    if not has_window or values.get("sliding_window") is None:
        return [None] * num_layers
    window = _count(values, "sliding_window")
    if not is_qwen:
        return [window] * num_layers
    layer_types = values.get("layer_types")
    if layer_types is None:
        first = values["max_window_layers"]
        return [window if layer >= first else None for layer in range(num_layers)]
    if len(layer_types) != num_layers or not set(layer_types) <= {"full_attention", "sliding_attention"}:
        raise ModelLoadError(
            f"layer_types in config.json must name full_attention or sliding_attention for each of {num_layers} layers"
        )
    return [window if kind == "sliding_attention" else None for kind in layer_types]


def _activation(name: Any) -> str:
    if name not in ACTIVATIONS:
        raise ModelLoadError(
            f"activation {name!r} in config.json is not supported; supported are {', '.join(ACTIVATIONS)}"
        )
    return str(name)


def _token_ids(value: Any) -> list[int]:
    ids = value if isinstance(value, list) else [value]
    return [token_id for token_id in ids if isinstance(token_id, int) and not isinstance(token_id, bool)]


def _first_id(value: Any) -> int | None:
    return next(iter(_token_ids(value)), None)


def _eos_token_ids(values: dict[str, Any], generation: dict[str, Any]) -> list[int]:
    # Chat checkpoints often name the end of a turn only in generation_config.json.
    both = _token_ids(generation.get("eos_token_id")) + _token_ids(values.get("eos_token_id"))
    return list(dict.fromkeys(both))


def _dtype(raw: dict[str, Any]) -> torch.dtype:
    name = raw.get("dtype") or raw.get("torch_dtype") or "float32"
    if name not in _DTYPES:
        raise ModelLoadError(f"dtype {name!r} in config.json is not supported; supported are {', '.join(_DTYPES)}")
    return _DTYPES[name]


def _opt_facts(values: dict[str, Any], hidden_size: int) -> OptFacts:
    has_projection = values.get("word_embed_proj_dim") is not None
    is_pre_norm = bool(values["do_layer_norm_before"])
    return OptFacts(
        word_embed_proj_dim=_count(values, "word_embed_proj_dim") if has_projection else hidden_size,
        do_layer_norm_before=is_pre_norm,
        has_final_norm=is_pre_norm and not values["_remove_final_layer_norm"],
        has_bias=bool(values["enable_bias"]),
        has_norm_weights=bool(values["layer_norm_elementwise_affine"]),
    )
