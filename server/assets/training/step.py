"""One step: forward, loss where there are targets, backward, optimizer; as it stands or as a captured CUDA graph."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from server.assets.training.batch import Batch, Targets, find_targets
from server.assets.training.crew import Crew
from server.assets.training.network import Network
from server.assets.training.optimizer import Optimizer

FULL_WEIGHT = 0.999
"""Targets of at least this weight are the answers that accuracy counts."""


class Stepper:
    """Takes steps on batches of few shapes.

    Args:
        network, optimizer: changed by every step.
        is_compiled: lets torch.compile fuse the network's layers; costs a minute or so for every length.
        graph_tokens: batches of up to so many tokens are replayed as CUDA graphs, which takes the host's work from
            small steps; 0 for none.
        crew: the processes that share every step.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        *,
        is_compiled: bool = False,
        graph_tokens: int = 0,
        crew: Crew | None = None,
    ) -> None:
        self._network = network
        self._optimizer = optimizer
        self._crew = crew or Crew()
        if is_compiled:
            # One compilation a shape; the default gives up after eight.
            torch._dynamo.config.recompile_limit = 64
        self._hidden_of = torch.compile(network, dynamic=False) if is_compiled else network
        self._graph_tokens = graph_tokens
        self._graphs: dict[tuple[int, int, int], _Graph] = {}
        self._pool: Any = None
        self._lr = torch.zeros((), device=network.embedding.device)

    def step(self, batch: Batch, room: int, lr: float) -> Tensor:
        """Learns from `batch`.

        Args:
            batch: on the network's device, this process's share of it.
            room: at least the number of its targets; shapes depend on it, so let it be one of few numbers.
            lr: learning rate.

        Returns:
            [4] float32 on the device: sum of weight times loss, sum of weights, right answers' tokens, answers' tokens.
        """
        self._lr.fill_(lr)
        if batch.ids.is_cuda and batch.ids.numel() <= self._graph_tokens:
            key = (*batch.ids.shape, room)
            if key not in self._graphs:
                self._graphs[key] = self._captured(batch, room)
            return self._graphs[key].replay(batch)
        return self._learn(batch, room)

    def _learn(self, batch: Batch, room: int) -> Tensor:
        figures = self._backward(batch, room)
        # The mean is one over the targets of all processes, each of which knows its own.
        scale = 1 / self._crew.total(figures[1].clone()).clamp(min=1e-6)
        for gradient in self._optimizer.gradients():
            self._crew.total(gradient.mul_(scale))
        self._optimizer.step(self._lr)
        return figures

    def _backward(self, batch: Batch, room: int) -> Tensor:
        """Leaves the gradients of the sum of weight times loss."""
        self._optimizer.zero_grad()
        targets = find_targets(batch, room)
        hidden = self._hidden_of(batch.ids).flatten(0, 1)
        loss_sum, figures = loss_of(self._network, hidden, targets)
        loss_sum.backward()
        return figures

    def _captured(self, batch: Batch, room: int) -> "_Graph":
        still = Batch(batch.ids.clone(), batch.weights.clone())
        # Gradients, compiled kernels and workspaces must exist before a capture; weights do not change by this.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self._backward(still, room)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # NCCL's watchdog looks at events meanwhile, from a thread of its own.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            figures = self._learn(still, room)
        self._pool = graph.pool()
        return _Graph(graph, still, figures)


@dataclass(frozen=True, slots=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    batch: Batch
    figures: Tensor

    def replay(self, batch: Batch) -> Tensor:
        self.batch.ids.copy_(batch.ids)
        self.batch.weights.copy_(batch.weights)
        self.graph.replay()
        return self.figures.clone()


def loss_of(network: Network, hidden: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Sum of weight times cross-entropy in nats, and the figures that `Stepper.step` returns.

    Args:
        network: its head is used.
        hidden: [tokens, hidden].
        targets: where to apply the head, and what should come out.
    """
    logits = network.logits(hidden.index_select(0, targets.places)).float()
    losses = functional.cross_entropy(logits, targets.ids, reduction="none")
    loss_sum, weight_sum = (losses * targets.weights).sum(), targets.weights.sum()
    with torch.no_grad():
        is_answer = targets.weights >= FULL_WEIGHT
        is_right = (logits.argmax(1) == targets.ids) & is_answer
        figures = torch.stack([loss_sum, weight_sum, is_right.sum().float(), is_answer.sum().float()])
    return loss_sum, figures.detach()


def room_for(batch_tokens: int, expected_targets: int) -> int:
    """The smallest of three sizes, a sixteenth, a quarter and all of the batch, that holds `expected_targets`."""
    for parts in (16, 4):
        if expected_targets <= batch_tokens // parts:
            return batch_tokens // parts
    return batch_tokens
