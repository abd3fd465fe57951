"""LoRA: a low-rank update of every linear layer instead of all weights.

Hu et al., "LoRA" (2021): `W x + (alpha / rank) * B A x`, of which only A and B are learned. B begins at 0, so the model
begins as it is.
"""

import torch
from torch import nn

from server.errors import ConfigError

SCALE = 2.0
"""alpha / rank."""


class LoraLinear(nn.Module):
    """A linear layer whose weights stay, and a low-rank update beside it.

    Args:
        base: the layer; its parameters are frozen.
        rank: columns of A's output; at most the smaller side of the layer.
        seed: of A's random numbers.
    """

    def __init__(self, base: nn.Linear, rank: int, seed: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        # Made on the CPU, so that every device begins with the same numbers.
        generator = torch.Generator().manual_seed(seed)
        down = torch.randn(rank, base.in_features, generator=generator) * base.in_features**-0.5
        device = base.weight.device
        self.down = nn.Parameter(down.to(device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] -> [..., out], in the type of the base's result."""
        y: torch.Tensor = self.base(x)
        update = nn.functional.linear(nn.functional.linear(x.to(self.down.dtype), self.down), self.up)
        return y + SCALE * update.to(y.dtype)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The base with the update in its weights."""
        weight = self.base.weight
        weight.copy_((weight.float() + SCALE * self.up @ self.down).to(weight.dtype))
        return self.base


def add_lora(model: nn.Module, layers: nn.ModuleList, rank: int, seed: int) -> None:
    """Freeze `model` and put an update of `rank` beside every linear layer in its `layers`.

    Raises:
        ConfigError: a layer is smaller than the rank.
    """
    model.requires_grad_(False)
    for index, (parent, name, linear) in enumerate(_children(layers, nn.Linear)):
        if rank > min(linear.in_features, linear.out_features):
            raise ConfigError(
                f"--lora {rank} is more than {name} of {linear.in_features} x {linear.out_features} can hold; "
                "take a smaller rank, or leave it out to learn all weights"
            )
        setattr(parent, name, LoraLinear(linear, rank, seed + index))


def merge_lora(layers: nn.ModuleList) -> None:
    """Put plain linear layers back, with what was learned in their weights."""
    for parent, name, lora in _children(layers, LoraLinear):
        setattr(parent, name, lora.merged())


def _children[M: nn.Module](layers: nn.ModuleList, kind: type[M]) -> list[tuple[nn.Module, str, M]]:
    """(parent, name, child) of every child of this kind."""
    return [
        (parent, name, child)
        for parent in layers.modules()
        if not isinstance(parent, kind)
        for name, child in parent.named_children()
        if isinstance(child, kind)
    ]
