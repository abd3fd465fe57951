"""A team of processes that reach each other through torch.distributed: NCCL between GPUs, gloo on CPU."""

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import Store

from server.errors import ConfigError, RhumbError
from server.parallel.mailboxes import Mailboxes, open_mailboxes

TIMEOUT = timedelta(seconds=120)
"""Longest that a rank waits for another one in one operation; kernels may be compiled meanwhile."""

_CLOSE_S = 5.0


class RankLostError(RhumbError):
    """Another rank of the team ended or does not answer."""


class Ranks:
    """Implements `Team`.

    Args:
        store: opens the store over which the ranks find each other.
        meet: waits until every rank has its model; raises if one has not.
        explain: why a rank was lost, as far as this one knows.
        is_invariant: always add up in the order of ranks. NCCL's order depends on a number's place in the tensor, which
            makes no difference to the sum of two.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        store: Callable[[], Store],
        meet: Callable[[], None],
        explain: Callable[[], str | None],
        is_invariant: bool = False,
    ) -> None:
        self.rank = rank
        self.size = size
        self._store = store
        self._meet = meet
        self._explain = explain
        self._is_invariant = is_invariant and size > 2
        self._device = torch.device("cpu")
        self._mailboxes: Mailboxes | None = None

    def connect(self, device: torch.device) -> None:
        self._meet()
        self._device = device
        is_gpu = device.type == "cuda"
        if not is_gpu:
            torch.set_num_threads(max(1, torch.get_num_threads() // self.size))
        # All ranks are on this host: no other interface has to be found, and none may listen.
        for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"):
            os.environ.setdefault(name, "lo")
        with self._watched():
            dist.init_process_group(
                "nccl" if is_gpu else "gloo",
                store=self._store(),
                rank=self.rank,
                world_size=self.size,
                timeout=TIMEOUT,
                device_id=device if is_gpu else None,
            )

            if is_gpu:
                self._mailboxes = open_mailboxes(self.rank, self.size, device)
        if self._is_invariant and self._mailboxes is None:
            raise ConfigError("batch_invariant needs GPUs that reach each other's memory, or at most two of them")

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        if self._mailboxes is not None and self._mailboxes.takes(x):
            return self._mailboxes.sum(x)
        if self._mailboxes is not None and self._is_invariant:
            for piece in x.view(-1).split(self._mailboxes.max_elements(x.dtype)):
                self._mailboxes.sum(piece)
            return x
        with self._watched():
            dist.all_reduce(x)
        return x

    def join_columns(self, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous()
        if self._mailboxes is not None and self._mailboxes.takes(x):
            return self._mailboxes.join_columns(x)
        num_rows, width = x.shape
        joined = x.new_empty((self.size * num_rows, width))
        with self._watched():
            dist.all_gather_into_tensor(joined, x)
        return joined.view(self.size, num_rows, width).transpose(0, 1).reshape(num_rows, self.size * width)

    def receive(self, x: torch.Tensor) -> None:
        with self._watched():
            dist.broadcast(x, 0)

    def smallest(self, number: int) -> int:
        numbers = torch.tensor([number], device=self._device)
        with self._watched():
            dist.all_reduce(numbers, dist.ReduceOp.MIN)
        return int(numbers.item())

    def close(self, is_whole: bool = True) -> None:
        """Cut the ways.

        Args:
            is_whole: whether no rank is missing.
        """
        self._mailboxes = None
        if not dist.is_initialized():
            return
        if self._device.type == "cpu":
            dist.destroy_process_group()
        elif is_whole:
            # Work on a GPU that waits for a missing rank never ends, and NCCL would wait for it, now or at exit.
            gc.collect()
            ending = threading.Thread(target=dist.destroy_process_group, name="end-nccl", daemon=True)
            ending.start()
            ending.join(_CLOSE_S)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = self._explain() or str(error).strip().partition("\n")[0]
            raise RankLostError(f"tensor parallelism broke down: {reason}") from error
