"""Parameter: a weight that knows which checkpoint tensors fill it, and where each goes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from server.errors import ModelLoadError

Fill = Literal["normal", "ones", "zeros"]


@dataclass(eq=False, slots=True)
class Parameter:
    """One weight tensor, possibly fused from several checkpoint tensors stacked along dimension 0.

    Args:
        shape: of the whole tensor.
        parts: checkpoint name -> rows it fills, in order. Names have no `model.` or `model.decoder.` prefix.
        fill: what random initialisation puts here.
        data: the tensor, after `allocate`.
    """

    shape: tuple[int, ...]
    parts: dict[str, int]
    fill: Fill = "normal"
    data: torch.Tensor = field(default_factory=lambda: torch.empty(0))

    def allocate(self, dtype: torch.dtype, device: torch.device) -> None:
        """Reserve memory; the content is undefined until loaded or filled."""
        self.data = torch.empty(self.shape, dtype=dtype, device=device)

    def load(self, name: str, tensor: torch.Tensor) -> None:
        """Copy checkpoint tensor `name` into its rows, cast to this parameter's dtype and device.

        Raises:
            ModelLoadError: the tensor has another shape than the model.
        """
        start = 0
        for part, rows in self.parts.items():
            if part == name:
                break
            start += rows
        target = self.data[start : start + self.parts[name]]
        if tensor.shape != target.shape:
            raise ModelLoadError(
                f"tensor {name} has shape {list(tensor.shape)}, but config.json makes it {list(target.shape)}"
            )
        if not tensor.is_floating_point():
            raise ModelLoadError(
                f"tensor {name} holds {str(tensor.dtype).removeprefix('torch.')} values; "
                "quantised weights are not supported, so use the original checkpoint"
            )
        target.copy_(tensor)

    def initialize(self, std: float, generator: torch.Generator) -> None:
        """Fill with random numbers, ones or zeros."""
        if self.fill == "normal":
            self.data.normal_(0.0, std, generator=generator)
        else:
            self.data.fill_(1.0 if self.fill == "ones" else 0.0)


def fused(names: Sequence[str], rows: Sequence[int], columns: int) -> Parameter:
    """A matrix whose rows come from several checkpoint matrices of `columns` columns."""
    return Parameter((sum(rows), columns), dict(zip(names, rows, strict=True)))


def fused_bias(names: Sequence[str], rows: Sequence[int]) -> Parameter:
    """A bias vector from several checkpoint vectors."""
    return Parameter((sum(rows),), dict(zip(names, rows, strict=True)), fill="zeros")
