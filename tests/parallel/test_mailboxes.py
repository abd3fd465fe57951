"""Ranks that exchange by mailboxes get the same sums, to the bit, and each other's columns."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from server.parallel.mailboxes import CAPACITY, Mailboxes

ROOT = Path(__file__).parents[2]


def test_three_interpreted_ranks_sum_and_join(tmp_path: Path):
    command = [sys.executable, "-m", "tests.parallel.mailbox_ranks", "3", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=200)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("shape", "dtype", "is_taken"),
    [
        ((2, 6), torch.bfloat16, True),
        ((2, 3), torch.bfloat16, False),
        ((2, 3), torch.float32, True),
        ((0, 6), torch.float32, False),
        ((1, CAPACITY), torch.float32, True),
        ((1, CAPACITY + 2), torch.float32, False),
        ((1, 2 * CAPACITY), torch.float16, True),
    ],
)
def test_only_whole_words_that_fit_are_taken(shape, dtype, is_taken):
    mailboxes = Mailboxes(0, torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    assert mailboxes.takes(torch.zeros(shape, dtype=dtype)) == is_taken
    assert not mailboxes.takes(torch.zeros(6, 4, dtype=dtype).t())
