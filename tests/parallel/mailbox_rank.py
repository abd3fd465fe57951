"""One rank of a team whose memory is files, for exchanging by mailboxes under Triton's interpreter.

    python -m tests.parallel.mailbox_rank RANK SIZE FOLDER

Sums and joins tensors that follow from a seed, and checks them against what all ranks together must get.
"""

import os
import sys
from pathlib import Path

os.environ["TRITON_INTERPRET"] = "1"

import torch

from server.parallel.mailboxes import CAPACITY, Mailboxes


def main(rank: int, size: int, folder: Path) -> None:
    shape = (2, size, CAPACITY)
    inboxes = [
        torch.from_file(str(folder / f"inbox{peer}"), shared=True, size=2 * size * CAPACITY, dtype=torch.int64)
        for peer in range(size)
    ]
    addresses = torch.tensor([inbox.data_ptr() for inbox in inboxes])
    mailboxes = Mailboxes(rank, addresses, inboxes[rank].view(shape))
    generator = torch.Generator().manual_seed(size)
    # Launches of different sizes in turn, so that programs have done different numbers of exchanges.
    for step, (num_rows, width) in enumerate([(1, 64), (3, 700), (1, 64), (1, 2), (2, 1026), (3, 700), (1, 512)]):
        for dtype in (torch.float32, torch.float16):
            parts = torch.randn(size, num_rows, width, generator=generator).to(dtype)
            own = parts[rank].clone()
            assert mailboxes.takes(own)
            joined = mailboxes.join_columns(own)
            assert torch.equal(joined, torch.cat(list(parts), 1)), (step, "joined")
            total = torch.zeros(num_rows, width)
            for part in parts:
                total += part.float()
            assert torch.equal(mailboxes.sum(own), total.to(dtype)), (step, "sum")
    print("alike")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
