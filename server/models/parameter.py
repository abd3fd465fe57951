"""Parameter: a weight that knows which checkpoint tensors fill it, and where each goes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from server.errors import ModelLoadError

Fill = Literal["normal", "ones", "zeros"]


@dataclass(frozen=True, slots=True)
class Cut:
    """The piece of a checkpoint tensor that one of several devices keeps.

    Args:
        dim: the dimension that is cut.
        whole: its size in the checkpoint.
        kept: the ranges that are kept, in order. What they leave free in the parameter is zero.
    """

    dim: int
    whole: int
    kept: tuple[range, ...]

    def copy(self, source: torch.Tensor, target: torch.Tensor) -> None:
        """Fill `target` with the piece of the whole tensor `source`."""
        start = 0
        for piece in self.kept:
            target.narrow(self.dim, start, len(piece)).copy_(source.narrow(self.dim, piece.start, len(piece)))
            start += len(piece)
        target.narrow(self.dim, start, target.shape[self.dim] - start).zero_()


@dataclass(eq=False, slots=True)
class Parameter:
    """One weight tensor, possibly fused from several checkpoint tensors stacked along dimension 0.

    Args:
        shape: of the tensor on this device.
        parts: checkpoint name -> rows it fills, in order. Names have no `model.` or `model.decoder.` prefix.
        fill: what random initialisation puts here.
        cuts: checkpoint name -> the piece of it that belongs here; empty where all tensors are kept whole.
        data: the tensor, after `allocate`.
    """

    shape: tuple[int, ...]
    parts: dict[str, int]
    fill: Fill = "normal"
    cuts: dict[str, Cut] = field(default_factory=dict)
    data: torch.Tensor = field(default_factory=lambda: torch.empty(0))

    def keep_rows(self, kept: Sequence[Sequence[range]], num_rows: Sequence[int] | None = None) -> None:
        """Keep some rows of every part on this device; call before `allocate`.

        Args:
            kept: the ranges of each part.
            num_rows: rows that each part takes here, those it lacks being zero; by default as many as are kept.
        """
        ranges = [tuple(pieces) for pieces in kept]
        sizes = [sum(map(len, pieces)) for pieces in ranges] if num_rows is None else list(num_rows)
        whole = self.parts
        self.parts = dict(zip(whole, sizes, strict=True))
        self.cuts = {name: Cut(0, whole[name], pieces) for name, pieces in zip(whole, ranges, strict=True)}
        self.shape = (sum(sizes), *self.shape[1:])

    def keep_columns(self, kept: Sequence[range]) -> None:
        """Keep some columns of every part on this device; call before `allocate`."""
        self.cuts = {name: Cut(1, self.shape[1], tuple(kept)) for name in self.parts}
        self.shape = (self.shape[0], sum(map(len, kept)))

    @property
    def num_elements(self) -> int:
        """Of the whole checkpoint tensors."""
        total = 0
        for name, rows in self.parts.items():
            shape = self._whole_shape(name, (rows, *self.shape[1:]))
            total += torch.Size(shape).numel()
        return total

    def allocate(self, dtype: torch.dtype, device: torch.device) -> None:
        """Reserve memory; the content is undefined until loaded or filled."""
        self.data = torch.empty(self.shape, dtype=dtype, device=device)

    def load(self, name: str, tensor: torch.Tensor) -> None:
        """Copy checkpoint tensor `name` into its rows, cast to this parameter's dtype and device.

        Raises:
            ModelLoadError: the tensor has another shape than the model.
        """
        target = self._target(name)
        shape = self._whole_shape(name, tuple(target.shape))
        if tuple(tensor.shape) != shape:
            raise ModelLoadError(
                f"tensor {name} has shape {list(tensor.shape)}, but config.json makes it {list(shape)}"
            )
        if not tensor.is_floating_point():
            raise ModelLoadError(
                f"tensor {name} holds {str(tensor.dtype).removeprefix('torch.')} values; "
                "quantised weights are not supported, so use the original checkpoint"
            )
        self._put(name, tensor, target)

    def initialize(self, std: float, generator: torch.Generator) -> None:
        """Fill with random numbers, ones or zeros; of a parameter that is cut, each device keeps its piece."""
        if self.fill != "normal":
            self.data.fill_(1.0 if self.fill == "ones" else 0.0)
        elif not self.cuts:
            self.data.normal_(0.0, std, generator=generator)
        else:
            shapes = [self._whole_shape(name, tuple(self._target(name).shape)) for name in self.parts]
            whole = self.data.new_empty((sum(shape[0] for shape in shapes), *shapes[0][1:]))
            whole.normal_(0.0, std, generator=generator)
            for name, part in zip(self.parts, whole.split([shape[0] for shape in shapes]), strict=True):
                self._put(name, part, self._target(name))

    def _target(self, name: str) -> torch.Tensor:
        start = 0
        for part, rows in self.parts.items():
            if part == name:
                break
            start += rows
        return self.data[start : start + self.parts[name]]

    def _whole_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        cut = self.cuts.get(name)
        return shape if cut is None else (*shape[: cut.dim], cut.whole, *shape[cut.dim + 1 :])

    def _put(self, name: str, tensor: torch.Tensor, target: torch.Tensor) -> None:
        cut = self.cuts.get(name)
        if cut is None:
            target.copy_(tensor)
        else:
            cut.copy(tensor, target)


def fused(names: Sequence[str], rows: Sequence[int], columns: int) -> Parameter:
    """A matrix whose rows come from several checkpoint matrices of `columns` columns."""
    return Parameter((sum(rows), columns), dict(zip(names, rows, strict=True)))


def fused_bias(names: Sequence[str], rows: Sequence[int]) -> Parameter:
    """A bias vector from several checkpoint vectors."""
    return Parameter((sum(rows),), dict(zip(names, rows, strict=True)), fill="zeros")
