"""Ranks whose memory is files, for exchanging by mailboxes under Triton's interpreter.

    python -m tests.parallel.mailbox_ranks SIZE FOLDER

Each rank sums and joins tensors that follow from a seed, and checks them against what all together must get.
"""

import multiprocessing
import os
import sys
from pathlib import Path

os.environ["TRITON_INTERPRET"] = "1"

import torch

from server.parallel.mailboxes import CAPACITY, Mailboxes

TENSORS = [
    (1, 64, torch.float32),
    (3, 700, torch.float16),
    (1, 2, torch.float16),
    (2, 1026, torch.float32),
    (3, 700, torch.float16),
]
"""Launches of different sizes in turn, so that programs have done different numbers of exchanges."""


def run_rank(rank: int, size: int, folder: Path) -> None:
    inboxes = [
        torch.from_file(str(folder / f"inbox{peer}"), shared=True, size=2 * size * CAPACITY, dtype=torch.int64)
        for peer in range(size)
    ]
    addresses = torch.tensor([inbox.data_ptr() for inbox in inboxes])
    mailboxes = Mailboxes(rank, addresses, inboxes[rank].view(2, size, CAPACITY))
    generator = torch.Generator().manual_seed(size)
    for num_rows, width, dtype in TENSORS:
        parts = torch.randn(size, num_rows, width, generator=generator).to(dtype)
        own = parts[rank].clone()
        assert mailboxes.takes(own)
        assert torch.equal(mailboxes.join_columns(own), torch.cat(list(parts), 1))
        total = torch.zeros(num_rows, width)
        for part in parts:
            total += part.float()
        assert torch.equal(mailboxes.sum(own), total.to(dtype))


def main(size: int, folder: Path) -> int:
    # Forked, so that torch and Triton are imported once.
    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=run_rank, args=(rank, size, folder)) for rank in range(size)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(150)
        rank.kill()
    return sum(rank.exitcode != 0 for rank in ranks)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
