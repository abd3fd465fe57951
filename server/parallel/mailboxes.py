"""Mailboxes: peer memory of the GPUs of one host, for exchanges that are too small for NCCL to be quick at."""

import logging
from typing import Any

import torch
import torch.distributed as dist

BLOCK = 512
"""Words that one program of a kernel exchanges."""
CAPACITY = 1 << 17
"""Words of the largest exchange; a word is 4 bytes."""

logger = logging.getLogger(__name__)


class Mailboxes:
    """Sums and joins tensors of at most `CAPACITY` words; all ranks must do the same in the same order.

    Args:
        inboxes: int64 [size], addresses of all ranks' inboxes as seen from this one, on its device.
        inbox: this rank's, int64 [2, size, CAPACITY], zeros at first.
    """

    def __init__(self, rank: int, inboxes: torch.Tensor, inbox: torch.Tensor) -> None:
        # Imported here because Triton is not everywhere.
        from server.models.triton_layers import can_overlap, launch_options
        from server.parallel import mailbox_kernels

        self._kernels: Any = mailbox_kernels
        self._overlaps = can_overlap(inboxes.device)
        self._options = launch_options(self._overlaps)
        self._rank = rank
        self._size = inboxes.shape[0]
        self._inboxes = inboxes
        # Kept alive as long as others may write to it.
        self._inbox = inbox
        self._exchanges = torch.zeros(CAPACITY // BLOCK, dtype=torch.int32, device=inboxes.device)

    def takes(self, x: torch.Tensor) -> bool:
        """Whether `x` is contiguous, small enough, and made of whole words."""
        return 0 < x.nbytes <= 4 * CAPACITY and x.shape[-1] * x.itemsize % 4 == 0 and x.is_contiguous()

    def max_elements(self, dtype: torch.dtype) -> int:
        """How many numbers fit."""
        return 4 * CAPACITY // dtype.itemsize

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """Add up all ranks' `x` in place."""
        words = x.view(torch.int32)
        num_words = words.numel()
        self._kernels.sum_kernel[(-(-num_words // BLOCK),)](
            words,
            self._inboxes,
            self._exchanges,
            num_words,
            RANK=self._rank,
            SIZE=self._size,
            CAPACITY=CAPACITY,
            DTYPE=self._kernels.TRITON_DTYPES[x.dtype],
            IS_HALF=x.itemsize == 2,
            BLOCK=BLOCK,
            OVERLAPS=self._overlaps,
            **self._options,
        )
        return x

    def join_columns(self, x: torch.Tensor) -> torch.Tensor:
        """[n, width] of every rank -> [n, size * width]."""
        joined = x.new_empty((x.shape[0], self._size * x.shape[1]))
        words = x.view(torch.int32)
        num_words = words.numel()
        self._kernels.join_kernel[(-(-num_words // BLOCK),)](
            words,
            joined.view(torch.int32),
            self._inboxes,
            self._exchanges,
            num_words,
            words.shape[1],
            RANK=self._rank,
            SIZE=self._size,
            CAPACITY=CAPACITY,
            BLOCK=BLOCK,
            OVERLAPS=self._overlaps,
            **self._options,
        )
        return joined


def open_mailboxes(rank: int, size: int, device: torch.device) -> Mailboxes | None:
    """Give every GPU of the default process group an inbox that the others write to.

    Returns:
        None where the GPUs cannot reach each other's memory, or the libraries for it are missing.
    """
    mailboxes = None
    try:
        import torch.distributed._symmetric_memory as symmetric_memory

        shape = (2, size, CAPACITY)
        inbox = symmetric_memory.empty(shape, dtype=torch.int64, device=device).zero_()
        group = dist.group.WORLD
        assert group is not None
        handle = symmetric_memory.rendezvous(inbox, group)
        addresses = [handle.get_buffer(peer, shape, torch.int64).data_ptr() for peer in range(size)]
        mailboxes = Mailboxes(rank, torch.tensor(addresses, device=device), inbox)
    except (ImportError, RuntimeError) as error:
        logger.warning("small sums go through NCCL: %s", str(error).partition("\n")[0])
    # One that cannot makes all do without; and no letter may arrive before the inbox is empty.
    can = torch.tensor([mailboxes is not None], dtype=torch.int32, device=device)
    dist.all_reduce(can, dist.ReduceOp.MIN)
    return mailboxes if can.item() else None
