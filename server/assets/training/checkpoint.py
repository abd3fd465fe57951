"""A run's state as files of at most 15 MiB, small enough to be carried between machines and into the next run.

What is stored, for the embedded model's shape in 48 MiB:

    weights        24 bits a number, a float32 without the last 8 bits of its fraction (35 MB)
    first momenta  8 bits a number, with one float32 scale a row (12 MB)
    second momenta bfloat16, of embedding and norms only where Muon is used (3 MB)
    state.json     step, stage, counts of rows drawn, seed, shape, pace, plan
    history.json   the curves so far, which promotion looks at

Saving rounds the live state to what is stored. So a run that saves and goes on is the same, bit for bit, as one that is
resumed from the files, and the only effect of rounding is the rounding itself, once a save.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from server.assets.training.network import Network
from server.assets.training.optimizer import Optimizer
from server.errors import ConfigError

FORMAT = "rhumb.training/1"
MAX_FILE_BYTES = 15 * 2**20


def save_checkpoint(
    folder: Path, network: Network, optimizer: Optimizer, state: Mapping[str, Any], history: Mapping[str, Any]
) -> None:
    """Writes everything into `folder`, creating it, and rounds network and optimizer to what was written.

    Args:
        folder: older weights files in it are replaced.
        network, optimizer: rounded in place.
        state: JSON values; `format` is added.
        history: JSON values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packed = _packed(network, optimizer)
    files: list[dict[str, Tensor]] = [{}]
    for name, tensor in sorted(packed.items(), key=lambda item: (-item[1].nbytes, item[0])):
        room = next((f for f in files if _num_bytes(f) + tensor.nbytes <= MAX_FILE_BYTES), None)
        if room is None:
            room = {}
            files.append(room)
        room[name] = tensor
    for stale in folder.glob("state-*.safetensors"):
        stale.unlink()
    for number, tensors in enumerate(files):
        save_file(tensors, folder / f"state-{number:02d}.safetensors")
    (folder / "history.json").write_text(json.dumps(history))
    (folder / "state.json").write_text(json.dumps({"format": FORMAT, **state}, indent=1))
    _unpack(packed, network, optimizer)


def round_to_stored(network: Network, optimizer: Optimizer) -> None:
    """Rounds the live state in place as `save_checkpoint` does, and writes nothing."""
    _unpack(_packed(network, optimizer), network, optimizer)


def read_state(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON parts, `state` and `history`.

    Raises:
        ConfigError: there is no checkpoint in `folder`, or it is damaged or of another format.
    """
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
        history: dict[str, Any] = json.loads((folder / "history.json").read_text())
    except (OSError, ValueError):
        raise ConfigError(f"{folder} holds no checkpoint of a training run; name the folder with state.json") from None
    if state.get("format") != FORMAT:
        raise ConfigError(f"{folder} is of the format {state.get('format')!r}, not {FORMAT!r}; begin a new run")
    return state, history


def load_checkpoint(folder: Path, network: Network, optimizer: Optimizer) -> None:
    """Puts the stored weights and momenta into a network and an optimizer of the same shape and kind.

    Raises:
        ConfigError: the files are damaged, or belong to another shape or another optimizer.
    """
    packed: dict[str, Tensor] = {}
    try:
        for path in sorted(folder.glob("state-*.safetensors")):
            packed |= load_file(path)
        _unpack(packed, network, optimizer)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ConfigError(f"the weights in {folder} cannot be used here: {str(error).splitlines()[0]}") from None


def _packed(network: Network, optimizer: Optimizer) -> dict[str, Tensor]:
    packed = {f"weight.{name}": _to_24_bits(p.detach()) for name, p in network.named_parameters()}
    for name, value in optimizer.state().items():
        if name.startswith("first."):
            packed[name], packed[f"scale.{name}"] = _to_8_bits(value)
        elif name.startswith("second."):
            packed[name] = value.bfloat16()
        else:
            packed[name] = value.clone()
    return {name: tensor.cpu().contiguous() for name, tensor in packed.items()}


@torch.no_grad()
def _unpack(packed: Mapping[str, Tensor], network: Network, optimizer: Optimizer) -> None:
    for name, parameter in network.named_parameters():
        parameter.copy_(_from_24_bits(packed[f"weight.{name}"]))
    state = {}
    for name in optimizer.state():
        stored = packed[name]
        state[name] = _from_8_bits(stored, packed[f"scale.{name}"]) if name.startswith("first.") else stored.float()
    optimizer.load(state)


def _num_bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


def _to_24_bits(values: Tensor) -> Tensor:
    """The three higher bytes of float32 numbers, rounded to the nearest, [..., 3] uint8, the lowest byte first."""
    # Adding half of what is cut off carries into the exponent where it must; weights are far from infinity.
    bits = values.cpu().contiguous().view(torch.int32) + 0x80
    return bits[..., None].view(torch.uint8)[..., 1:].contiguous()


def _from_24_bits(packed: Tensor) -> Tensor:
    lowest = packed.new_zeros((*packed.shape[:-1], 1))
    return torch.cat([lowest, packed], dim=-1).contiguous().view(torch.float32).squeeze(-1)


def _to_8_bits(values: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers as shares of their row's largest, [...] int8, and that largest over 127, [..., 1] float32."""
    values = values.cpu()
    scale = values.abs().amax(-1, keepdim=True) / 127
    return (values / scale.clamp(min=1e-30)).round().to(torch.int8), scale


def _from_8_bits(packed: Tensor, scale: Tensor) -> Tensor:
    return packed.float() * scale
