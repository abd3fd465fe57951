"""Several processes, one a GPU, that train one network: each computes its share of a step's rows.

Every process draws the same batch and holds the same weights; gradients are added up before the optimizer, which then
does the same everywhere. So the course of a run does not depend on how many take part, up to the order of sums, and a
checkpoint of one number of GPUs is gone on from with another.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch._C._distributed_c10d import FileStore
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from server.assets.training.batch import Batch
from server.errors import RhumbError

TIMEOUT = timedelta(minutes=5)
"""Longest that one process waits for another; kernels may be compiled meanwhile."""


class Crew:
    """The processes of a run, as one of them sees them; alone by default.

    Args:
        rank: number of this process.
        size: how many there are.
        device: what this one computes on.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: torch.device | None = None) -> None:
        self.rank = rank
        self.size = size
        self._device = device or torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """The rows of a batch that this process computes."""
        if self.size == 1:
            return batch
        rows = slice(self.rank, None, self.size)
        return Batch(batch.ids[rows].contiguous(), batch.weights[rows].contiguous())

    def largest_share(self, per_row: NDArray[np.int64]) -> int:
        """The most that the rows of one process add up to."""
        return max(int(per_row[rank :: self.size].sum()) for rank in range(self.size))

    def total(self, value: Tensor) -> Tensor:
        """`value`, added up over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def agreed(self, value: float) -> float:
        """The first process's `value`: what follows from a clock must be the same everywhere."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=self._device)
        dist.broadcast(told, 0)
        return float(told)


def work_together(work: Callable[[Crew, Any], None], argument: Any, size: int, backend: str) -> None:
    """Calls `work(crew, argument)` in `size` processes and waits until all have returned.

    Args:
        work: a function of a module, which the processes import. The first `RhumbError` that it raises ends them all.
        argument: can be pickled.
        size: number of processes.
        backend: "nccl" for GPUs, "gloo" for CPUs.

    Raises:
        RhumbError: a process ended without saying why, or with this error.
    """
    with tempfile.TemporaryDirectory(prefix="rhumb-crew-") as folder:
        told = Path(folder) / "error"
        # That the others are ended with the first is no news.
        logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
        try:
            spawn(_take_part, (work, argument, size, backend, folder), nprocs=size)
        except ProcessExitedException as error:
            reason = told.read_text() if told.exists() else f"a training process ended with exit code {error.exit_code}"
            raise RhumbError(reason) from None


def _take_part(
    rank: int, work: Callable[[Crew, Any], None], argument: Any, size: int, backend: str, folder: str
) -> None:
    # All are on this host: no other interface has to be found, and none may listen.
    for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"):
        os.environ.setdefault(name, "lo")
    device = torch.device("cuda", rank) if backend == "nccl" else None
    if device is not None:
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // size))
    store = FileStore(str(Path(folder) / "store"), size)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT, device_id=device)
    try:
        work(Crew(rank, size, device), argument)
    except RhumbError as error:
        (Path(folder) / "error").write_text(str(error))
        # At once: the others may wait for this process in an exchange, and are ended by their parent.
        os._exit(1)
    dist.destroy_process_group()
