"""Muon for matrices, AdamW for the rest.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024): the momentum of a matrix is replaced by
the nearest half-orthogonal matrix, found by five Newton-Schulz steps. The scale, 0.2 * sqrt(larger side), gives an
update the root mean square that AdamW's has, so that one learning rate and weight decay serve both (Liu et al., "Muon
is scalable for LLM training", 2025). AdamW is that of Loshchilov and Hutter, "Decoupled weight decay" (2019).

Everything is in place and on the device, with the learning rate as a tensor, so that a step can be captured in a CUDA
graph.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from server.assets.training.network import Network


@dataclass(frozen=True, slots=True)
class Pace:
    """How the weights follow their gradients.

    Args:
        uses_muon: Muon for the matrices; AdamW for everything where false.
        momentum: of Muon.
        betas: of AdamW.
        embedding_lr_scale: the embedding's and the norms' learning rate, as a multiple of the matrices'.
        weight_decay: share of a matrix that a step at learning rate 1 would take away.
        max_grad_norm: longer gradients are shortened to this.
    """

    uses_muon: bool = True
    momentum: float = 0.95
    betas: tuple[float, float] = (0.9, 0.95)
    embedding_lr_scale: float = 1.0
    weight_decay: float = 0.1
    max_grad_norm: float = 1.0


class Optimizer:
    """Keeps the momenta of a network's parameters and takes steps.

    Args:
        network: its parameters are changed in place.
        pace: constants.
    """

    def __init__(self, network: Network, pace: Pace) -> None:
        self.pace = pace
        shape = network.shape
        self._parameters = dict(network.named_parameters())
        splits = {
            "qkv": [shape.query_size, shape.kv_size, shape.kv_size],
            "out": [shape.hidden_size],
            "gate_up": [shape.intermediate_size, shape.intermediate_size],
            "down": [shape.hidden_size],
        }
        # Rows of the matrices that lie fused in one parameter: each is made orthogonal by itself.
        self._matrices = splits if pace.uses_muon else {}
        self._decayed = set(splits)
        self._first = {name: torch.zeros_like(p) for name, p in self._parameters.items()}
        self._second = {name: torch.zeros_like(p) for name, p in self._parameters.items() if name not in self._matrices}
        self._num_steps = torch.zeros((), device=next(network.parameters()).device)

    def state(self) -> dict[str, Tensor]:
        """All momenta by name, not copied: `first.NAME`, `second.NAME` (AdamW only) and `num_steps`."""
        state = {f"first.{name}": value for name, value in self._first.items()}
        state |= {f"second.{name}": value for name, value in self._second.items()}
        return state | {"num_steps": self._num_steps}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `state` gave, in place; the names must be the same."""
        for name, value in self.state().items():
            value.copy_(state[name])

    @torch.no_grad()
    def step(self, lr: Tensor) -> None:
        """Moves every parameter by its gradient at learning rate `lr`, a scalar tensor on the device."""
        self._num_steps += 1
        gradients = {name: p.grad for name, p in self._parameters.items() if p.grad is not None}
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), self.pace.max_grad_norm)
        for name, gradient in gradients.items():
            if name in self._matrices:
                self._muon(name, gradient, lr)
            else:
                self._adam(name, gradient, lr)

    def gradients(self) -> list[Tensor]:
        """Those of all parameters that have one, in a fixed order."""
        return [parameter.grad for parameter in self._parameters.values() if parameter.grad is not None]

    def zero_grad(self) -> None:
        """Forgets the gradients but keeps their memory, which a captured graph refers to."""
        for parameter in self._parameters.values():
            if parameter.grad is not None:
                parameter.grad.zero_()

    def _muon(self, name: str, gradient: Tensor, lr: Tensor) -> None:
        momentum = self._first[name].lerp_(gradient, 1 - self.pace.momentum)
        ahead = gradient.lerp(momentum, self.pace.momentum)
        parameter = self._parameters[name]
        parameter.mul_(1 - lr * self.pace.weight_decay)
        parts = zip(parameter.split(self._matrices[name], 1), ahead.split(self._matrices[name], 1), strict=True)
        for part, update in parts:
            scale = 0.2 * math.sqrt(max(update.shape[-2:]))
            part.sub_(newton_schulz(update).to(part.dtype) * (lr * scale))

    def _adam(self, name: str, gradient: Tensor, lr: Tensor) -> None:
        slow, slower = self.pace.betas
        first = self._first[name].lerp_(gradient, 1 - slow)
        second = self._second[name].lerp_(gradient.square(), 1 - slower)
        first_hat = first / (1 - slow**self._num_steps)
        second_hat = second / (1 - slower**self._num_steps)
        parameter = self._parameters[name]
        if name in self._decayed:
            parameter.mul_(1 - lr * self.pace.weight_decay)
        else:
            lr = lr * self.pace.embedding_lr_scale
        parameter.sub_(lr * first_hat / (second_hat.sqrt() + 1e-8))


def newton_schulz(matrices: Tensor, num_steps: int = 5) -> Tensor:
    """Brings all singular values near 1 and keeps the singular vectors.

    Args:
        matrices: [..., rows, columns] float32; a batch is done at once.
        num_steps: of the quintic iteration, whose coefficients make it steepest at zero.

    Returns:
        The same shape, bfloat16 on CUDA (as the method's authors do) and float32 elsewhere.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(num_steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if is_tall else x
