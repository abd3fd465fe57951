"""Weights: from safetensors files, or random from a seed."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from server.errors import ModelLoadError
from server.models.parameter import Parameter

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PREFIX = re.compile(r"^(model\.)?(decoder\.)?")
# Buffers that old versions of transformers saved and everybody recomputes.
_HARMLESS = re.compile(r"(^|\.)(rotary_emb\.inv_freq|version|masked_bias)$")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "pytorch_model.bin.index.json")


def allocate(parameters: Iterable[Parameter], dtype: torch.dtype, device: torch.device) -> None:
    """Reserve memory for every parameter.

    Raises:
        ModelLoadError: the device has too little.
    """
    size = 0
    try:
        for parameter in parameters:
            parameter.allocate(dtype, device)
            size += parameter.data.nbytes
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise ModelLoadError(
            f"the weights do not fit on {device}: memory ran out after {size / 2**30:.1f} GiB; "
            "use a smaller model or dtype"
        ) from None


def fill_randomly(parameters: Iterable[Parameter], std: float, seed: int, device: torch.device) -> None:
    """Normal weights of standard deviation `std`, norms 1, biases 0; equal for equal seeds and devices."""
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            parameter.initialize(std, generator)


def load_safetensors(parameters: Iterable[Parameter], directory: Path, is_tied: bool) -> None:
    """Fill every parameter from the safetensors files in `directory`, one tensor at a time.

    Args:
        is_tied: the output projection is the token embedding.

    Raises:
        ModelLoadError: a file is missing, pickled, truncated; a tensor is missing, unknown or of the wrong shape.
    """
    parameter_of = {name: parameter for parameter in parameters for name in parameter.parts}
    missing = set(parameter_of)
    spare_head: torch.Tensor | None = None
    with torch.no_grad():
        for file_name, name, tensor in _tensors(directory):
            short = name if name.startswith("lm_head.") else _PREFIX.sub("", name)
            if short in parameter_of:
                try:
                    parameter_of[short].load(short, tensor)
                except ModelLoadError as error:
                    raise ModelLoadError(f"{directory / file_name}: {error}") from None
                missing.discard(short)
            elif is_tied and short == "lm_head.weight":
                spare_head = tensor
            elif not _HARMLESS.search(short):
                raise ModelLoadError(
                    f"{directory / file_name} has tensor {name}, which this model has no place for; "
                    "config.json and weights do not belong together"
                )
        # A file with tied weights may hold them under the projection's name only.
        if spare_head is not None and "embed_tokens.weight" in missing:
            parameter_of["embed_tokens.weight"].load("embed_tokens.weight", spare_head)
            missing.discard("embed_tokens.weight")
    if missing:
        first = sorted(missing)[0]
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelLoadError(f"{directory} has no tensor {first}{others}; the checkpoint is incomplete")


def _tensors(directory: Path) -> Iterator[tuple[str, str, torch.Tensor]]:
    """(file name, tensor name, tensor on CPU) of every tensor; only one is in memory at a time."""
    for path in _weight_files(directory):
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    yield path.name, name, file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelLoadError(f"{path} is truncated or no safetensors file ({error}); fetch it again") from None


def _weight_files(directory: Path) -> list[Path]:
    """The safetensors files of the checkpoint, all of them there."""
    single, index = directory / _SINGLE, directory / _INDEX
    if single.is_file():
        return [single]
    if not index.is_file():
        raise ModelLoadError(_why_no_weights(directory))
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise ModelLoadError(f"{index} is not a safetensors index; fetch it again") from None
    for shard in shards:
        # An index is data from elsewhere, so it may not point outside the checkpoint.
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise ModelLoadError(f"{index} names {shard!r}, which is not a file name")
        if not (directory / shard).is_file():
            raise ModelLoadError(f"{directory} has no {shard}, which {_INDEX} names; fetch it again")
    return [directory / shard for shard in shards]


def _why_no_weights(directory: Path) -> str:
    pickles = sorted(path.name for pattern in _PICKLES for path in directory.glob(pattern))
    if not pickles:
        return f"{directory} has neither {_SINGLE} nor {_INDEX}; --load-format dummy needs no weights"
    return (
        f"{directory} has pickled weights only ({pickles[0]}), which are refused because loading them can run code; "
        "if you trust them, convert them once with transformers: "
        f"AutoModelForCausalLM.from_pretrained({str(directory)!r}).save_pretrained(NEW_DIRECTORY)"
    )
